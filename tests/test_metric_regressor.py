"""The scikit-learn estimator: what scikit-learn asks of one, what it learns, and what it refuses."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.utils.estimator_checks import check_estimator

import metricvae as mv
from metricvae.sklearn import CALIBRATED_FROM

EXPECTED_FAILURES: dict[str, str] = {}
"""Checks of scikit-learn that the estimator does not pass, and why."""


def rows_and_distances(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rows = np.random.default_rng(seed).normal(size=(count, 6))
    return rows, np.linalg.norm(rows[:, :3] - rows[:, 3:], axis=1)


def quick(**settings: Any) -> mv.MetricRegressor:
    return mv.MetricRegressor(**{"steps": 20, "random_state": 0} | settings)


@pytest.mark.slow
def test_scikit_learn_accepts_the_estimator() -> None:
    results = check_estimator(quick(steps=100), expected_failed_checks=EXPECTED_FAILURES, on_fail=None)
    failed = {one["check_name"]: one["exception"] for one in results if one["status"] == "failed"}
    assert failed == {}
    assert {one["check_name"] for one in results if one["status"] == "xfail"} == set(EXPECTED_FAILURES)


def test_one_column_is_refused_as_scikit_learn_does() -> None:
    with pytest.raises(ValueError, match="1 feature"):
        quick().fit(np.ones((30, 1)), np.arange(30.0))


def test_intervals_come_from_rows_set_aside() -> None:
    rows, values = rows_and_distances(CALIBRATED_FROM + 100)
    model = quick(symmetric=True).fit(rows, values)
    predicted, intervals = model.predict(rows[:7]), model.predict_interval(rows[:7])
    assert intervals.shape == (7, 2)
    assert ((intervals[:, 0] <= predicted) & (predicted <= intervals[:, 1])).all()
    swapped = np.concatenate([rows[:, 3:], rows[:, :3]], axis=1)
    np.testing.assert_allclose(model.predict(swapped), model.predict(rows), rtol=1e-4, atol=1e-5)


def test_few_rows_are_all_learned_from_and_have_no_intervals() -> None:
    rows, values = rows_and_distances(30)
    model = quick().fit(rows, values)
    assert np.isfinite(model.predict(rows)).all()
    with pytest.raises(mv.InputError, match="fitted to fewer than 200 rows"):
        model.predict_interval(rows)


def test_equal_values_are_predicted_as_they_are() -> None:
    rows, _ = rows_and_distances(30)
    model = quick().fit(rows, np.full(30, 2.5))
    assert model.predict(rows).tolist() == [2.5] * 30
    assert model.predict_interval(rows[:1]).tolist() == [[2.5, 2.5]]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"left_features": 6}, "left_features is 6 of 6"),
        ({"left_features": 0}, "left_features is 0 of 6"),
        ({"left_features": 2, "symmetric": True}, "got vectors of 2 and 4 numbers for a symmetric metric"),
    ],
)
def test_sides_that_cannot_be(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        quick(**settings).fit(*rows_and_distances(30))


def test_the_seed_decides_the_model_and_it_can_be_pickled() -> None:
    rows, values = rows_and_distances(40)
    first = quick(left_features=2).fit(rows, values)
    again, other = clone(first).fit(rows, values), quick(left_features=2, random_state=1).fit(rows, values)
    assert np.array_equal(first.predict(rows), again.predict(rows))
    assert not np.array_equal(first.predict(rows), other.predict(rows))
    assert np.array_equal(pickle.loads(pickle.dumps(first)).predict(rows), first.predict(rows))


@pytest.mark.slow
def test_a_distance_is_learned() -> None:
    scores = cross_val_score(quick(symmetric=True, steps=300), *rows_and_distances(3_000), cv=2)
    assert scores.min() > 0.9
