"""How good a model is on labelled pairs, beside what one gets without it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from metricvae.core.dataset import DataSet
from metricvae.core.errors import InputError
from metricvae.core.splits import Split
from metricvae.evaluation.baselines import LabelledMagnitudes, fit_magnitudes
from metricvae.evaluation.binary import BinaryEvaluation, measure_binary
from metricvae.nn.heads import InnerProduct
from metricvae.prediction.calibration.binary import binary_labels, fit_binary_calibration
from metricvae.prediction.calibration.conformal import Floats, fit_conformal
from metricvae.prediction.latent_prior import fit_latent_prior
from metricvae.prediction.near_duplicates import fit_near_duplicates
from metricvae.prediction.novelty import FITTED_ON, fit_novelty_detector
from metricvae.prediction.predictor import Encoded, Predictions, Predictor
from metricvae.training.batching import graph
from metricvae.training.checkpoint import annotate, load_model, refuse_shipped

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Evaluation:
    """Figures over n pairs; errors in pixels of overlap.

    Attributes:
        n: pairs.
        mse, rmse, mae: mean squared, root mean squared, mean absolute error.
        r2: 1 - mse / variance of the true values.
        mape: mean of |error| / true value (pairs with overlap 0 left out).
        naive_mse: of guessing the mean true value of the training split (of these pairs where there is none).
        areas_mse: of the regression on the two areas, fitted likewise.
        interval_coverage: share of true values inside their intervals.
        interval_width: mean width of the intervals.
        novel: share of pairs with a shape unlike those of the training.
    """

    n: int
    mse: float
    rmse: float
    mae: float
    r2: float
    mape: float
    naive_mse: float
    areas_mse: float
    interval_coverage: float
    interval_width: float
    novel: float


@dataclass(frozen=True)
class Answers:
    """Pairs of a data set with what the model says of them.

    Attributes:
        rows: (n,) rows of the data set's pairs.
        value: (n,) true values.
        predictions: what the model says.
    """

    rows: npt.NDArray[np.int64]
    value: Floats
    predictions: Predictions


def answer(predictor: Predictor, data: DataSet, split: str = "test", on_progress: Progress | None = None) -> Answers:
    """Predict all pairs of one split (`all` for every pair).

    Raises:
        InputError: no such split, or it is empty.
    """
    rows = data.rows(split)
    return Answers(rows, data.value[rows], predictor.predict(*_encoded(predictor, data, rows, on_progress)))


def evaluate(
    predictor: Predictor, data: DataSet, split: str = "test", on_progress: Progress | None = None
) -> Evaluation | BinaryEvaluation:
    """Measure a model on one split of a data set.

    Raises:
        InputError: no such split, or all its pairs have one value, of which R^2 says nothing.
    """
    said = answer(predictor, data, split, on_progress)
    if said.predictions.match is None:
        return measure(data, said, split)
    return measure_binary(
        said.predictions,
        binary_labels(split, said.value),
        None if data.grade is None else data.grade[said.rows],
    )


def measure(data: DataSet, answers: Answers, split: str) -> Evaluation:
    """The figures of answers that are there already.

    Raises:
        InputError: all pairs have one value, of which R^2 says nothing.
    """
    learned = np.flatnonzero(data.split == "train")
    base = labelled_magnitudes(data, learned if split != "all" and len(learned) else answers.rows)
    test = labelled_magnitudes(data, answers.rows)
    said, value = answers.predictions, answers.value
    if value.min() == value.max():
        raise InputError(
            f"all {len(value)} pairs of split '{split}' have the value {value[0]:g}: label more, or take another split"
        )
    sizes = test.left_magnitude, test.right_magnitude
    by_magnitudes = fit_magnitudes(base).predict(*sizes, limits=(0.0, np.minimum(*sizes)))
    error = said.value - value
    mse = float(np.mean(error**2))
    some = value > 0
    return Evaluation(
        n=len(value),
        mse=mse,
        rmse=mse**0.5,
        mae=float(np.abs(error).mean()),
        r2=1 - mse / float(value.var()),
        mape=float((np.abs(error[some]) / value[some]).mean()),
        naive_mse=float(np.mean((base.value.mean() - value) ** 2)),
        areas_mse=float(np.mean((by_magnitudes - value) ** 2)),
        interval_coverage=float(np.mean((said.low <= value) & (value <= said.high))),
        interval_width=float(np.mean(said.high - said.low)),
        novel=float(np.mean(said.novel)),
    )


def calibrate(folder: str | Path, data: DataSet, level: float = 0.9, on_progress: Progress | None = None) -> None:
    """Fit the near-duplicate correction (of inner products), the intervals or the binary calibration, the novelty
    detector and the latent prior, and store all with the model. Only the last two look at the train split, and only the
    threshold of a binary metric at the validation split.

    Raises:
        InputError: the split has too few pairs, or the model ships with the package.
    """
    refuse_shipped(folder)
    predictor = Predictor(dataclasses.replace(load_model(folder), calibration={}))
    rows = data.rows("calibration")
    encoded, first, second = _encoded(predictor, data, rows, on_progress)
    document: dict[str, Any] = {}
    document |= _written_distributions(predictor, data)
    if isinstance(predictor.model.head, InnerProduct):
        value = torch.from_numpy(data.value[rows]).float()
        ends = [(encoded.codes[end], encoded.sizes[end]) for end in (first, second)]
        (z, size), (z_other, size_other) = ends
        predictor.near_duplicates = fit_near_duplicates(predictor.model.head, z, z_other, size, size_other, value)
        document["near_duplicates"] = predictor.near_duplicates.to_json()
    if predictor.model.head.absolute:
        document |= fit_conformal(predictor.values(encoded, first, second), data.value[rows], level).to_json()
    else:
        chosen = data.rows("validation")
        binary = fit_binary_calibration(
            *(predictor.scored_pairs(encoded, first, second), binary_labels("calibration", data.value[rows])),
            predictor.scored_pairs(*_encoded(predictor, data, chosen, None)),
            binary_labels("validation", data.value[chosen]),
            level,
            ordinary=data.ordinary(rows),
        )
        document["binary"] = binary.to_json()
    annotate(predictor.loaded.folder, calibration=document)


def _written_distributions(predictor: Predictor, data: DataSet) -> dict[str, Any]:
    """The novelty detector and the latent prior of training objects, put into the model's folder; the detector's limit
    is set by objects of the calibration split.
    """
    (readings, codes), (unseen, _) = (_readings(predictor, data, split) for split in ("train", "calibration"))
    detector, prior = fit_novelty_detector(readings, unseen), fit_latent_prior(codes)
    folder = predictor.loaded.folder
    return {"novelty": detector.write(folder), "latent_prior": prior.write(folder)}


@torch.inference_mode()
def _readings(predictor: Predictor, data: DataSet, split: Split) -> tuple[torch.Tensor, torch.Tensor]:
    """What the encoder reads of the shapes of a split, at most `FITTED_ON` evenly spaced ones, and their codes."""
    rows = data.rows(split)
    objects = np.unique([data.first[rows], data.second[rows]])
    objects = objects[np.linspace(0, len(objects) - 1, min(len(objects), FITTED_ON)).astype(np.int64)]
    model = predictor.model
    found = [
        (model.encoder.descriptors(features), model.encode_features(features).mean)
        for _, features in predictor.prepared(lambda i: data.object(int(objects[i])), len(objects))
    ]
    return torch.cat([read for read, _ in found]), torch.cat([codes for _, codes in found])


def labelled_magnitudes(data: DataSet, rows: npt.NDArray[np.int64]) -> LabelledMagnitudes:
    """True values and magnitudes (areas) of some pairs."""
    return LabelledMagnitudes(data.value[rows], data.areas[data.first[rows]], data.areas[data.second[rows]])


def _encoded(
    predictor: Predictor, data: DataSet, rows: npt.NDArray[np.int64], on_progress: Progress | None
) -> tuple[Encoded, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The objects that stand in some pairs, encoded, and the ends of each pair among them."""
    objects, first, second = graph(data.first[rows], data.second[rows])
    encoded = predictor.encode(lambda i: data.object(int(objects[i])), len(objects), on_progress=on_progress)
    return encoded, first, second
