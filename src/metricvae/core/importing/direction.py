"""Whether larger values mean more similar objects, from what an object has with itself and from the title."""

from __future__ import annotations

import numpy as np

from metricvae.core.importing.merging import ROUNDING
from metricvae.core.importing.values import PairRows

DISTANCE_WORDS = (
    *("distance", "error", "rmsd", "divergence", "difference", "dissimilarity", "deviation", "mismatch"),
    *("levenshtein", "hamming", "hausdorff", "chamfer", "wasserstein", "earth mover", "time warping", "edits"),
)
"""Words in the titles of metrics of which smaller values mean more similar objects."""

AGREEMENT = 0.9
"""Share of pairs of an object with itself that must say the same."""


def direction_of(rows: PairRows, title: str, *, shared: bool) -> tuple[bool, str]:
    """Whether the values are a similarity, and why, in a sentence.

    Args:
        rows: pairs.
        title: of the metric.
        shared: whether both ends are of one kind, so that an object can meet itself.
    """
    votes = _self_votes(rows) if shared else None
    if votes is not None:
        similar = votes > 0
        noun, rank = ("similarity", "greatest") if similar else ("distance", "least")
        return similar, f"taken as a {noun}, as objects have their {rank} value with themselves"
    word = next((word for word in DISTANCE_WORDS if word in title.lower()), None)
    if word is not None:
        return False, f"taken as a distance, as its title says '{word}'; --similarity if that is wrong"
    return True, "taken as a similarity, larger for more similar objects; --distance if that is wrong"


def _self_votes(rows: PairRows) -> int | None:
    """1 where the value of an object with itself is the greatest of all its values, -1 where it is the least; None
    where most do not say, or there are no such pairs."""
    alone = rows.first == rows.second
    others = rows.select(np.flatnonzero(~alone & (rows.censored == 0)))
    own = rows.select(np.flatnonzero(alone & (rows.censored == 0)))
    if not len(own) or not len(others):
        return None
    count = int(max(rows.first.max(), rows.second.max())) + 1
    least, greatest = np.full(count, np.inf), np.full(count, -np.inf)
    for ends in (others.first, others.second):
        np.minimum.at(least, ends, others.value)
        np.maximum.at(greatest, ends, others.value)
    met = np.isfinite(least[own.first])
    value, low, high = own.value[met], least[own.first][met], greatest[own.first][met]
    slack = ROUNDING * float(np.ptp(rows.value))
    above, below = value >= high - slack, value <= low + slack
    if not len(value) or (above & below).all():
        return None
    if above.mean() >= AGREEMENT:
        return 1
    return -1 if below.mean() >= AGREEMENT else None
