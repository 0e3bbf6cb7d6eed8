"""Calibration of a trained model on pairs that it did not learn from."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from metricvae.core.dataset import ObjectTable, PairDataset
from metricvae.core.sampling import evenly_spaced
from metricvae.core.splits import Split
from metricvae.prediction.calibration.binary import BinaryCalibration, binary_labels, fit_binary_calibration
from metricvae.prediction.calibration.conformal import Conformal, check_enough, fit_conformal
from metricvae.prediction.latent_prior import fit_latent_prior
from metricvae.prediction.near_duplicates import fit_near_duplicates
from metricvae.prediction.novelty import FITTED_ON, fit_novelty_detector
from metricvae.prediction.predictor import OnProgress, Predictor, Rows
from metricvae.prediction.records import EncodedPairs
from metricvae.training.checkpoint import annotate, load_model, refuse_shipped


def calibrate(folder: str | Path, data: PairDataset, level: float = 0.9, on_progress: OnProgress | None = None) -> None:
    """Fit the near-duplicate correction where the head needs it, the intervals or the binary calibration, the novelty
    detectors and the latent prior, and store all with the model. Only the last two look at the train split, and only
    the threshold of a binary metric at the validation split.

    Args:
        folder: of a finished model.
        data: the data set that it was trained on.
        level: share of true values that intervals are to hold.
        on_progress: told how many objects are encoded.

    Raises:
        InputError: the split has too few pairs, data of another kind or metric, or the model ships with the package.
    """
    refuse_shipped(folder)
    loaded = load_model(folder)
    kept = {name: part for name, part in loaded.calibration.items() if name == "pair_head"}
    predictor = Predictor(dataclasses.replace(loaded, calibration=kept))
    check_enough(len(data.known(data.rows("calibration"))))
    predictor.check(data)
    known = predictor.descriptors_and_means(*_objects(predictor, data, "train", "left"))
    document = calibration_of(predictor, data, level, on_progress, readings=known[0])
    prior = fit_latent_prior(known[1])
    annotate(predictor.loaded.folder, calibration=document | {"latent_prior": prior.write(predictor.loaded.folder)})


def calibration_of(
    predictor: Predictor,
    data: PairDataset,
    level: float = 0.9,
    on_progress: OnProgress | None = None,
    *,
    readings: Tensor | None = None,
) -> dict[str, Any]:
    """What the configuration of a model, or of one of its metrics, is to say of its calibration; see `calibrate`. The
    novelty detectors are put into its folder.

    Args:
        predictor, data, level, on_progress: as for `calibrate`.
        readings: descriptors of the training objects of the left side, where they are there already.
    """
    rows = data.known(data.rows("calibration"))
    check_enough(len(rows))
    encoded = predictor.encode_pairs(data, rows, on_progress)
    document = _write_detectors(predictor, data, readings)
    if predictor.model.head.misses_near_duplicates and predictor.metric.self_is_magnitude:
        document |= _near_duplicates(predictor, encoded, data, rows)
    encode = _EncodedOnce(predictor, data)
    document |= _CALIBRATIONS[predictor.metric.task](predictor, encoded, data, rows, level, encode)
    return document | _coverage(predictor, data, document, encode)


class _EncodedOnce:
    """Encodes pairs of a data set, the same ones once."""

    def __init__(self, predictor: Predictor, data: PairDataset) -> None:
        self.predictor, self.data = predictor, data
        self.known: dict[bytes, EncodedPairs] = {}

    def __call__(self, rows: Rows) -> EncodedPairs:
        key = rows.tobytes()
        if key not in self.known:
            self.known[key] = self.predictor.encode_pairs(self.data, rows)
        return self.known[key]


def _near_duplicates(predictor: Predictor, encoded: EncodedPairs, data: PairDataset, rows: Rows) -> dict[str, Any]:
    """Fitted on the calibration pairs; the predictor has it from then on."""
    left, right, first, second = encoded.arguments
    ends = left.codes[first], right.codes[second], left.magnitudes[first], right.magnitudes[second]
    value = torch.from_numpy(data.value[rows]).float().to(predictor.device)
    predictor.near_duplicates = fit_near_duplicates(predictor.model.head, *ends, value)
    return {"near_duplicates": predictor.near_duplicates.to_json()}


def _binary(
    predictor: Predictor, encoded: EncodedPairs, data: PairDataset, rows: Rows, level: float, encode: _EncodedOnce
) -> dict[str, Any]:
    chosen = data.rows("validation")
    fitted = fit_binary_calibration(
        *(predictor.scored_pairs(*encoded.arguments), binary_labels("calibration", data.value[rows])),
        predictor.scored_pairs(*encode(chosen).arguments),
        binary_labels("validation", data.value[chosen]),
        level,
        ordinary=data.representative(rows),
    )
    return {"binary": fitted.to_json()}


def _regression(
    predictor: Predictor, encoded: EncodedPairs, data: PairDataset, rows: Rows, level: float, encode: _EncodedOnce
) -> dict[str, Any]:
    return fit_conformal(predictor.values(*encoded.arguments), data.value[rows], level).to_json()


def _coverage(
    predictor: Predictor, data: PairDataset, document: dict[str, Any], encode: _EncodedOnce
) -> dict[str, Any]:
    """Which share of the validation pairs' values the intervals, or sets of answers, hold: measured, where widths are
    of other pairs; of a ranking metric there are no such values."""
    if predictor.metric.task == "ranking" or "validation" not in data.split:
        return {}
    rows = data.known(data.rows("validation"))
    if not len(rows):
        return {}
    encoded, value = encode(rows), data.value[rows]
    if predictor.metric.task == "binary":
        binary = BinaryCalibration.read(document)
        low, high = binary.answers(binary.probability(predictor.scored_pairs(*encoded.arguments)))
    else:
        low, high = Conformal.from_json(document).interval(predictor.values(*encoded.arguments))
    share = float(((low <= value) & (value <= high)).mean())
    return {"coverage": {"share": share, "pairs": len(rows), "split": "validation"}}


def _ranking(
    predictor: Predictor, encoded: EncodedPairs, data: PairDataset, rows: Rows, level: float, encode: _EncodedOnce
) -> dict[str, Any]:
    """Predictions are brought to the scale of the values; intervals hold up to a constant of each group."""
    predicted = predictor.values(*encoded.arguments)
    centred, value = (data.within_groups(numbers, rows) for numbers in (predicted, data.value[rows]))
    predictor.slope = max(float((centred * value).sum() / max(np.square(centred).sum(), 1e-12)), 1e-6)
    scaled = predictor.slope * predicted
    conformal = fit_conformal(scaled, scaled + value - predictor.slope * centred, level)
    return {"slope": predictor.slope, **conformal.to_json()}


_CALIBRATIONS = {"regression": _regression, "binary": _binary, "ranking": _ranking}


def _write_detectors(predictor: Predictor, data: PairDataset, readings: Tensor | None) -> dict[str, Any]:
    """The novelty detectors of training objects, put into the model's folder; a detector's limit is set by objects of
    the calibration split.
    """
    document: dict[str, Any] = {}
    for side in predictor.loaded.config.towers:
        learned = readings if side == "left" else None
        if learned is None:
            learned = predictor.descriptors(*_objects(predictor, data, "train", side))
        unseen = predictor.descriptors(*_objects(predictor, data, "calibration", side))
        document |= fit_novelty_detector(learned, unseen).write(predictor.loaded.folder, side)
    return document


def _objects(
    predictor: Predictor, data: PairDataset, split: Split | str, side: str
) -> tuple[ObjectTable, npt.NDArray[Any], str]:
    """The objects of one side of a split, at most `FITTED_ON` evenly spaced ones: their table, their rows, the side."""
    rows = data.rows(split)
    both = data.shared and predictor.model.shared
    ends = [data.first[rows], data.second[rows]] if both else [(data.first if side == "left" else data.second)[rows]]
    objects = evenly_spaced(np.unique(np.concatenate(ends)), FITTED_ON)
    return data.left if side == "left" else data.right, objects, side
