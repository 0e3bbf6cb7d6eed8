"""The correlation of maps: from atoms, from grids, as data sets, as a model, and by the command line."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.spatial.transform import Rotation

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.volume.io import write_map
from metricvae.kinds.volume.kind import VolumeKind
from metricvae.kinds.volume.random_maps import SPACINGS, random_map
from metricvae.kinds.volume.simulation import density, density_on
from metricvae.metrics.correlation.labelling import SEARCH, CorrelationPlan, parse_resolutions
from metricvae.metrics.correlation.metric import CorrelationMetric
from metricvae.metrics.correlation.solver.atoms import AtomicMap, atomic_map, correlate_many, correlations
from metricvae.metrics.shape.solver.maps import MapSearchConfig, overlay_maps
from metricvae.metrics.shape.solver.overlays import THOROUGH

pytest.importorskip("gemmi")


def molecule(seed: int, atoms: int = 9) -> Molecule:
    random = np.random.default_rng(seed)
    places = np.cumsum(random.normal(size=(atoms, 3)), axis=0)
    return Molecule(f"m{seed}", "", random.choice([6, 7, 8, 16], atoms).astype(np.uint8), places)


def moved(one: Molecule, seed: int = 0) -> Molecule:
    return one.moved(Rotation.random(rng=np.random.default_rng(seed)).as_matrix(), [30.0, -20.0, 10.0])


def correlation(a: AtomicMap, b: AtomicMap) -> float:
    return float(correlations(correlate_many([a, b], [[0, 1]]))[0])


# From atoms


def test_a_map_and_its_moved_self_correlate_by_1() -> None:
    one = molecule(1)
    assert correlation(atomic_map(one, 4.0), atomic_map(moved(one), 4.0)) == pytest.approx(1.0, abs=1e-5)
    assert correlation(atomic_map(one, 4.0), atomic_map(one, 4.0)) <= 1 + 1e-9
    mirrored = replace(one, positions=one.positions * [1, 1, -1])
    assert correlation(atomic_map(one, 3.0), atomic_map(mirrored, 3.0)) < 0.999


def test_one_atom_at_two_resolutions_is_a_closed_form() -> None:
    """Maps of one atom are sums of five concentric Gaussians; their products are integrals that stand in any table."""
    carbon = Molecule("c", "", np.array([6], np.uint8), np.zeros((1, 3)))
    fine, coarse = atomic_map(carbon, 3.0), atomic_map(moved(carbon), 5.0)

    def inner(a: AtomicMap, b: AtomicMap) -> float:
        both = a.exponents[0][:, None] * b.exponents[0] / (a.exponents[0][:, None] + b.exponents[0])
        return float((a.integrals[0][:, None] * b.integrals[0] * (both / math.pi) ** 1.5).sum())

    expected = inner(fine, coarse) / math.sqrt(inner(fine, fine) * inner(coarse, coarse))
    assert 0.8 < expected < 0.99
    assert correlation(fine, coarse) == pytest.approx(expected, rel=1e-9)


def test_the_order_of_a_pair_does_not_count_and_the_motion_gives_the_correlation() -> None:
    a, b = molecule(1), moved(molecule(2, 7))
    there, back = (correlate_many([atomic_map(x, 4.0), atomic_map(y, 4.0)], [[0, 1]]) for x, y in ((a, b), (b, a)))
    assert correlations(there) == pytest.approx(correlations(back), rel=1e-9)
    laid = b.moved(there.rotation[0], there.translation[0])
    origin, shape = np.array([-15.0, -15, -15]) + a.centre, (31, 31, 31)
    x, y = (density_on(one, 4.0, np.ones(3), origin, shape).values.astype(float) for one in (a, laid))
    at_pose = (x * y).sum() / math.sqrt((x * x).sum() * (y * y).sum())
    assert at_pose == pytest.approx(correlations(there)[0], abs=1e-3)


def test_atoms_and_grids_agree() -> None:
    quick = MapSearchConfig(rotations=576, optimised=4, refined=1)
    a, b = (random_map(molecule(seed, 8), seed, resolutions=(4.0, 4.0)) for seed in (1, 2))
    exact = correlation(*(atomic_map(one.molecule, one.resolution) for one in (a, b)))
    assert overlay_maps(a.map, b.map, quick).correlation == pytest.approx(exact, abs=0.015)


def test_the_search_loses_nothing_against_a_thousand_starts() -> None:
    maps = [atomic_map(molecule(seed, 12), 3.0 + 0.2 * seed) for seed in range(6)]
    pairs = [(i, j) for i in range(6) for j in range(i)]
    fast, thorough = (correlations(correlate_many(maps, pairs, config)) for config in (SEARCH, THOROUGH))
    assert (thorough - fast).max() < 0.003
    assert (fast > 0).all()


@pytest.mark.parametrize("resolution", [0.0, -1.0, math.inf, math.nan])
def test_resolutions_that_are_none_are_refused(resolution: float) -> None:
    with pytest.raises(InputError, match="resolution"):
        atomic_map(molecule(1), resolution)


# From grids


def test_the_exact_answer_does_not_see_a_background() -> None:
    solver = CorrelationMetric().solver
    one = density(molecule(1, 5), 4.0, spacing=1.5)
    raised = replace(one, values=one.values + 7.0)
    assert solver.prepare(raised).values == pytest.approx(solver.prepare(one).values, abs=1e-5)


def test_a_random_map_depends_on_its_seed_alone_and_has_its_grid() -> None:
    one = molecule(1)
    first, again, other = (random_map(one, 5, number) for number in (1, 1, 2))
    assert np.array_equal(first.map.values, again.map.values)
    assert first.map.values.shape != other.map.values.shape or not np.allclose(first.map.origin, other.map.origin)
    for seen in (first, other):
        assert SPACINGS[0] <= seen.map.spacing[0] <= min(SPACINGS[1], seen.resolution / 2)
        assert 3 <= seen.resolution <= 5
        assert seen.map.values.max() > 20 * np.median(np.abs(seen.map.values[0]))


# Data sets


def test_resolutions_are_a_number_or_a_range() -> None:
    assert parse_resolutions("4") == (4.0, 4.0)
    assert parse_resolutions("3-5.5") == (3.0, 5.5)
    for text in ("", "x", "5-3", "0.1", "3-4-5", "3-100"):
        with pytest.raises(InputError, match="as 4 or 3-5"):
            parse_resolutions(text)


@pytest.mark.parametrize("fields", [{"fit": True}, {"right_objects": "x"}, {"resolution": "fine"}])
def test_plans_that_make_no_sense_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(InputError):
        replace(CorrelationPlan("fragments", 10, metric=CorrelationMetric()), **fields).facts()


def test_a_folder_of_maps_is_overlaid_as_it_is(tmp_path: Path) -> None:
    plan = CorrelationPlan(str(tmp_path), 10, metric=CorrelationMetric())
    assert not plan.of_molecules
    assert "resolution" not in plan.facts()
    assert CorrelationPlan("library.smi.gz", 10, metric=CorrelationMetric()).of_molecules


@pytest.fixture(scope="module")
def folder(make_once) -> Path:
    """A data set of maps of fragments, and a model of it that was trained for a moment."""
    from metricvae.core.dataset_files import read_dataset
    from metricvae.fitting.fit import fit
    from metricvae.kinds.volume.encoders.principal import PrincipalEncoderConfig
    from metricvae.labelling.run import label
    from metricvae.nn.autoencoder import ModelConfig, TowerConfig
    from metricvae.nn.heads import CosineTanimoto
    from metricvae.training.config import TrainingConfig
    from metricvae.training.optimisers import LossWeights

    def write(where: Path) -> None:
        plan = CorrelationPlan("fragments", 400, partners=7, check=4, metric=CorrelationMetric())
        label(replace(plan, molecules=100), where / "data", workers=1)
        kind = VolumeKind()
        encoder = PrincipalEncoderConfig(degree=6, power_degree=4, width=32, blocks=1, grid_spacing=kind.edge / 16)
        tower = TowerConfig(kind, encoder, kind.default_decoder())
        model = ModelConfig(CorrelationMetric(), tower, latent=16, head=CosineTanimoto(), mirrored=True)
        weights = LossWeights(reconstruction=1e-7, latent=1e-7, deformation=1e-2)
        training = TrainingConfig(
            steps=100, batch_pairs=56, anchor_share=0.05, weights=weights, evaluate_every=50, copies=1, mirror=True
        )
        fit(read_dataset(where / "data"), model, training, where / "model")

    pytest.importorskip("rdkit")
    return make_once("maps", write)


@pytest.mark.slow
def test_maps_of_fragments_are_labelled_learned_and_found(command, folder: Path, tmp_path: Path) -> None:
    table = pq.read_table(folder / "data" / "pairs.parquet")
    assert table.column_names == ["a", "b", "value", "rotation", "translation", "split"]
    assert 0.3 < min(table["value"].to_pylist()) < max(table["value"].to_pylist()) <= 1
    card = json.loads((folder / "data" / "card.json").read_text())
    assert card["label_error"]["worst_shortfall_percent"] < 1
    found = command("evaluate", folder / "model", folder / "data", "--json").document
    assert found["rmse"] < 0.12
    objects = pq.read_table(folder / "data" / "objects.parquet").slice(0, 6)
    (tmp_path / "library").mkdir()
    for number, one in enumerate(VolumeKind().from_table(objects)):
        write_map(tmp_path / "library" / f"{number}.mrc", one)
    library = tmp_path / "library"
    assert command("index", folder / "model", library, "--out", tmp_path / "index").status == 0
    said = command("search", tmp_path / "index", library / "2.mrc", "-k", "3", "--exact", "3", "--json").document
    assert "2.mrc" in json.dumps(said["hits"][0])
    said = command("predict", folder / "model", library / "0.mrc", library / "0.mrc", "--json").document
    assert said["predicted"] == pytest.approx(1.0, abs=1e-3)
