"""Model folders: what comes back, and every way of spoiling one."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from metricvae.core.errors import InputError
from metricvae.nn.autoencoder import build
from metricvae.runtime.files import sha256_of
from metricvae.training import checkpoint as checkpoints
from metricvae.training.checkpoint import RESUME, WEIGHTS, annotate, begin_model, finish_model, load_model, read_tensors
from metricvae.training.model_document import CONFIG, write_document
from model_problem import model_config


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return finished(tmp_path / "m")


def finished(folder: Path, stored_as: checkpoints.StoredAs = "float32") -> Path:
    begin_model(folder, model_config(), {"steps": 1}, {"pairs": 2})
    finish_model(folder, build(model_config(), seed=3).state_dict(), stored_as, {"steps": 1})
    return folder


def test_weights_come_back(folder: Path) -> None:
    loaded, expected = load_model(folder), build(model_config(), seed=3).state_dict()
    assert loaded.config == model_config()
    assert loaded.facts == {"steps": 1}
    assert not loaded.model.training
    assert all(torch.equal(tensor, expected[name]) for name, tensor in loaded.model.state_dict().items())


@pytest.mark.parametrize("stored_as", ["float16", "bfloat16"])
def test_half_the_bytes_come_back_as_float32(tmp_path: Path, stored_as: checkpoints.StoredAs) -> None:
    whole, half = finished(tmp_path / "whole"), finished(tmp_path / "half", stored_as)
    assert (half / WEIGHTS).stat().st_size < 0.6 * (whole / WEIGHTS).stat().st_size
    expected = build(model_config(), seed=3).state_dict()
    for name, tensor in load_model(half).model.state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.allclose(tensor, expected[name], rtol=1e-2, atol=1e-4)


def test_annotations_are_added(folder: Path) -> None:
    annotate(folder, calibration={"half_width": 12.5})
    annotate(folder, facts={"test_r2": 0.99})
    loaded = load_model(str(folder))
    assert loaded.calibration == {"half_width": 12.5}
    assert loaded.facts == {"steps": 1, "test_r2": 0.99}


def test_a_bare_name_is_a_model_that_ships(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finished(tmp_path / "small")
    monkeypatch.setattr(checkpoints, "SHIPPED", tmp_path)
    assert load_model("small").folder == tmp_path / "small"
    with pytest.raises(InputError, match=r"large is not a model: .* that ships \(small\)"):
        load_model("large")


def edit(change: Callable[[dict[str, object]], object]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        document = json.loads((folder / CONFIG).read_text())
        change(document)
        write_document(folder, document)

    return spoil


def truncate(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-100])


def swap_byte(folder: Path) -> None:
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[-50] ^= 1
    (folder / WEIGHTS).write_bytes(content)


def replace_weights(folder: Path, content: dict[str, torch.Tensor], *, accept: bool) -> None:
    """Foreign weights; with `accept`, by someone who made the checksum and the metadata agree."""
    metadata = read_tensors(folder / WEIGHTS).numbers
    save_file(content, folder / WEIGHTS, {key: json.dumps(value) for key, value in metadata.items()})
    if accept:
        edit(lambda document: document["weights"].update(sha256=sha256_of(folder / WEIGHTS)))(folder)  # type: ignore[attr-defined]


def foreign(folder: Path) -> None:
    replace_weights(folder, {"bert.weight": torch.zeros(3)}, accept=False)


def foreign_names(folder: Path) -> None:
    replace_weights(folder, {"bert.weight": torch.zeros(3)}, accept=True)


def foreign_shape(folder: Path) -> None:
    weights = build(model_config()).state_dict()
    replace_weights(folder, weights | {"decoder.layers.0.bias": torch.zeros(3)}, accept=True)


def not_safetensors(folder: Path) -> None:
    (folder / WEIGHTS).write_text("hello")
    edit(lambda document: document["weights"].update(sha256=sha256_of(folder / WEIGHTS)))(folder)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (truncate, f"{WEIGHTS} was changed after it was written"),
        (swap_byte, f"{WEIGHTS} was changed after it was written"),
        (foreign, f"{WEIGHTS} was changed after it was written"),
        (foreign_names, f"{WEIGHTS} holds the weights of another model"),
        (foreign_shape, f"{WEIGHTS} holds the weights of another model .*decoder.layers.0.bias"),
        (not_safetensors, f"{WEIGHTS} is not a whole safetensors file"),
        (lambda folder: (folder / WEIGHTS).unlink(), f"{WEIGHTS} is missing"),
        (lambda folder: (folder / CONFIG).unlink(), "is not a model"),
        (lambda folder: (folder / CONFIG).write_text("{"), f"{CONFIG} is not a readable JSON file"),
        (lambda folder: (folder / CONFIG).write_text("[]"), f"{CONFIG} is not the configuration of a model"),
        (edit(lambda document: document.update(status="unfinished")), "is unfinished: run `metricvae train` again"),
        (edit(lambda document: document["model"].update(latent=9)), f"{CONFIG} was changed"),  # type: ignore[attr-defined]
        (edit(lambda document: document.pop("weights")), f"{CONFIG} lacks weights"),
        (edit(lambda document: document.pop("model")), f"{CONFIG} lacks model"),
    ],
)
def test_a_spoilt_folder_is_one_line_that_names_the_file(
    folder: Path, spoil: Callable[[Path], None], message: str
) -> None:
    spoil(folder)
    with pytest.raises(InputError, match=message) as caught:
        load_model(folder)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, _: bytes) -> int:
        path.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    begin_model(tmp_path, model_config(), {}, {})
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match=r"model\.safetensors: the disk is full"):
        finish_model(tmp_path, build(model_config()).state_dict(), "float32", {})
    assert [path.name for path in tmp_path.iterdir()] == [CONFIG]


def test_weights_have_no_temporary_file_but_the_one_that_is_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`save_file` of safetensors makes one of its own, which stays where the process is killed."""
    seen: list[list[str]] = []
    replace = os.replace

    def noted(*names: Path) -> None:
        seen.append(sorted(path.name for path in tmp_path.iterdir()))
        replace(*names)

    monkeypatch.setattr(os, "replace", noted)
    checkpoints.write_tensors(tmp_path / WEIGHTS, {"a": torch.zeros(3)}, {"step": 1})
    assert seen == [[f".{WEIGHTS}.0.tmp"]]
    assert read_tensors(tmp_path / WEIGHTS).numbers == {"step": 1}


def test_weights_that_cannot_be_opened_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise RuntimeError("unable to open file <model.safetensors> in read-only mode: Permission denied (13)")

    checkpoints.write_tensors(tmp_path / WEIGHTS, {"a": torch.zeros(3)}, {})
    monkeypatch.setattr(checkpoints, "safe_open", refused)
    with pytest.raises(InputError, match="Permission denied"):
        read_tensors(tmp_path / WEIGHTS)


def test_progress_that_could_not_be_removed_goes_with_the_next_run(tmp_path: Path) -> None:
    begin_model(tmp_path, model_config(), {}, {})
    (tmp_path / RESUME).touch()
    finish_model(tmp_path, build(model_config()).state_dict(), "float32", {})
    (tmp_path / RESUME).touch()
    begin_model(tmp_path, model_config(), {}, {})
    assert not (tmp_path / RESUME).exists()


def test_what_a_killed_process_left_is_swept(tmp_path: Path) -> None:
    for name in (f".{CONFIG}.a1b2.tmp", f".{WEIGHTS}.c3d4.tmp"):
        (tmp_path / name).write_text("half")
    begin_model(tmp_path, model_config(), {}, {})
    assert [path.name for path in tmp_path.iterdir()] == [CONFIG]
