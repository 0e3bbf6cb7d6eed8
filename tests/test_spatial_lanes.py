"""The compiled loops on sixteen poses at once, against the same in float64."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit
from scipy.spatial.transform import Rotation

from metricvae.metrics.shape.solver.bodies import prepare
from metricvae.metrics.shape.solver.gradients import slopes
from metricvae.metrics.shape.solver.groups import (
    CURVE,
    FIELDS,
    SCALE,
    SLOPE,
    VALUE,
    keep_better,
    pair_tables,
    score,
    score_seats,
)
from metricvae.metrics.shape.solver.lanes import WIDTH, higher, load, lower, pick, power, root, rough_power, size, store
from metricvae.metrics.shape.solver.searching import best_of, distinct, spread_out
from metricvae.metrics.shape.solver.volumes import derivatives

RNG = np.random.default_rng(5)


@njit
def worked(a, b, out):
    x, y = load(a, 0), load(b, 0)
    store(out[0], 0, x + y * np.float32(2.0))
    store(out[1], 0, np.float32(1.0) / x - y)
    store(out[2], 0, lower(x, y))
    store(out[3], 0, higher(x, y))
    store(out[4], 0, root(size(y)))
    store(out[5], 0, pick(x, y, x, y))


@njit
def powers(exponents, fine, rough):
    for start in range(0, len(exponents), WIDTH):
        store(fine, start, power(load(exponents, start)))
        store(rough, start, rough_power(load(exponents, start)))


def test_lanes_reckon_as_numbers_do():
    a, b, out = (RNG.normal(size=shape).astype(np.float32) for shape in (WIDTH, WIDTH, (6, WIDTH)))
    worked(a, b, out)
    expected = [a + 2 * b, 1 / a - b, np.minimum(a, b), np.maximum(a, b), np.sqrt(abs(b)), np.maximum(a, b)]
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


def body(atoms: int):
    return prepare(RNG.normal(size=(atoms, 3)) * [3, 2, 1], RNG.choice([1.7, 1.55, 1.52], atoms))


def poses() -> tuple[np.ndarray, Rotation]:
    """A group (FIELDS * WIDTH,) of random poses, and their rotations."""
    turns = Rotation.random(WIDTH, random_state=2)
    group = np.zeros((FIELDS, WIDTH), np.float32)
    group[:4], group[4:7] = turns.as_quat(scalar_first=True).T, RNG.normal(size=(3, WIDTH))
    return group, turns


def test_values_and_derivatives_are_those_of_float64():
    a, b = body(17).atoms, body(13).atoms
    k, c = pair_tables(a.alpha, b.alpha)
    group, turns = poses()
    score(a, b, k, c, group.ravel())
    rough = group[VALUE].copy()
    slopes(a, b, k, c, group.ravel())
    for lane in range(WIDTH):
        slope, curve = np.empty(6), np.empty((6, 6))
        shift = group[4:7, lane].astype(np.float64)
        turn = turns[lane].as_matrix()
        value = derivatives(a.places, spread_out(a), b.places, spread_out(b), turn, shift, slope, curve)
        assert rough[lane] == pytest.approx(value, rel=1e-4)
        assert group[VALUE, lane] == pytest.approx(value, rel=2e-6)
        assert group[SLOPE : SLOPE + 6, lane] == pytest.approx(slope, abs=2e-5 * abs(curve).max())
        assert group[CURVE : CURVE + 21, lane] == pytest.approx(curve[np.tril_indices(6)], abs=2e-5 * abs(curve).max())
    assert (group[SCALE:] > 0).all()


def test_seats_are_the_best_of_three():
    a, b = body(20).atoms, body(6).atoms
    k, c = pair_tables(a.alpha, b.alpha)
    group, _ = poses()
    seated, trial = group.copy(), np.empty(FIELDS * WIDTH, np.float32)
    score_seats(a, b, k, c, seated.ravel(), trial)
    group[4:7] = 0
    score(a, b, k, c, group.ravel())
    assert (seated[VALUE] >= group[VALUE]).all()
    assert (seated[VALUE] > group[VALUE]).any()
    again = seated.copy()
    score(a, b, k, c, again.ravel())
    assert again[VALUE] == pytest.approx(seated[VALUE])


def test_the_better_are_kept_lane_by_lane():
    group, trial = (np.tile(RNG.normal(size=WIDTH).astype(np.float32), (FIELDS, 1)) for _ in range(2))
    expected = np.maximum(group, trial)
    keep_better(group.ravel(), trial.ravel(), FIELDS)
    assert group == pytest.approx(expected)


def test_the_best_come_first_and_one_of_each_hill():
    groups = np.zeros((3, FIELDS, WIDTH), np.float32)
    groups[:, 0], groups[:, VALUE] = 1, RNG.permutation(48).reshape(3, WIDTH)
    flat = groups.reshape(3, -1)
    assert groups[:, VALUE].ravel()[best_of(flat, 5)].tolist() == [47, 46, 45, 44, 43]
    assert distinct(flat, 5).tolist() == best_of(flat, 1).tolist()
    groups[:, 4] = groups[:, VALUE]
    assert distinct(flat, 5).tolist() == best_of(flat, 5).tolist()
