"""Ensembles of regression trees as arrays: fitted by scikit-learn, kept as safetensors, evaluated by compiled code.

scikit-learn keeps its trees as pickles, which run what they hold when they are read. Here a tree is three arrays of its
nodes in preorder, so that the left child of node i is node i + 1; a node is ten bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from metricvae.core.errors import InputError
from metricvae.runtime.jit import jit_strict

Floats = npt.NDArray[np.float64]
Float32s = npt.NDArray[np.float32]

ARRAYS = ("feature", "value", "right", "roots")

LEAF = -1
"""The feature of a node that has no children."""


@dataclass(frozen=True, eq=False)
class Forest:
    """Trees whose values are averaged.

    Attributes:
        feature: (nodes,) int16, number of the feature that a node asks for; `LEAF` of a leaf.
        value: (nodes,) float32, a row goes left where its feature is at most this; of a leaf the answer.
        right: (nodes,) int32, the child where it is more; the other is the next node.
        roots: (trees,) int32, first node of each tree.
        base: what is added to the sum.
        scale: what the sum of the trees is multiplied by: 1 / trees.
    """

    feature: npt.NDArray[np.int16]
    value: Float32s
    right: npt.NDArray[np.int32]
    roots: npt.NDArray[np.int32]
    base: float
    scale: float

    def predict(self, rows: npt.ArrayLike) -> tuple[Floats, Floats]:
        """(n,) answers for (n, features) rows, and (n,) standard deviations of the trees' answers."""
        x = np.ascontiguousarray(rows, np.float32)
        if x.ndim != 2 or (len(self.feature) and x.shape[1] <= int(self.feature.max(initial=-1))):
            raise InputError(f"got an array of shape {x.shape}: expected a row a complex, of the model's features")
        total, squares = _sums(x, self.feature, self.value, self.right, self.roots)
        count = len(self.roots)
        spread: Floats = np.sqrt(np.maximum(squares / count - (total / count) ** 2, 0.0))
        return self.base + self.scale * total, spread

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays by name."""
        return {name: getattr(self, name) for name in ARRAYS}

    def check(self, features: int) -> None:
        """Refuse trees whose evaluation would leave the arrays or never end.

        Raises:
            InputError: a child that does not come after its parent, or a feature or child that is not there.
        """
        nodes = len(self.feature)
        inner = self.feature >= 0
        after = self.right > np.arange(nodes)
        sizes = len(self.value) == nodes == len(self.right)
        inside = bool((self.roots >= 0).all() and (self.roots < nodes).all()) and (not nodes or not inner[-1])
        if not (sizes and inside and (after[inner].all() and (self.right[inner] < nodes).all())):
            raise InputError("the trees of the model are damaged: restore its folder or make it again")
        if int(self.feature.max(initial=-1)) >= features or int(self.feature.min(initial=0)) < LEAF:
            raise InputError("the trees ask for features that are not there: restore the folder or make it again")


@jit_strict
def _sums(
    rows: Float32s,
    feature: npt.NDArray[np.int16],
    value: Float32s,
    right: npt.NDArray[np.int32],
    roots: npt.NDArray[np.int32],
) -> tuple[Floats, Floats]:
    """Sums of the trees' answers, and of their squares, (n,) each."""
    total, squares = np.zeros(len(rows)), np.zeros(len(rows))
    for tree in range(len(roots)):
        for row in range(len(rows)):
            node = roots[tree]
            while feature[node] >= 0:
                node = node + 1 if rows[row, feature[node]] <= value[node] else right[node]
            answer = np.float64(value[node])
            total[row] += answer
            squares[row] += answer * answer
    return total, squares


def from_averaged(model: Any) -> Forest:
    """The trees of scikit-learn's `ExtraTreesRegressor` or `RandomForestRegressor`."""
    parts, roots, start = [], [], 0
    for one in model.estimators_:
        parts.append(_preorder(one.tree_, start))
        roots.append(start)
        start += len(parts[-1][0])
    feature, value, right = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Forest(feature, value, right, np.array(roots, np.int32), 0.0, 1.0 / len(roots))


def _preorder(tree: Any, start: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    """Feature, value and right child of the nodes of a tree of scikit-learn in preorder, numbered from `start`."""
    left, right = tree.children_left, tree.children_right
    order: list[int] = []
    waiting = [0]
    while waiting:
        node = waiting.pop()
        order.append(node)
        if left[node] >= 0:
            waiting += [int(right[node]), int(left[node])]
    place = np.empty(len(left), np.int64)
    place[order] = np.arange(len(order))
    inner = left[order] >= 0
    feature = np.where(inner, tree.feature[order], LEAF).astype(np.int16)
    value = np.where(inner, tree.threshold[order], tree.value[order, 0, 0]).astype(np.float32)
    return feature, value, np.where(inner, start + place[right[order]], 0).astype(np.int32)
