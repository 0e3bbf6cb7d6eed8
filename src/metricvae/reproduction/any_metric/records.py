"""What a metric of the report consists of: its objects, its labels, how pairs are drawn, and how a user would import
it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from metricvae.core.splits import Split
from metricvae.metrics.tabular import TabularMetric

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

Measure = Callable[[Rows, Rows], Floats]
"""Rows (n,) of the first and of the second object of pairs -> (n,) values."""

SHARES: Mapping[Split, float] = {"train": 0.8, "validation": 0.05, "calibration": 0.075, "test": 0.075}
"""Shares of the objects and of the pairs in each split."""


@dataclass(frozen=True)
class MadeObjects:
    """m objects with what the baselines may know of each.

    Attributes:
        values: (m,) the objects as their labeller and their writer take them.
        groups: (m,) int64; objects of one group share a split.
        related: (m,) int64; related pairs are drawn among objects of one number.
        magnitudes: (m, k) simple numbers of each object: area, length, norm.
        embedding: (m, d) a plain embedding: pixels, counts of k-mers, sorted distances.
    """

    values: Sequence[Any]
    groups: Rows
    related: Rows
    magnitudes: Floats
    embedding: Floats

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class PairDesign:
    """How pairs are drawn, so that their values spread; what is left of the shares is random pairs.

    Attributes:
        related: share of the pairs whose objects have one number in `MadeObjects.related`.
        near: share of the pairs of an object and one of its nearest in the embedding.
        neighbours: how many nearest ones there are to choose from.
    """

    related: float = 0.0
    near: float = 0.0
    neighbours: int = 10


@dataclass(frozen=True)
class MetricExample:
    """A metric of the report.

    Attributes:
        name: on the command line and of its folder.
        title: in the report.
        labeller: the library and function whose values are learned.
        kind: of the objects, a name or a document of `ObjectKind.to_json`.
        metric: what the values are, as a user would say it.
        make: number of objects and seed -> the objects.
        measure: values of objects -> what labels pairs of them.
        write: writes one object to a path without a suffix, and returns the path of the file; None where the object is
            a text that stands in the table itself.
        objects: how many there are.
        design: how pairs are drawn.
        embedding: what the embedding holds, for the report.
        packages: optional modules that it needs.
    """

    name: str
    title: str
    labeller: str
    kind: Mapping[str, Any]
    metric: TabularMetric
    make: Callable[[int, int], MadeObjects]
    measure: Callable[[Sequence[Any]], Measure]
    write: Callable[[Path, Any], Path] | None = None
    objects: int = 5_000
    design: PairDesign = field(default_factory=PairDesign)
    embedding: str = ""
    packages: tuple[str, ...] = ()

    @property
    def binary(self) -> bool:
        """Whether the values are 0 and 1."""
        return self.metric.task == "binary"
