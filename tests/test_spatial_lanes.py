"""The compiled loops on sixteen poses at once, against the same in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numba import njit
from scipy.spatial.transform import Rotation

from metricvae.metrics.shape.solver.gaussian_molecule import prepare
from metricvae.metrics.shape.solver.gradients import pose_derivatives
from metricvae.metrics.shape.solver.lanes import (
    WIDTH,
    absolute,
    exp2,
    exp2_fast,
    load,
    maximum,
    minimum,
    multiply_add,
    select,
    square_root,
    store,
)
from metricvae.metrics.shape.solver.plain import score_plain
from metricvae.metrics.shape.solver.pose_batch import (
    FIELDS,
    GRADIENT,
    HESSIAN,
    SCALE,
    VALUE,
    keep_better,
    pair_tables,
    score,
    score_initial_translations,
)
from metricvae.metrics.shape.solver.quaternions import rotation_rows
from metricvae.metrics.shape.solver.search import atom_exponents, best_poses, distinct_poses
from metricvae.metrics.shape.solver.volumes import derivatives
from metricvae.nn.rotations import rotation_matrices

RNG = np.random.default_rng(5)


@njit
def worked(a, b, out):
    x, y = load(a, 0), load(b, 0)
    store(out[0], 0, x + y * np.float32(2.0))
    store(out[1], 0, np.float32(1.0) / x - y)
    store(out[2], 0, minimum(x, y))
    store(out[3], 0, maximum(x, y))
    store(out[4], 0, square_root(absolute(y)))
    store(out[5], 0, select(x, y, x, y))
    store(out[6], 0, multiply_add(x, y, x))
    store(out[7], 0, multiply_add(np.float32(3.0), y, x))


@njit
def powers(exponents, fine, rough):
    for start in range(0, len(exponents), WIDTH):
        store(fine, start, exp2(load(exponents, start)))
        store(rough, start, exp2_fast(load(exponents, start)))


def test_lanes_calculate_as_numbers_do():
    a, b, out = (RNG.normal(size=shape).astype(np.float32) for shape in (WIDTH, WIDTH, (8, WIDTH)))
    worked(a, b, out)
    expected = [a + 2 * b, 1 / a - b, np.minimum(a, b), np.maximum(a, b), np.sqrt(abs(b)), np.maximum(a, b)]
    expected += [a * b + a, 3 * b + a]
    assert out == pytest.approx(np.array(expected), rel=1e-5, abs=1e-6)


def test_powers_of_two_are_as_close_as_they_say():
    exponents = np.concatenate([-np.linspace(0, 125, 15984), np.linspace(0, 20, 16)]).astype(np.float32)
    fine, rough = np.empty_like(exponents), np.empty_like(exponents)
    powers(exponents, fine, rough)
    true = np.exp2(exponents.astype(np.float64))
    assert np.abs(fine / true - 1).max() < 3e-7
    assert np.abs(rough / true - 1).max() < 1e-4
    far, low = np.full(WIDTH, -1e9, np.float32), np.empty(WIDTH, np.float32)
    powers(far, low, low.copy())
    assert (low >= 0).all()
    assert (low < 1e-37).all()


def gaussian_molecule(atoms: int):
    return prepare(RNG.normal(size=(atoms, 3)) * [3, 2, 1], RNG.choice([1.7, 1.55, 1.52], atoms))


def poses() -> tuple[np.ndarray, Rotation]:
    """A batch (FIELDS * WIDTH,) of random poses, and their rotations."""
    rotations = Rotation.random(WIDTH, random_state=2)
    batch = np.zeros((FIELDS, WIDTH), np.float32)
    batch[:4], batch[4:7] = rotations.as_quat(scalar_first=True).T, RNG.normal(size=(3, WIDTH))
    return batch, rotations


def test_values_and_derivatives_are_those_of_float64():
    a, b = gaussian_molecule(17).atoms, gaussian_molecule(13).atoms
    k, c = pair_tables(a.alpha, b.alpha)
    batch, rotations = poses()
    score(a, b, k, c, batch.ravel())
    rough = batch[VALUE].copy()
    pose_derivatives(a, b, k, c, batch.ravel())
    for lane in range(WIDTH):
        gradient, hessian = np.empty(6), np.empty((6, 6))
        translation = batch[4:7, lane].astype(np.float64)
        rotation = rotations[lane].as_matrix()
        value = derivatives(
            a.positions, atom_exponents(a), b.positions, atom_exponents(b), rotation, translation, gradient, hessian
        )
        assert rough[lane] == pytest.approx(value, rel=1e-4)
        assert batch[VALUE, lane] == pytest.approx(value, rel=2e-6)
        assert batch[GRADIENT : GRADIENT + 6, lane] == pytest.approx(gradient, abs=2e-5 * abs(hessian).max())
        assert batch[HESSIAN : HESSIAN + 21, lane] == pytest.approx(
            hessian[np.tril_indices(6)], abs=2e-5 * abs(hessian).max()
        )
    assert (batch[SCALE:] > 0).all()


def test_the_overlaps_are_those_of_plain_loops():
    a, b = gaussian_molecule(17).atoms, gaussian_molecule(13).atoms
    k, c = pair_tables(a.alpha, b.alpha)
    batch, _ = poses()
    plain = batch.copy()
    score(a, b, k, c, batch.ravel())
    score_plain(a, b, k, c, plain.ravel())
    assert batch[VALUE] == pytest.approx(plain[VALUE], rel=1e-4)
    assert (plain[:VALUE] == batch[:VALUE]).all()


@njit
def rotations_of_lanes(quaternions, matrices):
    rows = rotation_rows(
        load(quaternions, 0), load(quaternions, WIDTH), load(quaternions, 2 * WIDTH), load(quaternions, 3 * WIDTH)
    )
    for row in range(3):
        for column in range(3):
            store(matrices, (3 * row + column) * WIDTH, rows[row][column])


def test_rotations_of_quaternions_are_those_of_scipy():
    rotations = Rotation.random(WIDTH, random_state=4)
    quaternions = rotations.as_quat(scalar_first=True)
    for quaternion, rotation in zip(quaternions, rotations, strict=True):
        assert np.array(rotation_rows(*quaternion)) == pytest.approx(rotation.as_matrix(), abs=1e-14)
    matrices = np.empty((9, WIDTH), np.float32)
    rotations_of_lanes(np.ascontiguousarray(quaternions.T, np.float32).ravel(), matrices.ravel())
    assert matrices.T.reshape(WIDTH, 3, 3) == pytest.approx(rotations.as_matrix(), abs=1e-6)
    tensor = rotation_matrices(torch.from_numpy(quaternions))
    assert tensor.numpy() == pytest.approx(rotations.as_matrix(), abs=1e-14)


def test_initial_translations_are_the_best_of_three():
    a, b = gaussian_molecule(20).atoms, gaussian_molecule(6).atoms
    k, c = pair_tables(a.alpha, b.alpha)
    batch, _ = poses()
    placed, trial = batch.copy(), np.empty(FIELDS * WIDTH, np.float32)
    score_initial_translations(a, b, k, c, placed.ravel(), trial)
    batch[4:7] = 0
    score(a, b, k, c, batch.ravel())
    assert (placed[VALUE] >= batch[VALUE]).all()
    assert (placed[VALUE] > batch[VALUE]).any()
    again = placed.copy()
    score(a, b, k, c, again.ravel())
    assert again[VALUE] == pytest.approx(placed[VALUE])


def test_the_better_are_kept_lane_by_lane():
    batch, trial = (np.tile(RNG.normal(size=WIDTH).astype(np.float32), (FIELDS, 1)) for _ in range(2))
    expected = np.maximum(batch, trial)
    keep_better(batch.ravel(), trial.ravel(), FIELDS)
    assert batch == pytest.approx(expected)


def test_the_best_come_first_and_one_of_each_maximum():
    batches = np.zeros((3, FIELDS, WIDTH), np.float32)
    batches[:, 0], batches[:, VALUE] = 1, RNG.permutation(48).reshape(3, WIDTH)
    flat = batches.reshape(3, -1)
    assert batches[:, VALUE].ravel()[best_poses(flat, 5)].tolist() == [47, 46, 45, 44, 43]
    assert distinct_poses(flat, 5).tolist() == best_poses(flat, 1).tolist()
    batches[:, 4] = batches[:, VALUE]
    assert distinct_poses(flat, 5).tolist() == best_poses(flat, 5).tolist()
