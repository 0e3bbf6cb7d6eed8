"""The models that ship: small enough, whole, and right on what they were not trained on."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from metricvae.alignment.predictor import Alignments
from metricvae.alignment.training import AligningConfig
from metricvae.core.dataset import DataSet
from metricvae.core.errors import InputError
from metricvae.evaluation.evaluate import calibrate
from metricvae.fitting.fit import fit_aligner
from metricvae.generation.exemplars import add_bank
from metricvae.kinds.half.cutting import cut
from metricvae.kinds.molecule.fragments import draw as draw_molecules
from metricvae.kinds.molecule.packing import atoms_of
from metricvae.kinds.silhouette.sources.generators import draw
from metricvae.metrics.overlap.solver.search import PreparedMask, solve
from metricvae.metrics.shape.solver.gaussian_molecule import prepare
from metricvae.metrics.shape.solver.overlays import overlay_many
from metricvae.prediction.predictor import Predictor, tanimoto
from metricvae.training.checkpoint import SHIPPED, annotate, begin_model, finish_model, load_model

NAMES = sorted(folder.name for folder in SHIPPED.iterdir() if (folder / "config.json").is_file())
MOST_BYTES = 8_000_000


def test_the_models_the_documents_name_are_there() -> None:
    assert NAMES == ["halves", "molecules", "molecules-2d", "overlap"]


@pytest.mark.parametrize("name", NAMES)
def test_a_model_is_small_and_comes_with_its_card(name: str) -> None:
    files = [path for path in (SHIPPED / name).iterdir() if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= MOST_BYTES
    loaded = load_model(name)
    task = loaded.facts["task"]
    assert f"# {task} model" in (SHIPPED / name / "README.md").read_text(encoding="utf-8")
    assert name.removesuffix("-2d") == task
    before = loaded.facts.get("start", {}).get("facts", {"steps": 0})
    assert min(loaded.facts["pairs"], before["steps"] + loaded.facts["steps"]) > 1_000


def test_the_model_of_halves_knows_partners_from_strangers() -> None:
    pieces = [
        cut(shape.mask, "zigzag", np.random.default_rng(n)) for n, shape in enumerate(draw("mixed", 50, seed=99)[:48])
    ]
    firsts, seconds = ([pair[side] for pair in pieces] for side in (0, 1))
    others = seconds[7:] + seconds[:7]
    said = Predictor.load("halves").predict_masks(
        [*zip(firsts, seconds, strict=True), *zip(firsts, others, strict=True)]
    )
    match = np.arange(96) < 48
    assert np.mean(np.equal(np.asarray(said.match), match)) > 0.85
    assert np.mean(said.value[match]) > 0.6 > 0.4 > np.mean(said.value[~match])


@pytest.mark.parametrize(("name", "least"), [("molecules", 0.93), ("molecules-2d", 0.7)])
def test_models_of_molecules_order_pairs_as_the_overlay_does(name: str, least: float) -> None:
    molecules = draw_molecules(24, seed=77)
    predictor, count = Predictor.load(name), len(molecules)
    arrays = [atoms_of(one) for one in molecules]
    encoded = predictor.encode(arrays.__getitem__, count)
    pairs = np.array(list(itertools.combinations(range(count), 2)))
    exact = overlay_many([prepare(one.positions, one.radii) for one in molecules], pairs, threads=1).tanimoto
    said = tanimoto(predictor.values(encoded, *pairs.T), encoded, *pairs.T)
    assert np.corrcoef(said, exact)[0, 1] > least
    itself = predictor.values(encoded, np.arange(count), np.arange(count))
    assert itself == pytest.approx(encoded.sizes.numpy(), rel=1e-3)


def test_the_aligner_lays_unseen_shapes_nearly_as_well_as_the_search() -> None:
    shapes = [PreparedMask(shape.mask) for shape in draw("mixed", 60, seed=99)]
    aligner = Alignments(Predictor.load("overlap"))
    pairs = list(zip(shapes[::2], shapes[1::2], strict=True))
    reached = np.array([aligner.align(a, b).overlap.area / solve(a, b).area for a, b in pairs])
    assert reached.mean() > 0.98
    assert reached.max() < 1.0005


WRITERS: dict[str, Callable[[Path | str, DataSet], object]] = {
    "begin": lambda folder, data: begin_model(Path(folder), load_model("overlap").config, {}, {}),
    "finish": lambda folder, data: finish_model(Path(folder), {}, "float16", {}),
    "annotate": lambda folder, data: annotate(Path(folder), facts={"changed": True}),
    "calibrate": calibrate,
    "add exemplars": add_bank,
    "fit an aligner": lambda folder, data: fit_aligner(data, Path(folder), AligningConfig()),
}
"""Everything that writes into the folder of a model."""


def snapshot() -> dict[Path, tuple[int, int]]:
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(SHIPPED.rglob("*"))}


@pytest.mark.parametrize("where", ["overlap", SHIPPED / "overlap", SHIPPED / "new"], ids=["name", "path", "new path"])
@pytest.mark.parametrize("writer", WRITERS)
def test_a_model_that_ships_is_never_written_to(writer: str, where: Path | str, dataset: DataSet) -> None:
    before = snapshot()
    with pytest.raises(InputError, match=r"ships with metricvae and is never changed: copy it first \(cp -r "):
        WRITERS[writer](where, dataset)
    assert snapshot() == before


def test_the_command_line_does_not_train_into_a_model_that_ships(command, dataset_folder: Path) -> None:
    before = snapshot()
    for target in (("--aligner", "overlap"), ("--out", "overlap"), ("--out", SHIPPED / "mine")):
        said = command("train", dataset_folder, *target)
        assert (said.status, said.out, said.err.count("\n")) == (2, "", 1)
        assert f"cp -r {SHIPPED}" in said.err
    assert snapshot() == before
