"""The maximum overlap area of two planar shapes over all rotations and translations, coarse to fine.

1. **Scan.** Both shapes are blurred and sampled on a coarse grid about their centroids. For each of
   `Effort.angles` turns of the second shape one FFT correlation gives the overlap at *every* translation,
   so the best two translations of that turn are read off, not searched.
2. **Climb.** The most promising poses are walked uphill on small images of about 100 pixels; the better third goes on.
3. **Finish.** The best of those are walked uphill at growing resolution up to the full one, off the grid, and the
   best one to a few hundredths of a pixel.

The overlap at a pose is defined in :func:`metricvae.overlap.kernels.overlap_at`; :mod:`metricvae.overlap.dense`
is the slow reference that this search is measured against.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.ndimage

from metricvae.errors import InputError
from metricvae.overlap.kernels import (
    Grey,
    Points,
    Spectra,
    ascend,
    bordered,
    climb,
    cross_spectra,
    foreground,
    grey,
    peaks,
    sample,
)
from metricvae.overlap.records import Overlap, Pose

SOLVER = 2
"""Counts the versions of the search whose answers differ; labels of different ones are not mixed."""

Heights = npt.NDArray[np.float32]
Shifts = npt.NDArray[np.int32]
Frames = npt.NDArray[np.float64]
"""Poses about the centroids, (k, 3): angle (radians), x, y (pixels of the full resolution)."""


@dataclass(frozen=True)
class Effort:
    """How hard to search. The defaults lose a few hundredths of a percent of the overlap (benchmarks/RESULTS.md).

    Attributes:
        angles: turns of the coarse scan (even).
        cells: side of the coarse correlation, which spans 1.44 canvases; larger shifts wrap around, which can only
            propose a needless climb.
        climbs: poses walked uphill on the small images.
        finishes: poses walked uphill at full resolution.
    """

    angles: int = 72
    cells: int = 64
    climbs: int = 48
    finishes: int = 6

    def __post_init__(self) -> None:
        if self.angles < 2 or self.angles % 2 or min(self.cells, self.climbs, self.finishes) < 1:
            raise InputError(f"{self}: expected an even number of angles, and at least 1 of everything else")


@dataclass(frozen=True)
class Level:
    """One resolution of a shape about its centroid: an image to look up, and its foreground points."""

    image: Grey
    points: Points


@dataclass(frozen=True)
class Prepared:
    """A mask with what all of its pairs share; each part is computed on first use and kept.

    Attributes:
        mask: (H, W) uint8 of 0 and 1, at least one pixel set.
    """

    mask: npt.NDArray[np.uint8]
    _kept: dict[object, object] = field(default_factory=dict, repr=False, compare=False)

    @functools.cached_property
    def area(self) -> int:
        """Number of pixels set."""
        return len(self._pixels[0])

    @functools.cached_property
    def centroid(self) -> tuple[float, float]:
        """Mean column and mean row of the pixels set."""
        rows, columns = self._pixels
        return float(columns.mean()), float(rows.mean())

    @functools.cached_property
    def radius(self) -> float:
        """Distance from the centroid that no pixel reaches."""
        rows, columns = self._pixels
        x, y = self.centroid
        return math.sqrt(float((np.square(columns - x) + np.square(rows - y)).max())) + 1.0

    @functools.cached_property
    def _pixels(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Rows and columns of the pixels set."""
        rows, columns = np.nonzero(self.mask)
        return rows, columns

    def level(self, factor: int) -> Level:
        """The shape with `factor` x `factor` pixels averaged into one."""
        key = ("level", factor)
        if key not in self._kept:
            image = _shrink(self.mask, factor)
            x, y = ((value - (factor - 1) / 2) / factor for value in self.centroid)
            self._kept[key] = Level(grey(image, x, y), foreground(image, x, y))
        return self._kept[key]  # type: ignore[return-value]

    def spectra(self, turns: int, angles: int, cells: int, spacing: float) -> Spectra:
        """Fourier transforms of the blurred shape at the first `turns` of `angles` equal turns, (turns, cells, ...)."""
        key = ("spectra", turns, angles, cells, spacing)
        if key not in self._kept:
            stack = turned(self, [2 * math.pi * k / angles for k in range(turns)], cells, spacing)
            self._kept[key] = scipy.fft.rfft2(stack, workers=1)
        return self._kept[key]  # type: ignore[return-value]


def turned(shape: Prepared, turns: list[float], cells: int, spacing: float) -> npt.NDArray[np.float32]:
    """The shape turned about its centroid by each of `turns` (radians), on (cells, cells) grids of `spacing` pixels.

    A spacing above one pixel averages over squares of that side first. The centroid is cell `cells // 2`.
    """
    margin = math.ceil(spacing)
    image = np.pad(shape.mask.astype(np.float32), margin)
    if spacing > 1:
        image = scipy.ndimage.uniform_filter(image, round(spacing))
    image = bordered(image)
    x, y = shape.centroid
    reach = math.ceil(shape.radius / spacing) + 1
    stack = np.empty((len(turns), cells, cells), dtype=np.float32)
    for out, turn in zip(stack, turns, strict=True):
        sample(image, x + margin, y + margin, math.cos(turn), math.sin(turn), spacing, reach, out)
    return stack


def solve(a: Prepared, b: Prepared, effort: Effort | None = None) -> Overlap:
    """The maximum overlap area of two shapes and the motion of the second that reaches it.

    Args:
        a: the shape that stays, on a canvas (H, W).
        b: the shape that moves, on a canvas of the same size.
        effort: how hard to search; the default is the measured one.

    Raises:
        InputError: the canvases differ in size, or one is blank.
    """
    effort = effort or Effort()
    check_pair(a, b)
    frames = inverse(_search(b, a, effort)) if a.area > b.area else _search(a, b, effort)
    best = frames[0]
    return report(a, b, climb(a.level(1).points, b.level(1).image, best, FINEST, 2), best)


