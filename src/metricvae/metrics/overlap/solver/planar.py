"""The maximum overlap area of two planar shapes over all rotations and translations, coarse to fine.

1. **Scan.** For each of `Effort.angles` turns of the second shape the overlap of both, reduced to long waves, is
   computed at *every* translation, so the best two translations of that turn are read off, not searched.
2. **Climb.** The most promising poses are walked uphill along the smaller shape's outline, the better half further.
3. **Finish.** The best of those are walked uphill along the finest outline, the best of these are compared pixel by
   pixel, and the winner is polished to a few hundredths of a pixel.

The overlap at a pose is defined in `overlap_at`; `dense`
is the slow reference that this search is measured against.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import scipy.ndimage

from metricvae.core.errors import InputError
from metricvae.kinds.silhouette.outlines import Outline, chords, trace
from metricvae.metrics.overlap.solver.kernels import (
    LEVELS,
    Grey,
    Points,
    foreground,
    grey,
    measure,
    overlap_at,
    polish,
    shrink,
)
from metricvae.metrics.overlap.solver.line_integrals import ascend
from metricvae.metrics.overlap.solver.records import Overlap, Pose
from metricvae.metrics.overlap.solver.scan import APART, SAMPLES, Spectra, correlate, peaks, pitch, scan, spectra

SOLVER = 3
"""Counts the versions of the search whose answers differ; labels of different ones are not mixed."""

Frames = npt.NDArray[np.float64]
"""Poses about the centroids, (k, 3): angle (radians), x, y (pixels)."""


@dataclass(frozen=True)
class Effort:
    """How hard to search. The defaults lose about a hundredth of a percent of the overlap (benchmarks/RESULTS.md).

    Attributes:
        angles: turns of the scan (even).
        waves: the shortest waves of the scan fit so often into its period of 1.44 canvases.
        climbs: poses walked uphill.
        finishes: poses walked uphill along the finest outline.
    """

    angles: int = 72
    waves: int = 36
    climbs: int = 64
    finishes: int = 6

    def __post_init__(self) -> None:
        if self.angles < 2 or self.angles % 2 or min(self.waves, self.climbs, self.finishes) < 1:
            raise InputError(f"{self}: expected an even number of angles, and at least 1 of everything else")


@dataclass(frozen=True)
class Prepared:
    """A mask with what all of its pairs share; each part is computed on first use and kept.

    Attributes:
        mask: (H, W) uint8 of 0 and 1, at least one pixel set.
    """

    mask: npt.NDArray[np.uint8]
    _kept: dict[object, object] = field(default_factory=dict, repr=False, compare=False)

    @property
    def area(self) -> int:
        """Number of pixels set."""
        return self._measured[0]

    @property
    def centroid(self) -> tuple[float, float]:
        """Mean column and mean row of the pixels set."""
        return self._measured[1:3]

    @property
    def radius(self) -> float:
        """Distance from the centroid that no pixel reaches."""
        return self._measured[3] + 1.0

    @functools.cached_property
    def points(self) -> Points:
        """The pixels set, (2, area): x and y from the centroid."""
        return foreground(*self._cut[:1], self.area, *self._cut[1:])

    @functools.cached_property
    def image(self) -> Grey:
        """The shape to look up, about its centroid."""
        cut, x, y = self._cut
        return grey(cut * np.uint8(LEVELS), x, y)

    def outline(self, length: int) -> Outline:
        """The outline about the centroid, in chords over `length` pixel edges."""
        if length not in self._kept:
            self._kept[length] = chords(*self._traced, length)
        return self._kept[length]  # type: ignore[return-value]

    def spectra(self, angles: int, waves: int) -> Spectra:
        """Long waves of the shape at the first half of `angles` equal turns about its centroid."""
        if (angles, waves) not in self._kept:
            sampled, _ = pitch(max(self.mask.shape), waves)
            factor = max(1, round(sampled))
            cut, x, y = self._cut
            small = grey(shrink(cut, factor), *((at - (factor - 1) / 2) / factor for at in (x, y)))
            self._kept[angles, waves] = spectra(small, sampled / factor, self.radius / factor, angles, waves)
        return self._kept[angles, waves]  # type: ignore[return-value]

    @functools.cached_property
    def _measured(self) -> tuple[int, float, float, float, int, int, int, int]:
        return measure(self.mask)

    @functools.cached_property
    def _cut(self) -> tuple[npt.NDArray[np.uint8], float, float]:
        """What of the canvas is not empty, and the centroid in it."""
        top, bottom, left, right = self._measured[4:]
        x, y = self.centroid
        return np.ascontiguousarray(self.mask[top:bottom, left:right]), x - left, y - top

    @functools.cached_property
    def _traced(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        return trace(*self._cut)


def solve(a: Prepared, b: Prepared, effort: Effort | None = None, proposals: Frames | None = None) -> Overlap:
    """The maximum overlap area of two shapes and the motion of the second that reaches it.

    Args:
        a: the shape that stays, on a canvas (H, W).
        b: the shape that moves, on a canvas of the same size.
        effort: how hard to search; the default is the measured one.
        proposals: poses of `b` to walk uphill from in place of a scan, (k, 3), the most promising first.

    Raises:
        InputError: the canvases differ in size, or one is blank.
    """
    effort = effort or Effort()
    check_pair(a, b)
    swapped = a.area > b.area
    if proposals is not None and swapped:
        proposals = inverse(proposals)
    frames = inverse(_search(b, a, effort, proposals)) if swapped else _search(a, b, effort, proposals)
    judged = [overlap_at(a.points, b.image, frame) for frame in frames[:JUDGED]]
    best = frames[int(np.argmax(judged))]
    step = LAST * max(a.mask.shape)
    area = polish(a.points, b.image, best, np.array([step / math.sqrt(a.area / math.pi), step, step]), LOOKS)
    snapped = _on_pixels(a, b, best)
    return max(
        report(a, b, area, best), report(a, b, overlap_at(a.points, b.image, snapped), snapped), key=lambda x: x.area
    )


def inverse(frames: Frames) -> Frames:
    """The motions that undo each of `frames`."""
    cos, sin, x, y = np.cos(frames[:, 0]), np.sin(frames[:, 0]), frames[:, 1], frames[:, 2]
    return np.column_stack([-frames[:, 0], sin * y - cos * x, -sin * x - cos * y])


def _on_pixels(a: Prepared, b: Prepared, frame: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The nearest pose that lays pixels on pixels: a cusp of the overlap that a search comes close to and no more."""
    quarters = round(2 * frame[0] / math.pi)
    cos, sin = (1, 0, -1, 0)[quarters % 4], (0, 1, 0, -1)[quarters % 4]
    offset = np.array(a.centroid) - np.array([[cos, sin], [-sin, cos]]) @ np.array(b.centroid)
    return np.array([quarters * math.pi / 2, *(np.rint(offset + frame[1:]) - offset)])


