"""Point clouds in memory: one row of bytes each, padded to the largest.

A row is a float32 array (P, dimension + scalars + 1). The last column is the number of the point's class, 0 where
points have none, and -1 for padding.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from metricvae.core.errors import InputError
from metricvae.core.kind import Packed
from metricvae.kinds.points.records import Floats, PointCloud, thinned

PADDING = -1.0


def packed_clouds(
    clouds: Sequence[PointCloud], dimension: int, scalars: int, labels: Sequence[str], most: int
) -> Packed:
    """(m, bytes) of clouds.

    Args:
        clouds: m of them.
        dimension, scalars, labels: that they have.
        most: points that a cloud keeps at most, see `metricvae.kinds.points.records.thinned`.

    Raises:
        InputError: a cloud of another dimension, another number of scalars, or a class that is not in `labels`.
    """
    numbers = {name: number for number, name in enumerate(labels)}
    width = max([1, *(min(len(one), most) for one in clouds)])
    rows = np.zeros((len(clouds), width, dimension + scalars + 1), np.float32)
    rows[..., -1] = PADDING
    for row, one in zip(rows, clouds, strict=True):
        found = _row(one, dimension, scalars, numbers)
        if len(found) > most:
            centred = one.positions.astype(np.float64) - one.positions.mean(0, dtype=np.float64)
            found = found[thinned(np.linalg.norm(centred, axis=1), most)]
        row[: len(found)] = found
    return rows.reshape(len(clouds), -1).view(np.uint8)


def _row(one: PointCloud, dimension: int, scalars: int, numbers: dict[str, int]) -> Floats:
    if one.dimension != dimension or one.scalars.shape[1] != scalars:
        raise InputError(
            f"a point cloud has {one.dimension} dimensions with {one.scalars.shape[1]} scalars: expected {dimension} "
            f"and {scalars}, set the kind's dimension and scalars"
        )
    if numbers and not one.labels:
        raise InputError(f"got a point cloud without classes of points: expected some of {', '.join(numbers)}")
    unknown = sorted(set(one.labels) - set(numbers)) if numbers else []
    if unknown:
        raise InputError(f"got a point of class '{unknown[0]}': expected one of {', '.join(numbers)}")
    classes = [numbers[name] for name in one.labels] if numbers else [0] * len(one)
    return np.column_stack([one.positions, one.scalars, np.array(classes, np.float32)]).astype(np.float32)


def _rows(packed: Packed, dimension: int, scalars: int) -> Floats:
    columns = dimension + scalars + 1
    return np.ascontiguousarray(packed).view(np.float32).reshape(len(packed), -1, columns)


def unpacked_clouds(packed: Packed, dimension: int, scalars: int, labels: Sequence[str]) -> Floats:
    """(m, P, 1 + dimension + scalars + labels): presence, coordinates, scalars, 1 for the class of the point."""
    rows = _rows(packed, dimension, scalars)
    classes = rows[..., -1:]
    parts = [(classes > PADDING).astype(np.float32), rows[..., :-1]]
    if labels:
        parts.append((classes == np.arange(len(labels))).astype(np.float32))
    return np.concatenate(parts, axis=-1)


def restored_clouds(packed: Packed, dimension: int, scalars: int, labels: Sequence[str]) -> list[PointCloud]:
    """The inverse of `packed_clouds`, in which thinned clouds stay thinned."""
    found = []
    for row in _rows(packed, dimension, scalars):
        there = row[row[:, -1] > PADDING]
        names = tuple(labels[int(number)] for number in there[:, -1]) if labels else ()
        found.append(PointCloud(there[:, :dimension].copy(), there[:, dimension:-1].copy(), names))
    return found


def concatenated(parts: Sequence[Packed], dimension: int, scalars: int) -> Packed:
    """Several arrays of packed clouds as one, all padded to the largest."""
    rows = [_rows(part, dimension, scalars) for part in parts]
    width = max(one.shape[1] for one in rows)
    filled = []
    for one in rows:
        more = np.zeros((len(one), width - one.shape[1], one.shape[2]), np.float32)
        more[..., -1] = PADDING
        filled.append(np.concatenate([one, more], axis=1))
    found = np.concatenate(filled)
    return found.reshape(len(found), -1).view(np.uint8)
