"""One shot: encode each object once, answer every pair by one product of two codes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from metricvae.kinds.molecule.packing import Packable, padded
from metricvae.kinds.molecule.self_overlap import sizes_of
from metricvae.kinds.silhouette.records import Mask
from metricvae.prediction.calibration.binary import BinaryCalibration, ScoredPairs
from metricvae.prediction.calibration.conformal import Conformal, Floats
from metricvae.prediction.latent_prior import LatentPrior
from metricvae.prediction.near_duplicates import NearDuplicateCorrection
from metricvae.prediction.novelty import NoveltyDetector
from metricvae.training.checkpoint import LoadedModel, load_model

ENCODED_AT_ONCE = {"cpu": 32, "cuda": 256}
"""Objects that are encoded together: as many as stay in a processor's cache, or keep a GPU busy."""


@dataclass(frozen=True)
class Predictions:
    """Answers for n pairs.

    Attributes:
        value: (n,) predicted metric: pixels of maximum overlap, between 0 and the smaller area, or the probability of a
            match.
        low, high: (n,) ends of the interval; of a binary metric the least and the greatest answer that is possible.
        level: share of true values such intervals hold, for shapes like those of the training.
        novelty: (n,) that of the stranger of the two shapes (see `metricvae.prediction.novelty`). Above 1 the interval
            was made so many times as wide, and is a guess all the same.
        match: (n,) whether a pair is called a match; None where the metric is not binary.
        distance: (n,) between the two codes, of a binary metric, for which the paper calls 1 or less a match.
    """

    value: Floats
    low: Floats
    high: Floats
    level: float
    novelty: Floats
    match: npt.NDArray[np.bool_] | None = None
    distance: Floats | None = None

    def __getitem__(self, rows: npt.NDArray[Any]) -> Predictions:
        match, distance = (None if part is None else part[rows] for part in (self.match, self.distance))
        answers = (self.value[rows], self.low[rows], self.high[rows])
        return Predictions(*answers, self.level, self.novelty[rows], match, distance)

    @property
    def novel(self) -> npt.NDArray[np.bool_]:
        """(n,) whether one of the two shapes is unlike the training shapes."""
        return self.novelty > 1.0


@dataclass(frozen=True)
class Encoded:
    """m objects as the model sees them.

    Attributes:
        codes: (m, d) float32, (m, 2 d) of a model that compares mirror images too.
        sizes: (m,) float32, areas in pixels.
        novelty: (m,) float32, above 1 for shapes unlike those of the training; 0 where the model cannot tell.
    """

    codes: torch.Tensor
    sizes: torch.Tensor
    novelty: torch.Tensor


