"""What measurements made so far say of objects that were not measured: a Gaussian process on fingerprints.

Where one measurement costs as much as a thousand fingerprints, a few hundred of them say well enough which of many
candidates are worth the next. The kernel is the Tanimoto coefficient (L. Ralaivola et al., Neural Networks 18 (2005)
1093); its scale is the variance of the numbers.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

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

    def predict(self, bits: Bits) -> Floats | None:
        """The (n,) numbers that are expected of objects with fingerprints (n, b); None while few are known."""
        if len(self._values) < FEWEST:
            return None
        known, values = np.stack(self._bits[-MOST:]), np.array(self._values[-MOST:])
        kernel = similarities(known, known) + NOISE * np.eye(len(known))
        found: Floats = values.mean() + similarities(bits, known) @ np.linalg.solve(kernel, values - values.mean())
        return found
