"""What a training begins with, beside random weights: scalings, and what similarities that are known beforehand say.

Some encoders add fixed projections of what they count to their codes, so that products of codes tell what two objects
share, unseen ones too (`Encoder.projected`). How much of each suits a metric, a regression on training pairs says.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import nnls
from torch import Tensor

from metricvae.core.dataset import ObjectTable, PairDataset
from metricvae.core.sampling import evenly_spaced
from metricvae.nn.autoencoder import MagicAutoencoder, ModelConfig, build
from metricvae.nn.heads import Head

SCALED_ON = 2_048
"""Training objects from which an encoder learns the scaling of its numbers, at most."""

MOST_PAIRS = 2_000
"""Training pairs that say how much similarities suit, at most."""

AT_ONCE = 256
"""Objects that are prepared and encoded at once: long sequences take memory."""

CLEARLY = 0.7
"""Share of the unexplained variance that another choice may leave, at most, to be clearly better."""

ENOUGH = 0.5
"""Squared correlation that equal factors must reach to stay: from there training learns the rest, and better."""

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


def initial_model(config: ModelConfig, data: PairDataset, seed: int) -> MagicAutoencoder:
    """The model that a training on pairs begins with, in train mode on the processor."""
    model = build(config, seed).eval()
    fit_scalings(model, data)
    fit_similarities(model, data)
    return model.train()


def explained_at_first(config: ModelConfig, heads: Sequence[Head], data: PairDataset, seed: int) -> list[float]:
    """The squared correlation, with its sign, of the values of training pairs with what models with each of some heads
    make of them before any is learned from."""
    model = build(config, seed).eval()
    fit_scalings(model, data)
    known = KnownSimilarities.of(model, data)
    return [known.weigh(copy.deepcopy(model), head) for head in heads]


def fit_scalings(model: MagicAutoencoder, data: PairDataset) -> None:
    """Have the encoders learn their scalings from objects of the training pairs; see `Encoder.fit_scaling`.

    An encoder that reads two tables learns from both.
    """
    used = used_objects(model, data)
    for side in model.towers:
        encoder = model.tower(side).encoder
        if not encoder.learns_scaling:
            continue
        tables = list(used.values()) if model.shared else [used[side]]
        kind = tables[0][0].kind
        parts = [table.packed[evenly_spaced(rows, SCALED_ON // len(tables))] for table, rows in tables]
        with torch.no_grad():
            encoder.fit_scaling(encoder.prepare(kind.unpack(kind.concatenate(parts))))


def used_objects(model: MagicAutoencoder, data: PairDataset) -> dict[str, tuple[ObjectTable, Rows]]:
    """The table of each tower's objects, and the rows of those that stand in pairs."""
    if data.shared and model.shared:
        return {"left": (data.left, np.unique(np.concatenate([data.first, data.second])))}
    return {"left": (data.left, np.unique(data.first)), "right": (data.right, np.unique(data.second))}


def fit_similarities(model: MagicAutoencoder, data: PairDataset) -> None:
    """Set the factors of an encoder's fixed projections by a regression of the metric on the mean products of what is
    projected, with weights that are not negative, where equal factors explain little.

    Nothing is changed where there are two towers, the head is no function of a sum of products, or only orders within
    groups count.
    """
    if model.tower("left").encoder.projections and model.shared and data.shared and data.metric.task != "ranking":
        KnownSimilarities.of(model, data).weigh(model, model.head)


@dataclass(frozen=True)
class KnownSimilarities:
    """Some training pairs, and what an encoder knows of their similarity.

    Attributes:
        features: of the objects, some at a time, as `Encoder.prepare` gives them.
        first, second: (n,) rows of the ends of the pairs among them.
        value: (n,) values.
        products: (n, k) mean products of what each of k projections projects.
    """

    features: tuple[Tensor, ...]
    first: Rows
    second: Rows
    value: Floats
    products: Floats

    @classmethod
    def of(cls, model: MagicAutoencoder, data: PairDataset) -> KnownSimilarities:
        """Those of a model with one tower, whose scalings are learned."""
        encoder = model.tower("left").encoder
        pairs = evenly_spaced(data.known(np.arange(len(data))), MOST_PAIRS)
        rows, ends = np.unique(np.stack([data.first[pairs], data.second[pairs]]), return_inverse=True)
        first, second = ends.reshape(2, -1)
        parts = [rows[start : start + AT_ONCE] for start in range(0, len(rows), AT_ONCE)]
        with torch.no_grad():
            features = tuple(encoder.prepare(data.left.tensor(part, "cpu")) for part in parts)
            groups = [torch.cat(group) for group in zip(*map(encoder.projected, features), strict=True)]
            products = [(one[first] * one[second]).mean(1).double().numpy() for one in groups]
        return cls(features, first, second, data.value[pairs], np.stack(products, axis=1))

    def weigh(self, model: MagicAutoencoder, head: Head) -> float:
        """Add to the squares of the projections' factors what makes a head's score the sum of products that explains
        most, where equal factors explain little and that is clearly more.

        Returns:
            the squared correlation of the values, with its sign.
        """
        score = self._score(model, head)
        equal = self._explained(head, score)
        projections = model.tower("left").encoder.projections
        signs = head.product_weights(len(projections[0].factor))
        if signs is None or self._correlation(head.product_of(score)) > ENOUGH:
            return equal
        ones = torch.ones(len(self.value))
        target = head.product_of(head.target(torch.from_numpy(self.value).float(), ones, ones)).double().numpy()
        sign, weights = _best_weights(self.products, target, signs)
        used, before = signs * sign > 0, [projection.factor.clone() for projection in projections]
        with torch.no_grad():
            for projection, weight in zip(projections, weights.tolist(), strict=True):
                square = torch.where(used, weight / (signs.abs() * used.sum()).clamp(min=1e-12), 0.0)
                projection.factor.copy_((projection.factor.square() + square).sqrt())
            found = self._explained(head, self._score(model, head))
            if is_clearly_better(found, equal):
                return found
            for projection, factor in zip(projections, before, strict=True):
                projection.factor.copy_(factor)
        return equal

    def _explained(self, head: Head, score: Tensor) -> float:
        """The squared correlation, with its sign, of the values with what a head makes of scores."""
        ones = torch.ones(len(self.value))
        return self._correlation(head.value(score, ones, ones))

    def _score(self, model: MagicAutoencoder, head: Head) -> Tensor:
        with torch.no_grad():
            codes = torch.cat([model.tower("left").code_features(part) for part in self.features])
            return head.score(codes[self.first], codes[self.second])

    def _correlation(self, numbers: Tensor) -> float:
        found = numbers.double().numpy()
        if min(found.std(), self.value.std()) < 1e-12:
            return 0.0
        correlation = float(np.corrcoef(found, self.value)[0, 1])
        return correlation * abs(correlation)


def is_clearly_better(explained: float, other: float) -> bool:
    """Whether the share of the variance that is not explained is clearly less than another: `CLEARLY` times at most."""
    return 1 - explained <= CLEARLY * (1 - other)


def _best_weights(products: Floats, target: Floats, signs: Tensor) -> tuple[int, Floats]:
    """The sign, of those that products can have in the score, by which a sum of products explains more of the target,
    and their weights, from 0 on."""
    ones = np.ones((len(products), 1))
    fits = {
        sign: nnls(np.concatenate([sign * products, ones, -ones], axis=1), target)
        for sign in (1, -1)
        if bool((signs * sign > 0).any())
    }
    best = min(fits, key=lambda sign: float(fits[sign][1]))
    return best, fits[best][0][:-2]
