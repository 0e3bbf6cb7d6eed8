"""The overlay of molecules: known answers, laws, and the derivatives it is optimised with."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.gaussians import AMPLITUDE, KAPPA
from metricvae.metrics.shape.solver.dense import overlay_dense
from metricvae.metrics.shape.solver.gaussian_molecule import PreparedMolecule, exponents, prepare
from metricvae.metrics.shape.solver.initial_rotations import (
    half_turn_images,
    initial_rotations,
    quaternion_product,
    super_fibonacci,
)
from metricvae.metrics.shape.solver.overlays import THOROUGH, OverlayConfig, overlay, overlay_many
from metricvae.metrics.shape.solver.volumes import derivatives, overlap_volume

RADII = np.array([1.7, 1.55, 1.52, 1.8])


def chain(atoms: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions (n, 3) and radii (n,) of a random walk of bonds that does not fold back on itself."""
    rng = np.random.default_rng(seed)
    positions = [np.zeros(3)]
    while len(positions) < atoms:
        bond = rng.normal(size=3)
        position = positions[rng.integers(max(0, len(positions) - 3), len(positions))] + 1.5 * bond / np.linalg.norm(
            bond
        )
        if np.linalg.norm(np.array(positions) - position, axis=1).min() > 1.3:
            positions.append(position)
    return np.array(positions), rng.choice(RADII, atoms)


def moved(positions: np.ndarray, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return positions @ Rotation.random(random_state=seed).as_matrix().T + 20 * rng.normal(size=3)


def volume_at(a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray], rotation, translation) -> float:
    return overlap_volume(a[0], exponents(a[1]), b[0] @ rotation.T + translation, exponents(b[1]))


def ready(count: int, atoms: int = 18) -> list[PreparedMolecule]:
    return [prepare(*chain(atoms + seed % 5, seed)) for seed in range(count)]


def test_two_single_atoms_have_the_closed_form():
    found = overlay(prepare([[1.0, 2.0, 3.0]], [1.7]), prepare([[-4.0, 0.0, 9.0]], [1.52]))
    assert found.overlap == pytest.approx(8 * (np.pi / exponents(np.array([1.7, 1.52])).sum()) ** 1.5, rel=1e-12)
    assert found.rotation @ [-4.0, 0.0, 9.0] + found.translation == pytest.approx([1.0, 2.0, 3.0])


def test_the_transform_gives_the_overlap_and_is_a_rotation():
    for seed in range(5):
        a, b = chain(20, seed), chain(16, 100 + seed)
        found = overlay(prepare(*a), prepare(*b))
        assert volume_at(a, b, found.rotation, found.translation) == pytest.approx(found.overlap, rel=1e-9)
        assert found.rotation @ found.rotation.T == pytest.approx(np.eye(3), abs=1e-12)
        assert np.linalg.det(found.rotation) == pytest.approx(1.0)


def test_both_orders_give_the_same_score_and_inverse_motions():
    molecules = ready(6)
    there = overlay_many(molecules, [(0, 1), (2, 3), (4, 5)])
    back = overlay_many(molecules, [(1, 0), (3, 2), (5, 4)])
    assert there.overlap.tolist() == back.overlap.tolist()
    assert there.rotation @ back.rotation == pytest.approx(np.broadcast_to(np.eye(3), (3, 3, 3)), abs=1e-12)
    again = np.einsum("kij,kj->ki", there.rotation, back.translation) + there.translation
    assert again == pytest.approx(np.zeros((3, 3)), abs=1e-9)


def test_threads_do_not_change_the_answer():
    molecules = ready(12)
    pairs = np.random.default_rng(0).integers(0, 12, (150, 2))
    one, two = (overlay_many(molecules, pairs, threads=threads) for threads in (1, 2))
    assert one.overlap.tolist() == two.overlap.tolist()
    assert one.translation.tolist() == two.translation.tolist()


def test_a_moved_copy_lies_on_itself():
    for seed in range(8):
        positions, radii = chain(12 + seed, seed)
        found = overlay(prepare(positions, radii), prepare(moved(positions, seed), radii))
        assert found.tanimoto == pytest.approx(1.0, abs=1e-9)
        assert found.rotation @ moved(positions, seed).T + found.translation[:, None] == pytest.approx(
            positions.T, abs=1e-5
        )


