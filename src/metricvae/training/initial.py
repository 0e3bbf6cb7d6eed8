"""What a training begins with, beside random weights: scalings, and what similarities that are known beforehand say.

Some encoders add fixed projections of what they count to their codes, so that products of codes tell what two objects
share, unseen ones too (`Encoder.projected`). How much of each suits a metric, a regression on training pairs says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import nnls
from torch import Tensor

from metricvae.core.dataset import ObjectTable, PairDataset
from metricvae.nn.autoencoder import MagicAutoencoder, ModelConfig, build
from metricvae.nn.heads import Head

SCALED_ON = 2_048
"""Training objects from which an encoder learns the scaling of its numbers, at most."""

MOST_PAIRS = 5_000
"""Training pairs that say how much similarities suit, at most."""

LEAST_FACTOR = 0.03
"""Of outputs of projections that the metric has no use for at the start; training may have."""

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


def initial_model(config: ModelConfig, data: PairDataset, seed: int) -> MagicAutoencoder:
    """The model that a training on pairs begins with, in train mode on the processor."""
    model = build(config, seed)
    fit_scalings(model, data)
    fit_similarities(model, data)
    return model.train()


def explained_at_first(config: ModelConfig, heads: Sequence[Head], data: PairDataset, seed: int) -> list[float]:
    """R^2 of the values of training pairs by models with each of some heads, before any is learned from."""
    model = build(config, seed).eval()
    fit_scalings(model, data)
    known = KnownSimilarities.of(model, data)
    return [known.explained(model, head) for head in heads]


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
        parts = [table.packed[_spread(rows, SCALED_ON // len(tables))] for table, rows in tables]
        with torch.no_grad():
            encoder.fit_scaling(encoder.prepare(kind.unpack(kind.concatenate(parts))))


def used_objects(model: MagicAutoencoder, data: PairDataset) -> dict[str, tuple[ObjectTable, Rows]]:
    """The table of each tower's objects, and the rows of those that stand in pairs."""
    if data.shared and model.shared:
        return {"left": (data.left, np.unique(np.concatenate([data.first, data.second])))}
    return {"left": (data.left, np.unique(data.first)), "right": (data.right, np.unique(data.second))}


def fit_similarities(model: MagicAutoencoder, data: PairDataset) -> None:
    """Set the factors of an encoder's fixed projections by a regression of the metric on the mean products of what is
    projected, with weights that are not negative.

    Nothing is changed where there are two towers, the head is no function of a sum of products, or only orders within
    groups count.
    """
    if model.tower("left").encoder.projections and model.shared and data.shared and data.metric.task != "ranking":
        KnownSimilarities.of(model, data).weigh(model, model.head)


@dataclass(frozen=True)
class KnownSimilarities:
    """Some training pairs, and what an encoder knows of their similarity.

    Attributes:
        features: of the objects, as `Encoder.prepare` gives them.
        first, second: (n,) rows of the ends of the pairs among them.
        value: (n,) values.
        products: (n, k) mean products of what each of k projections projects.
    """

    features: Tensor
    first: Rows
    second: Rows
    value: Floats
    products: Floats

    @classmethod
    def of(cls, model: MagicAutoencoder, data: PairDataset) -> KnownSimilarities:
        """Those of a model with one tower, whose scalings are learned."""
        encoder = model.tower("left").encoder
        pairs = _spread(np.arange(len(data)), MOST_PAIRS)
        rows, ends = np.unique(np.stack([data.first[pairs], data.second[pairs]]), return_inverse=True)
        first, second = ends.reshape(2, -1)
        with torch.no_grad():
            features = encoder.prepare(data.left.tensor(rows, "cpu"))
            products = [(one[first] * one[second]).mean(1).double().numpy() for one in encoder.projected(features)]
        return cls(features, first, second, data.value[pairs], np.stack(products, axis=1))

    def weigh(self, model: MagicAutoencoder, head: Head) -> None:
        """Set the factors of the projections so that a head's score is the sum of products that explains most."""
        projections = model.tower("left").encoder.projections
        signs = head.product_weights(len(projections[0].factor))
        if signs is None:
            return
        ones = torch.ones(len(self.value))
        target = head.product_of(head.target(torch.from_numpy(self.value).float(), ones, ones)).double().numpy()
        sign, weights = _best_weights(self.products, target, signs)
        if not weights.any():
            return
        used = signs * sign > 0
        with torch.no_grad():
            for projection, weight in zip(projections, weights.tolist(), strict=True):
                square = torch.where(used, weight / (signs.abs() * used.sum()).clamp(min=1e-12), 0.0)
                projection.factor.copy_(square.sqrt().clamp(min=LEAST_FACTOR))

    def explained(self, model: MagicAutoencoder, head: Head) -> float:
        """R^2 of the values, with factors that suit a head."""
        self.weigh(model, head)
        with torch.no_grad():
            codes = model.tower("left").code_features(self.features)
            ones = torch.ones(len(self.value))
            found = head.value(head.score(codes[self.first], codes[self.second]), ones, ones).double().numpy()
        return float(1 - np.square(found - self.value).mean() / self.value.var())


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


def _spread(rows: Rows, most: int) -> Rows:
    """At most so many of the rows, evenly spaced."""
    return rows[np.linspace(0, len(rows) - 1, min(len(rows), most)).astype(np.int64)]
