"""Which objects meet which: pairs come in blocks whose objects all meet one another.

A block of k objects holds k (k - 1) / 2 pairs, so a solver prepares, and a network encodes, each object once
for many pairs. Blocks never cross a split.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from metricvae.core.errors import InputError
from metricvae.core.splits import SPLITS, Split

Block = npt.NDArray[np.int64]
"""(pairs, 2) object indices of one block."""


def plan_blocks(splits: Sequence[Split], pairs: int, partners: int, seed: int) -> dict[Split, list[Block]]:
    """Draw `pairs` distinct pairs in blocks of `partners` + 1 objects, each split getting its share.

    Args:
        splits: split of each object.
        pairs: how many pairs in all.
        partners: how many others an object meets in its block.
        seed: the same seed gives the same pairs.

    Raises:
        InputError: a split has too few objects for its share of pairs.
    """
    check_enough(splits, pairs)
    members = {split: [i for i, of in enumerate(splits) if of == split] for split in SPLITS}
    quota = quotas(pairs)
    return {
        split: _blocks(members[split], quota[split], partners + 1, np.random.default_rng([seed, place]))
        for place, split in enumerate(SPLITS)
    }


def check_enough(splits: Sequence[Split], pairs: int) -> None:
    """Raise InputError when a split has too few objects for its share of `pairs` distinct pairs."""
    lacking = lacking_splits(splits, pairs)
    if lacking:
        counts = ", ".join(f"{split} {splits.count(split)}" for split in SPLITS)
        raise InputError(
            f"{len(splits)} objects (by split: {counts}) cannot form {pairs} distinct pairs with "
            f"{quotas(pairs)[lacking[0]]} in {lacking[0]}: give more objects or ask for fewer pairs"
        )


def lacking_splits(splits: Sequence[Split], pairs: int) -> list[Split]:
    """The splits whose objects are too few for their share of `pairs` distinct pairs."""
    return [split for split, quota in quotas(pairs).items() if quota > math.comb(splits.count(split), 2)]


def quotas(pairs: int) -> dict[Split, int]:
    """How many of so many pairs are each split's."""
    shares = {split: int(pairs * share) for split, share in SPLITS.items()}
    shares["train"] += pairs - sum(shares.values())
    return shares


def _blocks(members: list[int], quota: int, size: int, rng: np.random.Generator) -> list[Block]:
    blocks: list[Block] = []
    seen: set[tuple[int, int]] = set()
    while quota:
        order = rng.permutation(members)
        for start in range(0, len(order), size):
            fresh = [p for p in itertools.combinations(order[start : start + size], 2) if _ordered(p) not in seen]
            if not fresh:
                continue
            seen.update(map(_ordered, fresh))
            block = np.array(fresh[:quota], dtype=np.int64)
            block = np.where(rng.random((len(block), 1)) < 0.5, block, block[:, ::-1])
            blocks.append(block)
            quota -= len(block)
            if not quota:
                return blocks
    return blocks


def _ordered(pair: tuple[int, int]) -> tuple[int, int]:
    return (min(pair), max(pair))


def plan_bipartite_blocks(
    left: Sequence[Split], right: Sequence[Split], pairs: int, partners: int, seed: int, cold: str = "both"
) -> dict[Split, list[Block]]:
    """Draw `pairs` distinct pairs of objects of two tables, in blocks of `partners` left and `partners` right objects
    that all meet; each split gets its share.

    Args:
        left, right: split of each object of either table.
        pairs: how many pairs in all.
        partners: how many of the other table an object meets in its block, at most.
        seed: the same seed gives the same pairs.
        cold: `both` lets objects of one split meet; `left` takes the split of the left object, whatever that of the
            right one, so that test pairs have new left objects alone; `right` likewise.

    Returns:
        Blocks (k, 2) of rows of the left and of the right table, by split.

    Raises:
        InputError: a split has too few objects for its share of pairs.
    """
    lacking = lacking_bipartite(left, right, pairs, cold)
    if lacking:
        counts = ", ".join(f"{split} {left.count(split)} and {right.count(split)}" for split in SPLITS)
        raise InputError(
            f"{len(left)} left and {len(right)} right objects (by split: {counts}) cannot form {pairs} distinct pairs "
            f"with {quotas(pairs)[lacking[0]]} in {lacking[0]}: give more objects or ask for fewer pairs"
        )
    quota = quotas(pairs)
    return {
        split: _bipartite(*_members(left, right, split, cold), quota[split], partners, np.random.default_rng([seed, i]))
        for i, split in enumerate(SPLITS)
    }


def lacking_bipartite(left: Sequence[Split], right: Sequence[Split], pairs: int, cold: str) -> list[Split]:
    """The splits whose left and right objects are too few for their share of `pairs` distinct pairs."""
    sizes = {split: math.prod(map(len, _members(left, right, split, cold))) for split in SPLITS}
    return [split for split, quota in quotas(pairs).items() if quota > sizes[split]]


def _members(left: Sequence[Split], right: Sequence[Split], split: Split, cold: str) -> tuple[list[int], list[int]]:
    """Rows of either table that may stand in pairs of a split."""
    first = [row for row, of in enumerate(left) if of == split or cold == "right"]
    second = [row for row, of in enumerate(right) if of == split or cold == "left"]
    return first, second


def _bipartite(left: list[int], right: list[int], quota: int, size: int, rng: np.random.Generator) -> list[Block]:
    blocks: list[Block] = []
    seen: set[tuple[int, int]] = set()
    while quota:
        sides = [_chunks(rng.permutation(members), size) for members in (left, right)]
        for number in range(max(map(len, sides))):
            first, second = (chunks[number % len(chunks)] for chunks in sides)
            fresh = [pair for pair in itertools.product(first.tolist(), second.tolist()) if pair not in seen][:quota]
            if fresh:
                seen.update(fresh)
                blocks.append(np.array(fresh, dtype=np.int64))
                quota -= len(fresh)
    return blocks


def _chunks(order: npt.NDArray[np.int64], size: int) -> list[npt.NDArray[np.int64]]:
    return [order[start : start + size] for start in range(0, len(order), size)]


def objects_needed(pairs: int, partners: int) -> int:
    """How many generated objects let every split fill its share without using an object twice, and a few to spare.

    Splits are drawn at random, so a small data set may still lack objects in one (`lacking_splits`) and draw more.
    """
    return max(int(np.ceil(2 * pairs / partners * 1.02)) + 8 * (partners + 1), 64)


def evenly_spaced(rows: npt.NDArray[np.int64], most: int) -> npt.NDArray[np.int64]:
    """(k,) at most so many of (n,) rows, evenly spaced.

    >>> evenly_spaced(np.arange(10), 4).tolist()
    [0, 3, 6, 9]
    """
    return rows[np.linspace(0, len(rows) - 1, min(len(rows), most)).astype(np.int64)]
