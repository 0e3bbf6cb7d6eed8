"""Plain descriptors of objects, and distances between them, for the baselines and for the choice of near pairs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import pdist

from metricvae.reproduction.any_metric.records import Floats


def quantiles(numbers: npt.ArrayLike, count: int) -> Floats:
    """(count,) evenly spaced quantiles of some numbers, from the least to the greatest."""
    return np.quantile(np.asarray(numbers, np.float64), np.linspace(0, 1, count))


def sorted_distances(points: Floats, count: int) -> Floats:
    """(2 count,) quantiles of the distances of points (n, d) from their mean, and of those between them."""
    radii = np.linalg.norm(points - points.mean(0), axis=1)
    return np.concatenate([quantiles(radii, count), quantiles(pdist(points), count)])


def squared_distances(asked: Floats, known: Floats) -> Floats:
    """(n, m) squared distances of points (n, d) from points (m, d)."""
    products: Floats = np.square(asked).sum(1)[:, None] + np.square(known).sum(1) - 2 * asked @ known.T
    return np.maximum(products, 0)
