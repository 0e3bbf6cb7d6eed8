"""The slow reference: every half degree, every pixel, full resolution, then the best poses refined off the grid; and
beside it a general search over all motions, which counts where it is better.

Nothing is guessed on the way, so what the fast search loses is measured against this.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import scipy.fft

from metricvae.core.errors import InputError
from metricvae.metrics.overlap.solver.kernels import polish, sample_turned
from metricvae.metrics.overlap.solver.planar import Frames, Prepared, check_pair, report
from metricvae.metrics.overlap.solver.records import Overlap
from metricvae.metrics.overlap.solver.scan import Heights, Shifts, peaks, promising
from metricvae.metrics.overlap.solver.searches import divide

APART = 8
"""Pixels that two translations of one turn lie apart, at least along one axis."""

AT_ONCE = 12
"""Turns whose correlations are computed together."""


def solve_dense(
    a: Prepared, b: Prepared, *, step_deg: float = 0.5, refined: int = 20, evaluations: int = 8_000
) -> Overlap:
    """Maximum overlap by full enumeration: about a second a pair on one core.

    Args:
        a: the shape that stays, canvas (H, W).
        b: the shape that moves, same canvas.
        step_deg: rotation step; 360 / step_deg must be an even integer.
        refined: how many of the best turns (local maxima first) are refined off the grid.
        evaluations: of the overlap in the search by DIRECT (:func:`metricvae.metrics.overlap.solver.searches.divide`).

    Raises:
        InputError: the canvases differ in size, one is blank, or the step is not as above.
    """
    check_pair(a, b)
    count = round(360 / step_deg)
    if count % 2 or not math.isclose(count * step_deg, 360):
        raise InputError(f"a step of {step_deg:g} degrees does not divide a half turn: take 0.5, 1, 2 ...")
    best, pose = 0.0, np.zeros(3)
    steps = np.array([math.radians(step_deg) / 2, 0.5, 0.5])
    for frame in _enumerated(a, b, count)[:refined]:
        area = polish(a.points, b.image, frame, steps, 150)
        if area > best:
            best, pose = area, frame
    return max(report(a, b, best, pose), divide(a, b, evaluations), key=lambda found: found.area)


def _enumerated(a: Prepared, b: Prepared, count: int) -> Frames:
    """The two best shifts of each of `count` turns, local maxima first."""
    reach = math.ceil(a.radius + b.radius) + 1
    cells = scipy.fft.next_fast_len(2 * reach + 1, real=True)
    still = scipy.fft.rfft2(_turned(a, np.zeros(1), cells), workers=1)
    half = count // 2
    parts: tuple[list[tuple[Heights, Shifts]], ...] = [], []
    for start in range(0, half, AT_ONCE):
        turns = np.arange(start, min(start + AT_ONCE, half), dtype=np.float64) * (2 * math.pi / count)
        turning = scipy.fft.rfft2(_turned(b, turns, cells), workers=1)
        for side, spectrum in zip(parts, (turning.conj(), turning), strict=True):  # a half turn conjugates
            correlation = scipy.fft.irfft2(still * spectrum, s=(cells, cells), workers=1)
            centred = np.roll(correlation, (reach, reach), (1, 2))[:, : 2 * reach + 1, : 2 * reach + 1]
            side.append(peaks(np.ascontiguousarray(centred.transpose(1, 0, 2)), APART))
    height, shift = (np.concatenate(each) for each in zip(*parts[0], *parts[1], strict=True))
    turn, which = promising(height, shift, APART)
    return np.column_stack([2 * math.pi * turn / count, shift[turn, which]])


def _turned(shape: Prepared, angles: npt.NDArray[np.float64], cells: int) -> npt.NDArray[np.float32]:
    """The shape turned about its centroid, which becomes cell (0, 0) of (turns, cells, cells) that wrap around."""
    reach = math.ceil(shape.radius)
    out = np.zeros((cells, len(angles), cells), np.float32)
    drawn = np.empty((2 * reach + 1, len(angles), 2 * reach + 1), np.float32)
    sample_turned(shape.image, angles, 1.0, reach, drawn)
    out[: 2 * reach + 1, :, : 2 * reach + 1] = drawn
    return np.roll(out, (-reach, -reach), (0, 2)).transpose(1, 0, 2)
