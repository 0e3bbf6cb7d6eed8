"""A proven upper bound beside the overlap that was found: branch and bound over all rotations and translations.

A *cell* is a box of motions: turns within `h_angle` of its middle, shifts within `h` along either axis. While a motion
stays in its cell, the place where a point p of the first shape looks the second shape up wanders by at most

    reach(p) = |p| h_angle + sqrt(2) h

(p measured from the first shape's centroid, the shift in the frame of the second shape). So what the point can
contribute anywhere in the cell is bounded by what the second shape holds within that reach:

- wide cells: 1 if the shape is within reach, else 0, read off a distance map; pixels are taken in blocks;
- narrow cells: the smaller of two bounds. To first order, each point gains the steepest slope nearby times its reach,
  up to 1. To second order, all points move together: the overlap gains its own slopes times the cell's half widths,
  and each point only what its slope can change by within reach.

The sum over the points bounds the cell. A cell whose bound is not above (1 + eps) times the best overlap known is done
with; any other is cut into eight. When no cell is left, no motion whatsoever beats the best by more than eps. Points
that see only the inside or only the outside of the second shape from all of a cell are settled for all of its parts.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.ndimage

from metricvae.core.errors import InputError
from metricvae.metrics.overlap.solver.planar import Effort, Prepared, check_pair, solve
from metricvae.metrics.overlap.solver.records import MOST_CELLS, Overlap
from metricvae.runtime.jit import jit_strict

Cells = npt.NDArray[np.float64]
"""(k, 3): the middles of cells: angle (radians), shift x and y in the frame of the second shape (pixels)."""

WIDEST = 8.0
"""Half width of the first cells in pixels."""

MARGIN = 16
"""Empty pixels around the second shape's maps; beyond them the distance is bounded by that to the edge."""

ROUNDING = 1e-6
"""Relative room for rounding; the sums are in float64, so this is ample."""


@dataclass(frozen=True)
class Certificate:
    """What is known about the maximum overlap.

    Attributes:
        overlap: the best motion found.
        upper: no motion overlaps by more pixels.
        gap: upper / overlap - 1.
        proven: whether the gap came below what was asked for.
        cells: cells that were bounded on the way.
    """

    overlap: Overlap
    upper: float
    gap: float
    proven: bool
    cells: int


@dataclass(frozen=True)
class _Maps:
    """The second shape, bordered by `MARGIN`.

    Attributes:
        squares: (H, W, 10) float32, of the square between a pixel and its right, lower and diagonal neighbours: its
            bilinear form (value, slope along u, slope along v, twist); the largest slope and the largest twist in the
            3 x 3 squares around it; by how much the slope can rise where a path leaves it to the left, right, top and
            bottom.
        distance: (H, W) from each pixel centre to the nearest point where the interpolated mask is not zero, pixels.
        x, y: the centroid.
    """

    squares: npt.NDArray[np.float32]
    distance: npt.NDArray[np.float32]
    x: float
    y: float


def certify(
    a: Prepared,
    b: Prepared,
    eps: float = 0.01,
    *,
    effort: Effort | None = None,
    most_cells: int = MOST_CELLS,
    on_progress: Callable[[int], None] | None = None,
) -> Certificate:
    """Maximum overlap of two shapes with a proof that nothing beats it by more than `eps`.

    Args:
        a: the shape that stays, canvas (H, W).
        b: the shape that moves, same canvas.
        eps: relative gap to prove, above 0.
        effort: of the search that finds the overlap.
        most_cells: give up after so many cells, and say how far the proof got.
        on_progress: told now and then how many cells are done.

    Raises:
        InputError: eps is not above 0, no cells are allowed, the canvases differ in size, or a shape is blank.
    """
    if not (math.isfinite(eps) and eps > 0):
        raise InputError(f"the gap to certify is {eps:g}: expected a fraction above 0, such as 0.01")
    if most_cells < 1:
        raise InputError(f"{most_cells} cells prove nothing: expected at least 1")
    check_pair(a, b)
    found = solve(a, b, effort)
    upper, cells = float(min(a.area, b.area)), 0
    report = on_progress or (lambda done: None)
    targets = [found.area * (1 + gap) for gap in (*LADDER, eps) if gap >= eps]
    open_targets = [target for target in targets if upper > target]
    if open_targets:
        search = _Search(a, b)
        for target in open_targets:  # what is proven on the way is kept where the last step takes too many cells
            proven, cells = search.prove(target, cells, most_cells, report)
            if not proven:
                break
            upper = target
    return Certificate(found, max(upper, found.area), max(0.0, upper / found.area - 1), upper <= targets[-1], cells)


