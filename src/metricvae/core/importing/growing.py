"""Sets of nodes of a weighted graph that keep most of their edges inside, grown one node at a time."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

Ints = npt.NDArray[np.int64]

TRAIN = 0
"""Number of the set of all nodes that are in no other set."""


@dataclass(frozen=True, eq=False)
class GroupGraph:
    """Nodes with counted edges.

    Attributes:
        starts: (nodes + 1,) where the neighbours of a node begin.
        neighbours, counts: the other ends of its edges, each once, and how many edges there are.
        loops: (nodes,) edges from a node to itself.
        component: (nodes,) number of the connected component.
        component_edges: edges of each component.
    """

    starts: Ints
    neighbours: Ints
    counts: Ints
    loops: Ints
    component: Ints
    component_edges: Ints

    @classmethod
    def of_pairs(cls, left: Ints, right: Ints) -> Self:
        """The graph with an edge for each pair of nodes."""
        size = int(max(left.max(), right.max())) + 1
        apart = left != right
        ends = np.concatenate([left[apart], right[apart]]), np.concatenate([right[apart], left[apart]])
        matrix = coo_matrix((np.ones(len(ends[0]), np.int64), ends), (size, size)).tocsr()
        count, component = connected_components(matrix, directed=False)
        return cls(
            matrix.indptr.astype(np.int64),
            matrix.indices.astype(np.int64),
            matrix.data.astype(np.int64),
            np.bincount(left[~apart], minlength=size),
            component.astype(np.int64),
            np.bincount(component[left], minlength=count),
        )

    def edges_of(self, node: int) -> list[tuple[int, int]]:
        """Neighbours of a node, and how many edges lead to each."""
        part = slice(self.starts[node], self.starts[node + 1])
        return list(zip(self.neighbours[part].tolist(), self.counts[part].tolist(), strict=True))


def grow(graph: GroupGraph, sizes: Mapping[str, int], random: np.random.Generator, starts: int) -> Ints:
    """(nodes,) the number of the set of each node: 1 for the first of `sizes` and so on, `TRAIN` for what is left.

    Args:
        graph: the nodes and edges.
        sizes: edges that each set is to have inside.
        random: draws where sets begin.
        starts: beginnings that are tried for each set; the one that cuts the fewest edges counts.
    """
    sets = np.full(len(graph.loops), TRAIN, np.int64)
    for number, size in enumerate(sizes.values(), TRAIN + 1):
        tries = [_Set(graph, sets, size, random) for _ in range(starts)]
        best = min(tries, key=lambda one: (one.inside < size, one.cut / max(one.inside, 1)))
        sets[best.nodes] = number
    return sets


class _Set:
    """One set, grown until it has `size` edges inside.

    Attributes:
        nodes: in the order in which they came.
        inside: edges between them.
        cut: edges from them to nodes that are in no set.
    """

    def __init__(self, graph: GroupGraph, sets: Ints, size: int, random: np.random.Generator) -> None:
        self.graph, self.sets, self.size = graph, sets, size
        self.nodes: list[int] = []
        self.inside = self.cut = 0
        self._members: set[int] = set()
        self._rank = random.permutation(len(sets))
        self._reach: dict[int, int] = {}
        self._frontier: list[tuple[float, int, int]] = []
        self._grow()

    def _grow(self) -> None:
        free = self._rank[self.sets[self._rank] == TRAIN]
        small = self.graph.component_edges[self.graph.component[free]] <= self.size // 2
        for start in (*free[small].tolist(), *free[~small].tolist()):
            if self.inside >= self.size:
                return
            self._add(start)
            while self._frontier and (self.inside < self.size or self._is_small(start)):
                _, _, node = heapq.heappop(self._frontier)
                self._add(node)

    def _is_small(self, node: int) -> bool:
        return bool(self.graph.component_edges[self.graph.component[node]] <= self.size // 2)

    def _add(self, node: int) -> None:
        """Take a node in, unless it is there or would make the set far too large."""
        reach, loops = self._reach.get(node, 0), int(self.graph.loops[node])
        if node in self._members or self.inside + reach + loops > 2 * self.size:
            return
        self.nodes.append(node)
        self._members.add(node)
        self.inside += reach + loops
        self.cut -= reach
        for other, count in self.graph.edges_of(node):
            if self.sets[other] == TRAIN and other not in self._members:
                self.cut += count
                self._reach[other] = self._reach.get(other, 0) + count
                heapq.heappush(self._frontier, (-self._share(other), int(self._rank[other]), other))

    def _share(self, node: int) -> float:
        """Of the edges of a node that lead to the set."""
        part = slice(self.graph.starts[node], self.graph.starts[node + 1])
        loops = int(self.graph.loops[node])
        return (self._reach[node] + loops) / (int(self.graph.counts[part].sum()) + loops)
