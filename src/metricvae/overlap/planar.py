"""The maximum overlap area of two planar shapes over all rotations and translations, coarse to fine.

1. **Scan.** Both shapes are blurred and sampled on a coarse grid about their centroids. For each of
   `Effort.angles` turns of the second shape one FFT correlation gives the overlap at *every* translation,
   so the best translation of that turn is read off, not searched.
2. **Climb.** The most promising turns are walked uphill on small images of about 100 pixels.
3. **Finish.** The best of those are walked uphill at growing resolution up to the full one, off the grid,
   to a few hundredths of a pixel.

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
from metricvae.overlap.kernels import Image, Points, bordered, climb, foreground, sample
from metricvae.overlap.records import Overlap, Pose

Spectra = npt.NDArray[np.complex64]
Frame = npt.NDArray[np.float64]
"""A pose about the centroids: angle (radians), x, y (pixels of its level)."""


@dataclass(frozen=True)
class Effort:
    """How hard to search. The defaults lose a few hundredths of a percent of the overlap (benchmarks/RESULTS.md).

    Attributes:
        angles: turns of the coarse scan (even).
        cells: side of the coarse correlation, which spans 1.44 canvases; larger shifts wrap around, which can only
            propose a needless climb.
        climbs: turns walked uphill on the small images.
        finishes: poses walked uphill at full resolution.
    """

    angles: int = 72
    cells: int = 64
    climbs: int = 24
    finishes: int = 4

    def __post_init__(self) -> None:
        if self.angles < 2 or self.angles % 2 or min(self.cells, self.climbs, self.finishes) < 1:
            raise InputError(f"{self}: expected an even number of angles, and at least 1 of everything else")


@dataclass(frozen=True)
class Level:
    """One resolution of a shape: its bordered image, its origin (the centroid) in it, its foreground points."""

    image: Image
    x: float
    y: float
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
        return int(np.count_nonzero(self.mask))

    @functools.cached_property
    def centroid(self) -> tuple[float, float]:
        """Mean column and mean row of the pixels set."""
        rows, columns = np.nonzero(self.mask)
        return float(columns.mean()), float(rows.mean())

    @functools.cached_property
    def radius(self) -> float:
        """Distance from the centroid that no pixel reaches."""
        rows, columns = np.nonzero(self.mask)
        x, y = self.centroid
        return float(np.hypot(columns - x, rows - y).max()) + 1.0

    def level(self, factor: int) -> Level:
        """The shape with `factor` x `factor` pixels averaged into one."""
        key = ("level", factor)
        if key not in self._kept:
            image = _shrink(self.mask, factor)
            x, y = ((value - (factor - 1) / 2) / factor for value in self.centroid)
            self._kept[key] = Level(bordered(image), x, y, foreground(image, x, y))
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
    factors = _pyramid(max(a.mask.shape))
    frames = _scan(a, b, effort)
    step, shift = math.pi / effort.angles, _spacing(a, effort) / factors[0] / 4
    best = 0.0
    for depth, factor in enumerate(factors):
        if depth:
            finer = factors[depth - 1] / factor
            frames = [frame * (1.0, finer, finer) for frame in frames]
            step, shift = step / 3, 0.5
        halvings = 4 if factor == 1 else 2
        climbed = [_climb(a.level(factor), b.level(factor), frame, step, shift, halvings) for frame in frames]
        climbed.sort(key=lambda found: -found[0])
        best = climbed[0][0]
        frames = [frame for _, frame in climbed[: effort.finishes]]
    return report(a, b, best, frames[0])


def _climb(a: Level, b: Level, frame: Frame, step: float, shift: float, halvings: int) -> tuple[float, Frame]:
    walked = frame.copy()
    return climb(a.points, b.image, b.x, b.y, walked, step, shift, halvings), walked


def report(a: Prepared, b: Prepared, area: float, frame: Frame) -> Overlap:
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


def _scan(a: Prepared, b: Prepared, effort: Effort) -> list[Frame]:
    """The most promising poses, one a turn: local maxima over the turns first, then the next best turns."""
    spacing = _spacing(a, effort)
    half = effort.angles // 2
    still = a.spectra(1, 1, effort.cells, spacing)[0]
    turning = b.spectra(half, effort.angles, effort.cells, spacing)
    product = np.concatenate([still * turning.conj(), still * turning])  # a turn by 180 degrees more: the conjugate
    height, x, y = peaks(scipy.fft.irfft2(product, s=(effort.cells, effort.cells), workers=1))
    scale = spacing / _pyramid(max(a.mask.shape))[0]
    order = promising(height)[: effort.climbs]
    return [np.array([2 * math.pi * k / effort.angles, x[k] * scale, y[k] * scale]) for k in order]


def peaks(
    correlation: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Highest value of each (n, n) correlation of a stack, and its shift (x, y) in cells."""
    n = correlation.shape[-1]
    flat = correlation.reshape(len(correlation), -1)
    at = flat.argmax(1)
    y, x = np.divmod(at, n)
    return flat[np.arange(len(flat)), at], (x + n // 2) % n - n // 2, (y + n // 2) % n - n // 2


def promising(height: npt.NDArray[np.float32]) -> list[int]:
    """All turns, the local maxima around the circle first, each part from high to low."""
    local = (height >= np.roll(height, 1)) & (height >= np.roll(height, -1))
    return [int(k) for k in np.lexsort((-height, ~local))]


def _pyramid(size: int) -> list[int]:
    """Shrink factors from images of about 100 pixels down to 1."""
    coarsest = max(0, round(math.log2(size / 100)))
    return [2**k for k in range(coarsest, -1, -1)]


def _shrink(mask: npt.NDArray[np.uint8], factor: int) -> npt.NDArray[np.float32]:
    height, width = mask.shape
    whole = np.pad(mask, ((0, -height % factor), (0, -width % factor))).astype(np.float32)
    rows, columns = whole.shape[0] // factor, whole.shape[1] // factor
    return np.asarray(whole.reshape(rows, factor, columns, factor).mean((1, 3)), dtype=np.float32)
