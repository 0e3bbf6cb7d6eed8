"""The models that ship: small enough, whole, and right on what they were not trained on."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from metricvae.alignment.predictor import Aligner
from metricvae.alignment.training import AligningConfig
from metricvae.core.dataset import PairDataset
from metricvae.core.errors import InputError
from metricvae.fitting.add_metric import add_metric
from metricvae.fitting.fit import fit_aligner
from metricvae.generation.exemplars import add_exemplars
from metricvae.kinds.half.cutting import cut
from metricvae.kinds.molecule.fragments import draw as draw_molecules
from metricvae.kinds.molecule.properties import described_smiles
from metricvae.kinds.silhouette.sources.generators import draw
from metricvae.kinds.volume.random_maps import random_map
from metricvae.metrics.correlation.solver.atoms import atomic_map, correlate_many, correlations
from metricvae.metrics.overlap.solver.search import PreparedMask, solve
from metricvae.metrics.shape.solver.gaussian_molecule import prepare
from metricvae.metrics.shape.solver.overlays import overlay_many
from metricvae.prediction.added_metrics import metrics_of
from metricvae.prediction.calibrate import calibrate
from metricvae.prediction.predictor import Predictor
from metricvae.prediction.records import Encoded, consecutive
from metricvae.training.checkpoint import SHIPPED, annotate, begin_model, finish_model, load_model, metric_of_model

OWN = {"affinity": "affinity"}
"""Models that their metric reads itself."""

SHIPPED_NAMES = sorted(folder.name for folder in SHIPPED.iterdir() if (folder / "config.json").is_file())
NAMES = [name for name in SHIPPED_NAMES if name not in OWN]
METRICS = {
    "halves": "match",
    "maps": "correlation",
    "molecules": "shape",
    "molecules-2d": "shape",
    "molecules-colour": "shape+colour",
    "molecules-many": "shape",
    "overlap": "overlap",
    "pocket-fit": "pocket-fit",
}
LATER = {"maps", "molecules", "molecules-colour", "molecules-many", "pocket-fit"}
"""Models that version 0.1 did not have, or had with other weights."""

MOST_BYTES = 8_000_000
DATA = Path(__file__).parent / "data"


def test_the_models_the_documents_name_are_there() -> None:
    assert sorted({**METRICS, **OWN}) == SHIPPED_NAMES


@pytest.mark.parametrize("name", OWN)
def test_a_model_that_its_metric_reads_is_small_and_comes_with_its_card(name: str) -> None:
    pytest.importorskip("rdkit")
    files = [path for path in (SHIPPED / name).iterdir() if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= MOST_BYTES
    metric, folder = metric_of_model(name)
    assert metric.name == OWN[name]
    assert metric.own_predictor(folder) is not None
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert card.startswith(f"# {metric.description.value.capitalize()} model\n")


def made_up(predictor: Predictor) -> Encoded:
    """Twelve objects, the last three of them near copies of the first."""
    chance = torch.Generator().manual_seed(0)
    codes = torch.randn(9, predictor.code_width, generator=chance)
    codes = torch.cat([codes, codes[:3] + 1e-3 * torch.randn(3, predictor.code_width, generator=chance)])
    return Encoded(codes, 9_000 * (1 + torch.rand(12, generator=chance)), torch.zeros(12))


@pytest.mark.parametrize("name", ["overlap", "halves"])
def test_a_matrix_of_predictions_has_what_its_pairs_have(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No pair is answered by itself."""
    predictor = Predictor.load(name)
    left = made_up(predictor)
    right = left[torch.arange(11, 4, -1)]
    rows = [ends.ravel() for ends in np.indices((12, 7))]
    expected = predictor.predict_values(left, right, rows[0], rows[1]).reshape(12, 7)
    monkeypatch.setattr(predictor, "predict_values", None)
    np.testing.assert_allclose(predictor.value_matrix(left, right).numpy(), expected, rtol=2e-6, atol=1e-9)


@pytest.mark.parametrize("name", ["overlap", "halves", "molecules"])
def test_one_object_with_all_in_order_is_what_it_is_with_each(name: str) -> None:
    predictor = Predictor.load(name)
    items = made_up(predictor)
    order = np.array([5, 0, 11, 3, 2, 1, 4, 6, 9, 8, 7, 10])
    expected = predictor.predict_values(items, items, order, np.full(12, 2))
    found = predictor.predict_values(items, items[[2]], np.arange(12), np.zeros(12, np.int64))
    np.testing.assert_array_equal(found[order], expected)


