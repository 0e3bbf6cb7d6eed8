"""One shot: encode each object once, answer every pair by one product of two codes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from metricvae.core.compatibility import check_compatible
from metricvae.core.dataset import ObjectTable, PairDataset
from metricvae.core.errors import InputError
from metricvae.core.kind import AS_IT_IS, Object, ObjectKind, ReadOptions
from metricvae.core.metric import Metric
from metricvae.nn.autoencoder import Tower
from metricvae.nn.views import ViewedHead
from metricvae.prediction.added_metrics import METRICS_FOLDER, name_of, with_metric
from metricvae.prediction.calibration.binary import BinaryCalibration, ScoredPairs
from metricvae.prediction.calibration.conformal import Conformal, Floats
from metricvae.prediction.latent_prior import LatentPrior
from metricvae.prediction.near_duplicates import NearDuplicateCorrection
from metricvae.prediction.novelty import NoveltyDetector
from metricvae.prediction.pair_head import PairHead
from metricvae.prediction.records import Encoded, EncodedPairs, Predictions, consecutive
from metricvae.training.batching import graph_of
from metricvae.training.checkpoint import LoadedModel, load_model

ENCODED_AT_ONCE = {"cpu": 32, "cuda": 256}
"""Objects that are encoded together: as many as stay in a processor's cache, or keep a GPU busy."""

TILE = (512, 2_048)
"""Rows and columns of a matrix of predictions that are computed together: as many as stay in a processor's cache."""

Rows = npt.NDArray[np.int64]
OnProgress = Callable[[int, int], None]
"""Told how many of how many are done."""