LADDER = (0.5, 0.2, 0.1, 0.05, 0.02)
"""Gaps to prove before the one asked for; each takes several times as many cells as the one before."""


class _Search:
    """All motions of one pair of shapes, and what bounds them."""

    def __init__(self, a: Prepared, b: Prepared) -> None:
        self.maps = _maps(b)
        self.points = np.vstack([a.points, np.ones(a.area)]).astype(np.float64)
        away = np.hypot(self.points[0], self.points[1])
        # Radius at which a turn moves as far as a shift; large enough for the reach of narrow cells to stay below 1.
        self.radius = max(1.0 + float(np.sqrt(np.square(away).mean())), float(away.max()) / 2.4)
        self.first = _first_cells(a.radius + b.radius, self.radius)

    def prove(self, target: float, visited: int, most_cells: int, report: Callable[[int], None]) -> tuple[bool, int]:
        """Whether no motion overlaps by more than `target`, as far as `most_cells` allow.

        Returns that, and the cells visited by then.
        """
        half, cells = WIDEST, self.first
        target = target * (1 - ROUNDING)
        while half > NARROW:
            blocks = _blocks(self.points, 4 if half >= 4 else 2 if half >= 2 else 1)
            reach = _reach(blocks, half, half / self.radius) + blocks[3]
            left = np.empty(len(cells), dtype=np.bool_)
            _wide(blocks, reach, self.maps.distance, self.maps.x, self.maps.y, cells, target, left)
            visited += len(cells)
            cells = _cut(cells[left], half, half / self.radius)
            half /= 2
            if visited + len(cells) > most_cells:
                return False, visited
        maps = self.maps
        for start in range(0, len(cells), ROOTS_AT_ONCE):
            roots = cells[start : start + ROOTS_AT_ONCE]
            proven, bounded = _narrow(
                *(self.points, maps.squares, maps.x, maps.y, roots),
                *(half, half / self.radius, target, most_cells - visited),
            )
            visited += bounded
            report(visited)
            if not proven:
                return False, visited
        return True, visited


ROOTS_AT_ONCE = 1000
"""Narrow cells searched to the bottom between two reports of progress."""

NARROW = 0.25
"""Half width of the cells, in pixels, from which on slopes bound better than distances."""

DEEPEST = 16
"""Halvings of a narrow cell; by then it is a few millionths of a pixel wide."""


def _reach(points: npt.NDArray[np.float64], half: float, half_angle: float) -> npt.NDArray[np.float64]:
    return np.hypot(points[0], points[1]) * half_angle + math.sqrt(2) * half


def _first_cells(room: float, radius: float) -> Cells:
    """Boxes of half width `WIDEST` that hold every motion at which the two shapes can touch."""
    turns = math.ceil(math.pi / (WIDEST / radius))
    side = math.ceil(room / WIDEST)
    angle = (np.arange(turns) + 0.5) * (2 * math.pi / turns) - math.pi
    shift = (np.arange(side) + 0.5) * (2 * room / side) - room
    grid = np.meshgrid(angle, shift, shift, indexing="ij")
    return np.stack(grid, -1).reshape(-1, 3)