def test_consecutive_rows_are_not_copied() -> None:
    assert consecutive(np.array([2, 3, 4])) == slice(2, 5)
    assert consecutive(np.zeros(0, np.int64)) == slice(0, 0)
    assert [consecutive(np.array(rows)) for rows in ([0, 2], [1, 0], [-1, 0])] == [None] * 3
    predictor = Predictor.load("overlap")
    codes = made_up(predictor).codes
    for column, rows in ((codes, np.arange(12)), (codes, np.arange(3, 12)), (codes[:1], np.zeros(12, np.int64))):
        taken = predictor._taken(column, rows)
        assert taken.untyped_storage().data_ptr() == codes.untyped_storage().data_ptr()
        assert torch.equal(taken, column[torch.from_numpy(rows)])


def test_the_model_of_many_metrics_is_small_and_answers_each() -> None:
    pytest.importorskip("rdkit")
    folder = SHIPPED / "molecules-many"
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) <= MOST_BYTES
    own = Predictor.load("molecules-many")
    known = metrics_of(own.base)
    assert len(known) >= 10
    card = (folder / "README.md").read_text(encoding="utf-8")
    molecules = draw_molecules(12, seed=77)
    for name, metric in known.items():
        assert f"`{name}`" in card or f"--metric {name}" in card
        predictor = own.answering(name)
        predictor.require_calibration()
        if metric.anchored:
            said = predictor.predict_each(predictor.encode(molecules[:2]))
            assert np.isfinite([said.value, said.low, said.high, said.novelty]).all()
    for name, place in (("logp", 1), ("tpsa", 2), ("mw", 0)):
        predictor = own.answering(name)
        exact = [found.numbers[place] for one in molecules if (found := described_smiles(one.smiles)) is not None]
        assert np.corrcoef(predictor.predict_each(predictor.encode(molecules)).value, exact)[0, 1] > 0.9


def test_the_model_of_shape_and_colour_answers_shape_as_the_model_of_shape_does() -> None:
    pytest.importorskip("rdkit")
    molecules = draw_molecules(8, seed=78)
    both = Predictor.load("molecules-colour")
    places = np.arange(8), np.roll(np.arange(8), 1)
    values = []
    for predictor in (both.answering("shape"), Predictor.load("molecules")):
        encoded = predictor.encode(molecules)
        values.append(predictor.predict(encoded, encoded, *places).value)
    np.testing.assert_allclose(*values, rtol=2e-3)
    encoded = both.encode(molecules)
    np.testing.assert_allclose(both.predict(encoded, encoded, places[0], places[0]).value, 1.0, atol=1e-4)


