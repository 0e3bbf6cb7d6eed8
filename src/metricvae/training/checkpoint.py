"""A model is a folder: `config.json`, `model.safetensors`, `log.jsonl`, `README.md`. No pickle anywhere.

While a model is being trained its `config.json` says `unfinished` and everything training needs to go on (weights,
averaged weights, best weights, the optimisers' memory, the step) is in the one file `resume.safetensors`, replaced
atomically and removed at the end. So at any moment the folder holds one consistent state.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from metricvae import __version__
from metricvae.core.errors import InputError, did_you_mean
from metricvae.core.metric import Metric, metric_from_json
from metricvae.nn.autoencoder import MagicAutoencoder, ModelConfig, build
from metricvae.nn.budget import build_within, bytes_of
from metricvae.runtime.files import (
    check_sha256,
    require_free_folder,
    sha256_of,
    sweep,
    write_bytes,
)
from metricvae.runtime.reading import check_regular, parse_json
from metricvae.training.logs import LOG
from metricvae.training.model_document import (
    CONFIG,
    check_files,
    digest_of,
    digests_of,
    read_model_document,
    write_document,
)

WEIGHTS = "model.safetensors"
RESUME = "resume.safetensors"
METRIC = "metric"
"""Entry of `config.json` that names the metric of a model which its metric reads itself."""

SHIPPED = Path(__file__).resolve().parent.parent / "pretrained"
"""The models that ship with the package: read, never written."""

StoredAs = Literal["float32", "float16", "bfloat16"]


@dataclass(frozen=True)
class LoadedModel:
    """A finished model.

    Attributes:
        model: in evaluation mode, float32, on the CPU.
        config: what it was built from.
        calibration: what intervals and thresholds need; empty until it was calibrated.
        facts: how it was trained: pairs, steps, validation R^2, seconds, versions ...
        sha256: of the weights on disk.
        folder: where it was read from.
    """

    model: MagicAutoencoder
    config: ModelConfig
    calibration: dict[str, Any]
    facts: dict[str, Any]
    sha256: str
    folder: Path


@dataclass(frozen=True)
class Checkpoint:
    """What training goes on from: named tensors and the numbers beside them."""

    tensors: dict[str, Tensor]
    numbers: dict[str, Any]

    def under(self, prefix: str) -> dict[str, Tensor]:
        """The tensors named `prefix/...`, without the prefix."""
        start = f"{prefix}/"
        return {name.removeprefix(start): tensor for name, tensor in self.tensors.items() if name.startswith(start)}


def begin_model(
    folder: Path,
    model: ModelConfig,
    training: Mapping[str, Any],
    data: Mapping[str, Any],
    start: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Claim `folder` for a model, or find the one that was begun there; returns its `config.json`.

    Args:
        start: what tells the weights that training starts from; None for random ones.

    Raises:
        InputError: the folder is a shipped model's, holds something else, or a model begun with another configuration,
            other data or another start.
    """
    folder = Path(folder)
    refuse_shipped(folder)
    sweep(folder, (CONFIG, WEIGHTS, RESUME, LOG))
    require_free_folder(folder, CONFIG, "model")
    begun = {"model": model.to_json(), "training": dict(training), "data": dict(data), "start": dict(start or {})}
    begun = json.loads(json.dumps(begun))  # a tuple comes back from the file as a list
    if not (folder / CONFIG).exists():
        write_document(folder, {"metricvae": __version__, "status": "unfinished", **begun})
    document = read_model_document(folder)
    for part, wanted in begun.items():
        if document.get(part, {}) != wanted:  # models begun before there were starts name none
            difference = _difference(document.get(part, {}), wanted)
            raise InputError(
                f"{folder} holds a model begun with other {part} settings ({difference}): "
                "give the same again or choose another folder"
            )
    if document["status"] == "finished":  # where it could not be removed when the model was
        (folder / RESUME).unlink(missing_ok=True)
    return document


