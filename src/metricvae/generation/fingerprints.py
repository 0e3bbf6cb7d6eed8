"""How alike objects are by fingerprints of bits, and which of many differ most."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def max_min(features: npt.NDArray[np.uint8], count: int) -> list[int]:
    """`count` rows of packed bits (m, b): the first, and each time the one least like those chosen before it, by the
    Tanimoto coefficient (MaxMin: M. Ashton et al., Quantitative Structure-Activity Relationships 21 (2002) 598)."""
    bits = np.unpackbits(features, axis=1).astype(np.float32)
    counts, chosen = bits.sum(1), [0]
    nearest = _alike(bits, counts, 0)
    while len(chosen) < min(count, len(bits)):
        nearest[chosen] = np.inf
        chosen.append(int(nearest.argmin()))
        nearest = np.maximum(nearest, _alike(bits, counts, chosen[-1]))
    return chosen


def best_distinct(features: npt.NDArray[np.uint8], count: int, most: float, together: int = 1) -> list[int]:
    """`count` of the rows of packed bits (m, b), the best of which come first: the best, and each time the next that is
    like fewer than `together` of those chosen before it; where there are too few such, the best of the others.

    Args:
        features: of objects, in the order of their merit.
        count: rows, at most.
        most: Tanimoto coefficient above which two are alike.
        together: how many may be alike.
    """
    bits = np.unpackbits(features, axis=1).astype(np.float32)
    counts, chosen, alike = bits.sum(1), list[int](), np.zeros(len(bits))
    for row in range(len(bits)):
        if len(chosen) == count:
            break
        if alike[row] < together:
            chosen.append(row)
            alike += _alike(bits, counts, row) > most
    others = sorted(set(range(len(bits))) - {*chosen})
    return sorted([*chosen, *others[: count - len(chosen)]])


def _alike(bits: npt.NDArray[np.float32], counts: npt.NDArray[np.float32], row: int) -> Floats:
    both = bits @ bits[row]
    found: Floats = (both / np.maximum(counts + counts[row] - both, 1.0)).astype(np.float64)
    return found


def similarities(features: npt.NDArray[np.uint8], others: npt.NDArray[np.uint8]) -> Floats:
    """(m, n) Tanimoto coefficients of packed bits (m, b) and (n, b)."""
    left, right = (np.unpackbits(one, axis=1).astype(np.float32) for one in (features, others))
    both = left @ right.T
    found: Floats = (both / np.maximum(left.sum(1)[:, None] + right.sum(1) - both, 1.0)).astype(np.float64)
    return found
