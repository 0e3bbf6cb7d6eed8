"""How well a score tells matches from mismatches: by hand, and with ties."""

from __future__ import annotations

import numpy as np
import pytest

from metricvae.core.binary_scores import accuracy, auc, average_precision, best_threshold


def scored(seed: int, levels: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores with ties (`levels` values) that have something to do with the matches."""
    rng = np.random.default_rng(seed)
    match = rng.random(200) < 0.4
    return np.round((rng.normal(size=200) + match) * levels / 6), match


@pytest.mark.parametrize("levels", [2, 10, 10_000])
@pytest.mark.parametrize("seed", range(5))
def test_no_threshold_is_right_more_often(seed: int, levels: int) -> None:
    score, match = scored(seed, levels)
    candidates = np.unique(np.concatenate([score - 0.25, score + 0.25]))
    found = accuracy(score, match, best_threshold(score, match))
    assert found == max(accuracy(score, match, one) for one in candidates)


def test_by_hand() -> None:
    score, match = np.array([4.0, 3.0, 2.0, 1.0]), np.array([True, False, True, False])
    assert auc(score, match) == 0.75
    assert average_precision(score, match) == pytest.approx((1 + 2 / 3) / 2)
    assert accuracy(score, match, 3.5) == 0.75
    assert accuracy(score, match, best_threshold(score, match)) == 0.75
    assert best_threshold(-score, ~match) == pytest.approx(-1.5)


def test_nothing_is_a_match_where_that_is_right_most_often() -> None:
    score, match = np.array([3.0, 2.0, 1.0, 0.0]), np.array([False, False, False, True])
    assert best_threshold(score, match) > 3
