"""A scikit-learn estimator: a metric between two vectors that lie side by side in each row."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from metricvae.core.dataset import ObjectTable, PairDataset
from metricvae.core.errors import InputError
from metricvae.core.kind import kind_from_json
from metricvae.core.metric import IMPORTED, metric_from_json
from metricvae.fitting.fit import fit as fit_model
from metricvae.prediction.predictor import Predictor
from metricvae.prediction.records import Encoded
from metricvae.training.loop import train
from metricvae.training.presets import ChosenPreset, general_preset

CALIBRATED_FROM = 200
"""Rows from which some are set aside for intervals and for the choice of weights; with fewer, all are learned from."""

LEAST_BATCH = 64
"""Rows of a training step, where there are so many: vectors are small."""

Floats = npt.NDArray[np.float64]


class MetricRegressor(RegressorMixin, BaseEstimator):
    """Learns a metric between two vectors from rows that hold both, and its value: each side is encoded by itself.

    Of `CALIBRATED_FROM` rows and more, a fifth drawn at random is set aside: one half chooses among weights, the other
    gives the widths of `predict_interval`. Pairs that share vectors are not kept apart; for splits by objects use
    `metricvae.PairDataset`.

    Args:
        left_features: columns of the left vector; the rest is the right one. By default half of all, rounded down.
        symmetric: whether the value is the same for swapped vectors, which then have as many columns; one encoder
            serves both.
        steps: of the training; by default as many as suit the number of rows.
        latent: numbers of a code; by default that of the general preset.
        random_state: of initial weights, batches and the rows set aside.
        device: where to train.

    Attributes:
        predictor_: the model; None where all values were equal.
        n_features_in_: columns of the training rows.

    Example:
        >>> import numpy as np
        >>> rows = np.random.default_rng(0).normal(size=(300, 6))
        >>> distance = np.linalg.norm(rows[:, :3] - rows[:, 3:], axis=1)
        >>> model = MetricRegressor(symmetric=True, steps=20, random_state=0).fit(rows, distance)
        >>> model.predict(rows[:2]).shape, model.predict_interval(rows[:2]).shape
        ((2,), (2, 2))
    """

    def __init__(
        self,
        left_features: int | None = None,
        *,
        symmetric: bool = False,
        steps: int | None = None,
        latent: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        device: str = "cpu",
    ) -> None:
        self.left_features = left_features
        self.symmetric = symmetric
        self.steps = steps
        self.latent = latent
        self.random_state = random_state
        self.device = device

    def fit(self, X: Any, y: Any) -> Self:
        """Learn from rows (n, p) and their values (n,).

        Raises:
            ValueError: fewer than 2 rows or columns, something other than finite numbers, or vectors of different
                lengths for a symmetric metric.
        """
        rows, values = validate_data(
            self, X, y, dtype=np.float64, y_numeric=True, ensure_min_samples=2, ensure_min_features=2
        )
        self._check_sides()
        self.constant_ = float(np.mean(values))
        self.predictor_ = None if values.min() == values.max() else self._fitted(rows, values.astype(np.float64))
        return self

    def predict(self, X: Any) -> Floats:
        """Values (n,) of rows (n, p)."""
        rows = self._rows(X)
        if self.predictor_ is None:
            return np.full(len(rows), self.constant_)
        return self.predictor_.values(*self._encoded(rows), *_side_by_side(len(rows)))

    def predict_interval(self, X: Any) -> Floats:
        """Lower and upper ends (n, 2) of intervals that hold nine of ten true values, for rows like those of `fit`.

        Raises:
            InputError: fitted to fewer than `CALIBRATED_FROM` rows.
        """
        rows = self._rows(X)
        if self.predictor_ is None:
            return np.full((len(rows), 2), self.constant_)
        if not self.predictor_.loaded.calibration:
            raise InputError(f"fitted to fewer than {CALIBRATED_FROM} rows, so there are no intervals: give more rows")
        found = self.predictor_.predict(*self._encoded(rows), *_side_by_side(len(rows)))
        return np.stack([found.low, found.high], axis=1)

    def _rows(self, X: Any) -> Floats:
        check_is_fitted(self)
        found: Floats = validate_data(self, X, dtype=np.float64, reset=False)
        return found

    def _check_sides(self) -> None:
        left, right = self._sides
        if not (left >= 1 and right >= 1):
            raise InputError(
                f"left_features is {self.left_features} of {self.n_features_in_}: expected at least 1 on either side"
            )
        if self.symmetric and left != right:
            raise InputError(f"got vectors of {left} and {right} numbers for a symmetric metric: expected as many")

    @property
    def _sides(self) -> tuple[int, int]:
        """Columns of the left and of the right vector."""
        left = self.n_features_in_ // 2 if self.left_features is None else self.left_features
        return left, self.n_features_in_ - left

    def _encoded(self, rows: Floats) -> tuple[Encoded, Encoded]:
        assert self.predictor_ is not None
        left, right = rows[:, : self._sides[0]], rows[:, self._sides[0] :]
        return self.predictor_.encode(list(left), "left"), self.predictor_.encode(list(right), "right")

    def _fitted(self, rows: Floats, values: Floats) -> Predictor:
        random = check_random_state(self.random_state)
        data = self._dataset(rows, values, random)
        chosen = self._chosen(data, int(random.randint(2**31 - 1)))
        with tempfile.TemporaryDirectory(prefix="metricvae-") as folder:
            place = Path(folder) / "model"
            if len(data) >= CALIBRATED_FROM:
                fit_model(data, chosen.model, chosen.training, place, device=self.device)
            else:
                train(chosen.training, chosen.model, data, data, place, device=self.device)
            return Predictor.load(place, self.device)

    def _dataset(self, rows: Floats, values: Floats, random: np.random.RandomState) -> PairDataset:
        sides = rows[:, : self._sides[0]], rows[:, self._sides[0] :]
        metric = metric_from_json({"name": IMPORTED, "symmetric": self.symmetric}).of_kinds("vector", "vector")
        if self.symmetric:
            left, ends = _table(np.concatenate(sides))
            right, (first, second) = left, ends.reshape(2, -1)
        else:
            (left, first), (right, second) = map(_table, sides)
        split = np.full(len(rows), "train", "<U11")
        if len(rows) >= CALIBRATED_FROM:
            order, tenth = random.permutation(len(rows)), len(rows) // 10
            split[order[:tenth]], split[order[tenth : 2 * tenth]] = "validation", "calibration"
        return PairDataset.from_objects(metric, left, first, second, values, right=right, split=split)

    def _chosen(self, data: PairDataset, seed: int) -> ChosenPreset:
        """The general preset with the estimator's settings."""
        chosen = general_preset(data.metric, data.kinds, data.value)
        model = chosen.model if self.latent is None else replace(chosen.model, latent=self.latent)
        steps = chosen.training.steps if self.steps is None else self.steps
        batch = min(max(chosen.training.batch_pairs, LEAST_BATCH), len(data.of_split("train")))
        return ChosenPreset(model, replace(chosen.training, steps=steps, batch_pairs=batch, seed=seed, threads=1))


def _table(vectors: Floats) -> tuple[ObjectTable, npt.NDArray[np.int64]]:
    """The distinct vectors as objects, and the row of each."""
    distinct, places = np.unique(vectors, axis=0, return_inverse=True)
    kind = kind_from_json({"name": "vector", "length": vectors.shape[1]})
    return ObjectTable.from_objects(kind, [kind.convert(one) for one in distinct]), places.ravel().astype(np.int64)


def _side_by_side(count: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows of the left and of the right vectors: each with its neighbour."""
    order = np.arange(count, dtype=np.int64)
    return order, order