def finish_model(folder: Path, weights: Mapping[str, Tensor], stored_as: StoredAs, facts: Mapping[str, Any]) -> None:
    """Write the final weights and mark the model finished; the file to resume from goes."""
    folder = Path(folder)
    refuse_shipped(folder)
    document = read_model_document(folder)
    write_tensors(folder / WEIGHTS, rounded(weights, stored_as), {"model": digest_of(document["model"])})
    parameters = sum(tensor.numel() for tensor in weights.values())
    document |= {
        "status": "finished",
        "weights": {"sha256": sha256_of(folder / WEIGHTS), "stored_as": stored_as, "numbers": parameters},
        "facts": dict(facts),
        "calibration": {},
    }
    write_document(folder, document)
    (folder / RESUME).unlink(missing_ok=True)


def annotate(
    folder: Path, *, calibration: Mapping[str, Any] | None = None, facts: Mapping[str, Any] | None = None
) -> None:
    """Add to what a finished model's `config.json` says of its calibration and of how it was trained.

    Raises:
        InputError: no finished model, or one that ships with the package.
    """
    refuse_shipped(folder)
    document = _finished_config(Path(folder))
    document["calibration"] |= calibration or {}
    document["facts"] |= facts or {}
    write_document(Path(folder), document)


def refuse_shipped(folder_or_name: str | Path) -> None:
    """Refuse to write into a model that ships with the package.

    Raises:
        InputError: the folder lies in the package, or its name is a shipped model's, which is what is loaded by it.
    """
    folder = Path(folder_or_name)
    if str(folder_or_name) in shipped_models():
        folder = SHIPPED / str(folder_or_name)
    if folder.resolve().is_relative_to(SHIPPED.resolve()):
        raise InputError(
            f"{folder_or_name} is a model that ships with metricvae and is never changed: "
            f"copy it first (cp -r {shlex.quote(str(folder))} MODEL) and give the copy, or choose another folder"
        )


def load_model(folder_or_name: str | Path) -> LoadedModel:
    """Read a finished model: a folder, or the bare name of one that ships with the package.

    Raises:
        InputError: no such model, an unfinished one, or weights that are missing, changed or another model's.
    """
    folder = _resolve(folder_or_name)
    document = _finished_config(folder)
    check_files(folder, document)
    path = folder / WEIGHTS
    sha256 = document["weights"]["sha256"]
    check_sha256(path, sha256)
    checkpoint = read_tensors(path)
    if checkpoint.numbers.get("model") != digest_of(document["model"]):
        raise InputError(f"{folder / CONFIG} was changed after {WEIGHTS} was written: restore it or train again")
    config = ModelConfig.from_json(document["model"], document["facts"].get("task"))
    tensors = _renamed(checkpoint.tensors, document["model"])
    model = build_within(lambda: build(config), bytes_of(tensors), str(folder / CONFIG))
    load_weights(model, tensors, path)
    return LoadedModel(model.eval(), config, document["calibration"], document["facts"], sha256, folder)


def model_config_of(folder_or_name: str | Path) -> ModelConfig:
    """What a finished model is built from, without its weights.

    Raises:
        InputError: no such model, or one that is unfinished, damaged, or has no codes of objects.
    """
    folder = _resolve(folder_or_name)
    document = _finished_config(folder)
    check_files(folder, document)
    return ModelConfig.from_json(document["model"], document["facts"].get("task"))


def check_same_networks(start: LoadedModel, model: MagicAutoencoder) -> None:
    """Refuse to start from a model whose weights do not fit the networks of another.

    One tower may serve both sides of either.

    Raises:
        InputError: they have other names or shapes.
    """
    for side in model.towers:
        expected, found = (_shapes(one.tower(side)) for one in (model, start.model))
        if found != expected:
            raise InputError(
                f"the model in {start.folder} has other networks than the one to train "
                f"({_difference(found, expected)}): start from one of the same ones"
            )


def _shapes(module: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}


def metric_of_model(folder_or_name: str | Path) -> tuple[Metric, Path]:
    """The metric of a model, finished or not, and its folder.

    Raises:
        InputError: no such model, or a metric that is not there.
    """
    folder = _resolve(folder_or_name)
    document = read_model_document(folder)
    check_files(folder, document)
    if METRIC in document:
        return metric_from_json(document[METRIC]), folder
    return ModelConfig.from_json(document["model"], document.get("facts", {}).get("task")).metric, folder


