"""Cavities, negative images and their features, against brute force and known answers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import cdist, pdist

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.pharmacophore import TYPES, Pharmacophore
from metricvae.kinds.pocket.buriedness import DIRECTIONS, REACH, WIDTH, buriedness, sphere_directions
from metricvae.kinds.pocket.cavities import alpha_spheres, find_cavities
from metricvae.kinds.pocket.features import FeatureConfig, features_of
from metricvae.kinds.pocket.image import ImageConfig, fill, spread
from metricvae.kinds.pocket.packing import image_atoms
from metricvae.kinds.pocket.prepare import read_pocket
from metricvae.kinds.pocket.records import CATION, FEATURE_CHARGES, FEATURE_ELEMENTS, Receptor
from metricvae.kinds.pocket.residues import roles_of
from metricvae.kinds.pocket.structures import structure_of
from pocket_problem import shell, structure, write


def receptor(*atoms: tuple[str, str, int, tuple[float, float, float]], name: str = "A:1") -> Receptor:
    """Atoms: residue, name, atomic number, position."""
    residues, names, elements, places = zip(*atoms, strict=True)
    return Receptor(
        np.array(elements, np.uint8),
        np.array(places, float),
        np.full(len(atoms), 1.7),
        np.array([roles_of(residue, atom) for residue, atom in zip(residues, names, strict=True)], np.uint8),
        np.array(names),
        np.array(residues),
        np.full(len(atoms), name),
    )


@pytest.fixture(scope="module")
def hollow(tmp_path_factory: pytest.TempPathFactory) -> Receptor:
    return structure_of(write(tmp_path_factory.mktemp("hollow") / "a.pdb", structure(shell()))).receptor


def test_buriedness_is_that_of_brute_force() -> None:
    random = np.random.default_rng(0)
    atoms, points = random.normal(size=(80, 3)) * 6, random.normal(size=(20, 3)) * 4
    expected = []
    for point in points:
        rays = sphere_directions(DIRECTIONS)
        away = atoms - point
        away = away[np.linalg.norm(away, axis=1) <= REACH]
        along = rays @ away.T
        across = np.linalg.norm(away[None] - along[..., None] * rays[:, None], axis=-1)
        expected.append(((along > 0) & (across < WIDTH)).any(axis=1).mean())
    np.testing.assert_allclose(buriedness(points, atoms), expected)
    assert 0.0 < np.mean(expected) < 1.0


def test_alpha_spheres_touch_four_atoms_and_hold_none() -> None:
    atoms = np.random.default_rng(1).normal(size=(200, 3)) * 8
    found = alpha_spheres(atoms, 3.0, 6.0)
    assert len(found.centres) > 50
    apart = cdist(found.centres, atoms)
    np.testing.assert_allclose(apart.min(axis=1), found.radii, rtol=1e-6)
    touched = np.take_along_axis(apart, found.atoms, axis=1)
    np.testing.assert_allclose(touched, np.repeat(found.radii[:, None], 4, axis=1), rtol=1e-6)
    assert ((found.radii >= 3.0) & (found.radii <= 6.0)).all()


@pytest.mark.parametrize("atoms", [np.zeros((0, 3)), np.zeros((3, 3)), np.eye(10)[:, :3], np.zeros((9, 3))])
def test_atoms_without_room_between_them_have_no_spheres(atoms: np.ndarray) -> None:
    assert len(alpha_spheres(atoms, 3.0, 6.0).centres) == 0


def test_the_best_cavity_of_a_hollow_is_its_middle(hollow: Receptor) -> None:
    found = find_cavities(hollow)
    assert np.linalg.norm(found[0].centre) < 1.5
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    far = Receptor(*(getattr(hollow, name) if name != "positions" else hollow.positions + 40 for name in vars(hollow)))
    np.testing.assert_allclose(find_cavities(far)[0].centre, found[0].centre + 40, atol=1.0)


def test_a_larger_hollow_is_better_than_a_smaller_one() -> None:
    parts = [np.concatenate([[place for _, _, place in one] for one in shell(radius=radius)]) for radius in (5.0, 7.0)]
    places = np.concatenate([parts[0], parts[1] + np.array([50.0, 0, 0])])
    names = ["N", "CA", "C", "O", "CB"] * (len(places) // 5)
    elements = [7, 6, 6, 8, 6] * (len(places) // 5)
    atoms = zip(["ALA"] * len(places), names, elements, map(tuple, places), strict=True)
    assert np.linalg.norm(find_cavities(receptor(*atoms))[0].centre - [50, 0, 0]) < 1.5


def test_an_image_keeps_its_distances(hollow: Receptor) -> None:
    settings = ImageConfig()
    found = fill(hollow, np.zeros((1, 3)), 8.0)
    assert 4 <= len(found.positions) <= settings.most
    assert pdist(found.positions).min() >= settings.apart
    carbon = hollow.elements == 6
    assert cdist(found.positions, hollow.positions[carbon]).min() >= settings.nearest
    assert cdist(found.positions, hollow.positions[~carbon]).min() >= settings.nearest_polar
    assert np.linalg.norm(found.positions, axis=1).max() < 6.0  # inside the wall
    np.testing.assert_allclose(found.buriedness, buriedness(found.positions, hollow.positions))


def test_an_image_moves_with_the_receptor_by_steps_of_the_grid(hollow: Receptor) -> None:
    step = 3 * ImageConfig().spacing
    moved = replace(hollow, positions=hollow.positions + step)
    expected = fill(hollow, np.zeros((1, 3)), 8.0).positions + step
    found = fill(moved, np.full((1, 3), step), 8.0).positions
    assert len(found) == len(expected)
    assert cdist(found, expected).min(axis=1).max() < 1e-6


def test_a_second_hollow_that_is_not_connected_stays_empty(hollow: Receptor) -> None:
    both = replace(hollow, positions=hollow.positions + np.array([15.0, 0, 0]))
    walls = Receptor(*(np.concatenate([getattr(hollow, name), getattr(both, name)]) for name in vars(hollow)))
    found = fill(walls, np.zeros((1, 3)), 20.0, ImageConfig(outwards=0.0))
    assert np.linalg.norm(found.positions, axis=1).max() < 5.0


def test_points_that_are_spread_lie_apart_and_leave_no_room() -> None:
    points = np.random.default_rng(0).random((500, 3)) * 5
    kept = spread(points, 1.0)
    assert kept[0] == 0
    assert pdist(points[kept]).min() >= 1.0
    assert cdist(points, points[kept]).min(axis=1).max() < 1.0
    assert len(spread(points[:0], 1.0)) == 0


def test_no_room_is_refused(hollow: Receptor) -> None:
    with pytest.raises(InputError, match="the site has room for 0 atoms: expected at least 4"):
        fill(hollow, hollow.positions[:1], 0.5)


# Features


def types_at(features: Pharmacophore) -> dict[str, list[list[float]]]:
    found: dict[str, list[list[float]]] = {}
    for kind, place in zip(features.types, features.positions, strict=True):
        found.setdefault(TYPES[kind], []).append(place.round(3).tolist())
    return found


def test_a_carbonyl_asks_for_a_donor_and_an_amide_for_an_acceptor() -> None:
    carbonyl = receptor(("ALA", "C", 6, (0, 0, -1.23)), ("ALA", "O", 8, (0, 0, 0)), ("ALA", "CA", 6, (1.2, 0, -2.0)))
    assert types_at(features_of(carbonyl, np.array([[0, 0, 3.0]]))) == {"donor": [[0.0, 0.0, 2.9]]}
    amide = receptor(("ALA", "N", 7, (0, 0, 0)), ("ALA", "C", 6, (1.2, 0, -0.7)), ("ALA", "CA", 6, (-1.2, 0, -0.7)))
    assert types_at(features_of(amide, np.array([[0, 0, 3.0]]))) == {"acceptor": [[0.0, 0.0, 2.9]]}
    assert types_at(features_of(amide, np.array([[0, 0, -3.0]]))) == {}  # behind it


def test_acids_bases_and_metals_ask_for_their_opposites() -> None:
    acid = receptor(("ASP", "CG", 6, (0, 0, -1.25)), ("ASP", "OD1", 8, (0, 0, 0)))
    assert set(types_at(features_of(acid, np.array([[0, 0, 2.9]])))) == {"donor", "cation"}
    base = receptor(("LYS", "CE", 6, (0, 0, -1.5)), ("LYS", "NZ", 7, (0, 0, 0)))
    found = types_at(features_of(base, np.array([[0, 0, 3.2]])))
    assert found == {"acceptor": [[0.0, 0.0, 2.9]], "anion": [[0.0, 0.0, 3.6]]}
    zinc = replace(receptor(("ZN", "ZN", 30, (0, 0, 0))), roles=np.array([CATION], np.uint8))
    asked = features_of(zinc, np.array([[0, 0, 2.2], [0, 0, 3.6]]))
    assert np.linalg.norm(asked.positions[asked.types == 1], axis=1).round(6).tolist() == [2.2]


def test_a_ring_stacks_on_a_ring_and_a_hydrophobe_lies_among_carbons() -> None:
    turns = np.arange(6) * np.pi / 3
    names = ("CG", "CD1", "CE1", "CZ", "CE2", "CD2")
    ring = receptor(
        *(("PHE", name, 6, (1.4 * np.cos(t), 1.4 * np.sin(t), 0)) for name, t in zip(names, turns, strict=True))
    )
    found = types_at(features_of(ring, np.array([[0.5, 0, 3.7]])))
    assert found == {"ring": [[0.0, 0.0, 3.7]], "hydrophobe": [[0.5, 0.0, 3.7]]}
    assert "hydrophobe" not in types_at(features_of(ring, np.array([[0, 0, 3.7]]), FeatureConfig(contacts=7)))


def test_places_that_other_atoms_take_get_no_feature() -> None:
    blocked = receptor(
        ("ALA", "C", 6, (0, 0, -1.23)), ("ALA", "O", 8, (0, 0, 0)), ("ALA", "CB", 6, (0, 0, 3.5)), name="A:1"
    )
    places = features_of(blocked, np.array([[0, 0, 2.9]])).positions
    assert not len(places) or cdist(places, [[0, 0, 3.5]]).min() >= FeatureConfig().clear


# In memory


def test_pseudo_atoms_stand_for_the_features_near_them(tmp_path: Path) -> None:
    pocket = read_pocket(f"{write(tmp_path / 'a.pdb', structure(shell(), 'LEU'))}@point=0,0,0")
    marked = replace(pocket, feature_types=np.array([2, 0]), features=pocket.image[[3, 1]])
    atoms = image_atoms(marked)
    assert atoms[3, 4:6].tolist() == [FEATURE_ELEMENTS[2], FEATURE_CHARGES[2]] == [8, -1]
    assert atoms[1, 4:6].tolist() == [7, 0]
    assert (atoms[[0, 2], 4] == 6).all() or len(marked.features) == 2
    np.testing.assert_allclose(atoms[:, :3], pocket.image, rtol=1e-6)
    assert (atoms[:, 3] == np.float32(1.7)).all()
