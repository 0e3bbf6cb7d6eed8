"""The slow reference: every half degree, every pixel, full resolution, then the best poses refined off the grid.

Nothing is guessed on the way, so what the fast search loses is measured against this.
"""

from __future__ import annotations

import math

import numpy as np
import scipy.fft

from metricvae.errors import InputError
from metricvae.overlap.kernels import climb
from metricvae.overlap.planar import Prepared, best_shifts, check_pair, promising, report, turned
from metricvae.overlap.records import Overlap

APART = 8
"""Pixels that two translations of one turn lie apart, at least along one axis."""


def solve_dense(a: Prepared, b: Prepared, *, step_deg: float = 0.5, refined: int = 20) -> Overlap:
    """Maximum overlap by full enumeration: about a second a pair on one core.

    Args:
        a: the shape that stays, canvas (H, W).
        b: the shape that moves, same canvas.
        step_deg: rotation step; 360 / step_deg must be an even integer.
        refined: how many of the best turns (local maxima first) are refined off the grid.

    Raises:
        InputError: the canvases differ in size, one is blank, or the step is not as above.
    """
    check_pair(a, b)
    count = round(360 / step_deg)
    if count % 2 or not math.isclose(count * step_deg, 360):
        raise InputError(f"a step of {step_deg:g} degrees does not divide a half turn: take 0.5, 1, 2 ...")
    cells = scipy.fft.next_fast_len(2 * math.ceil(a.radius + b.radius) + 2, real=True)
    still = a.spectra(1, 1, cells, 1.0)[0]
    half, batch = count // 2, 12
    parts = []
    for start in range(0, half, batch):
        turns = [2 * math.pi * k / count for k in range(start, min(start + batch, half))]
        parts.append(best_shifts(still, scipy.fft.rfft2(turned(b, turns, cells, 1.0), workers=1), APART))
    height, shift = (np.concatenate(halves, axis=1) for halves in zip(*parts, strict=True))
    height, shift = height.reshape(count, 2), shift.reshape(count, 2, 2)
    best, frame = 0.0, np.zeros(3)
    points, image = a.level(1).points, b.level(1).image
    steps = np.array([math.radians(step_deg) / 2, 0.5, 0.5])
    turns_in_order, which_of_two = promising(height, shift, APART)
    for k, which in zip(turns_in_order[:refined], which_of_two[:refined], strict=True):
        walked = np.array([2 * math.pi * k / count, *shift[k, which]])
        area = climb(points, image, walked, steps, 5)
        if area > best:
            best, frame = area, walked
    return report(a, b, best, frame)
