"""The best overlay of two density maps of any origin: the largest normalised correlation over all rigid motions.

    correlation = sum_x A(x) B(R' (x - t)) / sqrt(sum_x A(x)^2  sum_y B(y)^2 v_B / v_A)

over the grid points x of A, with B read between its own grid points by cubic B-splines (M. Unser, IEEE Signal Process.
Mag. 16 (6), 22, 1999) and taken as zero outside; v is the volume of a voxel. It is the cosine between the two
functions, 1 for a map and its moved self.

1. **Scan.** Both maps, blurred to a coarse grid, at a grid of rotations; all translations of each by Fourier transform.
2. **Local optimisation.** The best poses, by the correlation's gradient (BFGS), on an intermediate grid.
3. **Refinement.** The best of these likewise, on the maps' own grids where they are not too large.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.ndimage
import scipy.optimize
from scipy.spatial.transform import Rotation

from metricvae.core.errors import InputError
from metricvae.kinds.volume.records import check_grid
from metricvae.metrics.shape.solver.cross_correlation import best_translations, spectrum
from metricvae.metrics.shape.solver.initial_rotations import super_fibonacci
from metricvae.metrics.shape.solver.volumes import rotate_by_vector
from metricvae.runtime.jit import jit_fast

Floats = npt.NDArray[np.float64]
Values = npt.NDArray[np.float32]


class Grid(Protocol):
    """Values (nx, ny, nz) at origin + spacing * (i, j, k), `spacing` and `origin` (3,) in angstroms, as
    :class:`metricvae.kinds.volume.io.DensityMap` has them."""

    @property
    def values(self) -> Values: ...
    @property
    def spacing(self) -> Floats: ...
    @property
    def origin(self) -> Floats: ...


@dataclass(frozen=True)
class MapOverlay:
    """The best overlay of two maps.

    Attributes:
        correlation: normalised correlation at the pose, from -1 to 1.
        rotation: (3, 3) proper rotation of the second map.
        translation: (3,) angstroms; the second map's point p goes to rotation @ p + translation.
    """

    correlation: float
    rotation: Floats
    translation: Floats


@dataclass(frozen=True)
class MapSearchConfig:
    """The configuration of the search for the best overlay of two maps.

    Attributes:
        rotations: of the scan; 768 are about 27 degrees apart.
        cells: of the scan's grid from the centre of the larger map to its edge.
        optimised: poses that local optimisation starts from.
        refined: of these, the best are refined.
    """

    rotations: int = 768
    cells: int = 8
    optimised: int = 12
    refined: int = 3

    def __post_init__(self) -> None:
        if min(self.rotations, self.cells, self.optimised, self.refined) < 1:
            raise InputError(f"{self}: expected at least 1 of everything")


POINTS = 20_000, 300_000
"""Grid points of the first map that local optimisation and refinement evaluate, at most."""

LARGE = 4_000_000
"""Grid points of a map from which on it is downsampled before anything else."""

INSIDE = 0.999
"""Share of the sum of squares that the sphere around a map holds which the scan looks at."""

USUAL_EXPONENT = 20
"""Maps whose largest value is of at most this power of two, up or down, are taken as they are."""

BATCH = 8

APART = 0.3
"""Radians between the rotations of two initial poses, at least."""


def overlay_maps(a: Grid, b: Grid, config: MapSearchConfig | None = None) -> MapOverlay:
    """The largest normalised correlation of two maps, and the motion of `b` that reaches it.

    Args:
        a, b: the maps, of any sizes, spacings and origins; `b` moves.
        config: of the search; the default is the measured one.

    Raises:
        InputError: a map that is not (nx, ny, nz), not finite, zero everywhere, or whose spacing is not positive.
    """
    config, fixed, moving = config or MapSearchConfig(), centre_map(a), centre_map(b)
    poses = _scan(fixed, moving, config)
    for most, count in zip(POINTS, (config.refined, 1), strict=True):
        pair = _CorrelationObjective(fixed.downsample(most), moving.downsample(most))
        poses = sorted((pair.optimise(pose) for pose in poses), key=lambda pose: -pose.correlation)[:count]
    best = poses[0]
    return MapOverlay(best.correlation, best.rotation, fixed.centre + best.translation - best.rotation @ moving.centre)


@dataclass(frozen=True)
class CentredMap:
    """A map with its centre, the mean of its points weighted by squared values, and the reach around it.

    Attributes:
        values: (nx, ny, nz) float32.
        spacing: (3,) angstroms.
        start: (3,) angstroms from the centre to the first grid point.
        centre: (3,) angstroms.
        reach: radius of the sphere about the centre that holds nearly all of the sum of squares, angstroms.
    """

    values: Values
    spacing: Floats
    start: Floats
    centre: Floats
    reach: float

    def block_average(self, factor: npt.NDArray[np.int64]) -> CentredMap:
        """The same map, `factor` (3,) grid points averaged into one along each axis; the last are filled up with 0."""
        factor = np.minimum(factor, self.values.shape)
        counts = -(-np.array(self.values.shape) // factor)
        filled = np.pad(self.values, [(0, int(gap)) for gap in counts * factor - self.values.shape])
        shape = np.column_stack([counts, factor]).ravel()
        return replace(
            self,
            values=np.ascontiguousarray(filled.reshape(shape).mean(axis=(1, 3, 5), dtype=np.float32)),
            spacing=self.spacing * factor,
            start=self.start + self.spacing * (factor - 1) / 2,
        )

    def downsample(self, most: int) -> CentredMap:
        """The same map on a grid of about `most` points, or its own where that has fewer."""
        pitch = (self.values.size * self.spacing.prod() / most) ** (1 / 3)
        return self.block_average(np.maximum(1, np.rint(pitch / self.spacing)).astype(np.int64))

    def interpolate(self, points: Floats) -> Values:
        """Values, trilinear and 0 outside, at points (..., 3) in angstroms from the centre."""
        at = np.moveaxis((points - self.start) / self.spacing, -1, 0)
        found: Values = scipy.ndimage.map_coordinates(self.values, at, order=1, mode="constant")
        return found


def centre_map(grid: Grid) -> CentredMap:
    """A map with its centre and reach.

    Raises:
        InputError: what is no map, as in :func:`overlay_maps`.
    """
    values, spacing, origin = (np.asarray(part) for part in (grid.values, grid.spacing, grid.origin))
    if values.ndim != 3 or spacing.shape != (3,) or origin.shape != (3,) or not values.size:
        raise InputError(
            f"values {values.shape}, spacing {spacing.shape}, origin {origin.shape}: expected 3-D, 3 and 3"
        )
    if not (np.isfinite(values).all() and np.isfinite(origin).all() and np.isfinite(spacing).all()):
        raise InputError("a map's values, spacing and origin must be finite numbers")
    if spacing.min() <= 0:
        raise InputError(f"spacing is {spacing.tolist()}: expected angstroms above 0")
    check_grid(np.asarray(spacing, np.float64), np.asarray(origin, np.float64))
    rough = CentredMap(
        _in_range(np.asarray(values, np.float32)), spacing.astype(np.float64), np.zeros(3), np.zeros(3), 0.0
    ).downsample(LARGE)
    weight = np.square(rough.values, dtype=np.float64)
    if not 0 < weight.sum() < math.inf:
        raise InputError("a map that is zero everywhere, or beyond all bounds, lies on nothing: give one with density")
    weight /= weight.sum()
    x, y, z = (rough.start[i] + rough.spacing[i] * np.arange(size) for i, size in enumerate(weight.shape))
    middle = np.array([weight.sum((1, 2)) @ x, weight.sum((0, 2)) @ y, weight.sum((0, 1)) @ z])
    x, y, z = x - middle[0], y - middle[1], z - middle[2]
    step = rough.spacing.min()
    square = (x[:, None, None] ** 2 + y[:, None] ** 2 + z**2) / step**2
    shells = np.bincount(np.sqrt(square).astype(np.int64).ravel(), weight.ravel())
    reach = (int(np.searchsorted(np.cumsum(shells), INSIDE)) + 1) * float(step)
    return replace(rough, start=rough.start - middle, centre=origin + middle, reach=reach)


def _in_range(values: Values) -> Values:
    """Values times a power of two, exactly, where the squares of the largest would leave the range of float32."""
    _, exponent = np.frexp(np.abs(values).max())
    return values if abs(int(exponent)) <= USUAL_EXPONENT else np.ldexp(values, -exponent)


def _scan(a: CentredMap, b: CentredMap, config: MapSearchConfig) -> list[MapOverlay]:
    """The best poses of the coarse grid about both centres, the best first."""
    pitch = max(a.reach, b.reach) / config.cells
    small_a, small_b = (
        one.block_average(np.maximum(1, np.floor(pitch / one.spacing)).astype(np.int64)) for one in (a, b)
    )
    half_a, half_b = (math.ceil(one.reach / pitch) for one in (a, b))
    size = scipy.fft.next_fast_len(2 * (half_a + half_b) + 2, real=True)
    fixed = spectrum(_zero_padded(small_a.interpolate(_cube(half_a, pitch)), size))
    rotations = Rotation.from_quat(super_fibonacci(config.rotations), scalar_first=True)
    matrices, points = rotations.as_matrix(), _cube(half_b, pitch)
    found = []
    for start in range(0, config.rotations, BATCH):
        # a point x of the rotated map is the point R' x of the map before; x @ R is R' x
        rotated_maps = [
            _zero_padded(small_b.interpolate(points @ matrix), size) for matrix in matrices[start : start + BATCH]
        ]
        found.append(best_translations(fixed, np.array(rotated_maps)))
    heights, steps = (np.concatenate(parts) for parts in zip(*found, strict=True))
    chosen: list[int] = []
    for i in np.argsort(-heights, kind="stable").tolist():
        if all((rotations[i] * rotations[j].inv()).magnitude() > APART for j in chosen):
            chosen.append(i)
        if len(chosen) == config.optimised:
            break
    # a cube's middle lies at cell `half`, so the translation of one cube onto the other counts from there
    return [MapOverlay(float(heights[i]), matrices[i], (steps[i] - half_a + half_b) * pitch) for i in chosen]


def _cube(half: int, pitch: float) -> Floats:
    """(2 half + 1, .., .., 3) points of a cubic grid about the centre, angstroms."""
    axis = np.arange(-half, half + 1) * pitch
    return np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)


def _zero_padded(cube: Values, size: int) -> Values:
    """(size, size, size): the cube in its first corner, zeros elsewhere."""
    return np.pad(cube, (0, size - len(cube)))


EDGE = 4
"""Zeros around a map, in grid points, in which its splines fade out."""


class _CorrelationObjective:
    """The correlation of two maps and its derivatives at any pose about their centres."""

    def __init__(self, a: CentredMap, b: CentredMap) -> None:
        index = np.nonzero(a.values)
        self.weights = np.ascontiguousarray(a.values[index])
        self.points = np.ascontiguousarray(np.column_stack(index) * a.spacing + a.start)
        self.spline = scipy.ndimage.spline_filter(np.pad(b.values, EDGE), order=3, output=np.float32, mode="mirror")
        self.spacing, self.start = b.spacing, b.start - EDGE * b.spacing
        self.reach = b.reach
        squares = [float(np.square(one.values, dtype=np.float64).sum()) * one.spacing.prod() for one in (a, b)]
        self.norm = math.sqrt(squares[0] * squares[1]) / a.spacing.prod()

    def optimise(self, pose: MapOverlay) -> MapOverlay:
        """The best pose near by (BFGS); a rotation is measured by how far it moves the edge of the map."""
        scale = np.repeat([self.reach, 1.0], 3)
        found = scipy.optimize.minimize(
            lambda step: self._loss(pose, step / scale, scale), np.zeros(6), jac=True, method="BFGS"
        )
        return MapOverlay(-float(found.fun), *_moved_pose(pose, found.x / scale))

    def _loss(self, pose: MapOverlay, step: Floats, scale: Floats) -> tuple[float, Floats]:
        """Minus the correlation after a further rotation (its vector) and translation, and its derivatives."""
        gradient = np.empty(6)
        rotation, translation = _moved_pose(pose, step)
        value = map_correlation(
            self.points, self.weights, self.spline, self.spacing, self.start, rotation, translation, gradient
        )
        gradient[:3] = rotation_jacobian(step[:3]).T @ gradient[:3]
        return -value / self.norm, -gradient / scale / self.norm


def _moved_pose(pose: MapOverlay, step: Floats) -> tuple[Floats, Floats]:
    return rotate_by_vector(pose.rotation, np.ascontiguousarray(step[:3])), pose.translation + step[3:]


def rotation_jacobian(vector: Floats) -> Floats:
    """(3, 3) J with exp(v + d) = exp(J d) exp(v) to first order, for the vector v (3,) of a rotation.

    J = 1 + (1 - cos t) / t^2 [v] + (t - sin t) / t^3 [v]^2 with t = |v| and [v] x = v x x (J. Sola, J. Deray and
    D. Atchuthan, A micro Lie theory, 2018, eq. 145).
    """
    angle = float(np.linalg.norm(vector))
    cross = np.cross(np.eye(3), vector)
    if angle < 1e-4:
        return np.eye(3) + cross / 2
    first, second = (1 - math.cos(angle)) / angle**2, (angle - math.sin(angle)) / angle**3
    return np.asarray(np.eye(3) + first * cross + second * cross @ cross)


@jit_fast
def _cubic(at: float, weights: Floats, gradients: Floats) -> None:
    """The four cubic B-splines that reach a point `at`, from 0 to 1, between two grid points, and their derivatives."""
    rest = 1.0 - at
    weights[0], weights[3] = rest**3 / 6.0, at**3 / 6.0
    weights[1], weights[2] = 2.0 / 3.0 - at**2 * (1.0 - at / 2.0), 2.0 / 3.0 - rest**2 * (1.0 - rest / 2.0)
    gradients[0], gradients[3] = -(rest**2) / 2.0, at**2 / 2.0
    gradients[1], gradients[2] = at * (1.5 * at - 2.0), -rest * (1.5 * rest - 2.0)


@jit_fast
def map_correlation(
    points: Floats,
    weights: Values,
    spline: Values,
    spacing: Floats,
    start: Floats,
    rotation: Floats,
    translation: Floats,
    gradient: Floats,
) -> float:
    """sum_x A(x) B(R' (x - t)) with derivatives in a further rotation about the origin of B and a translation.

    Args:
        points, weights: (n, 3) and (n,); the points x, angstroms, and A there.
        spline, spacing, start: (nx, ny, nz), (3,), (3,); the cubic B-spline coefficients of B and their grid.
        rotation, translation: R, (3, 3), and t, (3,).
        gradient: (6,) written.
    """
    total = 0.0
    gradient.fill(0.0)
    position, first, pull = np.empty(3), np.empty(3, np.int64), np.empty(3)
    splines, gradients_at = np.empty((3, 4)), np.empty((3, 4))
    for i in range(len(points)):
        x, y, z = points[i, 0] - translation[0], points[i, 1] - translation[1], points[i, 2] - translation[2]
        inside = True
        for axis in range(3):
            position[axis] = (
                rotation[0, axis] * x + rotation[1, axis] * y + rotation[2, axis] * z - start[axis]
            ) / spacing[axis]
            inside = inside and 1.0 <= position[axis] < spline.shape[axis] - 2
        if not inside:
            continue
        for axis in range(3):
            cell = int(position[axis])
            first[axis] = cell - 1
            _cubic(position[axis] - cell, splines[axis], gradients_at[axis])
        value, gu, gv, gw = 0.0, 0.0, 0.0, 0.0
        for m in range(4):
            for n in range(4):
                row, bend = 0.0, 0.0
                for o in range(4):
                    here = spline[first[0] + m, first[1] + n, first[2] + o]
                    row += splines[2, o] * here
                    bend += gradients_at[2, o] * here
                both = splines[0, m] * splines[1, n]
                value += both * row
                gu += gradients_at[0, m] * splines[1, n] * row
                gv += splines[0, m] * gradients_at[1, n] * row
                gw += both * bend
        total += weights[i] * value
        gu, gv, gw = gu / spacing[0], gv / spacing[1], gw / spacing[2]
        for axis in range(3):
            pull[axis] = weights[i] * (rotation[axis, 0] * gu + rotation[axis, 1] * gv + rotation[axis, 2] * gw)
            gradient[3 + axis] -= pull[axis]
        gradient[0] -= y * pull[2] - z * pull[1]
        gradient[1] -= z * pull[0] - x * pull[2]
        gradient[2] -= x * pull[1] - y * pull[0]
    return total