def ring(atoms: int, radius: float) -> np.ndarray:
    angles = 2 * np.pi * np.arange(atoms) / atoms
    return np.column_stack([radius * np.cos(angles), radius * np.sin(angles), np.zeros(atoms)])


CAGE = np.array(
    [*np.eye(3), *-np.eye(3), *([x, y, z] for x, y, z in ((1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)))]
)
SYMMETRIC = {
    "one atom": np.zeros((1, 3)),
    "two atoms": np.array([[0, 0, 0], [0, 0, 1.5]]),
    "a line": np.arange(4)[:, None] * np.array([[1.2, 0.3, 0.0]]),
    "a flat ring": ring(6, 1.4),
    "adamantane": np.array([1.78 if n < 6 else 0.89 for n in range(10)])[:, None] * CAGE,
    "a cube": 0.8 * np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, 8).T,
}


@pytest.mark.parametrize("name", SYMMETRIC)
def test_the_symmetric_lie_on_themselves_however_they_lie(name):
    positions = SYMMETRIC[name]
    molecules = [prepare(moved(positions, seed), np.full(len(positions), 1.7)) for seed in range(40)]
    found = overlay_many(molecules, [(seed, seed + 20) for seed in range(20)])
    assert found.tanimoto == pytest.approx(np.ones(20), abs=1e-6)
    assert (found.overlap <= found.self_a * (1 + 1e-12)).all()


def test_the_score_does_not_depend_on_how_the_two_lie():
    cases = [
        chain(19, 3),
        chain(14, 4),
        chain(23, 5),
        *((positions, np.full(len(positions), 1.7)) for positions in SYMMETRIC.values()),
    ]
    poses = 25
    molecules = [prepare(moved(positions, 10 * seed), radii) for positions, radii in cases for seed in range(poses)]
    for a in range(len(cases)):
        for b in range(a):
            rows = [(a * poses + pose, b * poses + poses - 1 - pose) for pose in range(poses)]
            scores = overlay_many(molecules, rows).tanimoto
            assert np.ptp(scores) <= 1e-4 * scores.max()


def test_no_score_is_above_one_and_no_overlap_above_the_mean_of_the_volumes():
    molecules = ready(14)
    found = overlay_many(molecules, [(a, b) for a in range(14) for b in range(14)])
    assert found.tanimoto.max() <= 1.0
    assert (found.overlap <= np.sqrt(found.self_a * found.self_b) * (1 + 1e-12)).all()
    assert found.tanimoto.reshape(14, 14).diagonal() == pytest.approx(np.ones(14), abs=1e-9)


def test_a_mirror_image_is_another_molecule():
    positions, radii = chain(14, 7)
    found = overlay(prepare(positions, radii), prepare(positions * [1, 1, -1], radii), THOROUGH)
    assert found.tanimoto < 0.95
    assert overlay(prepare(positions, radii), prepare(positions * [-1, -1, 1], radii)).tanimoto == pytest.approx(
        1.0, abs=1e-9
    )


def test_two_pairs_of_atoms_have_the_closed_form():
    """Two equal bonds of lengths s and t lie on each other's middle: 2 f(s - t) + 2 f(s + t), halved distances."""
    s, t, alpha = 1.2, 2.0, exponents(np.array([1.7]))[0]
    found = overlay(prepare([[0, 0, 0], [0, 0, s]], [1.7, 1.7]), prepare([[0, 0, 0], [0, t, 0]], [1.7, 1.7]))
    height = AMPLITUDE**2 * (np.pi / (2 * alpha)) ** 1.5
    expected = 2 * height * sum(np.exp(-alpha / 2 * distance**2) for distance in ((s - t) / 2, (s + t) / 2))
    assert found.overlap == pytest.approx(expected, rel=1e-9)


def test_an_atom_has_the_volume_of_its_sphere():
    radius = 1.7
    assert AMPLITUDE * (np.pi / (KAPPA / radius**2)) ** 1.5 == pytest.approx(4 / 3 * np.pi * radius**3)


def test_full_enumeration_finds_no_more():
    for seed in range(3):
        a, b = prepare(*chain(12, seed)), prepare(*chain(8, 50 + seed))
        fast, dense = overlay(a, b), overlay_dense(a, b, 400)
        assert 0.985 * fast.overlap < dense.overlap <= fast.overlap * (1 + 1e-9)


