"""The tests of significance: known answers, symmetries, and how often they cry wolf."""

from __future__ import annotations

import math

import numpy as np
import pytest

from metricvae.core.errors import InputError
from metricvae.evaluation.statistics import paired_bootstrap, welch_test, z_test
from metricvae.reproduction.table_1 import PUBLISHED_MODEL, PUBLISHED_NAIVE


def test_welch_reproduces_the_p_value_printed_in_the_paper():
    result = welch_test(PUBLISHED_NAIVE, PUBLISHED_MODEL)
    assert result.p_value == pytest.approx(0.0490, abs=5e-5)  # the paper, from unrounded rows: 0.049165
    assert result.statistic == pytest.approx(2.2817, abs=1e-4)
    assert result.degrees_of_freedom == pytest.approx(8.83, abs=0.01)


def test_the_z_test_of_the_paper_s_rows_gives_another_figure():
    result = z_test(PUBLISHED_NAIVE, PUBLISHED_MODEL)
    assert result.p_value == pytest.approx(0.0225, abs=5e-5)
    assert result.degrees_of_freedom is None


@pytest.mark.parametrize("test", [z_test, welch_test])
def test_swapping_the_samples_flips_the_sign_only(test):
    forth, back = test([1.0, 2.0, 4.0], [3.0, 5.0, 9.0, 2.0]), test([3.0, 5.0, 9.0, 2.0], [1.0, 2.0, 4.0])
    assert forth.statistic == pytest.approx(-back.statistic)
    assert forth.p_value == pytest.approx(back.p_value)


@pytest.mark.parametrize("test", [z_test, welch_test])
def test_samples_without_spread(test):
    assert test([1.0, 1.0], [1.0, 1.0]).p_value == 1.0
    apart = test([1.0, 1.0], [2.0, 2.0])
    assert apart.statistic == -math.inf
    assert apart.p_value == 0.0


@pytest.mark.parametrize("test", [z_test, welch_test])
@pytest.mark.parametrize("sample", [[], [1.0], [1.0, math.nan], [[1.0, 2.0]]])
def test_bad_samples_are_refused(test, sample):
    with pytest.raises(InputError, match="at least two finite numbers"):
        test([1.0, 2.0], sample)


def test_bootstrap_of_equal_methods_finds_nothing():
    errors = np.random.default_rng(0).normal(size=300)
    same = paired_bootstrap(errors, -errors, seed=1, resamples=500)
    assert (same.difference, same.ratio, same.p_value) == (0.0, 1.0, 1.0)
    assert same.ratio_low == same.ratio_high == 1.0


def test_bootstrap_knows_the_ratio_of_scaled_errors():
    errors = np.random.default_rng(0).normal(size=300)
    scaled = paired_bootstrap(errors, 3 * errors, seed=1, resamples=500)
    assert scaled.ratio == pytest.approx(1 / 9)
    assert scaled.ratio_low == pytest.approx(1 / 9)
    assert scaled.difference_low < scaled.difference < scaled.difference_high < 0
    assert scaled.p_value == pytest.approx(2 / 501)


def test_bootstrap_depends_on_its_seed_and_nothing_else():
    a, b = np.random.default_rng(0).normal(size=(2, 200))
    once = paired_bootstrap(a, b, seed=5, resamples=300)
    assert once == paired_bootstrap(a, b, seed=5, resamples=300)
    assert once != paired_bootstrap(a, b, seed=6, resamples=300)


def test_bootstrap_interval_covers_the_truth_about_as_often_as_it_says():
    generator = np.random.default_rng(7)
    covered = 0
    for trial in range(100):
        a, b = generator.normal(size=(2, 150)) * [[1.2], [1.0]]  # true difference of the MSE: 0.44
        result = paired_bootstrap(a, b, seed=trial, resamples=300)
        covered += result.difference_low <= 0.44 <= result.difference_high
    assert 87 <= covered <= 100


def test_bootstrap_survives_a_perfect_method():
    perfect = paired_bootstrap([1.0, 2.0, 3.0], [0.0, 0.0, 0.0], seed=0, resamples=50)
    assert perfect.ratio == perfect.ratio_low == perfect.ratio_high == math.inf


def test_bootstrap_refuses_different_pairs():
    with pytest.raises(InputError, match="the same pairs"):
        paired_bootstrap([1.0, 2.0], [1.0, 2.0, 3.0], seed=0)
    with pytest.raises(InputError, match="resamples"):
        paired_bootstrap([1.0, 2.0], [1.0, 2.0], seed=0, resamples=0)
