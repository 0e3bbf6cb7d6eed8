"""What a training begins with, beside random weights: scalings, and what similarities that are known beforehand say.

Some encoders know groups of numbers whose products or differences tell how similar two objects are, unseen ones too
(`Encoder.projected`). How much of each suits a metric, a regression on training pairs says; what it says is projected
into the codes (`Encoder.use_similarity`).
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
from metricvae.nn.head import CodeSum, Head

SCALED_ON = 2_048
"""Training objects from which an encoder learns the scaling of its numbers, at most."""

MOST_PAIRS = 2_000
"""Training pairs that say how much similarities suit, at most."""

AT_ONCE = 256
"""Objects that are prepared and encoded at once: long sequences take memory."""

CLEARLY = 0.7
"""Share of the unexplained variance that another choice may leave, at most, to be clearly better."""

ENOUGH = 0.5
"""Squared correlation that codes which hold all groups alike must reach to stay as they are: from there training learns
the rest, and better."""

FITS = 2
"""Times that the projections and the scale of a head are fitted in turn: each depends on the other."""

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


def initial_model(config: ModelConfig, data: PairDataset, seed: int) -> MagicAutoencoder:
    """The model that a training on pairs begins with, in train mode on the processor."""
    model = build(config, seed).eval()
    fit_scalings(model, data)
    fit_similarities(config, model, data)
    return model.train()


def fitted_at_first(
    config: ModelConfig, heads: Sequence[Head], data: PairDataset, seed: int
) -> list[tuple[Head, float]]:
    """Heads with the scales and offsets that suit training pairs best before any is learned from, and the shares of the
    variance of the values that models with each explain then."""
    model = build(config, seed).eval()
    fit_scalings(model, data)
    known = KnownSimilarities.of(config, model, data)
    return [known.fitted(head) for head in heads]


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


def fit_similarities(config: ModelConfig, model: MagicAutoencoder, data: PairDataset) -> None:
    """Project what an encoder knows of similarities into the codes, by a regression of the metric on mean products or
    on mean squares of differences, with weights that are not negative, where that explains clearly more.

    Nothing is changed where there are two towers, the head is no function of such a sum, or only orders within groups
    count.
    """
    known = config.left.encoder.knows_similarity
    if known and model.shared and data.shared and data.metric.task != "ranking":
        KnownSimilarities.of(config, model, data).weigh(model.head)


@dataclass(frozen=True)
class KnownSimilarities:
    """Some training pairs, and what an encoder knows of their similarity.

    Attributes:
        model: whose codes they are.
        features: of the objects, some at a time, as `Encoder.prepare` gives them.
        codes: (m, d) of the objects as the model is.
        first, second: (n,) rows of the ends of the pairs among them.
        value: (n,) values.
        products, differences: (n, k) mean products, and mean squares of differences, of each of k groups of numbers.
        begins_alike: whether codes hold these groups already, each alike.
    """

    model: MagicAutoencoder
    features: tuple[Tensor, ...]
    codes: Tensor
    first: Rows
    second: Rows
    value: Floats
    products: Floats
    differences: Floats
    begins_alike: bool

    @classmethod
    def of(cls, config: ModelConfig, model: MagicAutoencoder, data: PairDataset) -> KnownSimilarities:
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
            differences = [(one[first] - one[second]).square().mean(1).double().numpy() for one in groups]
        columns = np.stack(products, axis=1), np.stack(differences, axis=1)
        codes = _codes_of(model, features)
        pairs_of = first, second, data.value[pairs]
        return cls(model, features, codes, *pairs_of, *columns, config.left.encoder.begins_alike)

    def weigh(self, head: Head) -> tuple[float, Tensor]:
        """Project into the codes what makes one of a head's sums explain most of the values, where that is clearly more
        than codes explain as they are, and these do not hold all groups alike and explain enough.

        Returns:
            the squared correlation of the values, with its sign, and the scores of the pairs (n,).
        """
        encoder, score = self.model.tower("left").encoder, self._score(head, self.codes)
        best, sums = self._explained(head, score), head.sums(self.codes.shape[1])
        if self.begins_alike and any(self._correlation(one.of(score)) > ENOUGH for one in sums):
            return best, score
        ones = torch.ones(len(self.value))
        target = head.target(torch.from_numpy(self.value).float(), ones, ones)
        before = state = copy.deepcopy(encoder.state_dict())
        for one in sums:
            encoder.load_state_dict(before)
            squares = self._squares(one, one.of(target).double().numpy())
            encoder.use_similarity(torch.cat(self.features), squares)
            tried = self._score(head, _codes_of(self.model, self.features))
            found = self._explained(head, tried)
            if is_clearly_better(found, best):
                best, score, state = found, tried, copy.deepcopy(encoder.state_dict())
        encoder.load_state_dict(state)
        return best, score

    def fitted(self, head: Head) -> tuple[Head, float]:
        """A head with the scale and offset that suit the values best once similarities are projected for it, and the
        share of their variance that it explains then. The model stays as it is."""
        encoder, value = self.model.tower("left").encoder, torch.from_numpy(self.value).float()
        before = copy.deepcopy(encoder.state_dict())
        for _ in range(FITS):
            explained, score = self.weigh(head)
            encoder.load_state_dict(before)
            fitted = head.fitted(score, value)
            if explained <= 0 or fitted == head:
                break
            head = fitted
        error = np.square(self._value(head, score).double().numpy() - self.value).mean()
        return head, 1.0 - float(error / max(self.value.var(), 1e-12))

    def _squares(self, of: CodeSum, target: Floats) -> Tensor:
        """(k, d) shares of each group of numbers in the squares of the numbers of codes, so that a sum is nearest to
        its targets (n,); see `Encoder.use_similarity`."""
        columns = self.differences if of.adds == "differences" else self.products
        sign, shares = _best_shares(columns, target, of.weights)
        used = of.weights * sign > 0
        each = torch.where(used, 1.0 / (of.weights.abs() * used.sum()).clamp(min=1e-12), 0.0)
        return torch.from_numpy(shares).float()[:, None] * each

    def _score(self, head: Head, codes: Tensor) -> Tensor:
        return head.score(codes[self.first], codes[self.second])

    def _explained(self, head: Head, score: Tensor) -> float:
        """The squared correlation, with its sign, of the values with what a head makes of scores."""
        return self._correlation(self._value(head, score))

    def _value(self, head: Head, score: Tensor) -> Tensor:
        """What a head makes of scores, of objects of magnitude 1."""
        ones = torch.ones(len(score))
        return head.value(score, ones, ones)

    def _correlation(self, numbers: Tensor) -> float:
        found = numbers.double().numpy()
        if min(found.std(), self.value.std()) < 1e-12:
            return 0.0
        correlation = float(np.corrcoef(found, self.value)[0, 1])
        return correlation * abs(correlation)


def _codes_of(model: MagicAutoencoder, features: Sequence[Tensor]) -> Tensor:
    """(m, d) codes of the objects of a model with one tower."""
    with torch.no_grad():
        return torch.cat([model.tower("left").code_features(part) for part in features])


def is_clearly_better(explained: float, other: float) -> bool:
    """Whether the share of the variance that is not explained is clearly less than another: `CLEARLY` times at most."""
    return 1 - explained <= CLEARLY * (1 - other)


def _best_shares(sums: Floats, target: Floats, weights: Tensor) -> tuple[int, Floats]:
    """The sign, of those that the weights of a head have, by which a sum of columns (n, k) explains more of the target
    (n,), and their shares (k,) of it, from 0 on."""
    ones = np.ones((len(sums), 1))
    fits = {
        sign: nnls(np.concatenate([sign * sums, ones, -ones], axis=1), target)
        for sign in (1, -1)
        if bool((weights * sign > 0).any())
    }
    best = min(fits, key=lambda sign: float(fits[sign][1]))
    return best, fits[best][0][:-2]
