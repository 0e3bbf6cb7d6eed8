"""A proven upper bound of the maximum overlap: branch and bound over all rotations and translations.

A *cell* is a box of motions, and the bound of the overlap in a cell is derived in
:mod:`metricvae.metrics.overlap.solver.cell_bounds`. A cell whose bound is not above (1 + eps) times the best overlap
known is discarded, any other is split into eight. When no cell is left, no motion beats the best by more than eps.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metricvae.core.errors import InputError
from metricvae.metrics.overlap.solver.cell_bounds import (
    bound_narrow_cells,
    displacements,
    mark_wide_cells,
    pixel_blocks,
    shape_maps,
)
from metricvae.metrics.overlap.solver.records import MAX_CELLS, Overlap
from metricvae.metrics.overlap.solver.search import PreparedMask, SearchConfig, check_pair, solve

Cells = npt.NDArray[np.float64]
"""(k, 3) middles of cells: angle (radians), shift x and y in the frame of the second shape (pixels)."""

FIRST_HALF_WIDTH = 8.0
"""Half width of the first cells in pixels."""

ROUNDING_ERROR = 1e-6
"""Relative allowance for rounding errors; the sums are in float64, so this is ample."""


@dataclass(frozen=True)
class Certificate:
    """The maximum overlap of a pair with a proven upper bound.

    Attributes:
        overlap: the best motion found.
        upper: no motion overlaps by more pixels.
        gap: upper / overlap - 1.
        proven: whether the gap is at most the one requested.
        cells: number of cells that were bounded.
    """

    overlap: Overlap
    upper: float
    gap: float
    proven: bool
    cells: int


def certify(
    a: PreparedMask,
    b: PreparedMask,
    eps: float = 0.01,
    *,
    config: SearchConfig | None = None,
    max_cells: int = MAX_CELLS,
    on_progress: Callable[[int], None] | None = None,
) -> Certificate:
    """Maximum overlap of two shapes with a proof that nothing beats it by more than `eps`.

    Args:
        a: the shape that stays, canvas (H, W).
        b: the shape that moves, same canvas.
        eps: relative gap to prove, above 0.
        config: of the search that finds the overlap.
        max_cells: stop after so many cells, with the bound that was proven by then.
        on_progress: called at times with the number of cells that are bounded.

    Raises:
        InputError: eps is not above 0, no cells are allowed, the canvases differ in size, or a shape is blank.
    """
    if not (math.isfinite(eps) and eps > 0):
        raise InputError(f"the gap to certify is {eps:g}: expected a fraction above 0, such as 0.01")
    if max_cells < 1:
        raise InputError(f"{max_cells} cells prove nothing: expected at least 1")
    check_pair(a, b)
    found = solve(a, b, config)
    upper, cells = float(min(a.area, b.area)), 0
    report = on_progress or (lambda done: None)
    targets = [found.area * (1 + gap) for gap in (*INTERMEDIATE_GAPS, eps) if gap >= eps]
    open_targets = [target for target in targets if upper > target]
    if open_targets:
        search = _BranchAndBound(a, b)
        for target in open_targets:  # a wider bound holds where the last one takes too many cells
            proven, cells = search.prove(target, cells, max_cells, report)
            if not proven:
                break
            upper = target
    return Certificate(found, max(upper, found.area), max(0.0, upper / found.area - 1), upper <= targets[-1], cells)


INTERMEDIATE_GAPS = (0.5, 0.2, 0.1, 0.05, 0.02)
"""Gaps to prove before the one requested; each takes several times as many cells as the one before."""


class _BranchAndBound:
    """Branch and bound over all motions of one pair of shapes."""

    def __init__(self, a: PreparedMask, b: PreparedMask) -> None:
        self.maps = shape_maps(b)
        self.points = np.vstack([a.points, np.ones(a.area)]).astype(np.float64)
        away = np.hypot(self.points[0], self.points[1])
        # Radius at which a rotation moves as far as a shift; large enough to keep d(p) of narrow cells below 1.
        self.radius = max(1.0 + float(np.sqrt(np.square(away).mean())), float(away.max()) / 2.4)
        self.first = _first_cells(a.radius + b.radius, self.radius)

    def prove(self, target: float, visited: int, max_cells: int, report: Callable[[int], None]) -> tuple[bool, int]:
        """Prove that no motion overlaps by more than a number of pixels.

        Args:
            target: pixels.
            visited: cells bounded before.
            max_cells: bound on the cells, those before included.
            report: called with the number of cells bounded so far.

        Returns:
            Whether that is proven, and the number of cells bounded so far.
        """
        half, cells = FIRST_HALF_WIDTH, self.first
        target = target * (1 - ROUNDING_ERROR)
        while half > NARROW_HALF_WIDTH:
            blocks = pixel_blocks(self.points, 4 if half >= 4 else 2 if half >= 2 else 1)
            reach = displacements(blocks, half, half / self.radius) + blocks[3]
            left = np.empty(len(cells), dtype=np.bool_)
            mark_wide_cells(blocks, reach, self.maps.distance, self.maps.x, self.maps.y, cells, target, left)
            visited += len(cells)
            cells = _split_cells(cells[left], half, half / self.radius)
            half /= 2
            if visited + len(cells) > max_cells:
                return False, visited
        maps = self.maps
        for start in range(0, len(cells), CELLS_PER_REPORT):
            roots = cells[start : start + CELLS_PER_REPORT]
            proven, bounded = bound_narrow_cells(
                *(self.points, maps.squares, maps.x, maps.y, roots),
                *(half, half / self.radius, target, max_cells - visited),
            )
            visited += bounded
            report(visited)
            if not proven:
                return False, visited
        return True, visited


CELLS_PER_REPORT = 1000
"""Narrow cells that are searched between two reports of progress."""

NARROW_HALF_WIDTH = 0.25
"""Half width of the cells, in pixels, from which on gradients bound better than distances."""


def _first_cells(extent: float, radius: float) -> Cells:
    """Cells of half width `FIRST_HALF_WIDTH` that cover all rotations and shifts up to `extent` pixels."""
    rotations = math.ceil(math.pi / (FIRST_HALF_WIDTH / radius))
    side = math.ceil(extent / FIRST_HALF_WIDTH)
    angle = (np.arange(rotations) + 0.5) * (2 * math.pi / rotations) - math.pi
    shift = (np.arange(side) + 0.5) * (2 * extent / side) - extent
    grid = np.meshgrid(angle, shift, shift, indexing="ij")
    return np.stack(grid, -1).reshape(-1, 3)


def _split_cells(cells: Cells, half: float, half_angle: float) -> Cells:
    """Each cell split into eight of half its width."""
    steps = np.array(list(itertools.product((-0.5, 0.5), repeat=3))) * (half_angle, half, half)
    return (cells[:, None] + steps).reshape(-1, 3)
