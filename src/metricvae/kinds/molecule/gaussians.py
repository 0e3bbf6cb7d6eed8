"""Constants of the Gaussian description of atoms."""

from __future__ import annotations

import math

AMPLITUDE_SQUARED = 8.0
"""p^2, so that the overlap of two atoms is p^2 times an integral of two Gaussians."""

AMPLITUDE = math.sqrt(AMPLITUDE_SQUARED)
"""p, the height of an atom's density at its nucleus (Grant, Gallardo and Pickup, J. Comput. Chem. 17, 1653, 1996)."""


KAPPA = math.pi * (3.0 * AMPLITUDE / (4.0 * math.pi)) ** (2.0 / 3.0)
"""alpha = kappa / radius^2 gives an atom's density the volume of its sphere."""
