"""The maximum overlap area of two planar shapes over all rotations and translations, from coarse to fine.

1. **Scan.** For each of `SearchConfig.angles` rotations of the second shape the overlap of both, reduced to low
   frequencies, is computed at *every* translation, so the best two translations of a rotation are read off.
2. **Local optimisation.** The highest poses ascend the gradient of the overlap, computed along the smaller shape's
   outline; the better half of them continues.
3. **Refinement.** The best of those ascend along a finer outline, the best of these are compared pixel by pixel, and
   the winner is refined by a simplex search to a few hundredths of a pixel.

The overlap at a pose is defined in `overlap_at`; `dense` is the slow reference that this search is measured against.
Poses in arrays are about the centroids, in the convention of :mod:`metricvae.metrics.overlap.solver.poses`.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import scipy.ndimage

from metricvae.core.errors import InputError
from metricvae.kinds.silhouette.outlines import Outline, segments, trace
from metricvae.metrics.overlap.solver.kernels import (
    MAX_LEVEL,
    LookupImage,
    Points,
    downsample,
    foreground_points,
    lookup_image,
    measure_mask,
    nelder_mead,
    overlap_at,
)
from metricvae.metrics.overlap.solver.line_integrals import rprop_ascent
from metricvae.metrics.overlap.solver.poses import PoseArray, canvas_pose, inverse_poses, wrap_degrees
from metricvae.metrics.overlap.solver.records import Overlap, Pose
from metricvae.metrics.overlap.solver.scan import (
    MIN_SEPARATION,
    SAMPLES_PER_PERIOD,
    Spectra,
    correlate,
    grid_spacing,
    peaks,
    scan,
    spectra,
)

SOLVER_VERSION = 3
"""Counts the versions of the search whose answers differ; labels of different ones are not mixed."""


@dataclass(frozen=True)
class SearchConfig:
    """Search configuration. The defaults lose about a hundredth of a percent of the overlap (benchmarks/RESULTS.md).

    Attributes:
        angles: rotations of the scan (even).
        frequencies: highest frequency of the scan, in cycles per period of 1.44 canvases.
        local_optimisations: poses that are optimised along the coarse outline.
        refinements: poses that are optimised along the fine outline.

    Raises:
        InputError: an odd number of angles, or less than 1 of anything.
    """

    angles: int = 72
    frequencies: int = 36
    local_optimisations: int = 64
    refinements: int = 6

    def __post_init__(self) -> None:
        if self.angles < 2 or self.angles % 2 or min(self.frequencies, self.local_optimisations, self.refinements) < 1:
            raise InputError(f"{self}: expected an even number of angles, and at least 1 of everything else")


@dataclass(frozen=True)
class PreparedMask:
    """A mask with what all of its pairs share; each part is computed on first use and cached.

    Attributes:
        mask: (H, W) uint8 of 0 and 1, at least one pixel set.
    """

    mask: npt.NDArray[np.uint8]
    _cache: dict[object, object] = field(default_factory=dict, repr=False, compare=False)

    @property
    def area(self) -> int:
        """Number of pixels set."""
        return self._measurements[0]

    @property
    def centroid(self) -> tuple[float, float]:
        """Mean column and mean row of the pixels set."""
        return self._measurements[1:3]

    @property
    def radius(self) -> float:
        """Upper bound of the distance of a pixel from the centroid."""
        return self._measurements[3] + 1.0

    @functools.cached_property
    def points(self) -> Points:
        """The pixels set, (2, area) float32: x and y from the centroid."""
        return foreground_points(*self._cropped[:1], self.area, *self._cropped[1:])

    @functools.cached_property
    def image(self) -> LookupImage:
        """The shape as an image to interpolate, with its centroid as the origin."""
        cropped, x, y = self._cropped
        return lookup_image(cropped * np.uint8(MAX_LEVEL), x, y)

    def outline(self, length: int) -> Outline:
        """The outline about the centroid, in segments over `length` pixel edges, (4, n) float32."""
        if length not in self._cache:
            self._cache[length] = segments(*self._outline_nodes, length)
        return self._cache[length]  # type: ignore[return-value]

    def spectra(self, angles: int, frequencies: int) -> Spectra:
        """Low frequencies of the shape at the first half of `angles` equally spaced rotations about its centroid."""
        if (angles, frequencies) not in self._cache:
            spacing, _ = grid_spacing(max(self.mask.shape), frequencies)
            factor = max(1, round(spacing))
            cropped, x, y = self._cropped
            small = lookup_image(downsample(cropped, factor), *((at - (factor - 1) / 2) / factor for at in (x, y)))
            self._cache[angles, frequencies] = spectra(
                small, spacing / factor, self.radius / factor, angles, frequencies
            )
        return self._cache[angles, frequencies]  # type: ignore[return-value]

    @functools.cached_property
    def _measurements(self) -> tuple[int, float, float, float, int, int, int, int]:
        return measure_mask(self.mask)

    @functools.cached_property
    def _cropped(self) -> tuple[npt.NDArray[np.uint8], float, float]:
        """The bounding box of the mask as an image, and the centroid in it."""
        top, bottom, left, right = self._measurements[4:]
        x, y = self.centroid
        return np.ascontiguousarray(self.mask[top:bottom, left:right]), x - left, y - top

    @functools.cached_property
    def _outline_nodes(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        return trace(*self._cropped)


def solve(
    a: PreparedMask, b: PreparedMask, config: SearchConfig | None = None, proposals: PoseArray | None = None
) -> Overlap:
    """The maximum overlap area of two shapes, and the motion of the second that reaches it.

    Args:
        a: the shape that stays, on a canvas (H, W).
        b: the shape that moves, on a canvas of the same size.
        config: search configuration; the default is the one that benchmarks/RESULTS.md measures.
        proposals: poses of `b` about the centroids to optimise in place of a scan, (k, 3), the most promising first.

    Raises:
        InputError: the canvases differ in size, or one is blank.

    >>> square = np.zeros((40, 40), np.uint8)
    >>> square[10:20, 10:20] = 1
    >>> solve(PreparedMask(square), PreparedMask(square)).area
    100.0
    """
    config = config or SearchConfig()
    check_pair(a, b)
    swapped = a.area > b.area
    if proposals is not None and swapped:
        proposals = inverse_poses(proposals)
    poses = inverse_poses(_search(b, a, config, proposals)) if swapped else _search(a, b, config, proposals)
    areas = [overlap_at(a.points, b.image, pose) for pose in poses[:COMPARED_POSES]]
    best = poses[int(np.argmax(areas))]
    step = SIMPLEX_SIZE * max(a.mask.shape)
    steps = np.array([step / math.sqrt(a.area / math.pi), step, step])
    area = nelder_mead(a.points, b.image, best, steps, SIMPLEX_EVALUATIONS)
    aligned = _pixel_aligned(a, b, best)
    found = overlap_record(a, b, area, best), overlap_record(a, b, overlap_at(a.points, b.image, aligned), aligned)
    return max(found, key=lambda one: one.area)


def _pixel_aligned(a: PreparedMask, b: PreparedMask, pose: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The nearest pose that puts pixels on pixels: a cusp of the overlap that a search approaches but does not reach.

    The angle is rounded to a multiple of 90 degrees, and the shift so that pixel centres coincide: with the centroids
    g_a and g_b in pixels, a pixel centre p goes to R p + (g_a - R g_b + shift), so that sum has to be whole.
    """
    quarters = round(2 * pose[0] / math.pi)
    cos, sin = (1, 0, -1, 0)[quarters % 4], (0, 1, 0, -1)[quarters % 4]
    offset = np.array(a.centroid) - np.array([[cos, sin], [-sin, cos]]) @ np.array(b.centroid)
    return np.array([quarters * math.pi / 2, *(np.rint(offset + pose[1:]) - offset)])