class Predictor:
    """A trained model with its calibration.

    Args:
        model: as `load_model` gives it, or as it answers one of its metrics (`with_metric`).
        device: where to compute.
        base: the model as `load_model` gives it, where that is another.

    Attributes:
        near_duplicates: what is added for near duplicates; None of heads and metrics that do not need it.
        detectors: novelty detectors by side, `left` alone where one tower serves both; empty before calibration.
        pair_head: a network of both codes whose answer is added; None where the model has none.
        slope: what the head's values are multiplied by: of a ranking metric, to have the scale of the values.
        latent_prior: a normal distribution of the codes of training objects (of the left side), for all metrics alike.
        anchor: what objects are compared with by a metric of one object; None of a metric of pairs.
    """

    def __init__(self, model: LoadedModel, device: str | torch.device = "cpu", base: LoadedModel | None = None) -> None:
        self.loaded, self.base = model, base or model
        self.device = torch.device(device)
        self.model = model.model.to(self.device)
        self.near_duplicates = NearDuplicateCorrection.read(model.calibration)
        pair_head = PairHead.read(model.folder, model.calibration)
        self.pair_head = None if pair_head is None else pair_head.to(self.device)
        self.slope = float(model.calibration.get("slope", 1.0))
        found = {side: NoveltyDetector.read(model.folder, model.calibration, side) for side in model.config.towers}
        self.detectors = {side: one.to(self.device) for side, one in found.items() if one is not None}
        prior = LatentPrior.read(self.base.folder, self.base.calibration)
        self.latent_prior = None if prior is None else prior.to(self.device)

        self.anchor: Encoded | None = None
        if isinstance(self.model.head, ViewedHead):
            self.model.head = self.model.head.to(self.device)
            self.anchor = _anchor(self.model.head)

    @classmethod
    def load(
        cls, folder_or_name: str | Path, device: str | torch.device = "cpu", metric: str | None = None
    ) -> Predictor:
        """Read a model folder, or a model that ships by its name.

        Args:
            folder_or_name: of the model (see `load_model` for the errors).
            device: where to compute.
            metric: name of the one of its metrics to answer; by default its own.

        Raises:
            InputError: no such model, or none of its metrics has that name.
        """
        base = load_model(folder_or_name)
        return cls(with_metric(base, metric), device, base)

    def answering(self, metric: str | None) -> Predictor:
        """The same model, answering another of its metrics; None stands for its own.

        Raises:
            InputError: it has none of that name.
        """
        return Predictor(with_metric(self.base, metric), self.device, self.base)

    @property
    def answers_own(self) -> bool:
        """Whether the metric is the model's own, by which inverted files of indexes are made."""
        own = self.base.folder / METRICS_FOLDER / name_of(self.base.config.metric)
        return self.loaded.folder in (self.base.folder, own)

    @property
    def compares_views(self) -> bool:
        """Whether codes are compared by a view of them."""
        return isinstance(self.model.head, ViewedHead)

    @property
    def pose_free(self) -> bool:
        """Whether the metric reads columns of a code alone that the poses of objects have no part in."""
        head, free = self.model.head, self.tower("left").encoder.pose_free
        return isinstance(head, ViewedHead) and free is not None and _within(head.columns, free)

    @property
    def metric(self) -> Metric:
        """That the model predicts."""
        return self.loaded.config.metric

    @property
    def kinds(self) -> tuple[ObjectKind, ObjectKind]:
        """Of the left and of the right objects."""
        return self.loaded.config.kinds

    def read_options(self, options: ReadOptions = AS_IT_IS) -> ReadOptions:
        """How objects are read: without conformers where the metric does not look at them."""
        return replace(options, conformers=0) if self.pose_free and self.kind().sets_pose_apart else options

    def kind(self, side: str = "left") -> ObjectKind:
        """Of the objects of one side."""
        return self.kinds[0 if side == "left" else 1]

    def tower(self, side: str = "left") -> Tower:
        """The networks of one side."""
        return self.model.tower(side)

    def check(self, data: PairDataset, name: str = "the data set") -> None:
        """Raise InputError unless the model takes these data; see `check_compatible`."""
        check_compatible(self.loaded.config, data, name)

    def encode(
        self, objects: Sequence[Object], side: str = "left", *, on_progress: OnProgress | None = None
    ) -> Encoded:
        """Codes of objects as the kind of that side reads them; a lazy sequence is read a few at a time."""
        return self._encode(self._collate(objects, side), len(objects), side, on_progress)

    def encode_tensor(self, x: Tensor, side: str = "left") -> Encoded:
        """Codes of objects (m, ...) that are collated already."""
        return self._encode(lambda start, end: x[start:end].to(self.device), len(x), side, None)

    def batches(
        self, objects: Sequence[Object], side: str = "left", *, on_progress: OnProgress | None = None
    ) -> Iterator[Tensor]:
        """Objects as the encoder of that side takes them, a few at a time."""
        return self._batches(self._collate(objects, side), len(objects), on_progress)

    def _collate(self, objects: Sequence[Object], side: str) -> Callable[[int, int], Tensor]:
        kind = self.kind(side)
        return lambda start, end: self._seen(
            kind, kind.collate([objects[place] for place in range(start, end)], self.device)
        )

    def _collate_rows(self, table: ObjectTable, rows: npt.NDArray[Any]) -> Callable[[int, int], Tensor]:
        return lambda start, end: self._seen(table.kind, table.tensor(rows[start:end], self.device))

    def _seen(self, kind: ObjectKind, x: Tensor) -> Tensor:
        """Objects as the metric looks at them."""
        return kind.without_pose(x) if self.pose_free else x

    def encode_rows(
        self, table: ObjectTable, rows: npt.NDArray[Any], side: str = "left", *, on_progress: OnProgress | None = None
    ) -> Encoded:
        """Codes of some objects of a table."""
        return self._encode(self._collate_rows(table, rows), len(rows), side, on_progress)

    @torch.inference_mode()
    def _encode(
        self, collate: Callable[[int, int], Tensor], count: int, side: str, on_progress: OnProgress | None
    ) -> Encoded:
        tower, kind = self.tower(side), self.kind(side)
        parts = []
        for x in self._batches(collate, count, on_progress):
            features = tower.encoder.prepare(x)
            parts.append((tower.code_features(features), kind.magnitudes(x), self._novelty(features, side)))
        if not parts:
            sizes = (0, self.code_width), (0,), (0,)
            return Encoded(*(torch.empty(size, device=self.device) for size in sizes))
        return Encoded(*(torch.cat(column) for column in zip(*parts, strict=True)))

    @property
    def code_width(self) -> int:
        """Numbers of a code, as objects are compared by it."""
        return self.loaded.config.latent * (2 if self.loaded.config.mirrored else 1)

    @torch.inference_mode()
    def means(self, table: ObjectTable, rows: npt.NDArray[Any], side: str = "left") -> Tensor:
        """Means of q(z | x) of some objects of a table, (k, d): what the decoder takes."""
        tower = self.tower(side)
        batches = self._batches(self._collate_rows(table, rows), len(rows))
        return torch.cat([tower.encode(x).mean for x in batches])

    @torch.inference_mode()
    def descriptors(self, table: ObjectTable, rows: npt.NDArray[Any], side: str = "left") -> Tensor:
        """What the novelty detector reads of some objects of a table, (k, p)."""
        encoder = self.tower(side).encoder
        return torch.cat([encoder.descriptors(features) for features in self._features(table, rows, side)])

    @torch.inference_mode()
    def descriptors_and_means(
        self, table: ObjectTable, rows: npt.NDArray[Any], side: str = "left"
    ) -> tuple[Tensor, Tensor]:
        """The same, and the means of the codes, (k, d)."""
        tower = self.tower(side)
        parts = [
            (tower.encoder.descriptors(features), tower.encode_features(features).mean)
            for features in self._features(table, rows, side)
        ]
        readings, means = zip(*parts, strict=True)
        return torch.cat(readings), torch.cat(means)

    def _features(self, table: ObjectTable, rows: npt.NDArray[Any], side: str) -> Iterator[Tensor]:
        """Some objects of a table as the encoder of that side prepares them, a few at a time."""
        return map(self.tower(side).encoder.prepare, self._batches(self._collate_rows(table, rows), len(rows)))

    def _batches(
        self, collate: Callable[[int, int], Tensor], count: int, on_progress: OnProgress | None = None
    ) -> Iterator[Tensor]:
        at_once = ENCODED_AT_ONCE.get(self.device.type, ENCODED_AT_ONCE["cpu"])
        for start in range(0, count, at_once):
            end = min(start + at_once, count)
            yield collate(start, end)
            if on_progress is not None:
                on_progress(end, count)

    def _novelty(self, features: Tensor, side: str) -> Tensor:
        detector = self.detectors.get(side, self.detectors.get("left") if self.model.shared else None)
        if detector is None:
            return torch.zeros(len(features), device=features.device)
        return detector.novelty(self.tower(side).encoder.descriptors(features))

    def encode_pairs(
        self, data: PairDataset, rows: npt.NDArray[Any], on_progress: OnProgress | None = None
    ) -> EncodedPairs:
        """The objects that stand in some pairs of a data set, each encoded once, and the ends of each pair.

        Raises:
            InputError: data of another kind or metric.
        """
        self.check(data)
        graph = graph_of(data, rows, one_tower=self.model.shared)
        if self.anchor is not None:
            graph = replace(graph, second=np.zeros_like(graph.second))
            return EncodedPairs(self.encode_rows(data.left, graph.left, on_progress=on_progress), self.anchor, graph)
        left = self.encode_rows(data.left, graph.left, "left", on_progress=on_progress)
        right = left if graph.shared else self.encode_rows(data.right, graph.right, "right", on_progress=on_progress)
        return EncodedPairs(left, right, graph)

    def predict_rows(
        self, data: PairDataset, rows: npt.NDArray[Any], on_progress: OnProgress | None = None
    ) -> Predictions:
        """Answers for some pairs of a data set; see `predict` and `encode_pairs` for the errors."""
        return self.predict(*self.encode_pairs(data, rows, on_progress).arguments)

    @torch.inference_mode()
    def scored_pairs(self, left: Encoded, right: Encoded, first: Rows, second: Rows) -> ScoredPairs:
        """What a binary metric sees of pairs of encoded objects."""
        z, z_other = self._taken(left.codes, first), self._taken(right.codes, second)
        return self._scored(self.model.head.score(z, z_other), z.norm(dim=1) * z_other.norm(dim=1))

    def _scored(self, score: Tensor, lengths: Tensor) -> ScoredPairs:
        """Pairs of such scores, and of codes of such lengths, multiplied."""
        parts = self.model.head.distance(score), lengths.clamp(min=1e-12).log()
        return ScoredPairs(*(part.cpu().double().numpy() for part in parts))

    def values(self, left: Encoded, right: Encoded, first: Rows, second: Rows) -> Floats:
        """Predicted metric of pairs of encoded objects, (n,), within its limits.

        The link function of the score of the codes, and for near duplicates what
        `metricvae.prediction.near_duplicates` adds.
        """
        return self._values_within(self._limits(left, right, first, second), left, right, first, second)

    @torch.inference_mode()
    def _values_within(
        self, limits: tuple[Floats, Floats], left: Encoded, right: Encoded, first: Rows, second: Rows
    ) -> Floats:
        z, size = (self._taken(part, first) for part in (left.codes, left.magnitudes))
        z_other, size_other = (self._taken(part, second) for part in (right.codes, right.magnitudes))
        head = self.model.head
        raw = head.value(head.score(z, z_other), size, size_other)
        if self.near_duplicates is not None:
            raw = raw + self.near_duplicates.correction(head, z, z_other, size, size_other)
        if self.pair_head is not None:
            raw = raw + self.pair_head(z, z_other)
        found: Floats = np.clip(self.slope * raw.cpu().double().numpy(), *limits)
        return found

    @torch.inference_mode()
    def value_matrix(self, left: Encoded, right: Encoded) -> Tensor:
        """Predicted metric of all pairs, (n, m) float32 on the CPU, within its limits: what `values` gives, by products
        of matrices, some rows and columns at a time.
        """
        found = torch.empty((len(left), len(right)))
        for row in range(0, len(left), TILE[0]):
            rows = slice(row, row + TILE[0])
            for column in range(0, len(right), TILE[1]):
                columns = slice(column, column + TILE[1])
                found[rows, columns] = self._tile(left[rows], right[columns])
        return found

    def _tile(self, left: Encoded, right: Encoded) -> Tensor:
        if self.pair_head is not None:
            first, second = (ends.ravel() for ends in np.indices((len(left), len(right))))
            return torch.from_numpy(self.predict_values(left, right, first, second)).reshape(len(left), len(right))
        head, codes, sizes = self.model.head, (left.codes, right.codes), (left.magnitudes, right.magnitudes)
        score = head.score_matrix(*codes)
        if self.metric.task == "binary":
            norms = [part.norm(dim=1) for part in codes]
            pairs = self._scored(score, norms[0][:, None] * norms[1])
            return torch.from_numpy(self.binary_calibration.probability(pairs))
        values = head.value(score, sizes[0][:, None], sizes[1][None])
        if self.near_duplicates is not None:
            values = values + self.near_duplicates.correction_matrix(head, *codes, *sizes)
        limits = self.metric.limits_of_all(*(part.cpu().double().numpy() for part in sizes))
        low, high = (torch.from_numpy(np.asarray(end, np.float32)).to(values.device) for end in limits)
        return (values if self.slope == 1.0 else values * self.slope).clamp_(low, high)

    def predict_values(self, left: Encoded, right: Encoded, first: Rows, second: Rows) -> Floats:
        """`predict` without intervals: values, or probabilities of a binary metric, (n,)."""
        if self.metric.task == "binary":
            return self.binary_calibration.probability(self.scored_pairs(left, right, first, second))
        return self.values(left, right, first, second)

    def magnitudes(self, left: Encoded, right: Encoded, first: Rows, second: Rows) -> tuple[Floats, Floats]:
        """Magnitudes of the two objects of each pair, (n,) each."""
        sizes = left.magnitudes.cpu().double().numpy(), right.magnitudes.cpu().double().numpy()
        return sizes[0][first], sizes[1][second]

    def _limits(self, left: Encoded, right: Encoded, first: Rows, second: Rows) -> tuple[Floats, Floats]:
        return self.metric.limits(*self.magnitudes(left, right, first, second))

    def require_calibration(self) -> None:
        """Raise InputError unless the model can say what `predict` says."""
        if self.metric.task == "binary":
            _ = self.binary_calibration
        else:
            Conformal.from_json(self.loaded.calibration)

    @property
    def binary_calibration(self) -> BinaryCalibration:
        """From codes to the answers of a binary metric.

        Raises:
            InputError: the model was never calibrated, or its metric is not binary.
        """
        return BinaryCalibration.read(self.loaded.calibration)

    def predict(self, left: Encoded, right: Encoded, first: Rows, second: Rows) -> Predictions:
        """Values with intervals, or probabilities with verdicts, for pairs of encoded objects.

        Args:
            left, right: objects of either side, the same record where both are of one set.
            first, second: (n,) rows of them.

        Raises:
            InputError: the model was never calibrated.
        """
        novelty = np.maximum(left.novelty.cpu().double().numpy()[first], right.novelty.cpu().double().numpy()[second])
        if self.metric.task == "binary":
            calibration = self.binary_calibration
            pairs = self.scored_pairs(left, right, first, second)
            probability = calibration.probability(pairs)
            answers = (probability, *calibration.answers(probability))
            positive = probability >= calibration.threshold
            return Predictions(*answers, calibration.level, novelty, positive, pairs.distance)
        conformal = Conformal.from_json(self.loaded.calibration)
        least, most = limits = self._limits(left, right, first, second)
        value = self._values_within(limits, left, right, first, second)
        low, high = conformal.interval(value, np.maximum(novelty, 1.0))
        return Predictions(value, np.clip(low, least, most), np.clip(high, least, most), conformal.level, novelty)

    def predict_each(self, encoded: Encoded) -> Predictions:
        """Answers of a metric of one object for m encoded objects.

        Raises:
            InputError: the model was never calibrated, or the metric is of pairs.
        """
        if self.anchor is None:
            raise InputError(f"{self.metric.description.value} is of pairs of objects: give two of each")
        rows = np.arange(len(encoded), dtype=np.int64)
        return self.predict(encoded, self.anchor, rows, np.zeros_like(rows))

    def predict_objects(self, pairs: Sequence[tuple[Object, Object]], options: ReadOptions = AS_IT_IS) -> Predictions:
        """Answers for pairs of objects in memory, or of what their kinds convert.

        Raises:
            InputError: not objects of the model's kinds, or the model was never calibrated.
        """
        order = np.arange(len(pairs), dtype=np.int64)
        left = self.encode([self.kind("left").convert(a, options) for a, _ in pairs], "left")
        right = self.encode([self.kind("right").convert(b, options) for _, b in pairs], "right")
        return self.predict(left, right, order, order)

    def _taken(self, column: Tensor, rows: Rows) -> Tensor:
        """A column (m, ...) in some rows: nothing is copied where these are one object many times, or consecutive."""
        if len(column) == 1 and not rows.any():
            return column.expand(len(rows), *column.shape[1:])
        chosen = consecutive(rows)
        return column[torch.from_numpy(np.ascontiguousarray(rows)).to(self.device) if chosen is None else chosen]


def _anchor(head: ViewedHead) -> Encoded | None:
    """The anchor of a metric of one object as an object: of magnitude 1, and never novel."""
    if head.anchor is None:
        return None
    one = torch.ones(len(head.anchor), device=head.anchor.device)
    return Encoded(head.anchor, one, torch.zeros_like(one))


def _within(columns: tuple[int, int], others: tuple[int, int]) -> bool:
    return others[0] <= columns[0] and columns[1] <= others[1]