def inverse(frames: Frames) -> Frames:
    """The motions that undo each of `frames`."""
    cos, sin, x, y = np.cos(frames[:, 0]), np.sin(frames[:, 0]), frames[:, 1], frames[:, 2]
    return np.column_stack([-frames[:, 0], sin * y - cos * x, -sin * x - cos * y])


ROUNDS = 6, 6, 10
"""Steps uphill: of all climbs, of their better third, of the finishes."""


def _search(a: Prepared, b: Prepared, effort: Effort) -> Frames:
    """Poses at the end of their walks, the best first. Costs least where `a` is the smaller one: it is the points."""
    factors = _pyramid(max(a.mask.shape))
    spacing = _spacing(a, effort)
    steps = np.array([0.7 * math.pi / effort.angles, 0.3 * spacing, 0.3 * spacing])
    better = max(effort.finishes, effort.climbs // 3)
    stages = [(factors[0], effort.climbs, ROUNDS[0]), (factors[0], better, ROUNDS[1])]
    stages += [(factor, effort.finishes, ROUNDS[2]) for factor in factors[1:] or factors]
    frames = _scan(a, b, effort)
    for factor, count, rounds in stages:
        scale = np.array([1.0, factor, factor])
        walked = frames[:count] / scale
        reached = ascend(a.level(factor).points, b.level(factor).image, walked, steps / scale, rounds)
        frames = (walked * scale)[np.argsort(-reached, kind="stable")]
        steps = np.maximum(steps / 3, FINEST)
    return frames


FINEST = np.array([math.radians(0.2), 0.2, 0.2])
"""Steps of the last walk, before it halves them: radians, pixels, pixels."""


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


def _spacing(shape: Prepared, effort: Effort) -> float:
    return 1.44 * max(shape.mask.shape) / effort.cells


def _scan(a: Prepared, b: Prepared, effort: Effort) -> Frames:
    """Poses of the coarse grid, the most promising first."""
    spacing = _spacing(a, effort)
    half = effort.angles // 2
    still = a.spectra(1, 1, effort.cells, spacing)[0]
    turning = b.spectra(half, effort.angles, effort.cells, spacing)
    height, shift = best_shifts(still, turning, APART)
    height, shift = height.reshape(-1, 2), shift.reshape(-1, 2, 2)
    turn, which = promising(height, shift, APART)
    return np.column_stack([2 * math.pi * turn / effort.angles, shift[turn, which] * spacing])


APART = 3
"""Cells of the coarse grid that two translations of one turn lie apart, at least along one axis."""


AT_ONCE = 9
"""Turns whose correlations fit into a processor's cache together."""


def best_shifts(still: Spectra, turning: Spectra, apart: int) -> tuple[Heights, Shifts]:
    """The two best translations of each turn, for k turns of half a circle and for the other half of it.

    Args:
        still: (n, n // 2 + 1) spectrum of the shape that stays.
        turning: (k, n, n // 2 + 1) spectra of the other at k turns.
        apart: the second translation is more than so many cells from the first, along one axis or both.

    Returns:
        (2, k, 2) overlaps, for each half of the circle, turn and translation, and their (2, k, 2, 2) shifts (x, y) in
        cells.
    """
    half, n = turning.shape[:2]
    height, at = np.empty((2, half, 2), np.float32), np.zeros((2, half, 2, 2), np.int32)
    for start in range(0, half, AT_ONCE):
        part = turning[start : start + AT_ONCE]
        product = np.empty((2 * len(part), *still.shape), still.dtype)
        cross_spectra(still, part, product)
        correlation = scipy.fft.irfft2(product, s=(n, n), workers=1, overwrite_x=True)
        for side, rows in enumerate((correlation[: len(part)], correlation[len(part) :])):
            here = slice(start, start + len(part))
            peaks(rows, min(apart, (n - 2) // 2), height[side, here], at[side, here])
    return height, (at[..., ::-1] + n // 2) % n - n // 2


def promising(height: Heights, shift: Shifts, apart: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """All poses as (turn, which of its two): local maxima first, each part from high to low.

    A pose is a local maximum if no pose of a neighbouring turn within `apart` cells is higher.
    """
    local = np.ones(height.shape, dtype=bool)
    for way in (1, -1):
        other_height, other_shift = np.roll(height, way, 0), np.roll(shift, way, 0)
        near = (np.abs(shift[:, :, None] - other_shift[:, None]) <= apart).all(-1)
        local &= ~(near & (other_height[:, None] > height[:, :, None])).any(-1)
    order = np.lexsort((-height.ravel(), ~local.ravel()))
    return order // 2, order % 2


def _pyramid(size: int) -> list[int]:
    """Shrink factors from images of about 100 pixels down to 1."""
    coarsest = max(0, round(math.log2(size / 100)))
    return [2**k for k in range(coarsest, -1, -1)]


def _shrink(mask: npt.NDArray[np.uint8], factor: int) -> npt.NDArray[np.float32]:
    height, width = mask.shape
    whole = np.pad(mask, ((0, -height % factor), (0, -width % factor))).astype(np.float32)
    rows, columns = whole.shape[0] // factor, whole.shape[1] // factor
    return np.asarray(whole.reshape(rows, factor, columns, factor).mean((1, 3)), dtype=np.float32)