class Predictor:
    """A trained model with its calibration.

    Args:
        model: as `load_model` gives it.
        device: where to compute.
    """

    def __init__(self, model: LoadedModel, device: str | torch.device = "cpu") -> None:
        self.loaded = model
        self.device = torch.device(device)
        self.model = model.model.to(self.device)
        self.near_duplicates = NearDuplicateCorrection.read(model.calibration)
        detector = NoveltyDetector.read(model.folder, model.calibration)
        prior = LatentPrior.read(model.folder, model.calibration)
        self.detector = None if detector is None else detector.to(self.device)
        self.latent_prior = None if prior is None else prior.to(self.device)

    @classmethod
    def load(cls, folder_or_name: str | Path, device: str | torch.device = "cpu") -> Predictor:
        """Read a model folder, or a model that ships by its name (see `load_model` for the errors)."""
        return cls(load_model(folder_or_name), device)

    @torch.inference_mode()
    def encode(
        self,
        object_of: Callable[[int], Packable],
        count: int,
        *,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> Encoded:
        """Codes of `count` objects; `object_of(i)` gives the i-th, a (200, 200) mask or the (A, 6 + A) array of a
        molecule: few are in memory at once.
        """
        codes, sizes, novelty = [], [], []
        for x, features in self.prepared(object_of, count, on_progress):
            codes.append(self.model.code_features(features))
            sizes.append(sizes_of(x))
            novelty.append(self._novelty(features))
        return Encoded(torch.cat(codes), torch.cat(sizes), torch.cat(novelty))

    @torch.inference_mode()
    def means(self, object_of: Callable[[int], Packable], count: int) -> torch.Tensor:
        """Means of q(z | x) of `count` objects, (count, d), which the decoder takes, whatever they are compared by."""
        return torch.cat([self.model.encode_features(seen).mean for _, seen in self.prepared(object_of, count)])

    def prepared(
        self, object_of: Callable[[int], Packable], count: int, on_progress: Callable[[int, int], None] | None = None
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Objects, (m, 1, 200, 200) or (m, A, 6 + A), and their features as the encoder takes them, some at a time.

        `on_progress` is told how many of how many the caller is done with.
        """
        at_once = ENCODED_AT_ONCE.get(self.device.type, ENCODED_AT_ONCE["cpu"])
        for start in range(0, count, at_once):
            end = min(start + at_once, count)
            objects = [object_of(i) for i in range(start, end)]
            if self.loaded.config.form == "molecules":
                x = torch.from_numpy(padded(objects)).to(self.device)
            else:
                x = torch.from_numpy(np.stack(objects)).to(self.device).float()[:, None]
            yield x, self.model.encoder.prepare(x)
            if on_progress is not None:
                on_progress(end, count)

    def _novelty(self, features: torch.Tensor) -> torch.Tensor:
        if self.detector is None:
            return torch.zeros(len(features), device=features.device)
        return self.detector.novelty(self.model.encoder.read(features))

    @torch.inference_mode()
    def scored_pairs(
        self, encoded: Encoded, first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]
    ) -> ScoredPairs:
        """What a binary metric sees of pairs of encoded objects."""
        z, z_other = encoded.codes[self._places(first)], encoded.codes[self._places(second)]
        length = (z.norm(dim=1) * z_other.norm(dim=1)).clamp(min=1e-12).log()
        return ScoredPairs(*(part.cpu().double().numpy() for part in (self.model.head.score(z, z_other), length)))

    @torch.inference_mode()
    def values(self, encoded: Encoded, first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]) -> Floats:
        """Predicted metric of pairs of encoded objects, (n,), kept within its limits: an overlap between 0 and the
        smaller area.

        The product of the codes, and for near duplicates what `metricvae.prediction.near_duplicates` adds.
        """
        a, b = self._places(first), self._places(second)
        size_a, size_b = encoded.sizes[a], encoded.sizes[b]
        head = self.model.head
        raw = head.value(head.score(encoded.codes[a], encoded.codes[b]), size_a, size_b)
        if self.near_duplicates is not None:
            raw = raw + self.near_duplicates.correction(head, encoded.codes[a], encoded.codes[b], size_a, size_b)
        return raw.clamp(*head.limits(size_a, size_b)).cpu().double().numpy()

    def require_calibration(self) -> None:
        """Raise InputError unless the model can say what `predict` says."""
        if self.model.head.absolute:
            Conformal.from_json(self.loaded.calibration)
        else:
            _ = self.binary_calibration

    @property
    def binary_calibration(self) -> BinaryCalibration:
        """From codes to the answers of a binary metric.

        Raises:
            InputError: the model was never calibrated, or its metric is not binary.
        """
        return BinaryCalibration.read(self.loaded.calibration)

    def predict(self, encoded: Encoded, first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]) -> Predictions:
        """Values with intervals, or probabilities with verdicts, for pairs of encoded objects.

        Raises:
            InputError: the model was never calibrated.
        """
        novelty = encoded.novelty.cpu().double().numpy()
        stranger = np.maximum(novelty[first], novelty[second])
        if not self.model.head.absolute:
            calibration = self.binary_calibration
            pairs = self.scored_pairs(encoded, first, second)
            probability = calibration.probability(pairs)
            answers = (probability, *calibration.answers(probability))
            positive = probability >= calibration.threshold
            return Predictions(*answers, calibration.level, stranger, positive, pairs.distance)
        conformal = Conformal.from_json(self.loaded.calibration)
        value = self.values(encoded, first, second)
        low, high = conformal.interval(value, np.maximum(stranger, 1.0))
        limits = self.model.head.limits(encoded.sizes[self._places(first)], encoded.sizes[self._places(second)])
        least, most = (limit.cpu().double().numpy() for limit in limits)
        return Predictions(value, np.clip(low, least, most), np.clip(high, least, most), conformal.level, stranger)

    def _places(self, rows: npt.NDArray[np.int64]) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(rows)).to(self.device)

    def predict_masks(self, pairs: Sequence[tuple[Mask, Mask]]) -> Predictions:
        """Values with intervals for pairs of masks."""
        masks = [mask for pair in pairs for mask in pair]
        order = np.arange(len(masks), dtype=np.int64)
        return self.predict(self.encode(masks.__getitem__, len(masks)), order[::2], order[1::2])


def tanimoto(overlap: Floats, encoded: Encoded, first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]) -> Floats:
    """(n,) Tanimoto coefficients, overlap / (size + size_other - overlap), of overlaps (n,) of encoded objects."""
    sizes = encoded.sizes.cpu().double().numpy()
    found: Floats = overlap / (sizes[first] + sizes[second] - overlap)
    return found
