"""What one would use instead of `solve`: general searches over motions, and alignments that look at few of them.

All of them maximise the same compiled overlap (`overlap_at`) at full resolution over
turns of the whole circle and shifts at which the shapes can touch, so they differ in where they look alone. They are
here to be compared with (`benchmarks/overlap.py`), not to label with; `divide` also backs the dense search.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from metricvae.metrics.overlap.solver.kernels import overlap_at
from metricvae.metrics.overlap.solver.planar import Prepared, check_pair, report
from metricvae.metrics.overlap.solver.records import Overlap
from metricvae.runtime.extras import require

Frame = npt.NDArray[np.float64]
Objective = Callable[[Frame], float]


class _Best:
    """The overlap as an objective to minimise, remembering the best motion it was asked about."""

    def __init__(self, a: Prepared, b: Prepared) -> None:
        check_pair(a, b)
        self.a, self.b = a, b
        self.points, self.image = a.points, b.image
        self.area, self.frame = -1.0, np.zeros(3)
        room = a.radius + b.radius
        self.bounds = [(-math.pi, math.pi), (-room, room), (-room, room)]

    def __call__(self, frame: Frame) -> float:
        area = overlap_at(self.points, self.image, np.asarray(frame, dtype=np.float64))
        if area > self.area:
            self.area, self.frame = area, np.array(frame, dtype=np.float64)
        return -area

    def answer(self) -> Overlap:
        return report(self.a, self.b, self.area, self.frame)


def search_randomly(a: Prepared, b: Prepared, evaluations: int, seed: int = 0) -> Overlap:
    """The best of so many motions drawn uniformly: the paper's "thousands of configurations"."""
    best, random = _Best(a, b), np.random.default_rng(seed)
    low, high = np.array(best.bounds).T
    for frame in random.uniform(low, high, (evaluations, 3)):
        best(frame)
    return best.answer()


def evolve(a: Prepared, b: Prepared, evaluations: int, seed: int = 0) -> Overlap:
    """Differential evolution (Storn and Price 1997), SciPy's."""
    from scipy.optimize import differential_evolution

    best = _Best(a, b)
    rounds = max(1, evaluations // 45 - 1)  # a population of 15 for each of three coordinates
    differential_evolution(
        best, best.bounds, popsize=15, maxiter=rounds, tol=0, polish=False, rng=np.random.default_rng(seed)
    )
    return best.answer()


def anneal(a: Prepared, b: Prepared, evaluations: int, seed: int = 0) -> Overlap:
    """Generalised simulated annealing with local searches (Xiang et al. 1997), SciPy's."""
    from scipy.optimize import dual_annealing

    best = _Best(a, b)
    dual_annealing(best, best.bounds, maxfun=evaluations, rng=np.random.default_rng(seed))
    return best.answer()


def divide(a: Prepared, b: Prepared, evaluations: int, seed: int = 0) -> Overlap:
    """DIRECT, locally biased (Gablonsky and Kelley 2001), SciPy's. It draws nothing, so `seed` changes nothing."""
    from scipy.optimize import direct

    best = _Best(a, b)
    direct(best, best.bounds, maxfun=evaluations, maxiter=evaluations, vol_tol=0, len_tol=0)
    return best.answer()


def adapt(a: Prepared, b: Prepared, evaluations: int, seed: int = 0) -> Overlap:
    """CMA-ES with growing restarts (Hansen 2001; Auger and Hansen 2005), the package `cma`.

    Raises:
        InputError: `cma` is not installed.
    """
    cma = require("cma", "solvers", "CMA-ES")
    best, random = _Best(a, b), np.random.default_rng(seed)
    low, high = np.array(best.bounds).T
    population = 8
    used = 0
    while used < evaluations:
        options: dict[str, Any] = {
            "bounds": [[0.0] * 3, [1.0] * 3],
            "popsize": population,
            "maxfevals": evaluations - used,
            "seed": int(random.integers(1, 2**31)),
            "verbose": -9,
            "tolfun": 0.05,
            "tolx": 1e-4,
        }
        strategy = cma.CMAEvolutionStrategy(random.random(3).tolist(), 0.25, options)
        while not strategy.stop():
            asked = strategy.ask()
            strategy.tell(asked, [best(low + (high - low) * np.asarray(point)) for point in asked])
            used += len(asked)
        population *= 2
    return best.answer()


def align_centroids(a: Prepared, b: Prepared, evaluations: int, seed: int = 0) -> Overlap:
    """Centroid on centroid, and the best of so many equal turns."""
    best = _Best(a, b)
    for angle in np.arange(evaluations) * (2 * math.pi / evaluations):
        best(np.array([angle, 0.0, 0.0]))
    return best.answer()


def align_axes(a: Prepared, b: Prepared, evaluations: int = 2, seed: int = 0) -> Overlap:
    """Centroid on centroid and principal axis on principal axis, either way round."""
    best = _Best(a, b)
    turn = _axis(b) - _axis(a)
    for angle in (turn, turn + math.pi):
        best(np.array([angle, 0.0, 0.0]))
    return best.answer()


def _axis(shape: Prepared) -> float:
    """Angle of the long principal axis, in rows that run downwards."""
    x, y = shape.points.astype(np.float64)
    return 0.5 * math.atan2(2 * (x * y).sum(), (x * x - y * y).sum())
