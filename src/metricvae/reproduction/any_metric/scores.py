"""How good predictions are: R^2, or the area under the ROC curve of a binary metric."""

from __future__ import annotations

import numpy as np

from metricvae.core.binary_scores import auc
from metricvae.reproduction.any_metric.records import Floats


def score(predicted: Floats, true: Floats, binary: bool) -> float:
    """1 - mean squared error / variance of the true values; or the AUC where these are 0 and 1.

    Args:
        predicted, true: (n,).
        binary: whether the metric is.

    Example:
        >>> score(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0]), binary=False)
        1.0
    """
    if binary:
        return auc(predicted, true == 1)
    return float(1 - np.mean((predicted - true) ** 2) / true.var())