@pytest.mark.parametrize("name", sorted({*NAMES} - {"molecules-many"}))
def test_a_model_is_small_and_comes_with_its_card(name: str) -> None:
    files = [path for path in (SHIPPED / name).rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= MOST_BYTES
    loaded = load_model(name)
    title = loaded.config.metric.description.value
    card = (SHIPPED / name / "README.md").read_text(encoding="utf-8")
    assert f"# {title.capitalize()} model\n" in card
    assert f"{loaded.facts['pairs']} training pairs" in card
    assert loaded.config.metric.name == METRICS[name]
    before = loaded.facts.get("start", {}).get("facts", {"steps": 0})
    assert min(loaded.facts["pairs"], before["steps"] + loaded.facts["steps"]) > 1_000


def test_the_model_of_halves_knows_partners_from_strangers() -> None:
    pieces = [
        cut(shape.mask, "zigzag", np.random.default_rng(n)) for n, shape in enumerate(draw("mixed", 50, seed=99)[:48])
    ]
    firsts, seconds = ([pair[side] for pair in pieces] for side in (0, 1))
    others = seconds[7:] + seconds[:7]
    said = Predictor.load("halves").predict_objects(
        [*zip(firsts, seconds, strict=True), *zip(firsts, others, strict=True)]
    )
    match = np.arange(96) < 48
    assert np.mean(np.equal(np.asarray(said.match), match)) > 0.85
    assert np.mean(said.value[match]) > 0.6 > 0.4 > np.mean(said.value[~match])


@pytest.mark.parametrize("name", sorted(set(NAMES) - LATER))
def test_a_model_says_what_it_said_in_version_0_1(name: str) -> None:
    """Predictions of 20 pairs, as metricvae 0.1.0 gave them."""
    known = json.loads((DATA / "shipped_predictions.json").read_text())
    predictor, made = Predictor.load(name), known["objects"]
    if predictor.kind().name in ("silhouette", "half"):
        shown = [shape.mask for shape in draw(made["masks"], made["count"], made["seed"])]
    else:
        pytest.importorskip("rdkit")
        shown = draw_molecules(made["count"], made["seed"])
    encoded = predictor.encode(shown)
    said = predictor.predict(encoded, encoded, np.array(known["first"]), np.array(known["second"]))
    for part, expected in known["predictions"][name].items():
        np.testing.assert_allclose(getattr(said, part), expected, rtol=1e-5, err_msg=part)


@pytest.mark.slow
def test_the_model_of_pockets_orders_molecules_as_the_exact_fit_does(tmp_path: Path) -> None:
    pytest.importorskip("gemmi")
    pytest.importorskip("rdkit")
    from metricvae.metrics.pocket_fit.solver import FitSolver, fit_molecules
    from pocket_problem import pockets

    molecules, predictor, solver = draw_molecules(40, seed=77), Predictor.load("pocket-fit"), FitSolver()
    ready, encoded = [solver.prepare(one) for one in molecules], predictor.encode(molecules, "right")
    for pocket in pockets(tmp_path)[1:]:
        exact = [one.fit for one in fit_molecules(solver.prepare(pocket), ready, threads=1)]
        rows = np.zeros(len(molecules), np.int64), np.arange(len(molecules))
        said = predictor.values(predictor.encode([pocket], "left"), encoded, *rows)
        assert np.corrcoef(said, exact)[0, 1] > 0.75


@pytest.mark.parametrize(("name", "least"), [("molecules", 0.93), ("molecules-2d", 0.7), ("molecules-many", 0.93)])
def test_models_of_molecules_order_pairs_as_the_overlay_does(name: str, least: float) -> None:
    molecules = draw_molecules(24, seed=77)
    predictor, count = Predictor.load(name), len(molecules)
    encoded = predictor.encode(molecules)
    pairs = np.array(list(itertools.combinations(range(count), 2)))
    exact = overlay_many([prepare(one.positions, one.radii) for one in molecules], pairs, threads=1).tanimoto
    value = predictor.values(encoded, encoded, *pairs.T)
    said = predictor.metric.answers(value, *predictor.magnitudes(encoded, encoded, *pairs.T))["tanimoto"]
    assert np.corrcoef(said, exact)[0, 1] > least
    itself = predictor.values(encoded, encoded, np.arange(count), np.arange(count))
    assert itself == pytest.approx(encoded.magnitudes.numpy(), rel=1e-3)


@pytest.mark.slow
def test_the_model_of_maps_orders_pairs_as_the_overlay_does_whatever_the_grid() -> None:
    pytest.importorskip("gemmi")
    molecules = draw_molecules(24, seed=77)
    seen = [
        [random_map(one, seed, number, resolutions=(4.0, 4.0)) for number, one in enumerate(molecules)]
        for seed in (1, 2)
    ]
    predictor, count = Predictor.load("maps"), len(molecules)
    here, there = (predictor.encode([one.map for one in views]) for views in seen)
    pairs = np.array(list(itertools.combinations(range(count), 2)))
    maps = [atomic_map(one.molecule, one.resolution) for one in seen[0]]
    exact = correlations(correlate_many(maps, pairs))
    assert np.corrcoef(predictor.values(here, there, *pairs.T), exact)[0, 1] > 0.93
    change = (here.codes - there.codes).norm(dim=1) / here.codes.norm(dim=1)
    assert float(change.median()) < 0.05
    assert predictor.values(here, here, np.arange(count), np.arange(count)) == pytest.approx(np.ones(count), abs=1e-4)


def test_the_aligner_lays_unseen_shapes_nearly_as_well_as_the_search() -> None:
    masks = [shape.mask for shape in draw("mixed", 60, seed=99)]
    aligner = Aligner(Predictor.load("overlap"))
    pairs = list(zip(masks[::2], masks[1::2], strict=True))
    exact = [solve(PreparedMask(a), PreparedMask(b)).area for a, b in pairs]
    reached = np.array([aligner.align(*pair).solution.value / area for pair, area in zip(pairs, exact, strict=True)])
    assert reached.mean() > 0.98
    assert reached.max() < 1.0005


WRITERS: dict[str, Callable[[Path | str, PairDataset], object]] = {
    "begin": lambda folder, data: begin_model(Path(folder), load_model("overlap").config, {}, {}),
    "finish": lambda folder, data: finish_model(Path(folder), {}, "float16", {}),
    "annotate": lambda folder, data: annotate(Path(folder), facts={"changed": True}),
    "calibrate": calibrate,
    "add a metric": lambda folder, data: add_metric("overlap", data, Path(folder), "again"),
    "add exemplars": lambda folder, data: add_exemplars(Path(folder), data, 8),
    "fit an aligner": lambda folder, data: fit_aligner(data, Path(folder), AligningConfig()),
}
"""Everything that writes into the folder of a model."""


def snapshot() -> dict[Path, tuple[int, int]]:
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(SHIPPED.rglob("*"))}


@pytest.mark.parametrize("where", ["overlap", SHIPPED / "overlap", SHIPPED / "new"], ids=["name", "path", "new path"])
@pytest.mark.parametrize("writer", WRITERS)
def test_a_model_that_ships_is_never_written_to(writer: str, where: Path | str, dataset: PairDataset) -> None:
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
