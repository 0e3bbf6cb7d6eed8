"""How well a number tells matches from mismatches: what baselines and models of binary metrics are judged by."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def auc(score: Floats, match: Bools) -> float:
    """Share of (match, mismatch) couples in which the match scores higher, ties counting half.

    Args:
        score: (n,) higher for likelier matches.
        match: (n,) which pairs match; at least one does and one does not.
    """
    from sklearn.metrics import roc_auc_score  # here, since it takes a second to load

    return float(roc_auc_score(match, score))


def average_precision(score: Floats, match: Bools) -> float:
    """Mean over the matches of the share of matches among all that score at least as high.

    Args:
        score, match: as for `auc`.
    """
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(match, score))


def best_threshold(score: Floats, match: Bools) -> float:
    """The threshold at or above which calling pairs matches is right most often.

    Args:
        score, match: as for `auc`.
    """
    order = np.argsort(-score, kind="stable")
    score, match = score[order], match[order]
    last = np.flatnonzero(np.diff(score, append=-np.inf))
    right = np.concatenate([[(~match).sum()], np.cumsum(np.where(match, 1, -1))[last] + (~match).sum()])
    best = int(right.argmax())
    if best == 0:
        return float(np.nextafter(score[0], np.inf))
    here = score[last[best - 1]]
    below = score[last[best]] if best < len(last) else here
    return float((here + below) / 2)


def accuracy(score: Floats, match: Bools, threshold: float) -> float:
    """Share of pairs that are called rightly."""
    return float(np.mean((score >= threshold) == match))