def write_metric_model(folder: Path, metric: Metric, facts: Mapping[str, Any], files: tuple[str, ...]) -> None:
    """Mark a folder as a model that its metric reads itself; see `metricvae.core.own_prediction`.

    Where the folder holds a pair model already, it stays one.

    Args:
        folder: of the model.
        metric: that reads it.
        facts: what is to be said of it.
        files: names of those that the metric reads, whose checksums are kept.
    """
    there = (folder / CONFIG).exists()
    begun = read_model_document(folder) if there else {"metricvae": __version__, "status": "finished"}
    write_document(folder, begun | {METRIC: metric.to_json(), "own": dict(facts)} | digests_of(folder, files))


def _renamed(weights: Mapping[str, Tensor], config: Mapping[str, Any]) -> dict[str, Tensor]:
    """Weights by the names they have now; models of version 1 have one tower, and do not name it."""
    prefix = "" if "format" in config else "towers.left."
    return {f"{prefix}{name}": tensor for name, tensor in weights.items()}


def load_weights(model: torch.nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    """Put named tensors into a model, in the model's own precision.

    Raises:
        InputError: the names or shapes are those of another model.
    """
    expected = _shapes(model)
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    if found != expected:
        raise InputError(
            f"{path} holds the weights of another model ({_difference(found, expected)}): restore it or train again"
        )
    model.load_state_dict(weights)


def rounded(weights: Mapping[str, Tensor], stored_as: StoredAs) -> dict[str, Tensor]:
    """Weights in the precision they are stored in; whole numbers stay what they are."""
    dtype = getattr(torch, stored_as)
    return {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in weights.items()}


def write_tensors(path: Path, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
    """Write named tensors and JSON numbers beside them to a safetensors file, atomically."""
    content = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    # not by `save_file`, whose own temporary file beside the path would stay where the process is killed
    write_bytes(path, save(content, {key: json.dumps(value) for key, value in numbers.items()}))


def read_tensors(path: Path) -> Checkpoint:
    """The inverse of `write_tensors`.

    Raises:
        InputError: the file is missing, truncated, or not one that `write_tensors` wrote.
    """
    if not Path(path).exists():
        raise InputError(f"{path} is missing: restore it or train again")
    check_regular(path, "weights")
    try:
        with safe_open(path, "pt") as file:
            stored = (file.metadata() or {}).items()
            numbers = {key: parse_json(value, str(path)) for key, value in stored if key != "format"}
            return Checkpoint({name: file.get_tensor(name) for name in file.keys()}, numbers)  # noqa: SIM118
    except (SafetensorError, OSError, RuntimeError) as error:  # the last where PyTorch cannot open it
        raise InputError(
            f"{path} is not a whole safetensors file ({error}): restore it, or delete it and train again"
        ) from None


def _resolve(folder_or_name: str | Path) -> Path:
    folder = Path(folder_or_name)
    shipped = shipped_models()
    if str(folder_or_name) in shipped:
        return SHIPPED / str(folder_or_name)
    if not (folder / CONFIG).is_file():
        names = ", ".join(shipped) or "none in this installation"
        meant = did_you_mean(str(folder_or_name), shipped)
        raise InputError(
            f"{folder} is not a model{meant}: expected a folder with {CONFIG}, or a model that ships ({names})"
        )
    return folder


def shipped_models() -> dict[str, Path]:
    """The folders of the models that ship, by name."""
    return {path.parent.name: path.parent for path in sorted(SHIPPED.glob(f"*/{CONFIG}"))}


def _finished_config(folder: Path) -> dict[str, Any]:
    document = read_model_document(folder)
    if document["status"] == "unfinished":
        raise InputError(f"the model in {folder} is unfinished: run `metricvae train` again, it goes on by itself")
    if METRIC in document and "model" not in document:
        raise InputError(f"{folder} has no codes of objects: it answers `metricvae predict` alone")
    missing = [key for key in ("model", "weights", "facts", "calibration") if not isinstance(document.get(key), dict)]
    if missing or not isinstance(document["weights"].get("sha256"), str):
        raise InputError(f"{folder / CONFIG} lacks {', '.join(missing) or 'sha256'}: restore it or train again")
    return document


def _difference(found: Any, expected: Any) -> str:
    """The first entry in which two mappings differ, in words."""
    if not isinstance(found, Mapping):
        return f"found {found!r}"
    absent = "absent"
    key = next(key for key in (*expected, *found) if found.get(key, absent) != expected.get(key, absent))
    return f"{key} is {found.get(key, 'absent')}, expected {expected.get(key, 'absent')}"
