"""How well a score tells positive pairs from negative ones: what models of binary metrics are judged by."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def auc(score: Floats, positive: Bools) -> float:
    """Area under the ROC curve: share of (positive, negative) couples in which the positive scores higher, ties half.

    Args:
        score: (n,) higher for pairs that are likelier positive.
        positive: (n,) which pairs are; at least one is and one is not.
    """
    from sklearn.metrics import roc_auc_score  # here, since it takes a second to load

    return float(roc_auc_score(positive, score))


def average_precision(score: Floats, positive: Bools) -> float:
    """Mean over the positives of the share of positives among all that score at least as high.

    Args:
        score, positive: as for `auc`.
    """
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(positive, score))


def best_threshold(score: Floats, positive: Bools) -> float:
    """The threshold at or above which calling pairs positive is right most often.

    Args:
        score, positive: as for `auc`.
    """
    order = np.argsort(-score, kind="stable")
    score, positive = score[order], positive[order]
    last = np.flatnonzero(np.diff(score, append=-np.inf))
    right = np.concatenate([[(~positive).sum()], np.cumsum(np.where(positive, 1, -1))[last] + (~positive).sum()])
    best = int(right.argmax())
    if best == 0:
        return float(np.nextafter(score[0], np.inf))
    here = score[last[best - 1]]
    below = score[last[best]] if best < len(last) else here
    return float((here + below) / 2)


def accuracy(score: Floats, positive: Bools, threshold: float) -> float:
    """Share of pairs that are called rightly."""
    return float(np.mean((score >= threshold) == positive))
