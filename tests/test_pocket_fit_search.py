"""Pockets as libraries and queries: lists of sites, labels, and molecules ranked for a pocket."""

from __future__ import annotations

import csv
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

pytest.importorskip("rdkit")
pytest.importorskip("gemmi")

from cli_problem import Command
from metricvae.core.errors import InputError
from metricvae.core.libraries import ReadOptions
from metricvae.core.metric import METRICS, Metric
from metricvae.core.plan import MetricPlan
from metricvae.core.splits import split_of
from metricvae.kinds.molecule.encoders.point_set import PointSetEncoderConfig
from metricvae.kinds.molecule.kind import MoleculeKind
from metricvae.kinds.molecule.readers import read
from metricvae.kinds.pocket.kind import PocketKind
from metricvae.kinds.pocket.prepare import read_pocket
from metricvae.kinds.pocket.site_list import listed_sites
from metricvae.labelling.steps import make_objects
from metricvae.metrics.pocket_fit.metric import FitMetric
from metricvae.metrics.pocket_fit.solver import FitSolver
from metricvae.metrics.pocket_similarity.metric import PocketSimilarity
from metricvae.nn.autoencoder import ModelConfig, TowerConfig, build
from metricvae.nn.heads import InnerProduct
from metricvae.prediction.calibration.conformal import Conformal
from metricvae.training.checkpoint import annotate, begin_model, finish_model
from metricvae.training.presets import preset
from pocket_problem import shell, structure, write

SITES = ("0.pdb@point=0,0,0", "1.pdb@point=0,0,0", "2.pdb@point=0,0,0", "0.pdb@point=1,0,0")
SMILES = "c1ccc(cc1)C(C)C iso\nCC(=O)Nc1ccc(O)cc1 para\nCCCCCCCC octane\nOC(=O)c1ccccc1 acid\nNCCc1ccccc1 amine\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Structures, a list of sites on them, and molecules."""
    made = tmp_path_factory.mktemp("sites")
    for number, radius in enumerate((6.5, 7.0, 8.0)):
        write(made / f"{number}.pdb", structure(shell(radius=radius)))
    (made / "sites.txt").write_text("# of three proteins\n" + "\n".join(SITES) + "\n\n")
    (made / "molecules.smi").write_text(SMILES)
    return made


@pytest.fixture(scope="module")
def make_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Metric], Path]:
    """A model of random weights."""

    def make(metric: Metric) -> Path:
        tiny = PointSetEncoderConfig((8, 8), mixing="convolution", chemical=True, distance_features=8)
        towers = [TowerConfig(PocketKind(), tiny), TowerConfig(MoleculeKind(), tiny)]
        path = tmp_path_factory.mktemp("model") / metric.name
        config = ModelConfig(metric, *towers[: 1 if metric.symmetric else 2], latent=8, head=InnerProduct(scale=0.1))
        begin_model(path, config, {}, {})
        finish_model(path, build(config, 1).state_dict(), "float32", {})
        annotate(path, calibration=Conformal(0.9, (), (0.1,)).to_json())
        return path

    return make


def test_a_list_of_sites_is_a_library(folder: Path, tmp_path: Path) -> None:
    library = PocketKind().open_library(folder / "sites.txt", tmp_path)
    assert (library.count, library.parts) == (4, 1)
    part = library.load(0)
    assert list(part.ids) == list(SITES)
    assert part.paths[0] == f"{folder / 'sites.txt'}#2"
    np.testing.assert_array_equal(part.objects[1].image, read_pocket(folder / SITES[1]).image)