ITERATIONS = 6, 6, 12
"""Gradient steps: of all local optimisations, of their better half, and of the refinements."""

SHORTEST_STEPS = np.array([math.radians(0.2), 0.2, 0.2])
"""First gradient steps are not shorter than this: radians, pixels, pixels."""

COMPARED_POSES = 3
"""Refined poses that are compared pixel by pixel."""

SIMPLEX_SIZE = 0.0015
"""Size of the first simplex of the final search, in canvases."""

SIMPLEX_EVALUATIONS = 60
"""Function evaluations of the final search."""


def _search(a: PreparedMask, b: PreparedMask, config: SearchConfig, proposals: PoseArray | None) -> PoseArray:
    """Optimised poses, the best first. Costs least where `a`, whose outline is integrated along, is the smaller."""
    size = max(a.mask.shape)
    poses = _scan(a, b, config) if proposals is None else proposals
    steps = first_step_lengths(size, config)
    coarse, fine = (a.outline(length) for length in segment_lengths(size))
    half = max(config.refinements, config.local_optimisations // 2)
    stages = (coarse, config.local_optimisations), (coarse, half), (fine, config.refinements)
    for (outline, count), iterations in zip(stages, ITERATIONS, strict=True):
        optimised = poses[:count]
        reached = rprop_ascent(outline, fine, b.image, optimised, steps, iterations)
        poses = optimised[np.argsort(-reached, kind="stable")]
        steps = np.maximum(steps / 3, SHORTEST_STEPS)
    return poses


def first_step_lengths(size: int, config: SearchConfig) -> npt.NDArray[np.float64]:
    """Lengths of the first gradient steps on a canvas of `size` pixels, (3,): radians, pixels, pixels."""
    _, cell = grid_spacing(size, config.frequencies)
    return np.array([0.7 * math.pi / config.angles, 0.3 * cell, 0.3 * cell])


def optimise_poses(a: PreparedMask, b: PreparedMask, poses: PoseArray, iterations: int) -> PoseArray:
    """Poses of `b` about the centroids after some steps of local optimisation along the smaller shape's outline.

    Args:
        a, b: the shape that stays and the one that moves.
        poses: (k, 3) to start from; not changed.
        iterations: gradient steps of each.

    Returns:
        (k, 3), the highest overlap first.
    """
    if a.area > b.area:
        return inverse_poses(optimise_poses(b, a, inverse_poses(poses), iterations))
    coarse, fine = (a.outline(length) for length in segment_lengths(max(a.mask.shape)))
    optimised, steps = np.array(poses), first_step_lengths(max(a.mask.shape), SearchConfig())
    reached = rprop_ascent(coarse, fine, b.image, optimised, steps, iterations)
    return optimised[np.argsort(-reached, kind="stable")]


@dataclass(frozen=True)
class RotationCurve:
    """The overlap as a function of the rotation, as the scan computes it for a pair.

    Attributes:
        area: (rotations, 2) float32 pixels, at the two best shifts of each rotation; 0 where there is but one.
        shift: (rotations, 2, 2) float32 pixels right and down, of the second centroid from the first.
    """

    area: npt.NDArray[np.float32]
    shift: npt.NDArray[np.float32]


def rotation_curve(a: PreparedMask, b: PreparedMask, config: SearchConfig) -> RotationCurve:
    """The overlap of `a` with `b` at `config.angles` rotations of `b`, each at its two best shifts of the coarse grid.

    Both shapes are reduced to low frequencies and shifts to whole cells, so areas are a few percent too low.

    Raises:
        InputError: as `solve`.
    """
    check_pair(a, b)
    spacing, cell, reach = _grid(a, b, config)
    fixed, rotated = a.spectra(2, config.frequencies), b.spectra(config.angles, config.frequencies)
    height, shift = peaks(correlate(fixed, rotated, reach), MIN_SEPARATION)
    area = height * np.float32((spacing / (SAMPLES_PER_PERIOD * config.frequencies * MAX_LEVEL)) ** 2)
    return RotationCurve(np.maximum(area, 0), shift.astype(np.float32) * np.float32(cell))


def segment_lengths(size: int) -> tuple[int, int]:
    """Pixel edges to a segment of the coarse and of the fine outline, on a canvas of `size` pixels.

    >>> segment_lengths(200)
    (2, 1)
    """
    return max(1, size // 100), max(1, size // 200)


def _scan(a: PreparedMask, b: PreparedMask, config: SearchConfig) -> PoseArray:
    """Poses of the coarse grid, ranked as candidates."""
    _, cell, reach = _grid(a, b, config)
    fixed, rotated = a.spectra(2, config.frequencies), b.spectra(config.angles, config.frequencies)
    rotation, shift = scan(fixed, rotated, reach)
    return np.column_stack([2 * math.pi * rotation / config.angles, shift * cell])


def _grid(a: PreparedMask, b: PreparedMask, config: SearchConfig) -> tuple[float, float, int]:
    """Pixels between the scan's samples and between its shifts, and the largest shift, in cells, of a contact."""
    spacing, cell = grid_spacing(max(a.mask.shape), config.frequencies)
    return spacing, cell, min(math.ceil(max(a.radius, b.radius) / cell), config.frequencies)


def overlap_record(a: PreparedMask, b: PreparedMask, area: float, pose: npt.NDArray[np.float64]) -> Overlap:
    """The public record of an overlap: the pose about the canvas centre, and the area bounded by the smaller shape's.

    Args:
        a, b: the shape that stays and the one that moves.
        area: overlap in pixels.
        pose: (3,) about the centroids.
    """
    centre_x, centre_y = (a.mask.shape[1] - 1) / 2, (a.mask.shape[0] - 1) / 2
    origin_a, origin_b = ((one.centroid[0] - centre_x, one.centroid[1] - centre_y) for one in (a, b))
    about_centre = canvas_pose(pose, origin_a, origin_b)
    wrapped = Pose(wrap_degrees(about_centre.angle_deg), about_centre.dx, about_centre.dy)
    return Overlap(min(area, a.area, b.area), wrapped, a.area, b.area)


def move_mask(mask: npt.NDArray[np.uint8], pose: Pose) -> npt.NDArray[np.float64]:
    """A mask moved by a pose: (H, W) mask in, (H, W) coverage in [0, 1] out, bilinear, zero outside.

    >>> move_mask(np.array([[1, 0, 0]], np.uint8), Pose(0.0, dx=1.0, dy=0.0))
    array([[0., 1., 0.]])
    """
    angle = math.radians(pose.angle_deg)
    cos, sin = math.cos(angle), math.sin(angle)
    back = np.array([[cos, sin], [-sin, cos]])  # (row, column) of the source from (row, column) of the target
    centre = (np.array(mask.shape) - 1) / 2
    offset = centre - back @ (centre + np.array([pose.dy, pose.dx]))
    return scipy.ndimage.affine_transform(mask.astype(np.float64), back, offset, order=1, mode="grid-constant")


def overlap_area(a: npt.NDArray[np.uint8], b: npt.NDArray[np.uint8], pose: Pose) -> float:
    """Overlap in pixels of `a` with `b` moved by `pose`; in float64, independent of the compiled kernels."""
    return float((a * move_mask(b, pose)).sum())


def check_pair(a: PreparedMask, b: PreparedMask) -> None:
    """Check that two shapes can be compared.

    Raises:
        InputError: the canvases differ in size, or a shape has no pixels.
    """
    if a.mask.shape != b.mask.shape:
        sizes = " and ".join(f"{mask.shape[1]}x{mask.shape[0]}" for mask in (a.mask, b.mask))
        raise InputError(f"got canvases of {sizes} pixels: both shapes need the same size, scale them or use --fit")
    if not (a.area and b.area):
        raise InputError("a blank shape has no overlap: give two masks with at least one pixel set")
