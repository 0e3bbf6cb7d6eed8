"""The record of a point cloud."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metricvae.core.errors import InputError

Floats = npt.NDArray[np.float32]

DIMENSIONS = (2, 3)
"""Dimensions of space that clouds may have."""

MOST_READ = 1_000_000
"""Points of a cloud that is read, at most."""


@dataclass(frozen=True, eq=False)
class PointCloud:
    """n points, in any order.

    Attributes:
        positions: (n, 2) or (n, 3) float32, in the unit of the data.
        scalars: (n, s) float32, further numbers of each point that do not change when the cloud is moved.
        labels: (n,) names of classes, as elements; empty where points have none.

    Example:
        >>> PointCloud.of([[0, 0, 0], [1, 0, 0], [0, 2, 0]]).positions.shape
        (3, 3)
    """

    positions: Floats
    scalars: Floats
    labels: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def dimension(self) -> int:
        """2 or 3."""
        return self.positions.shape[1]

    @classmethod
    def of(
        cls, rows: npt.ArrayLike, dimension: int | None = None, labels: Sequence[str] = (), name: str = "the array"
    ) -> PointCloud:
        """A cloud from a row of numbers for each point.

        Args:
            rows: (n, 2 or more): coordinates, then scalars.
            dimension: how many of the columns are coordinates; by default 2 of two columns, else 3.
            labels: (n,) names of classes, or none.
            name: of the cloud, in messages.

        Raises:
            InputError: not such rows, or numbers that are not finite.
        """
        numbers = _numbers(rows, name)
        if numbers.ndim != 2 or not len(numbers) or numbers.shape[1] < (dimension or 2):
            expected = "(n, 2) or (n, 3 or more)" if dimension is None else f"(n, {dimension} or more)"
            raise InputError(f"{name} has the shape {numbers.shape}: expected {expected}, a row a point")
        if len(numbers) > MOST_READ:
            raise InputError(f"{name} has {len(numbers):,} points: expected at most {MOST_READ:,}, thin it")
        if not np.isfinite(numbers).all():
            bad = int(np.flatnonzero(~np.isfinite(numbers).all(axis=1))[0])
            raise InputError(f"{name} has a number that is not finite in point {bad + 1}: mend or remove it")
        columns = dimension or min(numbers.shape[1], 3)
        return cls(numbers[:, :columns].copy(), numbers[:, columns:].copy(), tuple(labels))


def _numbers(rows: npt.ArrayLike, name: str) -> Floats:
    try:
        found = np.asarray(rows)
    except ValueError:
        raise InputError(f"{name} has rows of different lengths: expected as many numbers of each point") from None
    if found.dtype.kind not in "fiub":
        raise InputError(f"{name} holds {found.dtype} values: expected numbers")
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused with the infinite
        return found.astype(np.float32)


def thinned(distances: npt.NDArray[np.float64], most: int) -> npt.NDArray[np.int64]:
    """Which `most` of n points stand for all: evenly spaced in the order of their distances from the centroid.

    The choice depends neither on the order of the points nor, but for ties, on how the cloud lies, and keeps the
    distribution of the distances from the centroid.

    Args:
        distances: (n,) of the points from the centroid.
        most: how many to keep.

    Example:
        >>> thinned(np.array([3.0, 1.0, 2.0, 5.0, 4.0]), 3).tolist()
        [1, 0, 3]
    """
    order = np.argsort(distances, kind="stable")
    if len(order) <= most:
        return order
    return order[np.linspace(0, len(order) - 1, most).round().astype(np.int64)]
