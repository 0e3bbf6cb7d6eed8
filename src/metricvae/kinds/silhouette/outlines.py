"""Outlines of masks: traced along pixel edges, divided into segments, or resampled at even spacing.

Places are in pixels from an origin, x to the right and y down.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metricvae.runtime.jit import jit_fast

Levels = npt.NDArray[np.uint8]
Vector = npt.NDArray[np.float64]

Outline = npt.NDArray[np.float32]
"""(4, n): the middle of each segment (x, y), and its outward normal (x, y), as long as the segment."""


Nodes = npt.NDArray[np.float32]
"""(2, n): the middles (x, y) of the pixel edges between inside and outside, loop after loop."""


@jit_fast
def trace(mask: Levels, origin_x: float, origin_y: float) -> tuple[Nodes, npt.NDArray[np.int64]]:
    """The outline of a mask, edge by edge, with the inside to the right.

    Where two pixels touch at a corner only, the outline separates them.

    Args:
        mask: (H, W) uint8 of 0 and 1.
        origin_x, origin_y: column and row of the origin.

    Returns:
        Nodes (2, n) float32; and (loops + 1,) the index at which each loop starts, and n.
    """
    padded = np.zeros((mask.shape[0] + 2, mask.shape[1] + 2), np.uint8)
    padded[1:-1, 1:-1] = mask
    done = np.zeros(padded.shape, np.uint8)
    nodes, count = np.empty((2, 2048), np.float32), 0
    starts = [0]
    for first_row in range(1, padded.shape[0]):
        for first in range(1, padded.shape[1]):
            if not padded[first_row, first] or padded[first_row - 1, first] or done[first_row, first]:
                continue
            row, column, right, down = first_row, first, 1, 0  # a corner of pixels, and the direction from there
            while right != 1 or not done[row, column]:
                if right == 1:
                    done[row, column] = 1
                if count == nodes.shape[1]:
                    nodes = np.concatenate((nodes, np.empty_like(nodes)), axis=1)
                nodes[0, count] = column + 0.5 * right - 1.5 - origin_x
                nodes[1, count] = row + 0.5 * down - 1.5 - origin_y
                count += 1
                column, row = column + right, row + down
                ahead_left = padded[row - (1 if right - down > 0 else 0), column - (1 if right + down < 0 else 0)]
                ahead_right = padded[row - (1 if right + down < 0 else 0), column - (1 if down - right > 0 else 0)]
                if ahead_left:
                    right, down = down, -right
                elif not ahead_right:
                    right, down = -down, right
            starts.append(count)
    return nodes[:, :count].copy(), np.array(starts)


@jit_fast
def segments(nodes: Nodes, starts: npt.NDArray[np.int64], length: int) -> Outline:
    """The outline in straight segments over about `length` pixel edges each, at least 4 to a loop.

    Args:
        nodes, starts: as `trace` gives them.
        length: pixel edges, at least 1.
    """
    most = 0
    for loop in range(len(starts) - 1):
        edges = starts[loop + 1] - starts[loop]
        most += max(4, edges // length + 1)
    outline, count = np.empty((4, most), np.float32), 0
    for loop in range(len(starts) - 1):
        start, edges = starts[loop], starts[loop + 1] - starts[loop]
        pieces = max(4, round(edges / length))
        for i in range(pieces):
            here, there = start + i * edges // pieces, start + (i + 1) * edges // pieces % edges
            x, y, next_x, next_y = nodes[0, here], nodes[1, here], nodes[0, there], nodes[1, there]
            outline[0, count], outline[1, count] = (x + next_x) / 2, (y + next_y) / 2
            outline[2, count], outline[3, count] = next_y - y, x - next_x
            count += 1
    return outline[:, :count].copy()


SMOOTHING = 2.0
"""Standard deviation, in pixel edges along the outline, of the Gaussian that smooths the steps between pixels."""


@jit_fast
def smooth_loop(nodes: Nodes, first: int, edges: int) -> Nodes:
    """One loop of an outline, `edges` nodes from `first` on, smoothed by a Gaussian along it: (2, edges)."""
    reach = int(3 * SMOOTHING)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / SMOOTHING) ** 2)
    weights /= weights.sum()
    loop = np.zeros((2, edges), np.float32)
    for i in range(edges):
        for k in range(2 * reach + 1):
            j = first + (i + k - reach) % edges
            loop[0, i] += np.float32(weights[k]) * nodes[0, j]
            loop[1, i] += np.float32(weights[k]) * nodes[1, j]
    return loop


@jit_fast
def resample_outline(
    nodes: Nodes, starts: npt.NDArray[np.int64], spacing: float, multiple: int, max_points: int
) -> npt.NDArray[np.float32]:
    """Points about `spacing` pixels apart along a smoothed outline, the longest loop first.

    A loop gets the multiple of `multiple` points that comes nearest to the spacing; loops of less than half of that are
    left out. Where `max_points` points do not cover the whole outline, the spacing is wider.

    Args:
        nodes, starts: as `trace` gives them.
        spacing: pixels.
        multiple: loops have a multiple of so many points.
        max_points: points in all, a multiple of `multiple`.

    Returns:
        (max_points, 4) float32: x, y, the row at which the point's loop starts, the number of points of the loop; zeros
        where there is no point.
    """
    loops = len(starts) - 1
    lengths = np.zeros(loops)
    for loop in range(loops):
        line = smooth_loop(nodes, starts[loop], starts[loop + 1] - starts[loop])
        lengths[loop] = _arc_lengths(line)[-1]
    points = np.zeros((max_points, 4), np.float32)
    step = max(spacing, lengths.sum() / max_points)
    count = 0
    for loop in np.argsort(-lengths):
        pieces = multiple * round(lengths[loop] / step / multiple)
        pieces = min(pieces, max_points - count)
        if pieces < multiple:
            continue
        line = smooth_loop(nodes, starts[loop], starts[loop + 1] - starts[loop])
        arc, edges, i = _arc_lengths(line), line.shape[1], 0
        for piece in range(pieces):
            place = arc[-1] * piece / pieces
            while arc[i + 1] <= place:
                i += 1
            share, after = np.float32((place - arc[i]) / (arc[i + 1] - arc[i])), (i + 1) % edges
            for axis in range(2):
                points[count + piece, axis] = line[axis, i] + share * (line[axis, after] - line[axis, i])
            points[count + piece, 2], points[count + piece, 3] = count, pieces
        count += pieces
    return points


@jit_fast
def resample_outlines(masks: Levels, spacing: float, multiple: int, max_points: int) -> npt.NDArray[np.float32]:
    """The points of `resample_outline` for masks (m, H, W), from the canvas centre: (m, max_points, 4)."""
    found = np.empty((len(masks), max_points, 4), np.float32)
    middle_x, middle_y = (masks.shape[2] - 1) / 2, (masks.shape[1] - 1) / 2
    for i in range(len(masks)):
        nodes, starts = trace(masks[i], middle_x, middle_y)
        found[i] = resample_outline(nodes, starts, spacing, multiple, max_points)
    return found


@jit_fast
def _arc_lengths(loop: Nodes) -> Vector:
    """Arc length along a closed line of n nodes from its start to each node, and its perimeter: (n + 1,)."""
    edges = loop.shape[1]
    arc = np.zeros(edges + 1)
    for i in range(edges):
        after = (i + 1) % edges
        arc[i + 1] = arc[i] + np.hypot(loop[0, after] - loop[0, i], loop[1, after] - loop[1, i])
    return arc
