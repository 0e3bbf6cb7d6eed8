"""What a model must beat: laws that the regression on magnitudes can and cannot know."""

from __future__ import annotations

import numpy as np
import pytest

from metricvae.core.errors import InputError
from metricvae.evaluation.baselines import (
    LabelledMagnitudes,
    fit_magnitudes,
    magnitude_features,
    random_guess,
)

Floats = np.ndarray


def magnitudes(count: int, seed: int) -> tuple[Floats, Floats]:
    left, right = np.random.default_rng(seed).uniform(500, 12_000, size=(2, count))
    return left, right


SYMMETRIC = {
    "smaller": lambda left, right: 0.8 * np.minimum(left, right),
    "geometric mean": lambda left, right: np.sqrt(left * right),
    "ratio": lambda left, right: np.minimum(left, right) / np.maximum(left, right),
    "constant": lambda left, right: np.full(len(left), -3.0),
}
LAWS = SYMMETRIC | {
    "difference": lambda left, right: left - right,
    "one side": lambda left, right: 2 * left + 5,
}


@pytest.mark.parametrize("law", LAWS)
def test_it_finds_a_law_it_can_express(law: str) -> None:
    left, right = magnitudes(300, 0)
    model = fit_magnitudes(LabelledMagnitudes(LAWS[law](left, right), left, right), symmetric=law in SYMMETRIC)
    left, right = magnitudes(100, 1)
    expected = LAWS[law](left, right)
    np.testing.assert_allclose(model.predict(left, right), expected, atol=1e-6 * np.abs(expected).max())


def test_a_symmetric_one_takes_no_notice_of_the_order() -> None:
    left, right = magnitudes(300, 2)
    model = fit_magnitudes(LabelledMagnitudes(left - right, left, right))
    np.testing.assert_allclose(model.predict(left, right), model.predict(right, left))


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("size", [1.0, 1000.0])
def test_where_all_magnitudes_are_equal_it_is_the_mean_label(symmetric: bool, size: float) -> None:
    value, same = np.array([3.0, -1.0, 4.0, 0.0, 4.0]), np.full(5, size)
    model = fit_magnitudes(LabelledMagnitudes(value, same, same), symmetric=symmetric)
    np.testing.assert_allclose(model.predict(same, same), 2.0)
    assert magnitude_features(same, same, symmetric).shape == (5, 16 if symmetric else 32)


def test_predictions_stay_in_the_limits_that_are_given() -> None:
    left, right = magnitudes(300, 3)
    model = fit_magnitudes(LabelledMagnitudes(np.minimum(left, right) * 1.1 - 900, left, right))
    assert (model.predict(left, right) < 0).any()
    limited = model.predict(left, right, limits=(0.0, np.minimum(left, right)))
    assert (limited >= 0).all()
    assert (limited <= np.minimum(left, right)).all()
    assert (limited == np.minimum(left, right)).any()


def test_random_guess_is_seeded_and_drawn_from_the_labels() -> None:
    left, right = magnitudes(60, 4)
    train = LabelledMagnitudes(left / 2, left, right)
    guess = random_guess(train, 50, seed=1)
    np.testing.assert_array_equal(guess, random_guess(train, 50, seed=1))
    assert np.isin(guess, train.value).all()


def test_bad_labels_are_refused() -> None:
    good = np.array([1.0, 2.0])
    with pytest.raises(InputError, match="one length"):
        LabelledMagnitudes(good, good, good[:1])
    with pytest.raises(InputError, match="not finite"):
        LabelledMagnitudes(np.array([1.0, np.nan]), good, good)
    with pytest.raises(InputError, match="not positive"):
        LabelledMagnitudes(good, good, np.array([1.0, 0.0]))
