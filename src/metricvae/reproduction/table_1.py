"""Table 1 of the paper: the squared error of predicted maximum overlaps by batch, beside that of guesses.

The numbers are a pure function of labels, areas and predictions; `table_1_run` makes pairs and predictions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from metricvae.core.errors import InputError
from metricvae.evaluation.baselines import LabelledMagnitudes, fit_magnitudes, random_guess, train_mean_guess
from metricvae.evaluation.statistics import (
    BootstrapComparison,
    SignificanceTest,
    paired_bootstrap,
    welch_test,
    z_test,
)
from metricvae.reproduction.config import BATCH_SIZE, BATCHES

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
T = TypeVar("T")
U = TypeVar("U")

PUBLISHED_NAIVE = (6.39e6, 5.06e6, 5.75e6, 7.36e6, 7.12e6, 5.64e6)
"""The paper's Table 1, "naive method error", six batches of 24 pairs."""
PUBLISHED_MODEL = (4.78e6, 4.22e6, 2.75e6, 5.88e6, 4.32e6, 6.46e6)
"""The paper's Table 1, "magic autoencoder error"."""
PUBLISHED_P_VALUE = 0.049165
"""The paper's p-value of the difference."""

LARGE_SIZE = 2000
"""Pairs of the large batch of the published results."""


@dataclass(frozen=True)
class Table1Data:
    """What the table is computed from.

    Attributes:
        train: labels and areas of the pairs that the baselines (and models) learned from.
        test: labels and areas of n test pairs.
        batches: six index arrays into the test pairs, (24,) each in the paper.
        large: (2000 or more,) indices of the large batch.
        seed: of the random guess and the bootstrap.
    """

    train: LabelledMagnitudes
    test: LabelledMagnitudes
    batches: tuple[Indices, ...]
    large: Indices
    seed: int


@dataclass(frozen=True)
class PerMethod(Generic[T]):
    """One value for each method that is compared; `paper` is None where that preset was not trained."""

    train_mean: T
    random_guess: T
    areas: T
    paper: T | None
    overlap: T

    def map(self, function: Callable[[T], U]) -> PerMethod[U]:
        """Apply `function` to the value of every method."""
        paper = None if self.paper is None else function(self.paper)
        return PerMethod(
            function(self.train_mean), function(self.random_guess), function(self.areas), paper, function(self.overlap)
        )

    def in_order(self) -> tuple[T | None, ...]:
        """The values in the order of `METHODS`."""
        return (self.train_mean, self.random_guess, self.areas, self.paper, self.overlap)


METHODS = PerMethod("train-mean guess", "random guess", "areas regression", "paper preset", "overlap preset")
"""What each method is called in print."""


@dataclass(frozen=True)
class ErrorRow:
    """One batch.

    Attributes:
        batch: its name.
        pairs: how many pairs it holds.
        published_naive, published_model: the paper's two figures; None where the paper has none.
        errors: mean squared error of each method, in pixels squared.
    """

    batch: str
    pairs: int
    published_naive: float | None
    published_model: float | None
    errors: PerMethod[float]


@dataclass(frozen=True)
class Comparison:
    """The overlap preset (method a) against another method (b) on the large batch."""

    other: str
    result: BootstrapComparison


@dataclass(frozen=True)
class Table1:
    """The table, its tests, and how much of the labels each method explains.

    Attributes:
        rows: the six batches.
        large: the large batch.
        r2: 1 - MSE / variance of the labels, on the large batch.
        published_tests: z-test and Welch's t-test of the paper's naive column against its model column.
        tests: the same of our train-mean column against our overlap column.
        comparisons: paired bootstraps on the large batch, 95 % intervals.
        seed: of the random guess and the bootstrap.
    """

    rows: tuple[ErrorRow, ...]
    large: ErrorRow
    r2: PerMethod[float]
    published_tests: tuple[SignificanceTest, ...]
    tests: tuple[SignificanceTest, ...]
    comparisons: tuple[Comparison, ...]
    seed: int


def draw_batches(
    count: int, *, seed: int, large: int | None = None, size: int = BATCH_SIZE
) -> tuple[tuple[Indices, ...], Indices]:
    """Partition `count` test pairs at random into six small batches and a large one.

    Args:
        count: test pairs there are.
        seed: of the draw.
        large: pairs of the large batch; all that are left when None.
        size: pairs of each small batch.

    Raises:
        InputError: too few test pairs.
    """
    small = BATCHES * size
    needed = small + (large or 2)
    if count < needed:
        raise InputError(f"got {count} test pairs, expected at least {needed} for Table 1: label more pairs")
    order = np.random.default_rng(seed).permutation(count).astype(np.int64)
    rest = order[small:]
    return tuple(order[:small].reshape(BATCHES, size)), rest if large is None else rest[:large]


