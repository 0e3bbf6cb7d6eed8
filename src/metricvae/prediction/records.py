"""What a predictor says of objects and of pairs: codes, and answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from metricvae.core.display import columns_html
from metricvae.prediction.calibration.conformal import Floats
from metricvae.training.batching import PairGraph


@dataclass(frozen=True)
class Predictions:
    """Answers for n pairs.

    Attributes:
        value: (n,) predicted metric in its unit, within its limits; of a binary metric, the probability of a 1.
        low, high: (n,) ends of the interval; of a binary metric the least and the greatest answer that is possible.
        level: share of true values such intervals hold, for objects like those of the training.
        novelty: (n,) that of the more novel of the two objects (see `metricvae.prediction.novelty`). Above 1 the
            interval was made so many times as wide, and is a guess all the same.
        match: (n,) whether the answer of a binary metric is 1; None of another metric.
        distance: (n,) score of the two codes of a binary metric; in the paper, a cosine distance of 1 is a match.
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

    def __len__(self) -> int:
        return len(self.value)

    def _repr_html_(self) -> str:
        columns = {"value": self.value, "low": self.low, "high": self.high, "novelty": self.novelty}
        return columns_html("predictions", columns | {"verdict": self.match})

    @property
    def novel(self) -> npt.NDArray[np.bool_]:
        """(n,) whether one of the two objects is unlike those of the training."""
        return self.novelty > 1.0


@dataclass(frozen=True)
class Encoded:
    """m objects as one side of a model sees them.

    Attributes:
        codes: (m, d) float32, (m, 2 d) of a model that compares mirror images too.
        magnitudes: (m,) float32: areas, self-overlaps; ones where the kind has none.
        novelty: (m,) float32, above 1 for objects unlike those of the training; 0 where the model cannot tell.
    """

    codes: Tensor
    magnitudes: Tensor
    novelty: Tensor

    def __len__(self) -> int:
        return len(self.codes)

    def to(self, device: torch.device | str) -> Encoded:
        """The same on another device."""
        return Encoded(self.codes.to(device), self.magnitudes.to(device), self.novelty.to(device))

    def __getitem__(self, rows: Any) -> Encoded:
        return Encoded(self.codes[rows], self.magnitudes[rows], self.novelty[rows])


@dataclass(frozen=True)
class EncodedPairs:
    """Pairs of a data set, encoded.

    Attributes:
        left, right: the objects, each once; the same record where one tower encodes both.
        graph: rows of the tables they come from, and the ends of each pair among them.
    """

    left: Encoded
    right: Encoded
    graph: PairGraph

    @property
    def arguments(self) -> tuple[Encoded, Encoded, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """As `Predictor.predict` takes them."""
        return self.left, self.right, self.graph.first, self.graph.second


def consecutive(rows: npt.NDArray[np.int64]) -> slice | None:
    """Rows as a slice, which copies nothing, where each is the next after the one before; None where not."""
    first = int(rows[0]) if len(rows) else 0
    last = first + len(rows)
    return slice(first, last) if np.array_equal(rows, np.arange(first, last)) and first >= 0 else None
