"""Table 1 as a function of arrays: what perfect, useless and honest predictions must give."""

from __future__ import annotations

import numpy as np
import pytest

from metricvae.core.errors import InputError
from metricvae.evaluation.baselines import LabelledMagnitudes, train_mean_guess
from metricvae.reproduction.table_1 import Table1Data, draw_batches, table_1

TEST_PAIRS = 6 * 24 + 400


def draw_labels(count: int, seed: int) -> LabelledMagnitudes:
    """Areas, and overlaps that depend on the smaller area, the ratio of the two, and chance."""
    generator = np.random.default_rng(seed)
    first, second = generator.uniform(500, 12_000, size=(2, count))
    small, large = np.minimum(first, second), np.maximum(first, second)
    share = 1 - 0.35 * (small / large) ** 2 - generator.uniform(0, 0.2, size=count)
    return LabelledMagnitudes(small * share, first, second)


@pytest.fixture(scope="module")
def data() -> Table1Data:
    batches, large = draw_batches(TEST_PAIRS, seed=3)
    return Table1Data(draw_labels(1500, 0), draw_labels(TEST_PAIRS, 1), batches, large, seed=11)


def test_perfect_predictions_have_no_error(data):
    table = table_1(data, overlap=data.test.value, paper=data.test.value)
    assert [row.errors.overlap for row in table.rows] == [0.0] * 6
    assert table.large.errors.overlap == table.large.errors.paper == 0.0
    assert table.r2.overlap == 1.0
    assert 0.9 < table.r2.areas < 1
    assert all(one.result.difference <= 0 for one in table.comparisons)


def test_shuffled_labels_are_not_better_than_the_naive_guess(data):
    shuffled = np.random.default_rng(5).permutation(data.test.value)
    table = table_1(data, overlap=shuffled)
    versus_mean = table.comparisons[0].result
    assert versus_mean.ratio_low > 1
    assert table.r2.overlap < 0


def test_the_train_mean_against_itself_is_a_draw(data):
    table = table_1(data, overlap=train_mean_guess(data.train, len(data.test)))
    assert table.comparisons[0].result.p_value == 1.0
    assert [test.p_value for test in table.tests] == [1.0, 1.0]
    assert table.r2.train_mean == pytest.approx(0, abs=0.05)


def test_a_random_guess_costs_the_variance_twice(data):
    table = table_1(data, overlap=data.test.value)
    variance = float(np.var(data.test.value))
    assert table.large.errors.random_guess == pytest.approx(2 * variance, rel=0.25)
    assert table.large.errors.train_mean == pytest.approx(variance, rel=0.25)


def test_rows_are_plain_means_over_their_batch(data):
    predictions = data.test.value + np.arange(TEST_PAIRS)
    table = table_1(data, overlap=predictions)
    for row, batch in zip(table.rows, data.batches, strict=True):
        assert row.pairs == 24
        assert row.errors.overlap == pytest.approx(np.mean(batch.astype(float) ** 2))
        assert row.errors.paper is None
    assert table.rows[0].published_naive == 6.39e6
    assert table.rows[5].published_model == 6.46e6


def test_the_same_seed_gives_the_same_table(data):
    noisy = data.test.value + np.random.default_rng(2).normal(scale=50, size=TEST_PAIRS)
    assert table_1(data, overlap=noisy) == table_1(data, overlap=noisy)


def test_batches_share_no_pair():
    batches, large = draw_batches(1000, seed=0, large=800)
    everything = np.concatenate([*batches, large])
    assert [len(batch) for batch in batches] == [24] * 6
    assert len(large) == 800
    assert len(np.unique(everything)) == len(everything)
    with pytest.raises(InputError, match="label more pairs"):
        draw_batches(150, seed=0, large=100)


@pytest.mark.parametrize("bad", [np.zeros(3), np.full(TEST_PAIRS, np.nan)])
def test_predictions_that_do_not_fit_are_refused(data, bad):
    with pytest.raises(InputError, match="one per test pair"):
        table_1(data, overlap=bad)
    with pytest.raises(InputError, match="paper preset"):
        table_1(data, overlap=data.test.value, paper=bad)


def test_batches_outside_the_test_pairs_are_refused(data):
    wrong = Table1Data(data.train, data.test, data.batches, np.array([0, TEST_PAIRS]), seed=0)
    with pytest.raises(InputError, match="points outside"):
        table_1(wrong, overlap=data.test.value)
