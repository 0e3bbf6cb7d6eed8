"""Two toy kinds and three toy metrics, as another package would bring them, with exact answers known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from metricvae.core.dataset import ObjectTable, PairDataset
from metricvae.core.kind import KINDS
from metricvae.core.metric import METRICS, Description, Floats, Metric, Solution
from metricvae.kinds.arrays import ArrayKind
from metricvae.nn.heads import Head, InnerProduct

LOCK, KEY = 6, 4
"""Numbers of a lock, and of a key."""


@dataclass(frozen=True)
class LockKind(ArrayKind):
    name: ClassVar[str] = "toy-lock"
    title: ClassVar[str] = "locks"
    shape: tuple[int, ...] = (LOCK,)


@dataclass(frozen=True)
class KeyKind(ArrayKind):
    name: ClassVar[str] = "toy-key"
    title: ClassVar[str] = "keys"
    shape: tuple[int, ...] = (KEY,)


class FitSolver:
    score_name = "fit"

    def prepare(self, value: Any) -> Any:
        return np.asarray(value, np.float64)

    def solve(self, left: Any, right: Any) -> Solution:
        value = float(np.tanh(left[:KEY] @ right + 0.3 * left[KEY:].sum()))
        return Solution(value, value)


@dataclass(frozen=True)
class FitMetric(Metric):
    """How well a key fits a lock, from -1 to 1."""

    name: ClassVar[str] = "toy-fit"
    left = "toy-lock"
    right = "toy-key"
    symmetric = False

    @property
    def description(self) -> Description:
        return Description("how well a key fits a lock", "fit", "labels by the toy solver")

    def default_head(self, values: Floats) -> Head:
        return InnerProduct(scale=1.0)

    def limits(self, left: Floats, right: Floats) -> tuple[Floats, Floats]:
        return -np.ones_like(left), np.ones_like(left)

    @property
    def solver(self) -> FitSolver:
        return FitSolver()


def register() -> None:
    """Make the toy kinds and their metric known by name in this process."""
    KINDS.register("toy-lock", LockKind)
    KINDS.register("toy-key", KeyKind)
    METRICS.register("toy-fit", FitMetric)


def fit_pairs(locks: int, keys: int, pairs: int, seed: int) -> PairDataset:
    """Random locks and keys in random pairs, split 8 : 1 : 1 : 1 at random."""
    random = np.random.default_rng(seed)
    left, right = random.normal(size=(locks, LOCK)) * 0.6, random.normal(size=(keys, KEY)) * 0.6
    first, second = random.integers(0, locks, pairs), random.integers(0, keys, pairs)
    solver = FitSolver()
    value = [solver.solve(left[a], right[b]).value for a, b in zip(first, second, strict=True)]
    split = random.choice(["train", "validation", "calibration", "test"], pairs, p=[0.7, 0.1, 0.1, 0.1])
    tables = ObjectTable.from_objects(LockKind(), left), ObjectTable.from_objects(KeyKind(), right)
    return PairDataset.from_objects(FitMetric(), tables[0], first, second, value, right=tables[1], split=split)
