"""Errors of a model on labelled pairs, beside those of baselines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metricvae.core.dataset import PairDataset
from metricvae.core.errors import InputError
from metricvae.evaluation.baselines import LabelledMagnitudes, fit_magnitudes
from metricvae.evaluation.binary import BinaryEvaluation, measure_binary
from metricvae.evaluation.ranking import RankingEvaluation, measure_ranking
from metricvae.prediction.calibration.binary import binary_labels
from metricvae.prediction.calibration.conformal import Floats
from metricvae.prediction.predictor import OnProgress, Predictor
from metricvae.prediction.records import Predictions


@dataclass(frozen=True)
class Evaluation:
    """Figures over n pairs; errors in the unit of the metric.

    Attributes:
        n: pairs.
        mse, rmse, mae: mean squared, root mean squared, mean absolute error.
        r2: 1 - mse / variance of the true values.
        mape: mean of |error| / true value (pairs with the value 0 left out).
        censored: pairs of which only a bound of the value is known; they are not among the n.
        naive_mse: of guessing the mean true value of the training split (of these pairs where there is none).
        magnitudes_mse: of the regression on the two magnitudes (areas of silhouettes), fitted likewise; of kinds that
            have none it is that of the naive guess.
        interval_coverage: share of true values inside their intervals.
        interval_width: mean width of the intervals.
        novel: share of pairs with an object unlike those of the training.
    """

    n: int
    mse: float
    rmse: float
    mae: float
    r2: float
    mape: float
    naive_mse: float
    magnitudes_mse: float
    interval_coverage: float
    interval_width: float
    novel: float
    censored: int = 0


@dataclass(frozen=True)
class Answers:
    """Pairs of a data set with the predictions for them.

    Attributes:
        rows: (n,) rows of the data set's pairs.
        value: (n,) true values.
        predictions: for these pairs.
    """

    rows: npt.NDArray[np.int64]
    value: Floats
    predictions: Predictions

    def of(self, rows: npt.NDArray[np.int64]) -> Answers:
        """Those of some of the rows."""
        there = np.isin(self.rows, rows)
        return Answers(self.rows[there], self.value[there], self.predictions[there])


def answer(
    predictor: Predictor, data: PairDataset, split: str = "test", on_progress: OnProgress | None = None
) -> Answers:
    """Predict all pairs of one split (`all` for every pair).

    Raises:
        InputError: no such split, it is empty, or data of another kind or metric.
    """
    rows = data.rows(split)
    return Answers(rows, data.value[rows], predictor.predict_rows(data, rows, on_progress))


def evaluate(
    predictor: Predictor, data: PairDataset, split: str = "test", on_progress: OnProgress | None = None
) -> Evaluation | BinaryEvaluation | RankingEvaluation:
    """Measure a model on one split of a data set.

    Raises:
        InputError: no such split, or all its pairs have one value, of which R^2 says nothing.
    """
    answers = answer(predictor, data, split, on_progress)
    if data.metric.task == "ranking":
        return measure_ranking(data, answers.rows, answers.predictions, _learned(data, answers, split))
    if answers.predictions.match is None:
        return measure(data, answers, split)
    return measure_binary(
        answers.predictions,
        binary_labels(split, answers.value),
        data.columns["grade"][answers.rows] if "grade" in data.columns else None,
    )


def measure(data: PairDataset, answers: Answers, split: str) -> Evaluation:
    """The figures of answers that are there already.

    Raises:
        InputError: all pairs have one value, of which R^2 says nothing.
    """
    pairs = len(answers.rows)
    answers = answers.of(data.known(answers.rows))
    base = labelled_magnitudes(data, data.known(_learned(data, answers, split)))
    test = labelled_magnitudes(data, answers.rows)
    predictions, value = answers.predictions, answers.value
    if value.min() == value.max():
        raise InputError(
            f"all {len(value)} pairs of split '{split}' have the value {value[0]:g}: label more, or take another split"
        )
    sizes = test.left_magnitude, test.right_magnitude
    fitted = fit_magnitudes(base, symmetric=data.metric.symmetric)
    by_magnitudes = fitted.predict(*sizes, limits=data.metric.limits(*sizes))
    error = predictions.value - value
    mse = float(np.mean(error**2))
    some = value != 0
    return Evaluation(
        n=len(value),
        mse=mse,
        rmse=mse**0.5,
        mae=float(np.abs(error).mean()),
        r2=1 - mse / float(value.var()),
        mape=float((np.abs(error[some] / value[some])).mean()),
        naive_mse=float(np.mean((base.value.mean() - value) ** 2)),
        magnitudes_mse=float(np.mean((by_magnitudes - value) ** 2)),
        interval_coverage=float(np.mean((predictions.low <= value) & (value <= predictions.high))),
        interval_width=float(np.mean(predictions.high - predictions.low)),
        novel=float(np.mean(predictions.novel)),
        censored=pairs - len(answers.rows),
    )


def _learned(data: PairDataset, answers: Answers, split: str) -> npt.NDArray[np.int64]:
    """Rows of the pairs that baselines are fitted on: the training's, or those that are measured."""
    learned = np.flatnonzero(data.split == "train")
    return learned if split != "all" and len(learned) else answers.rows


def labelled_magnitudes(data: PairDataset, rows: npt.NDArray[np.int64]) -> LabelledMagnitudes:
    """True values and magnitudes of some pairs."""
    return LabelledMagnitudes(data.value[rows], *data.magnitudes(rows))