def table_1(data: Table1Data, *, overlap: npt.ArrayLike, paper: npt.ArrayLike | None = None) -> Table1:
    """Compute Table 1.

    Args:
        data: labels, areas and batches.
        overlap: (n,) predictions of the overlap preset for the test pairs, in pixels.
        paper: (n,) predictions of the paper preset, or None where it was not trained.

    Raises:
        InputError: predictions that do not fit the test pairs or are not finite; batches that point outside them.
    """
    for batch in (*data.batches, data.large):
        if len(batch) < 2 or batch.min() < 0 or batch.max() >= len(data.test):
            raise InputError(f"a batch of {len(batch)} pairs points outside the {len(data.test)} test pairs")
    errors = _all_errors(data, _predicted(overlap, data, "overlap"), _predicted(paper, data, "paper"))
    rows = tuple(_row(number, errors, batch) for number, batch in enumerate(data.batches))
    ours = [row.errors.train_mean for row in rows], [row.errors.overlap for row in rows]
    return Table1(
        rows=rows,
        large=ErrorRow("large", len(data.large), None, None, _mean_squares(errors, data.large)),
        r2=_r2(data, errors),
        published_tests=(z_test(PUBLISHED_NAIVE, PUBLISHED_MODEL), welch_test(PUBLISHED_NAIVE, PUBLISHED_MODEL)),
        tests=(z_test(*ours), welch_test(*ours)),
        comparisons=_comparisons(errors, data),
        seed=data.seed,
    )


def _predicted(values: npt.ArrayLike | None, data: Table1Data, preset: str) -> Floats | None:
    if values is None:
        return None
    predicted = np.asarray(values, dtype=np.float64)
    if predicted.shape != data.test.value.shape or not np.isfinite(predicted).all():
        raise InputError(
            f"got predictions of shape {predicted.shape} from the {preset} preset: "
            f"expected {len(data.test)} finite numbers, one per test pair"
        )
    return predicted


def _all_errors(data: Table1Data, overlap: Floats | None, paper: Floats | None) -> PerMethod[Floats]:
    """Predicted minus true, (n,) pixels, of every method on all test pairs."""
    if overlap is None:
        raise InputError("got no predictions of the overlap preset: expected one per test pair")
    count, sizes = len(data.test), (data.test.left_magnitude, data.test.right_magnitude)
    predicted: PerMethod[Floats] = PerMethod(
        train_mean=train_mean_guess(data.train, count),
        random_guess=random_guess(data.train, count, seed=data.seed),
        areas=fit_magnitudes(data.train).predict(*sizes, limits=(0.0, np.minimum(*sizes))),
        paper=paper,
        overlap=overlap,
    )
    return predicted.map(lambda values: values - data.test.value)


def _mean_squares(errors: PerMethod[Floats], batch: Indices) -> PerMethod[float]:
    return errors.map(lambda error: float(np.mean(error[batch] ** 2)))


def _row(number: int, errors: PerMethod[Floats], batch: Indices) -> ErrorRow:
    published = number < BATCHES
    return ErrorRow(
        batch=str(number + 1),
        pairs=len(batch),
        published_naive=PUBLISHED_NAIVE[number] if published else None,
        published_model=PUBLISHED_MODEL[number] if published else None,
        errors=_mean_squares(errors, batch),
    )


def _r2(data: Table1Data, errors: PerMethod[Floats]) -> PerMethod[float]:
    variance = float(np.var(data.test.value[data.large]))
    return _mean_squares(errors, data.large).map(lambda mse: 1 - mse / variance if variance else float("nan"))


def _comparisons(errors: PerMethod[Floats], data: Table1Data) -> tuple[Comparison, ...]:
    model = errors.overlap[data.large]
    others = ((METHODS.train_mean, errors.train_mean), (METHODS.areas, errors.areas), (METHODS.paper, errors.paper))
    return tuple(
        Comparison(str(name), paired_bootstrap(model, error[data.large], seed=data.seed))
        for name, error in others
        if error is not None
    )
