"""Leak-free splits of pairs: groups of objects are the nodes of a graph, and pairs its edges.

Both objects of a held-out pair are to be unseen in training. Where the graph falls into components, whole components
are held out and no pair is lost. Else each held-out split is grown from a random group, always by the neighbour that
has the largest share of its pairs inside, and the pairs across splits are dropped: a greedy search for a set of small
conductance (R. Andersen, F. Chung, K. Lang, FOCS 2006, on local partitioning), which drops far fewer pairs than groups
chosen at random.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from metricvae.core.dataset import Rows
from metricvae.core.errors import InputError
from metricvae.core.importing.growing import TRAIN, GroupGraph, grow
from metricvae.core.splits import SPLITS

HELD_OUT = ("test", "calibration", "validation")

Splits = npt.NDArray[np.str_]


@dataclass(frozen=True)
class SplitConfig:
    """How large held-out splits are to be.

    Attributes:
        fewest: pairs that every split needs.
        share: of the pairs in a held-out split.
        few: pairs that a held-out split is to have even if that is more than its share.
        enough: pairs of a held-out split from which on more of them tell little.
        largest_share: of the pairs in a held-out split, at most.
        validation: size of the validation split relative to the others.
        train_share: of the pairs that training is to keep; smaller held-out splits are tried until it does.
        least_train_share: of the pairs in training, below which one side alone is cold.
        shrink: factor by which held-out splits are made smaller at each try.
        starts: groups from which a split is grown; the one that drops the fewest pairs counts.
    """

    fewest: int = 20
    share: float = 0.05
    few: int = 500
    enough: int = 2_000
    largest_share: float = 0.1
    validation: float = 0.6
    train_share: float = 0.5
    least_train_share: float = 0.2
    shrink: float = 0.7
    starts: int = 4

    def sizes(self, pairs: int, factor: float = 1.0, splits: Sequence[str] = HELD_OUT) -> dict[str, int]:
        """Pairs of each held-out split that are aimed at, of so many in all."""
        whole = min(max(self.share * pairs, self.few), self.largest_share * pairs, self.enough) * factor
        sizes = {name: whole * (self.validation if name == "validation" else 1.0) for name in splits}
        return {name: max(round(size), self.fewest) for name, size in sizes.items()}


@dataclass(frozen=True, eq=False)
class SplitPairs:
    """The splits of pairs.

    Attributes:
        split: (k,) of the pairs that are kept.
        kept: (k,) which these are, ascending.
        cold: `both`, `left` or `right`: the sides whose held-out objects training never sees; `as given`.
    """

    split: Splits
    kept: Rows
    cold: str


def split_pairs(
    groups: tuple[Sequence[str], Sequence[str]],
    first: Rows,
    second: Rows,
    seed: int,
    together: npt.NDArray[np.object_] | None = None,
    config: SplitConfig = SplitConfig(),
    splits: Sequence[str] = HELD_OUT,
) -> SplitPairs:
    """Leak-free splits of pairs by the groups of their objects.

    Both objects of a held-out pair are unseen in training where that leaves every split enough pairs; else the left
    object alone is, or the right one.

    Args:
        groups: (m,), (m',) of the left and of the right objects, the same tuple twice where these are of one table;
            objects of one group share a split.
        first, second: (n,) rows of both.
        seed: of the draw.
        together: (n,) names of groups of pairs that are kept in one split if that is possible.
        config: sizes.
        splits: which are held out.

    Raises:
        InputError: too few pairs or groups for any of it.
    """
    nodes = _nodes(groups, first, second)
    joint = [] if together is None or len(set(together.tolist())) < 2 else [_contracted(nodes, together)]
    for (left, right), least in ((one, config.train_share) for one in joint):
        found = _cold_both(left, right, seed, config, splits, least)
        if found is not None:
            return found
    found = _cold_both(*nodes, seed, config, splits, config.least_train_share)
    if found is not None:
        return found
    sides = {"left": nodes[0]} if groups[0] is groups[1] else {"left": nodes[0], "right": nodes[1]}
    for side, ends in sides.items():
        split = _cold_side(ends, seed, config, splits)
        if _fewest(split, splits) >= config.fewest:
            return SplitPairs(split, np.arange(len(first)), side)
    raise InputError(
        f"{len(first)} pairs of {len(set(groups[0]))} groups of left objects leave a split with fewer than "
        f"{config.fewest} pairs: give more pairs of more objects, or a column of your own splits"
    )


def _nodes(groups: tuple[Sequence[str], Sequence[str]], first: Rows, second: Rows) -> tuple[Rows, Rows]:
    """(n,) numbers of the groups of the left and of the right objects; those of two tables are different groups."""
    names = [f"left {name}" for name in groups[0]]
    left = {name: number for number, name in enumerate(dict.fromkeys(names))}
    of_left = np.array([left[name] for name in names], np.int64)
    if groups[0] is groups[1]:
        return of_left[first], of_left[second]
    right = {name: number + len(left) for number, name in enumerate(dict.fromkeys(groups[1]))}
    return of_left[first], np.array([right[name] for name in groups[1]], np.int64)[second]


def _contracted(nodes: tuple[Rows, Rows], together: npt.NDArray[np.object_]) -> tuple[Rows, Rows]:
    """The nodes where those of pairs of one group count as one."""
    names = np.unique(together.astype(str), return_inverse=True)[1]
    count = int(max(nodes[0].max(), nodes[1].max())) + 1
    size = count + int(names.max()) + 1
    ends = np.concatenate(nodes), np.concatenate([names, names]) + count
    labels = connected_components(coo_matrix((np.ones(len(ends[0])), ends), (size, size)), directed=False)[1]
    return labels[nodes[0]].astype(np.int64), labels[nodes[1]].astype(np.int64)


def _cold_both(
    left: Rows, right: Rows, seed: int, config: SplitConfig, splits: Sequence[str], least_train: float
) -> SplitPairs | None:
    """Splits whose held-out pairs have two unseen objects; None where training would keep too few."""
    graph, factor, best = GroupGraph.of_pairs(left, right), 1.0, None
    while True:
        sizes = config.sizes(len(left), factor, splits)
        split = _names(grow(graph, sizes, np.random.default_rng(seed), config.starts), splits)
        inside = split[left] == split[right]
        kept = np.flatnonzero(inside)
        found = SplitPairs(split[left[kept]], kept, "both")
        train = int((found.split == "train").sum())
        if _fewest(found.split, splits) >= config.fewest and train >= least_train * len(left):
            best = found
        if (best is found and train >= config.train_share * len(left)) or max(sizes.values()) <= config.fewest:
            return best
        factor *= config.shrink


def _names(numbers: npt.NDArray[np.int64], splits: Sequence[str]) -> Splits:
    return np.array(["train", *splits])[numbers - TRAIN]


def _cold_side(ends: Rows, seed: int, config: SplitConfig, splits: Sequence[str]) -> Splits:
    """Splits by the groups of one side alone: random groups, each to the split that still lacks most of its pairs."""
    counts = np.bincount(ends)
    lacking: dict[str, float] = dict(config.sizes(len(ends), 1.0, splits))
    order = np.random.default_rng(seed).permutation(np.flatnonzero(counts))
    split = np.full(len(counts), "train", dtype="<U11")
    for node in order[np.argsort(counts[order] > min(lacking.values()), kind="stable")].tolist():
        name = max(lacking, key=lambda one: lacking[one])
        if lacking[name] <= 0:
            break
        split[node] = name
        lacking[name] -= counts[node]
    chosen: Splits = split[ends]
    return chosen


def _fewest(split: Splits, splits: Sequence[str]) -> int:
    return min(int((split == name).sum()) for name in ("train", *splits))


def complete_splits(
    given: Splits,
    groups: tuple[Sequence[str], Sequence[str]],
    first: Rows,
    second: Rows,
    seed: int,
    config: SplitConfig = SplitConfig(),
) -> SplitPairs:
    """A user's own splits, with pairs of training moved to validation and calibration where there are none.

    Args:
        given: (n,) names of splits.
        groups, first, second, seed, config: as for `split_pairs`.

    Raises:
        InputError: no training pairs, or too few to give some away.
    """
    train = np.flatnonzero(given == "train")
    missing = [name for name in HELD_OUT if name != "test" and not (given == name).any()]
    if not len(train):
        raise InputError(f"the column of splits names no training pair: expected some of {', '.join(SPLITS)}")
    if not missing:
        return SplitPairs(given, np.arange(len(given)), "as given")
    part = split_pairs(groups, first[train], second[train], seed, None, config, missing)
    split = given.copy().astype("<U11")
    split[train[part.kept]] = part.split
    kept = np.setdiff1d(np.arange(len(given)), np.setdiff1d(train, train[part.kept]))
    return SplitPairs(split[kept], kept, f"as given; {' and '.join(missing)} from training pairs")
