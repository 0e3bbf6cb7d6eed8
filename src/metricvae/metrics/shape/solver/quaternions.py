"""Unit quaternions w, x, y, z (the real part first) in compiled code; the tensor version is in
:mod:`metricvae.kinds.molecule.transforms`."""

from __future__ import annotations

from typing import Any

import numpy as np

from metricvae.runtime.jit import jit_strict

Row = tuple[Any, Any, Any]
"""Three numbers, or three registers of numbers."""


@jit_strict
def rotation_rows(w: Any, x: Any, y: Any, z: Any) -> tuple[Row, Row, Row]:
    """The rows of the rotation matrix of a unit quaternion.

    Compiled for numbers and for registers of :mod:`~metricvae.metrics.shape.solver.lanes`, which hold one quaternion a
    lane. The formula is that of Euler and Rodrigues.

    >>> rotation_rows(0.0, 0.0, 0.0, 1.0)  # half a revolution about z
    ((-1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, 1.0))
    """
    one, two = np.float32(1.0), np.float32(2.0)
    return (
        (one - two * (y * y + z * z), two * (x * y - w * z), two * (x * z + w * y)),
        (two * (x * y + w * z), one - two * (x * x + z * z), two * (y * z - w * x)),
        (two * (x * z - w * y), two * (y * z + w * x), one - two * (x * x + y * y)),
    )
