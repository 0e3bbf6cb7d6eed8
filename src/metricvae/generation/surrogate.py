"""What measurements made so far say of objects that were not measured: a Gaussian process on fingerprints.

Where one measurement costs as much as a thousand fingerprints, a few hundred of them say well enough which of many
candidates are worth the next. The kernel is the Tanimoto coefficient (L. Ralaivola et al., Neural Networks 18 (2005)
1093); its scale is the variance of the numbers. Where a number is to be as large as it can be, what is expected plus a
share of the standard deviation says what is worth measuring (upper confidence bound: N. Srinivas et al., ICML 2010).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import linalg

from metricvae.generation.fingerprints import similarities

Bits = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]

FEWEST, MOST = 16, 600
"""Measurements from which on anything is said, and of which the last are used."""

NOISE = 0.2
"""Share of the variance that fingerprints cannot tell."""


class Surrogate:
    """Learns numbers of objects, and says them of others."""

    def __init__(self) -> None:
        self._bits: list[Bits] = []
        self._values: list[float] = []

    def learn(self, bits: Bits, values: npt.ArrayLike) -> None:
        """Take the numbers (m,) of objects with packed fingerprints (m, b); those that are no number are left out."""
        for row, value in zip(bits, np.asarray(values, np.float64).tolist(), strict=True):
            if np.isfinite(value):
                self._bits.append(row)
                self._values.append(value)

    def predict(self, bits: Bits, optimism: float = 0.0) -> Floats | None:
        """The (n,) numbers that are expected of objects with fingerprints (n, b); None while few are known.

        Args:
            bits: packed fingerprints.
            optimism: so many standard deviations are added to what is expected: above 0, what is little known seems
                large, below 0 small.
        """
        if len(self._values) < FEWEST:
            return None
        known, values = np.stack(self._bits[-MOST:]), np.array(self._values[-MOST:])
        kernel = linalg.cho_factor(similarities(known, known) + NOISE * np.eye(len(known)), lower=True)
        alike = similarities(bits, known)
        found: Floats = values.mean() + alike @ linalg.cho_solve(kernel, values - values.mean())
        if not optimism:
            return found
        told = linalg.solve_triangular(kernel[0], alike.T, lower=True)
        unknown: Floats = np.maximum(1.0 - np.square(told).sum(0), 0.0)
        return found + optimism * values.std() * np.sqrt(unknown)
