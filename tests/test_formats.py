"""Saved models of every format: those of version 0.1 answer as they did, and present ones come back bit for bit."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from metricvae.alignment.predictor import Aligner
from metricvae.core.dataset import ObjectTable, PairDataset
from metricvae.core.errors import InputError
from metricvae.core.kind import ObjectKind
from metricvae.generation.exemplars import exemplars_of
from metricvae.kinds.molecule.encoders.point_set import PointSetEncoderConfig
from metricvae.kinds.molecule.kind import MoleculeKind
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.silhouette.encoders.dense import DenseEncoderConfig
from metricvae.kinds.silhouette.kind import SilhouetteKind
from metricvae.metrics.tabular import TabularMetric
from metricvae.nn.autoencoder import ModelConfig, TowerConfig, build
from metricvae.nn.density import DensityDecoderConfig
from metricvae.nn.heads import HEADS
from metricvae.prediction.calibrate import calibrate
from metricvae.prediction.predictor import Predictor
from metricvae.prediction.records import Encoded
from metricvae.runtime.files import sha256_of
from metricvae.training.checkpoint import (
    WEIGHTS,
    begin_model,
    finish_model,
    load_model,
    read_tensors,
    write_tensors,
)
from metricvae.training.model_document import CONFIG, digest_of, write_document
from model_problem import model_config

DATA = Path(__file__).parent / "data" / "models-0.1"
EXPECTED: dict[str, dict[str, Any]] = json.loads((DATA / "expected.json").read_text())

every_old_model = pytest.mark.parametrize("name", sorted(EXPECTED))


def old_model(name: str, folder: Path) -> Path:
    """A model that version 0.1 wrote, its weights decompressed."""
    shutil.copytree(DATA / name, folder / name)
    packed = folder / name / f"{WEIGHTS}.gz"
    (folder / name / WEIGHTS).write_bytes(gzip.decompress(packed.read_bytes()))
    packed.unlink()
    return folder / name


def two_masks(small: bool) -> list[np.ndarray]:
    with np.load(DATA / "masks.npz") as stored:
        return list(stored["small"] if small else np.unpackbits(stored["canvas"], axis=1).reshape(2, 200, 200))


def two_molecules() -> list[Molecule]:
    types = {"elements": np.uint8, "positions": np.float64, "bonds": np.int32, "charges": np.int32}
    columns = {"bonds": 3, "charges": 2, "positions": 3}

    def array(name: str, value: Any) -> Any:
        if name not in types:
            return value
        found = np.array(value, types[name])
        return found.reshape(-1, columns[name]) if name in columns else found

    documents = json.loads((DATA / "molecules.json").read_text())
    return [Molecule(**{name: array(name, value) for name, value in one.items()}) for one in documents]


def shown_to(name: str) -> list[Any]:
    """The two objects that `expected.json` speaks of."""
    return two_molecules() if name in ("cloud", "graph") else two_masks(small=name.startswith("flat"))


def close(found: Any, expected: Any, what: str, least: float = 0.0) -> None:
    """Equal to 1e-5 of the expected numbers; `least` is that of what is rounding of zero."""
    np.testing.assert_allclose(np.asarray(found, np.float64), np.asarray(expected), 1e-5, least, err_msg=what)


# Version 0.1

LATER_HEADS = {"linear_cosine", "product_and_distance", "cosine_similarity", "logistic_product", "euclidean_distance"}


def test_models_of_version_0_1_are_of_every_encoder_and_head() -> None:
    documents = [json.loads((DATA / name / CONFIG).read_text())["model"] for name in EXPECTED]
    assert {document["encoder"] for document in documents} == {"flat", "polar", "contour", "cloud", "graph"}
    assert {document["head"]["name"] for document in documents} == set(HEADS) - LATER_HEADS
    for name in EXPECTED:
        assert sum(path.stat().st_size for path in (DATA / name).iterdir()) < 60_000


@every_old_model
def test_a_model_of_version_0_1_gives_the_codes_it_gave(name: str, tmp_path: Path) -> None:
    predictor, known = Predictor.load(old_model(name, tmp_path)), EXPECTED[name]
    encoded = predictor.encode(shown_to(name))
    close(encoded.codes, known["codes"], "codes", 1e-6)
    close(encoded.magnitudes, known["magnitudes"], "magnitudes")
    table = ObjectTable.from_objects(predictor.kind(), shown_to(name))
    means = predictor.means(table, np.arange(2))
    close(means, known["means"], "means", 1e-6)
    with torch.inference_mode():
        logits = predictor.tower().decode(means).flatten(1)
    close(logits[:, :: -(-logits.shape[1] // 48)], known["logits"], "logits", 1e-6)


@every_old_model
def test_a_model_of_version_0_1_gives_the_answers_it_gave(name: str, tmp_path: Path) -> None:
    predictor, known = Predictor.load(old_model(name, tmp_path)), EXPECTED[name]
    encoded = predictor.encode(shown_to(name))
    said = predictor.predict(encoded, encoded, np.array([0, 0, 1]), np.array([0, 1, 0]))
    limits = predictor.metric.limits(*predictor.magnitudes(encoded, encoded, np.array([0, 0, 1]), np.array([0, 1, 0])))
    for part in ("value", "low", "high", "novelty", *({"distance", "match"} & set(known))):
        # limits were those of the head, of which the signed one has none; now they are those of the metric
        bounded = name == "flat-signed" and part in ("low", "high")
        close(getattr(said, part), np.clip(known[part], *limits) if bounded else known[part], part, 1e-6)
    assert ("match" in known) == (said.match is not None)


@pytest.mark.parametrize("name", ["cloud", "contour", "graph"])
def test_novelty_and_latent_prior_of_version_0_1_are_read(name: str, tmp_path: Path) -> None:
    predictor = Predictor.load(old_model(name, tmp_path))
    assert set(predictor.detectors) == {"left"}
    assert predictor.latent_prior is not None
    drawn = predictor.latent_prior.draw(3, torch.Generator().manual_seed(0))
    assert drawn.shape == (3, predictor.loaded.config.latent)


def test_the_near_duplicate_correction_of_version_0_1_is_read(tmp_path: Path) -> None:
    predictor = Predictor.load(old_model("polar", tmp_path))
    assert predictor.near_duplicates is not None
    assert predictor.near_duplicates.width == 0.4


def test_exemplars_of_version_0_1_are_read(tmp_path: Path) -> None:
    predictor = Predictor.load(old_model("polar", tmp_path))
    found = exemplars_of(predictor)
    assert found is not None
    assert len(found) == predictor.loaded.calibration["bank"]["shapes"] == 12
    close(found.magnitudes[:2], EXPECTED["polar"]["magnitudes"], "magnitudes")
    close(found.tensor(np.arange(2))[:, 0], np.stack(two_masks(small=False)), "masks")
    step = predictor.loaded.calibration["bank"]["step"]
    assert np.abs(found.codes[:2].numpy() - np.array(EXPECTED["polar"]["codes"])).max() <= 0.501 * step


def test_the_aligner_of_version_0_1_proposes_what_it_proposed(tmp_path: Path) -> None:
    aligner = Aligner(Predictor.load(old_model("polar", tmp_path)))
    codes = aligner.encode(two_masks(small=False))
    made, known = aligner.propose(codes, np.array([0]), np.array([1]), 3), EXPECTED["polar"]["proposals"]
    close(made.poses, known["frames"], "poses", 1e-4)
    least = min(EXPECTED["polar"]["magnitudes"])
    close(made.expected, least * np.array(known["share"]), "expected")


@every_old_model
def test_a_model_of_version_0_1_is_the_same_when_it_is_saved_anew(name: str, tmp_path: Path) -> None:
    before = load_model(old_model(name, tmp_path))
    begin_model(tmp_path / "new", before.config, {}, {})
    finish_model(tmp_path / "new", before.model.state_dict(), "float16", before.facts)
    after = load_model(tmp_path / "new")
    assert after.config == before.config
    assert json.loads((tmp_path / "new" / CONFIG).read_text())["model"]["format"] == 2
    expected = before.model.state_dict()
    assert all(torch.equal(tensor, expected[part]) for part, tensor in after.model.state_dict().items())


# The present format

MINI = SilhouetteKind(16, 16)
PAIR = ModelConfig(
    TabularMetric("fit", unit="kJ/mol", left="silhouette", right="molecule"),
    TowerConfig(MINI, DenseEncoderConfig((6,), 16, 16)),
    TowerConfig(MoleculeKind(), PointSetEncoderConfig((8,)), DensityDecoderConfig((4, 4, 4, 4))),
    latent=4,
)
MODELS = {"one tower": model_config(), "two towers": PAIR}


def saved(folder: Path, config: ModelConfig, seed: int = 3) -> Path:
    begin_model(folder, config, {"steps": 1}, {"pairs": 2})
    finish_model(folder, build(config, seed).state_dict(), "float32", {"steps": 1})
    return folder


def objects_of(kind: ObjectKind) -> list[Any]:
    if isinstance(kind, SilhouetteKind):
        return [np.tri(kind.height, kind.width, offset, dtype=np.uint8) for offset in (0, 4)]
    return two_molecules()


@pytest.mark.parametrize("name", MODELS)
def test_a_model_comes_back_bit_for_bit(name: str, tmp_path: Path) -> None:
    config = MODELS[name]
    loaded, built = load_model(saved(tmp_path / "m", config)), build(config, 3).eval()
    assert loaded.config == config
    assert loaded.model.shared == (config.right is None)
    expected = built.state_dict()
    assert loaded.model.state_dict().keys() == expected.keys()
    assert all(torch.equal(tensor, expected[part]) for part, tensor in loaded.model.state_dict().items())
    for side, kind in zip(("left", "right"), config.kinds, strict=True):
        x = kind.collate(objects_of(kind))
        assert torch.equal(loaded.model.tower(side).code(x), built.tower(side).code(x))


def pairs_of_both() -> PairDataset:
    """120 pairs of two masks and two molecules with random values."""
    random = np.random.default_rng(0)
    left, right = (
        ObjectTable.from_objects(MINI, two_masks(True)),
        ObjectTable.from_objects(MoleculeKind(), two_molecules()),
    )
    first, second = random.integers(0, 2, (2, 120))
    split = np.repeat(["train", "calibration"], 60)
    return PairDataset.from_objects(PAIR.metric, left, first, second, random.normal(size=120), right=right, split=split)


def test_the_calibration_of_two_towers_comes_back_bit_for_bit(tmp_path: Path) -> None:
    folder, data = saved(tmp_path / "m", PAIR), pairs_of_both()
    calibrate(folder, data)
    first, again = (Predictor.load(shutil.copytree(folder, tmp_path / name)) for name in ("a", "b"))
    assert set(first.detectors) == {"left", "right"}
    rows = np.arange(len(data))
    for part in ("value", "low", "high", "novelty"):
        here, there = (getattr(one.predict_rows(data, rows), part) for one in (first, again))
        np.testing.assert_array_equal(here, there)
    bare = Predictor(replace(first.loaded, model=build(PAIR, 3).eval()))
    for side, table in (("left", data.left), ("right", data.right)):
        here, there = (one.encode_rows(table, np.arange(2), side) for one in (first, bare))
        assert all(torch.equal(getattr(here, part), getattr(there, part)) for part in Encoded.__dataclass_fields__)


# What cannot be read


def rewritten(folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """A model whose configuration says something else, by someone who made the checksums agree."""
    document = json.loads((folder / CONFIG).read_text())
    change(document["model"])
    tensors = read_tensors(folder / WEIGHTS).tensors
    write_tensors(folder / WEIGHTS, tensors, {"model": digest_of(document["model"])})
    document["weights"]["sha256"] = sha256_of(folder / WEIGHTS)
    write_document(folder, document)
    return folder


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda model: model.update(format=99), r"format 99, written by a later version .* up to 2\): install that"),
        (lambda model: model.update(format="two"), "cannot be read"),
        (lambda model: model["left"]["kind"].update(name="blob"), "there is no kind 'blob': expected one of"),
        (lambda model: model["left"]["kind"].update(depth=4), "the kind 'silhouette' cannot be read"),
        (lambda model: model["left"]["encoder"].update(name="round"), "no encoder of silhouettes 'round': expected"),
        (lambda model: model["right"]["decoder"].update(name="round"), "no decoder of molecules 'round': expected"),
        (lambda model: model["left"]["encoder"].update(colour=3), "got 'colour', expected the fields"),
        (lambda model: model["left"]["encoder"].update(widths=[0]), r"got widths \(0,\) for 'dense'"),
        (lambda model: model["head"].update(name="euclid"), "there is no metric head 'euclid': expected one of"),
        (lambda model: model["head"].update(gradient=3), "the metric head 'inner_product' cannot be read"),
        (lambda model: model["metric"].update(name="docking"), "there is no metric 'docking': expected one of"),
        (lambda model: model["metric"].update(colour=3), "the metric 'tabular' cannot be read"),
        (lambda model: model["right"].pop("encoder"), "cannot be read"),
        (lambda model: model.update(right="left"), "cannot be read"),
        (lambda model: model.pop("right"), "cannot be read"),
        (lambda model: model.update(right=None), "holds the weights of another model"),
        (lambda model: model.update(latent=5), "holds the weights of another model"),
        (lambda model: model.update(latent=0), "latent is 0: expected at least 1"),
        (lambda model: model.update(mirrored=True), "mirrored codes with the head inner_product"),
    ],
)
def test_a_configuration_that_cannot_be_read_is_one_line(
    change: Callable[[dict[str, Any]], object], message: str, tmp_path: Path
) -> None:
    folder = rewritten(saved(tmp_path / "m", PAIR), change)
    with pytest.raises(InputError, match=message) as caught:
        load_model(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("part", ["missing", "reshaped"])
def test_weights_of_a_damaged_right_tower_are_one_line(part: str, tmp_path: Path) -> None:
    folder = saved(tmp_path / "m", PAIR)
    tensors = dict(read_tensors(folder / WEIGHTS).tensors)
    name = next(name for name in tensors if name.startswith("towers.right.encoder"))
    tensors |= {name: torch.zeros(3, 7)}
    if part == "missing":
        del tensors[name]
    document = json.loads((folder / CONFIG).read_text())
    write_tensors(folder / WEIGHTS, tensors, {"model": digest_of(document["model"])})
    document["weights"]["sha256"] = sha256_of(folder / WEIGHTS)
    write_document(folder, document)
    with pytest.raises(InputError, match=rf"holds the weights of another model \({name}") as caught:
        load_model(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"encoder": "round"}, "there is no encoder 'round'"),
        ({"decoder": "round"}, "round"),
        ({"head": {"name": "euclid"}}, "there is no metric head 'euclid'"),
        ({"colour": 3}, "unexpected colour"),
        ({"encoder_widths": 8}, "cannot be read"),
    ],
)
def test_a_configuration_of_version_0_1_that_cannot_be_read_is_one_line(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    folder = rewritten(old_model("polar", tmp_path), lambda model: model.update(change))
    with pytest.raises(InputError, match=message) as caught:
        load_model(folder)
    assert "\n" not in str(caught.value)
