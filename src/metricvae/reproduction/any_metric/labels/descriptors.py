"""Plain descriptors that several of the baselines' embeddings are made of."""

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
