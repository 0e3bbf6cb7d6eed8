"""Which values of a metric are possible, laws over all that are registered."""

from __future__ import annotations

import math

import numpy as np
import pytest

from metricvae.core.metric import METRICS, Metric
from metricvae.metrics.correlation.metric import CorrelationMetric
from metricvae.metrics.match.metric import MatchMetric
from metricvae.metrics.overlap.metric import OverlapMetric
from metricvae.metrics.shape.metric import ShapeMetric
from metricvae.metrics.tabular import TabularMetric

TABULAR = (
    TabularMetric(range=(0.0, None), similarity=False),
    TabularMetric(range=(-2.5, 3.0), task="ranking"),
    TabularMetric(task="binary", left="silhouette", right="molecule"),
)
"""Settings that are not the default ones."""

every_metric = pytest.mark.parametrize(
    "metric", [*(METRICS.get(name)() for name in METRICS.names()), *TABULAR], ids=lambda metric: metric.name
)


def magnitudes(count: int = 50) -> tuple[np.ndarray, np.ndarray]:
    left, right = np.random.default_rng(0).uniform(1, 4e4, (2, count))
    return left, right


@every_metric
def test_the_least_value_is_below_the_largest(metric: Metric) -> None:
    sizes = magnitudes()
    low, high = metric.limits(*sizes)
    assert low.shape == high.shape == sizes[0].shape
    assert (low < high).all()


@every_metric
def test_limits_of_a_symmetric_metric_are_symmetric(metric: Metric) -> None:
    left, right = magnitudes()
    if metric.symmetric:
        for there, back in zip(metric.limits(left, right), metric.limits(right, left), strict=True):
            np.testing.assert_array_equal(there, back)


@every_metric
def test_an_object_and_itself_are_within_the_limits(metric: Metric) -> None:
    size, _ = magnitudes()
    low, high = metric.limits(size, size)
    if metric.self_is_magnitude:
        assert (low <= size).all()
        np.testing.assert_allclose(high, size, rtol=1e-12)


@every_metric
def test_the_limits_of_a_binary_metric_are_its_two_values(metric: Metric) -> None:
    if metric.task == "binary":
        low, high = metric.limits(*magnitudes())
        assert (set(low), set(high)) == ({0.0}, {1.0})


@every_metric
def test_a_search_orders_by_similarity(metric: Metric) -> None:
    """The score of a search rises with the value of a similarity, and falls with that of a distance."""
    size = np.full(20, 100.0)
    low, high = (np.clip(end, -50.0, 100.0) for end in metric.limits(size, size))
    value = low + (high - low) * np.linspace(0, 1, 20)
    steps = np.diff(metric.retrieval_score(value, size, size))
    assert (steps > 0).all() if metric.similarity else (steps < 0).all()


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (OverlapMetric(), [0, 30]),
        (ShapeMetric(), [0, math.sqrt(30 * 70)]),
        (MatchMetric(), [0, 1]),
        (CorrelationMetric(), [-1, 1]),
        (TabularMetric(), [-math.inf, math.inf]),
        (TabularMetric(range=(0, None)), [0, math.inf]),
        (TabularMetric(range=(None, 8)), [-math.inf, 8]),
        (TabularMetric(task="binary"), [0, 1]),
    ],
)
def test_known_limits_of_objects_of_magnitudes_30_and_70(metric: Metric, expected: list[float]) -> None:
    found = metric.limits(np.array([30.0]), np.array([70.0]))
    assert [limit.item() for limit in found] == pytest.approx(expected)