ROUNDS = 6, 6, 12
"""Steps uphill: of all climbs, of their better half, of the finishes."""

FINEST = np.array([math.radians(0.2), 0.2, 0.2])
"""Steps uphill do not begin shorter: radians, pixels, pixels."""

JUDGED = 3
"""Finishes that are compared pixel by pixel."""

LAST = 0.0015
"""Size of the first simplex of the last search, in canvases."""

LOOKS = 60
"""At the overlap in the last search."""


def _search(a: Prepared, b: Prepared, effort: Effort, proposals: Frames | None) -> Frames:
    """Poses at the end of their walks, the best first. Costs least where `a`, whose outline is walked, is smaller."""
    size = max(a.mask.shape)
    frames = _scan(a, b, effort) if proposals is None else proposals
    steps = first_steps(size, effort)
    coarse, fine = (a.outline(length) for length in chord_lengths(size))
    better = max(effort.finishes, effort.climbs // 2)
    stages = (coarse, effort.climbs), (coarse, better), (fine, effort.finishes)
    for (outline, count), rounds in zip(stages, ROUNDS, strict=True):
        walked = frames[:count]
        reached = ascend(outline, fine, b.image, walked, steps, rounds)
        frames = walked[np.argsort(-reached, kind="stable")]
        steps = np.maximum(steps / 3, FINEST)
    return frames


def first_steps(size: int, effort: Effort) -> npt.NDArray[np.float64]:
    """Lengths of the first steps uphill on a canvas of `size` pixels: radians, pixels, pixels."""
    _, cell = pitch(size, effort.waves)
    return np.array([0.7 * math.pi / effort.angles, 0.3 * cell, 0.3 * cell])


def climb(a: Prepared, b: Prepared, frames: Frames, rounds: int) -> Frames:
    """Poses of `b` walked uphill a few steps along the smaller shape's outline, the best first, (k, 3)."""
    if a.area > b.area:
        return inverse(climb(b, a, inverse(frames), rounds))
    coarse, fine = (a.outline(length) for length in chord_lengths(max(a.mask.shape)))
    walked = np.array(frames)
    reached = ascend(coarse, fine, b.image, walked, first_steps(max(a.mask.shape), Effort()), rounds)
    return walked[np.argsort(-reached, kind="stable")]


@dataclass(frozen=True)
class TurnCurve:
    """The overlap against the turn: what the scan sees of a pair.

    Attributes:
        area: (turns, 2) float32 pixels, at the two best shifts of each turn; 0 where there is but one.
        shift: (turns, 2, 2) float32 pixels right and down, of the second centroid from the first.
    """

    area: npt.NDArray[np.float32]
    shift: npt.NDArray[np.float32]


def turn_curve(a: Prepared, b: Prepared, effort: Effort) -> TurnCurve:
    """The overlap of `a` with `b` at `effort.angles` turns of `b`, each at its two best shifts of the coarse grid.

    Both are reduced to long waves and shifts to whole cells, so areas are a few percent too low.

    Raises:
        InputError: as `solve`.
    """
    check_pair(a, b)
    sampled, cell, reach = _grid(a, b, effort)
    height, shift = peaks(correlate(a.spectra(2, effort.waves), b.spectra(effort.angles, effort.waves), reach), APART)
    area = height * np.float32((sampled / (SAMPLES * effort.waves * LEVELS)) ** 2)
    return TurnCurve(np.maximum(area, 0), shift.astype(np.float32) * np.float32(cell))


def chord_lengths(size: int) -> tuple[int, int]:
    """Pixel edges to a chord of the coarse and of the fine outline, on a canvas of `size` pixels."""
    return max(1, size // 100), max(1, size // 200)


def _scan(a: Prepared, b: Prepared, effort: Effort) -> Frames:
    """Poses of the coarse grid, the most promising first."""
    _, cell, reach = _grid(a, b, effort)
    turn, shift = scan(a.spectra(2, effort.waves), b.spectra(effort.angles, effort.waves), reach)
    return np.column_stack([2 * math.pi * turn / effort.angles, shift * cell])


def _grid(a: Prepared, b: Prepared, effort: Effort) -> tuple[float, float, int]:
    """Pixels between the scan's samples and between its shifts, and how many shifts either way let the two touch."""
    sampled, cell = pitch(max(a.mask.shape), effort.waves)
    return sampled, cell, min(math.ceil(max(a.radius, b.radius) / cell), effort.waves)


def report(a: Prepared, b: Prepared, area: float, frame: npt.NDArray[np.float64]) -> Overlap:
    """Turn a pose about the centroids into the public :class:`Pose` about the canvas centre, and bound the area."""
    angle, x, y = (float(value) for value in frame)
    cos, sin = math.cos(angle), math.sin(angle)
    centre_x, centre_y = (a.mask.shape[1] - 1) / 2, (a.mask.shape[0] - 1) / 2
    from_x, from_y = centre_x - b.centroid[0], centre_y - b.centroid[1]
    dx = a.centroid[0] - centre_x + cos * from_x + sin * from_y + x
    dy = a.centroid[1] - centre_y - sin * from_x + cos * from_y + y
    degrees = (math.degrees(angle) + 180) % 360 - 180
    return Overlap(min(area, a.area, b.area), Pose(degrees, dx, dy), a.area, b.area)


def move_mask(mask: npt.NDArray[np.uint8], pose: Pose) -> npt.NDArray[np.float64]:
    """Carry out a pose: (H, W) mask in, (H, W) coverage in [0, 1] out, bilinear, zero outside."""
    angle = math.radians(pose.angle_deg)
    cos, sin = math.cos(angle), math.sin(angle)
    back = np.array([[cos, sin], [-sin, cos]])  # (row, column) of the source from (row, column) of the target
    centre = (np.array(mask.shape) - 1) / 2
    offset = centre - back @ (centre + np.array([pose.dy, pose.dx]))
    return scipy.ndimage.affine_transform(mask.astype(np.float64), back, offset, order=1, mode="grid-constant")


def overlap_area(a: npt.NDArray[np.uint8], b: npt.NDArray[np.uint8], pose: Pose) -> float:
    """Overlap in pixels of `a` with `b` moved by `pose`; in float64, independent of the compiled kernels."""
    return float((a * move_mask(b, pose)).sum())


def check_pair(a: Prepared, b: Prepared) -> None:
    """Raise InputError unless both shapes have pixels and share a canvas size."""
    if a.mask.shape != b.mask.shape:
        raise InputError(f"canvases of {a.mask.shape} and {b.mask.shape} pixels: both shapes need the same size")
    if not (a.area and b.area):
        raise InputError("a blank shape has no overlap: give two masks with at least one pixel set")
