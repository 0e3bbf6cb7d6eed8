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


def objects_needed(pairs: int, partners: int) -> int:
    """How many generated objects let every split fill its share without using an object twice, and a few to spare.

    Splits are drawn by chance, so a small data set may still lack objects in one (`lacking_splits`) and draw more.
    """
    return max(int(np.ceil(2 * pairs / partners * 1.02)) + 8 * (partners + 1), 64)