def test_a_thousand_starts_find_no_more():
    molecules = ready(16)
    pairs = [(a, b) for a in range(16) for b in range(a)]
    fast, thorough = overlay_many(molecules, pairs), overlay_many(molecules, pairs, THOROUGH)
    assert (thorough.tanimoto - fast.tanimoto).mean() < 1e-3


def test_starts_are_the_same_whichever_way_the_axes_point():
    quaternions = initial_rotations(6).transpose(0, 2, 1).reshape(-1, 4).astype(np.float64)
    for unit in np.eye(4):
        for rotated in (
            [quaternion_product(unit, q) for q in quaternions],
            [quaternion_product(q, unit) for q in quaternions],
        ):
            assert np.abs(np.array(rotated) @ quaternions.T).max(axis=1) == pytest.approx(np.ones(96), abs=1e-6)


def test_starts_are_spread_evenly():
    quaternions = initial_rotations(12).transpose(0, 2, 1).reshape(-1, 4)
    anywhere = Rotation.random(500, random_state=0).as_quat()
    nearest = 2 * np.degrees(np.arccos(np.abs(anywhere @ quaternions.T).max(axis=1).clip(max=1)))
    assert nearest.max() < 50
    assert super_fibonacci(100) @ np.eye(4) == pytest.approx(super_fibonacci(100))
    assert np.linalg.norm(super_fibonacci(100), axis=1) == pytest.approx(np.ones(100))
    assert half_turn_images(np.array([1.0, 0, 0, 0])).shape == (16, 4)


def test_the_derivatives_are_those_of_finite_differences():
    (a, radii_a), (b, radii_b) = chain(9, 1), chain(7, 2)
    alpha, beta, rotation, translation = (
        exponents(radii_a),
        exponents(radii_b),
        Rotation.random(random_state=3),
        np.full(3, 0.4),
    )
    gradient, hessian = np.empty(6), np.empty((6, 6))

    def at(move: np.ndarray) -> float:
        return overlap_volume(
            a, alpha, b @ (Rotation.from_rotvec(move[:3]) * rotation).as_matrix().T + translation + move[3:], beta
        )

    value = derivatives(a, alpha, b, beta, rotation.as_matrix(), translation, gradient, hessian)
    assert value == pytest.approx(at(np.zeros(6)), rel=1e-12)
    steps = 1e-4 * np.eye(6)
    first = [(at(s) - at(-s)) / 2e-4 for s in steps]
    second = [[(at(s + t) - at(s - t) - at(t - s) + at(-s - t)) / 4e-8 for t in steps] for s in steps]
    assert gradient == pytest.approx(np.array(first), abs=1e-4)
    assert hessian == pytest.approx(np.array(second), abs=1e-2)


@pytest.mark.parametrize(
    ("positions", "radii"),
    [
        (np.zeros((0, 3)), np.zeros(0)),
        (np.zeros((2, 2)), np.ones(2)),
        (np.zeros((2, 3)), np.ones(3)),
        (np.full((1, 3), np.nan), np.ones(1)),
        (np.zeros((1, 3)), np.zeros(1)),
        (np.zeros((1, 3)), np.full(1, 1e300)),
        (np.array([[0.0, 0, 0], [1e200, 0, 0]]), np.ones(2)),
        (np.array([[0.0, 0, 0], [9e9, 0, 0]]), np.ones(2)),
    ],
)
def test_what_is_no_molecule_is_refused(positions, radii):
    with pytest.raises(InputError):
        prepare(positions, radii)


@pytest.mark.parametrize("pairs", [[(0, 3)], [(-1, 0)], [(0.0, 1.0)], [(0, 1, 2)]])
def test_pairs_that_name_no_molecules_are_refused(pairs):
    with pytest.raises(InputError):
        overlay_many(ready(3), pairs)


def test_no_pairs_have_no_overlays():
    assert len(overlay_many(ready(2), np.empty((0, 2), int))) == 0


def test_configurations_that_make_no_sense_are_refused():
    with pytest.raises(InputError):
        OverlayConfig(starts=100)
    with pytest.raises(InputError):
        OverlayConfig(optimised=8)