def _cut(cells: Cells, half: float, half_angle: float) -> Cells:
    """Each cell as eight of half its size."""
    steps = np.array(list(itertools.product((-0.5, 0.5), repeat=3))) * (half_angle, half, half)
    return (cells[:, None] + steps).reshape(-1, 3)


def _blocks(points: npt.NDArray[np.float64], side: int) -> npt.NDArray[np.float64]:
    """Pixels gathered into squares of `side`: (4, n) x, y of the middle, number of pixels, radius of the square."""
    if side == 1:
        return np.vstack([points, np.zeros(points.shape[1])])
    corner = np.floor((points[:2] - points[:2].min(1, keepdims=True) + 0.5) / side).astype(np.int64)
    places, counts = np.unique(corner, axis=1, return_counts=True)
    middle = places * side + (side - 1) / 2 + points[:2].min(1, keepdims=True)
    return np.vstack([middle, counts, np.full(len(counts), (side - 1) / math.sqrt(2))])


def _maps(b: Prepared) -> _Maps:
    value = np.pad(b.mask, MARGIN).astype(np.float32)
    here, right = value[:-1, :-1], value[:-1, 1:]
    below, across = value[1:, :-1], value[1:, 1:]
    # Bilinear in between: each partial derivative is largest and smallest on an edge of the square.
    along_u, along_v = np.stack([right - here, across - below]), np.stack([below - here, across - right])
    twist = across - right - below + here
    squares = np.zeros((*value.shape, 10), np.float32)
    inner = squares[:-1, :-1]
    inner[..., 0], inner[..., 1], inner[..., 2], inner[..., 3] = here, along_u[0], along_v[0], twist
    steep = np.hypot(np.abs(along_u).max(0), np.abs(along_v).max(0))
    inner[..., 4] = scipy.ndimage.maximum_filter(steep, 3)
    inner[..., 5] = scipy.ndimage.maximum_filter(np.abs(twist), 3)
    # Crossing a side changes the slope across it alone. On the way up there, only a rise counts.
    for side, (along, axis) in enumerate(((along_u, 1), (along_u, 1), (along_v, 0), (along_v, 0))):
        low, high = along.min(0), along.max(0)
        # right, bottom: steeper uphill beyond; left, top: less steep downhill beyond
        rise = np.roll(high, -1, axis) - low if side % 2 else high - np.roll(low, 1, axis)
        inner[..., 6 + side] = scipy.ndimage.maximum_filter(rise.clip(min=0), 3)
    # The interpolated mask is not zero within one pixel of a set one along both axes: whole pixels in these frames, so
    # the nearest such point of a pixel centre is a pixel centre.
    touched = scipy.ndimage.binary_dilation(value > 0, np.ones((3, 3), bool))
    distance = scipy.ndimage.distance_transform_edt(~touched).astype(np.float32)
    x, y = b.centroid
    return _Maps(squares, distance, x + MARGIN, y + MARGIN)


@jit_strict
def _wide(points, reach, distance, origin_x, origin_y, cells, target, left):  # type: ignore[no-untyped-def]
    """Which cells may exceed the target, counting the points that have the second shape within reach."""
    rows, columns = distance.shape
    weight_of_all = points[2].sum()
    for k in range(len(cells)):
        cos, sin = math.cos(cells[k, 0]), math.sin(cells[k, 0])
        start_u, start_v = origin_x - cells[k, 1], origin_y - cells[k, 2]
        missed = 0.0
        for i in range(points.shape[1]):
            u = cos * points[0, i] - sin * points[1, i] + start_u
            v = sin * points[0, i] + cos * points[1, i] + start_v
            near_u, near_v = min(max(u, 0.0), columns - 1.0), min(max(v, 0.0), rows - 1.0)
            column, row = int(near_u + 0.5), int(near_v + 0.5)
            # The distance map changes by no more than the way walked on it.
            away = math.sqrt((u - column) ** 2 + (v - row) ** 2)
            if u == near_u and v == near_v:
                if distance[row, column] - away >= reach[i]:
                    missed += points[2, i]
            elif max(abs(u - near_u), abs(v - near_v)) >= reach[i]:  # outside the map there is nothing
                missed += points[2, i]
            if weight_of_all - missed <= target:
                break
        left[k] = weight_of_all - missed > target


