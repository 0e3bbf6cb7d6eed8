"""The fit of molecules in pockets: a known pose, laws, and what labels and models make of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation

pytest.importorskip("rdkit")
pytest.importorskip("gemmi")

from metricvae.core.errors import InputError
from metricvae.core.metric import METRICS
from metricvae.kinds.molecule.conformers import conform
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.pocket.records import Pocket
from metricvae.metrics.pocket_fit.receptor_cells import overlap_with_cells, receptor_cells
from metricvae.metrics.pocket_fit.solver import FitSolver, PreparedPocket
from metricvae.metrics.shape.solver.coloured import overlay_coloured
from metricvae.metrics.shape.solver.gaussian_molecule import exponents
from metricvae.metrics.shape.solver.overlays import THOROUGH
from metricvae.metrics.shape.solver.volumes import overlap_volume
from pocket_problem import pockets

SOLVER = FitSolver()


@pytest.fixture(scope="module")
def pocket(tmp_path_factory: pytest.TempPathFactory) -> Pocket:
    return pockets(tmp_path_factory.mktemp("pockets"))[1]


@pytest.fixture(scope="module")
def molecules() -> list[Molecule]:
    return [conform(smiles, seed=1)[0] for smiles in ("c1ccc(cc1)C(C)C", "CC(=O)Nc1ccc(O)cc1", "CCCCCCCCCCCCCC")]


def test_the_pose_gives_what_is_told(pocket: Pocket, molecules: list[Molecule]) -> None:
    one = molecules[1]
    found = SOLVER.solve(SOLVER.prepare(pocket), SOLVER.prepare(one)).pose
    laid = one.moved(found.rotation, found.translation)
    positions, radii = pocket.exclusion
    spent = overlap_volume(positions, exponents(radii), laid.positions, exponents(one.radii))
    own = overlap_volume(one.positions, exponents(one.radii), one.positions, exponents(one.radii))
    assert found.clash == pytest.approx(spent / own, abs=1e-7)
    assert found.fit == pytest.approx(found.combo - found.clash)
    assert cdist(laid.positions, pocket.image).min(axis=1).max() < 4.0  # it lies in the image


def test_no_overlay_fits_better(pocket: Pocket, molecules: list[Molecule]) -> None:
    prepared = [SOLVER.prepare(pocket), *map(SOLVER.prepare, molecules)]
    pairs = np.array([(0, number) for number in range(1, len(prepared))])
    found, more = SOLVER.solve_pairs(prepared, pairs), FitSolver(THOROUGH).solve_pairs(prepared, pairs)
    image = prepared[0]
    assert isinstance(image, PreparedPocket)
    for one, other, row in zip(found, more, pairs, strict=True):
        assert one.value == SOLVER.solve(image, prepared[row[1]]).value
        assert one.value == pytest.approx(other.value, abs=2e-2)
        best = overlay_coloured([image.image, prepared[row[1]]], [(0, 1)])[0]
        laid = molecules[row[1] - 1].moved(best.rotation, best.translation)
        spent = overlap_volume(
            pocket.exclusion[0], exponents(pocket.exclusion[1]), laid.positions, exponents(laid.radii)
        )
        assert one.value >= best.combo - spent / best.self_b - 1e-3
        assert one.pose.combo <= best.combo + 1e-3


def test_cells_leave_out_next_to_nothing() -> None:
    random = np.random.default_rng(0)
    there, here = random.uniform(-15, 15, (400, 3)), random.uniform(-18, 18, (30, 3))
    wide, alpha = random.uniform(0.6, 1.1, 400), random.uniform(0.6, 1.1, 30)
    turn, shift = Rotation.random(random_state=1).as_matrix(), np.array([1.0, 2.0, 3.0])
    found = overlap_with_cells(receptor_cells(there, wide), here, alpha, turn, shift)
    assert found == pytest.approx(overlap_volume(there, wide, here @ turn.T + shift, alpha), rel=1e-6)
    assert overlap_with_cells(receptor_cells(there, wide), here, alpha, turn, 100 * shift) == 0.0


def test_the_fit_is_the_same_wherever_both_lie(pocket: Pocket, molecules: list[Molecule]) -> None:
    here = SOLVER.solve(SOLVER.prepare(pocket), SOLVER.prepare(molecules[1]))
    turn, shift = Rotation.random(random_state=2).as_matrix(), np.array([10.0, -5.0, 3.0])
    other = Rotation.random(random_state=3).as_matrix()
    there = SOLVER.solve(SOLVER.prepare(pocket.moved(turn, shift)), SOLVER.prepare(molecules[1].moved(other, -shift)))
    assert there.value == pytest.approx(here.value, abs=5e-3)


def test_a_molecule_that_does_not_go_in_fits_less(pocket: Pocket, molecules: list[Molecule]) -> None:
    small, _, long = (SOLVER.solve(SOLVER.prepare(pocket), SOLVER.prepare(one)) for one in molecules)
    assert long.pose.clash > small.pose.clash
    assert small.value > long.value


def test_the_image_itself_lies_where_it_is(pocket: Pocket) -> None:
    image = Molecule("image", "", np.full(len(pocket.image), 6, np.uint8), pocket.image)
    found = SOLVER.solve(SOLVER.prepare(pocket), SOLVER.prepare(image)).pose
    assert found.shape_tanimoto > 0.98
    assert found.translation == pytest.approx(
        pocket.image.mean(axis=0) - found.rotation @ pocket.image.mean(axis=0), abs=0.5
    )


def test_what_is_no_pocket_and_no_molecule_is_refused() -> None:
    with pytest.raises(InputError, match="got int: expected a pocket and a molecule"):
        SOLVER.prepare(3)


def test_two_molecules_are_no_pair(molecules: list[Molecule]) -> None:
    one = SOLVER.prepare(molecules[0])
    with pytest.raises(InputError, match="expected a pocket on the left"):
        SOLVER.solve(one, one)


def test_the_metric_is_registered(tmp_path: Path) -> None:
    metric = METRICS.get("pocket-fit")()
    assert (metric.left, metric.right, metric.symmetric) == ("pocket", "molecule", False)
    low, high = metric.limits(np.ones(2), np.ones(2))
    assert (low < high).all()