def test_a_table_names_its_sites_and_what_is_none_is_said(folder: Path, tmp_path: Path) -> None:
    table = folder / "sites.csv"
    with open(table, "w", newline="") as file:
        csv.writer(file).writerows([("name", "site"), ("a", SITES[0]), ("b", "9.pdb"), ("", "1.pdb@point=99,0,0")])
    part = PocketKind().open_library(table, tmp_path).load(0)
    assert list(part.ids) == ["a"]
    assert [note.split(":")[0] for note in part.skipped] == ["line 2", "line 3"]
    assert "there is no file of 9.pdb" in part.skipped[0]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "# nothing\n", "names no site: expected one a line"),
        ("a.csv", "smiles\nCC\n", "has the columns smiles: expected site"),
        ("a.csv", "", "has the columns none: expected site"),
    ],
)
def test_lists_that_name_no_site_are_refused(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        listed_sites(tmp_path / name)


def test_files_that_are_no_list_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist: give the path of a list of sites"):
        listed_sites(tmp_path / "there_is_none.txt")
    with pytest.raises(InputError, match="there is no file"):
        PocketKind().open_library(tmp_path / "there_is_none.txt", tmp_path)
    for name in ("a.smi", "a.txt"):
        (tmp_path / name).write_text("1.pdb@auto\n")
    with pytest.raises(InputError, match=r"a list of sites that ends in \.txt or \.csv"):
        PocketKind().open_library(tmp_path / "a.smi", tmp_path)
    with pytest.raises(InputError, match="--conformers is for molecules"):
        PocketKind().open_library(tmp_path / "a.txt", tmp_path, ReadOptions(conformers=2))


def test_a_table_of_sites_has_the_groups_of_all_of_them(folder: Path, tmp_path: Path) -> None:
    plan = MetricPlan(str(folder / "sites.txt"), 8, metric=FitMetric(), right_objects=str(folder / "molecules.smi"))
    labelling = plan.labelling()
    with ThreadPoolExecutor(1) as pool:
        for name, source in zip(("left.parquet", "right.parquet"), labelling.sources(tmp_path), strict=True):
            make_objects(labelling, source, tmp_path / name, pool, lambda progress: None)
    left, right = (pq.read_table(tmp_path / name) for name in ("left.parquet", "right.parquet"))
    pockets = PocketKind().from_table(left)
    assert left["group"].to_pylist() == PocketKind().groups(pockets, list(SITES))
    assert left["split"].to_pylist() == [split_of(group) for group in left["group"].to_pylist()]
    block = np.array([(a, b) for a in range(2) for b in range(3)])
    found = labelling.label(left, right, [block], "cpu")
    solver = FitSolver()
    ready = [
        [solver.prepare(one) for one in kind.from_table(table)]
        for kind, table in zip(labelling.kinds, (left, right), strict=True)
    ]
    assert found["value"].to_pylist() == [solver.solve(ready[0][a], ready[1][b]).value for a, b in block.tolist()]
    np.testing.assert_allclose(found["value"], found["combo"].to_numpy() - found["clash"].to_numpy())


@pytest.mark.slow
def test_labels_of_sites_and_molecules(folder: Path, tmp_path: Path, command: Command) -> None:
    out = tmp_path / "data"
    objects = ["--objects", folder / "sites.txt", "--right-objects", folder / "molecules.smi"]
    done = command("label", "pocket-fit", *objects, "--cold", "left", "--pairs", "8", "--workers", "1", "--out", out)
    assert done.status == 0
    pairs = pq.read_table(out / "pairs.parquet").to_pylist()
    assert len({(pair["a"], pair["b"]) for pair in pairs}) == 8
    assert {pair["a"] for pair in pairs} <= set(SITES)
    assert {pair["b"] for pair in pairs} <= {one.id for one in read(folder / "molecules.smi")}


def test_molecules_are_ranked_for_a_pocket(
    folder: Path, tmp_path: Path, command: Command, make_model: Callable[[Metric], Path]
) -> None:
    model, index = make_model(FitMetric()), str(tmp_path / "index")
    assert command("index", str(model), str(folder / "molecules.smi"), "--workers", "1", "--out", index).status == 0
    query = str(folder / SITES[1])
    hits = command("search", index, query, "-k", "3", "--exact", "5", "--sdf", str(tmp_path / "hits.sdf"), "--json")
    rows = hits.document["hits"]
    assert [row["fit"] for row in rows] == sorted((row["fit"] for row in rows), reverse=True)
    found, solver = {one.id: one for one in read(tmp_path / "hits.sdf")}, FitMetric().solver
    assert list(found) == [row["id"] for row in rows]
    pocket = solver.prepare(read_pocket(query))
    for row in rows:
        there = found[row["id"]]
        assert solver.solve(pocket, solver.prepare(there)).value == pytest.approx(row["fit"], abs=5e-3)
        assert np.linalg.norm(there.positions.mean(axis=0)) < 3.0  # in the frame of the receptor


def test_sites_are_found_for_a_molecule_and_for_a_site(
    folder: Path, tmp_path: Path, command: Command, make_model: Callable[[Metric], Path]
) -> None:
    fit, alike = make_model(FitMetric()), make_model(PocketSimilarity())
    sites = str(folder / "sites.txt")
    assert (
        command("index", str(fit), sites, "--side", "left", "--workers", "1", "--out", str(tmp_path / "a")).status == 0
    )
    hits = command("search", str(tmp_path / "a"), "CC(=O)Nc1ccc(O)cc1", "-k", "2", "--exact", "4", "--json")
    assert {row["id"] for row in hits.document["hits"]} <= set(SITES)
    assert command("index", str(alike), sites, "--workers", "1", "--out", str(tmp_path / "b")).status == 0
    hits = command("search", str(tmp_path / "b"), str(folder / SITES[2]), "-k", "4", "--exact", "4", "--json")
    assert hits.document["hits"][0]["id"] == SITES[2]
    assert hits.document["hits"][0]["combo"] == pytest.approx(1.0, abs=1e-6)


def test_the_similarity_of_pockets_is_symmetric(folder: Path) -> None:
    metric = METRICS.get("pocket-similarity")()
    solver = metric.solver
    one, other = (solver.prepare(read_pocket(folder / site)) for site in SITES[1:3])
    assert solver.solve(one, other).value == pytest.approx(solver.solve(other, one).value, rel=1e-6)
    assert solver.solve(one, one).score == pytest.approx(1.0)
    assert set(metric.objectives) == {by + more for by in ("shape", "colour", "combo") for more in ("", "-tversky")}
    with pytest.raises(InputError, match="got int: expected a pocket"):
        solver.prepare(1)


@pytest.mark.parametrize("name", ["pocket-fit", "pocket-similarity"])
def test_there_are_ready_made_models(name: str) -> None:
    model = preset(name).model
    assert model.metric.name == name
    assert (model.right is None) == model.metric.symmetric
