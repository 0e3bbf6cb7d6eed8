"""General optimisers over poses, and alignments by moments, that `solve` is compared with (`benchmarks/overlap.py`).

All of them maximise the same compiled overlap (`overlap_at`) at full resolution over all rotations and the shifts at
which the shapes can touch, so they differ only in the poses that they evaluate. With DIRECT (`direct_search`), which
the dense search runs too, they have one signature: two shapes, the number of function evaluations, and a seed.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import optimize

from metricvae.core.errors import InputError
from metricvae.metrics.overlap.solver.objective import OverlapObjective
from metricvae.metrics.overlap.solver.records import Overlap
from metricvae.metrics.overlap.solver.search import PreparedMask


def random_search(a: PreparedMask, b: PreparedMask, evaluations: int, seed: int = 0) -> Overlap:
    """The best of poses drawn uniformly: the paper's "thousands of configurations"."""
    objective, random = OverlapObjective(a, b), np.random.default_rng(seed)
    low, high = np.array(objective.bounds).T
    for pose in random.uniform(low, high, (evaluations, 3)):
        objective(pose)
    return objective.best()


def differential_evolution(a: PreparedMask, b: PreparedMask, evaluations: int, seed: int = 0) -> Overlap:
    """Differential evolution (Storn and Price 1997), SciPy's."""

    objective = OverlapObjective(a, b)
    generations = max(1, evaluations // 45 - 1)  # a population of 15 for each of three coordinates
    optimize.differential_evolution(
        objective,
        objective.bounds,
        popsize=15,
        maxiter=generations,
        tol=0,
        polish=False,
        rng=np.random.default_rng(seed),
    )
    return objective.best()


def dual_annealing(a: PreparedMask, b: PreparedMask, evaluations: int, seed: int = 0) -> Overlap:
    """Generalised simulated annealing with local searches (Xiang et al. 1997), SciPy's."""

    objective = OverlapObjective(a, b)
    optimize.dual_annealing(objective, objective.bounds, maxfun=evaluations, rng=np.random.default_rng(seed))
    return objective.best()


def cma_es(a: PreparedMask, b: PreparedMask, evaluations: int, seed: int = 0) -> Overlap:
    """CMA-ES with growing restarts (Hansen 2001; Auger and Hansen 2005), the package `cma`.

    Raises:
        InputError: `cma` is not installed.
    """
    try:
        import cma
    except ImportError:
        raise InputError("this search needs the package cma: pip install cma") from None
    objective, random = OverlapObjective(a, b), np.random.default_rng(seed)
    low, high = np.array(objective.bounds).T
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
            candidates = strategy.ask()
            strategy.tell(candidates, [objective(low + (high - low) * np.asarray(point)) for point in candidates])
            used += len(candidates)
        population *= 2
    return objective.best()


def align_centroids(a: PreparedMask, b: PreparedMask, evaluations: int, seed: int = 0) -> Overlap:
    """Centroids aligned, and the best of equally spaced rotations."""
    objective = OverlapObjective(a, b)
    for angle in np.arange(evaluations) * (2 * math.pi / evaluations):
        objective(np.array([angle, 0.0, 0.0]))
    return objective.best()


def align_axes(a: PreparedMask, b: PreparedMask, evaluations: int = 2, seed: int = 0) -> Overlap:
    """Centroids and principal axes aligned, in both directions."""
    objective = OverlapObjective(a, b)
    angle_between = _axis(b) - _axis(a)
    for angle in (angle_between, angle_between + math.pi):
        objective(np.array([angle, 0.0, 0.0]))
    return objective.best()


def _axis(shape: PreparedMask) -> float:
    """Angle of the long principal axis in radians, clockwise on screen, as y runs down."""
    x, y = shape.points.astype(np.float64)
    return 0.5 * math.atan2(2 * (x * y).sum(), (x * x - y * y).sum())