@jit_strict
def _narrow(  # type: ignore[no-untyped-def]
    points, squares, origin_x, origin_y, roots, half, half_angle, target, most_cells
):
    """Whether all cells below `roots` can be shown not to exceed the target, and how many were bounded.

    Depth first: `active[depth]` lists the points that are not settled for the cells of that depth, `settled[depth]` is
    what the others contribute.
    """
    rows, columns = squares.shape[0], squares.shape[1]
    count = points.shape[1]
    away = np.sqrt(points[0] ** 2 + points[1] ** 2)
    active = np.empty((DEEPEST + 2, count), dtype=np.int32)
    number = np.zeros(DEEPEST + 2, dtype=np.int64)
    settled = np.zeros(DEEPEST + 2)
    stack = np.empty((8 * (DEEPEST + 2), 3))
    depths = np.empty(8 * (DEEPEST + 2), dtype=np.int64)
    visited = 0
    number[0] = count
    for i in range(count):
        active[0, i] = i
    for root in range(len(roots)):
        stack[0] = roots[root]
        depths[0] = 0
        height = 1
        while height:
            height -= 1
            depth = depths[height]
            angle, shift_x, shift_y = stack[height, 0], stack[height, 1], stack[height, 2]
            h, h_angle = half / 2.0**depth, half_angle / 2.0**depth
            cos, sin = math.cos(angle), math.sin(angle)
            start_u, start_v = origin_x - shift_x, origin_y - shift_y
            visited += 1
            if visited > most_cells or depth > DEEPEST:
                return False, visited
            first, value, rest = settled[depth], settled[depth], 0.0
            slope_u, slope_v, turning = 0.0, 0.0, 0.0
            below, constant = 0, settled[depth]
            for j in range(number[depth]):
                i = active[depth, j]
                turned_u, turned_v = cos * points[0, i] - sin * points[1, i], sin * points[0, i] + cos * points[1, i]
                u, v = turned_u + start_u, turned_v + start_v
                if u < 2.0 or v < 2.0 or u >= columns - 3.0 or v >= rows - 3.0:  # empty: the margin exceeds the reach
                    continue
                column, row = int(u), int(v)
                square = squares[row, column]
                fu, fv = u - column, v - row
                here = square[0] + square[1] * fu + (square[2] + square[3] * fu) * fv
                steepest = square[4]
                if steepest == 0.0:
                    constant += here
                    first += here
                    value += here
                    continue
                active[depth + 1, below] = i
                below += 1
                reach = away[i] * h_angle + 1.4142135623730951 * h
                first += min(1.0, here + steepest * reach)
                value += here
                along_u, along_v = square[1] + square[3] * fv, square[2] + square[3] * fu
                slope_u += along_u
                slope_v += along_v
                turning += turned_u * along_v - turned_v * along_u
                rest += 0.5 * (square[5] * reach * reach + steepest * away[i] * h_angle * h_angle)
                rest += max(square[6] * max(0.0, reach - fu), square[7] * max(0.0, reach - 1.0 + fu))
                rest += max(square[8] * max(0.0, reach - fv), square[9] * max(0.0, reach - 1.0 + fv))
            second = value + (abs(slope_u) + abs(slope_v)) * h + abs(turning) * h_angle + rest
            if min(first, second) <= target:
                continue
            number[depth + 1], settled[depth + 1] = below, constant
            for part in range(8):
                stack[height, 0] = angle + (h_angle if part & 1 else -h_angle) / 2
                stack[height, 1] = shift_x + (h if part & 2 else -h) / 2
                stack[height, 2] = shift_y + (h if part & 4 else -h) / 2
                depths[height] = depth + 1
                height += 1
    return True, visited
