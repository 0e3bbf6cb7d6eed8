"""The slow reference: all rotations by half degrees and all shifts by pixels at full resolution, the best refined.

The best poses of the enumeration are refined off the grid by a simplex search. DIRECT, a global optimiser, runs beside
the enumeration, and the larger overlap counts. No step prunes, so the error of the fast search is measured against it.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import scipy.fft

from metricvae.core.errors import InputError
from metricvae.metrics.overlap.solver.kernels import nelder_mead, sample_rotated
from metricvae.metrics.overlap.solver.objective import direct_search
from metricvae.metrics.overlap.solver.poses import PoseArray
from metricvae.metrics.overlap.solver.records import Overlap
from metricvae.metrics.overlap.solver.scan import Heights, Shifts, peaks, rank_candidates
from metricvae.metrics.overlap.solver.search import PreparedMask, check_pair, overlap_record

PEAK_DISTANCE = 8
"""Pixels by which the two translations of a rotation differ, at least along one axis."""

ROTATIONS_AT_ONCE = 12
"""Rotations whose correlations are computed together."""

REFINEMENT_EVALUATIONS = 150
"""Function evaluations of the refinement of a pose."""


def solve_dense(
    a: PreparedMask, b: PreparedMask, *, step_deg: float = 0.5, refined: int = 20, evaluations: int = 8_000
) -> Overlap:
    """Maximum overlap by full enumeration: about a second a pair on one core.

    Args:
        a: the shape that stays, canvas (H, W).
        b: the shape that moves, same canvas.
        step_deg: rotation step; 360 / step_deg must be an even integer.
        refined: number of the best poses (local maxima first) that are refined off the grid.
        evaluations: of the overlap by DIRECT (:func:`metricvae.metrics.overlap.solver.objective.direct_search`).

    Raises:
        InputError: the canvases differ in size, one is blank, or the step is not as above.
    """
    check_pair(a, b)
    count = round(360 / step_deg)
    if count % 2 or not math.isclose(count * step_deg, 360):
        raise InputError(f"a step of {step_deg:g} degrees does not divide half a circle: take 0.5, 1, 2 ...")
    best_area, best_pose = 0.0, np.zeros(3)
    steps = np.array([math.radians(step_deg) / 2, 0.5, 0.5])
    for pose in _enumerate(a, b, count)[:refined]:
        area = nelder_mead(a.points, b.image, pose, steps, REFINEMENT_EVALUATIONS)
        if area > best_area:
            best_area, best_pose = area, pose
    found = overlap_record(a, b, best_area, best_pose), direct_search(a, b, evaluations)
    return max(found, key=lambda one: one.area)


def _enumerate(a: PreparedMask, b: PreparedMask, count: int) -> PoseArray:
    """The two best shifts of each of `count` rotations, local maxima first."""
    reach = math.ceil(a.radius + b.radius) + 1
    cells = scipy.fft.next_fast_len(2 * reach + 1, real=True)
    fixed = scipy.fft.rfft2(_rotated_images(a, np.zeros(1), cells), workers=1)
    half = count // 2
    parts: tuple[list[tuple[Heights, Shifts]], ...] = [], []
    for start in range(0, half, ROTATIONS_AT_ONCE):
        stop = min(start + ROTATIONS_AT_ONCE, half)
        angles = np.arange(start, stop, dtype=np.float64) * (2 * math.pi / count)
        rotated = scipy.fft.rfft2(_rotated_images(b, angles, cells), workers=1)
        # A rotation by half a circle more conjugates the spectrum.
        for side, spectrum in zip(parts, (rotated.conj(), rotated), strict=True):
            correlation = scipy.fft.irfft2(fixed * spectrum, s=(cells, cells), workers=1)
            centred = np.roll(correlation, (reach, reach), (1, 2))[:, : 2 * reach + 1, : 2 * reach + 1]
            side.append(peaks(np.ascontiguousarray(centred.transpose(1, 0, 2)), PEAK_DISTANCE))
    height, shift = (np.concatenate(each) for each in zip(*parts[0], *parts[1], strict=True))
    rotation, which = rank_candidates(height, shift, PEAK_DISTANCE)
    return np.column_stack([2 * math.pi * rotation / count, shift[rotation, which]])


def _rotated_images(shape: PreparedMask, angles: npt.NDArray[np.float64], cells: int) -> npt.NDArray[np.float32]:
    """The shape rotated about its centroid, at cell (0, 0) of periodic images: (rotations, cells, cells)."""
    reach = math.ceil(shape.radius)
    out = np.zeros((cells, len(angles), cells), np.float32)
    sampled = np.empty((2 * reach + 1, len(angles), 2 * reach + 1), np.float32)
    sample_rotated(shape.image, angles, 1.0, reach, sampled)
    out[: 2 * reach + 1, :, : 2 * reach + 1] = sampled
    return np.roll(out, (-reach, -reach), (0, 2)).transpose(1, 0, 2)
