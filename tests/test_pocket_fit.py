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
from metricvae.metrics.pocket_fit.metric import FitSolver, PreparedPocket
from metricvae.metrics.shape.solver.coloured import overlay_coloured
from metricvae.metrics.shape.solver.gaussian_molecule import exponents
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
    assert found.clash == pytest.approx(spent / own, rel=1e-6)
    assert found.fit == pytest.approx(found.combo - found.clash)
    assert cdist(laid.positions, pocket.image).min(axis=1).max() < 4.0  # it lies in the image


def test_of_the_best_poses_that_is_taken_that_loses_least(pocket: Pocket, molecules: list[Molecule]) -> None:
    prepared = [SOLVER.prepare(pocket), *map(SOLVER.prepare, molecules)]
    pairs = np.array([(0, number) for number in range(1, len(prepared))])
    found, alone = SOLVER.solve_pairs(prepared, pairs), FitSolver(poses=1).solve_pairs(prepared, pairs)
    assert all(one.value >= other.value - 1e-6 for one, other in zip(found, alone, strict=True))
    assert [one.value for one in found] == [SOLVER.solve(prepared[0], prepared[row]).value for row in pairs[:, 1]]
    image = prepared[0]
    assert isinstance(image, PreparedPocket)
    best = overlay_coloured([image.image, prepared[1]], [(0, 1)]).scores()[0]
    assert found[0].pose.combo <= best + 1e-6


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


def test_the_image_itself_fits_best(pocket: Pocket) -> None:
    image = Molecule("image", "", np.full(len(pocket.image), 6, np.uint8), pocket.image)
    alone = FitSolver(poses=1).solve(SOLVER.prepare(pocket), SOLVER.prepare(image))
    assert alone.pose.shape_tanimoto > 0.999
    assert SOLVER.solve(SOLVER.prepare(pocket), SOLVER.prepare(image)).value >= alone.value


def test_what_is_no_pocket_and_no_molecule_is_refused() -> None:
    with pytest.raises(InputError, match="got int: expected a pocket and a molecule"):
        SOLVER.prepare(3)


def test_the_metric_is_registered(tmp_path: Path) -> None:
    metric = METRICS.get("pocket-fit")()
    assert (metric.left, metric.right, metric.symmetric) == ("pocket", "molecule", False)
    low, high = metric.limits(np.ones(2), np.ones(2))
    assert (low < high).all()
