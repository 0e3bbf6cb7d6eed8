"""Pairs within splits that share no object: random ones, related ones, and ones that are near in an embedding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metricvae.core.errors import InputError
from metricvae.core.splits import Split
from metricvae.reproduction.any_metric.labels.descriptors import squared_distances
from metricvae.reproduction.any_metric.records import SHARES, MadeObjects, PairDesign, Rows

DRAWS = 60
"""Rounds in which further pairs are drawn until there are enough different ones."""

COMPARED_AT_ONCE = 500
"""Objects whose distances from all others are held in memory together."""

Draw = Callable[[int], tuple[Rows, Rows]]
"""Draws so many pairs, some of them perhaps of an object with itself."""


@dataclass(frozen=True)
class DrawnPairs:
    """n pairs of rows of objects, and the split of each."""

    first: Rows
    second: Rows
    split: npt.NDArray[np.str_]


def draw_pairs(objects: MadeObjects, count: int, design: PairDesign, symmetric: bool, seed: int) -> DrawnPairs:
    """Different pairs of different objects, both of one split.

    Args:
        objects: to draw from.
        count: pairs in all.
        design: what share of them is related or near.
        symmetric: whether (a, b) and (b, a) are one pair.
        seed: of the splits and the draws.

    Raises:
        InputError: the objects of a split have too few different pairs.
    """
    rng = np.random.default_rng(seed)
    split_of = split_groups(objects.groups, rng)
    first, second, split = [], [], []
    for name, share in SHARES.items():
        rows, pairs = np.flatnonzero(split_of == name), round(share * count)
        ends = _draw_within(objects, rows, pairs, design, symmetric, rng)
        first.append(ends[0])
        second.append(ends[1])
        split += [name] * pairs
    return DrawnPairs(np.concatenate(first), np.concatenate(second), np.array(split))


def split_groups(groups: Rows, rng: np.random.Generator) -> npt.NDArray[np.str_]:
    """(m,) splits of objects, by their groups (m,); each split has about its share of the groups."""
    distinct, of = np.unique(groups, return_inverse=True)
    ends = np.round(np.cumsum(list(SHARES.values())) * len(distinct)).astype(np.int64)
    names: list[Split] = list(SHARES)
    place = np.searchsorted(ends, rng.permutation(len(distinct)), side="right")
    return np.array(names)[place][of]


def _draw_within(
    objects: MadeObjects, rows: Rows, count: int, design: PairDesign, symmetric: bool, rng: np.random.Generator
) -> tuple[Rows, Rows]:
    """Pairs of some rows, in random order."""
    related, near = round(design.related * count), round(design.near * count)
    parts: list[tuple[int, Draw]] = [(count - related - near, lambda n: _random(rows, n, rng))]
    if related:
        alike = _groups_of(objects.related[rows], rows)
        parts.append((related, lambda n: _related(alike, n, rng)))
    if near:
        nearest = _nearest(objects, rows, design.neighbours)
        parts.append((near, lambda n: _near(rows, nearest, n, rng)))
    seen: dict[tuple[int, int], None] = {}
    for wanted, draw in reversed(parts):  # random pairs last: what others lack, they make up
        _add(seen, len(seen) + wanted if draw is not parts[0][1] else count, draw, symmetric)
    if len(seen) < count:
        raise InputError(f"{len(rows)} objects of a split have fewer than {count} different pairs: ask for fewer pairs")
    pairs = rng.permutation(np.array(list(seen), dtype=np.int64))
    swap = rng.random(count) < 0.5
    pairs[swap] = pairs[swap, ::-1] if symmetric else pairs[swap]
    return pairs[:, 0], pairs[:, 1]


def _add(seen: dict[tuple[int, int], None], total: int, draw: Draw, symmetric: bool) -> None:
    """Add drawn pairs until there are `total`, or none can be found."""
    for _ in range(DRAWS):
        if len(seen) >= total:
            return
        for a, b in zip(*(ends.tolist() for ends in draw(2 * (total - len(seen)))), strict=True):
            if a != b and len(seen) < total:
                seen[(min(a, b), max(a, b)) if symmetric else (a, b)] = None


def _random(rows: Rows, count: int, rng: np.random.Generator) -> tuple[Rows, Rows]:
    return rng.choice(rows, count), rng.choice(rows, count)


def _groups_of(numbers: Rows, rows: Rows) -> list[Rows]:
    """Rows with one number each, where there are at least two."""
    order = np.argsort(numbers, kind="stable")
    parts = np.split(rows[order], np.flatnonzero(np.diff(numbers[order])) + 1)
    return [part for part in parts if len(part) > 1]


def _related(alike: list[Rows], count: int, rng: np.random.Generator) -> tuple[Rows, Rows]:
    if not alike:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    chosen = rng.integers(len(alike), size=count).tolist()
    pairs = np.array([rng.choice(alike[place], 2, replace=False) for place in chosen]).reshape(count, 2)
    return pairs[:, 0], pairs[:, 1]


def _nearest(objects: MadeObjects, rows: Rows, neighbours: int) -> Rows:
    """(k, neighbours) rows of the nearest other objects of each of k."""
    embedding, kept = objects.embedding[rows], min(neighbours, len(rows) - 1)
    found = []
    for places in np.array_split(np.arange(len(rows)), -(-len(rows) // COMPARED_AT_ONCE)):
        squared = squared_distances(embedding[places], embedding)
        squared[np.arange(len(places)), places] = np.inf
        found.append(np.argpartition(squared, kept - 1, axis=1)[:, :kept])
    return rows[np.concatenate(found)]


def _near(rows: Rows, nearest: Rows, count: int, rng: np.random.Generator) -> tuple[Rows, Rows]:
    place = rng.integers(len(rows), size=count)
    return rows[place], nearest[place, rng.integers(nearest.shape[1], size=count)]
