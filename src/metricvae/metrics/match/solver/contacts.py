"""Compiled inner loops on edges: poses that lay one edge on another, draw them closer, and what speaks for each.

A pose (angle, x, y) maps a point p of the second piece to R p + (x, y), R = [[cos, -sin], [sin, cos]], both measured
from the canvas centres with y down. Features are in the order of `FEATURES`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from metricvae.runtime.jit import jit_fast

Field = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


class Side(NamedTuple):
    """A piece as the loops read it; see `metricvae.metrics.match.solver.edges.Edge` for its parts."""

    field: Field
    centre: Floats
    points: Floats
    normals: Floats
    bent: Floats
    corners: Indices
    turns: Floats


FEATURES = (
    "close",
    "close and bent",
    "depth",
    "gap",
    "smooth ends",
    "ends",
    "longest",
    "touching",
    "touching and bent",
)
"""What a pose is judged by."""

COUNT = len(FEATURES)

CLOSE, TOUCHING = 1.2, 0.6
"""Pixels at which a point of an edge counts 1/e as close to the other, and as touching it."""

FACING = 0.5
"""Cosine between a normal and the other edge's, turned round, from which on they face one another."""

DEEPEST = 12.0
"""Pixels of depth that count, at most."""

WIDEST = 7.0
"""Pixels between edges that face one another, from which on they have nothing to do with one another."""

SAME_TURN, SAME_PLACE = 0.12, 7.0
"""Radians and pixels within which two poses are one."""

REACHES = (5.0, 4.0, 3.0, 2.5, 2.0, 2.0)
"""Pixels within which points are drawn to the other edge, round by round."""

STEP, LAST_STEP, TURN = 1.0, 0.12, 0.02
"""Pixels of the first and the last small steps, and radians of turn for each pixel of them."""


@jit_fast
def _look(field: Field, x: float, y: float) -> tuple[float, float, float]:
    """Distance at a place between pixels, and its slopes."""
    height, width = field.shape
    x, y = min(max(x, 0.0), width - 2.001), min(max(y, 0.0), height - 2.001)
    i, j = int(y), int(x)
    fy, fx = y - i, x - j
    a, b, c, d = field[i, j], field[i, j + 1], field[i + 1, j], field[i + 1, j + 1]
    value = (a * (1 - fx) + b * fx) * (1 - fy) + (c * (1 - fx) + d * fx) * fy
    return value, (b - a) * (1 - fy) + (d - c) * fy, (c - a) * (1 - fx) + (d - b) * fx


@jit_fast
def laid(a: Side, b: Side, alike: Bools, angle: Floats, most: int) -> Floats:
    """The best poses that lay a point j of one edge on a point i of the other where `alike[i, j]`, (k, 4).

    Columns: a quick score, angle, x, y. Angles are `angle[i, j]`; of poses that are nearly the same the best is kept.
    """
    best, count, least = np.zeros((most, 4)), 0, -1e18
    field, centre, points, moved = a.field, a.centre, a.points, b.points
    height, width = field.shape
    for i in range(len(points)):
        for j in range(len(moved)):
            if not alike[i, j]:
                continue
            turn = angle[i, j]
            c, s = math.cos(turn), math.sin(turn)
            x = points[i, 0] - (c * moved[j, 0] - s * moved[j, 1])
            y = points[i, 1] - (s * moved[j, 0] + c * moved[j, 1])
            score = 0.0
            for k in range(0, len(moved), 2):
                u = c * moved[k, 0] - s * moved[k, 1] + x + centre[0]
                v = s * moved[k, 0] + c * moved[k, 1] + y + centre[1]
                column, row = int(min(max(u, 1.0), width - 2.0) + 0.5), int(min(max(v, 1.0), height - 2.0) + 0.5)
                column, row = min(column, width - 2), min(row, height - 2)
                off = field[row, column]
                if off < -2.5:
                    score -= 2.0 * min(-off - 2.5, DEEPEST)
                elif off < 2.0:
                    slope_x = field[row, column + 1] - field[row, column - 1]
                    slope_y = field[row + 1, column] - field[row - 1, column]
                    normal_x = c * b.normals[k, 0] - s * b.normals[k, 1]
                    normal_y = s * b.normals[k, 0] + c * b.normals[k, 1]
                    if -(normal_x * slope_x + normal_y * slope_y) > 2 * FACING:
                        score += 0.2 + b.bent[k]
            if score <= least and count == most:
                continue
            place = -1
            for q in range(count):
                apart = abs(best[q, 1] - turn)
                if (
                    min(apart, 2 * math.pi - apart) < SAME_TURN
                    and abs(best[q, 2] - x) + abs(best[q, 3] - y) < SAME_PLACE
                ):
                    place = q
                    break
            if place >= 0:
                if score <= best[place, 0]:
                    continue
            elif count < most:
                place, count = count, count + 1
            else:
                place = int(np.argmin(best[:, 0]))
            best[place, 0], best[place, 1], best[place, 2], best[place, 3] = score, turn, x, y
            if count == most:
                least = best[:, 0].min()
    return best[:count]


@jit_fast
def _along(points: Floats, row: int, step: int) -> int:
    """Row of the point `step` further along the loop."""
    start, length = int(points[row, 2]), int(points[row, 3])
    return start + (row - start + step) % length


@jit_fast
def cornered(a: Side, b: Side, slack: float) -> Floats:
    """Poses that lay corner on corner where both make a straight line, (k, 4): 0, angle, x, y.

    Of the two sides of each corner one is the cut, which is laid on the other's cut, and one the outline of the whole,
    which goes on in the other's; either may be either.
    """
    points, moved = a.points, b.points
    poses, count = np.zeros((2 * len(a.corners) * len(b.corners), 4)), 0
    for i in a.corners:
        for j in b.corners:
            if abs(a.turns[i] + b.turns[j] - math.pi) > slack:
                continue
            for side in (1, -1):
                sine, cosine = 0.0, 0.0
                for way, sign in ((side, -1.0), (-side, 1.0)):
                    near, far = _along(moved, j, way), _along(moved, j, 6 * way)
                    onto_near, onto_far = _along(points, i, -way), _along(points, i, -6 * way)
                    u, v = moved[far, 0] - moved[near, 0], moved[far, 1] - moved[near, 1]
                    p = sign * (points[onto_far, 0] - points[onto_near, 0])
                    q = sign * (points[onto_far, 1] - points[onto_near, 1])
                    sine += u * q - v * p
                    cosine += u * p + v * q
                turn = math.atan2(sine, cosine)
                c, s = math.cos(turn), math.sin(turn)
                poses[count, 1] = turn
                poses[count, 2] = points[i, 0] - (c * moved[j, 0] - s * moved[j, 1])
                poses[count, 3] = points[i, 1] - (s * moved[j, 0] + c * moved[j, 1])
                count += 1
    return poses[:count]


@jit_fast
def _closer_points(a: Side, b: Side, angle: float, x: float, y: float, reach: float) -> tuple[float, float, float]:
    """One round of iterated closest points: the motion that brings the points within reach onto the edge."""
    c, s, count, moved, normals = math.cos(angle), math.sin(angle), 0, b.points, b.normals
    pairs = np.empty((len(moved), 4))
    for k in range(len(moved)):
        u, v = c * moved[k, 0] - s * moved[k, 1] + x, s * moved[k, 0] + c * moved[k, 1] + y
        off, slope_x, slope_y = _look(a.field, u + a.centre[0], v + a.centre[1])
        if abs(off) >= reach:
            continue
        normal_x, normal_y = c * normals[k, 0] - s * normals[k, 1], s * normals[k, 0] + c * normals[k, 1]
        steep = slope_x * slope_x + slope_y * slope_y + 1e-6
        if -(normal_x * slope_x + normal_y * slope_y) > 0.4 * math.sqrt(steep):
            pairs[count, 0], pairs[count, 1] = u - off * slope_x / steep, v - off * slope_y / steep
            pairs[count, 2], pairs[count, 3] = moved[k, 0], moved[k, 1]
            count += 1
    if count < 4:
        return angle, x, y
    mean = np.zeros(4)
    for k in range(count):
        mean += pairs[k] / count
    cosine, sine = 0.0, 0.0
    for k in range(count):
        u, v, p, q = pairs[k] - mean
        cosine += u * p + v * q
        sine += v * p - u * q
    angle = math.atan2(sine, cosine)
    c, s = math.cos(angle), math.sin(angle)
    return angle, mean[0] - (c * mean[2] - s * mean[3]), mean[1] - (s * mean[2] + c * mean[3])


@jit_fast
def _judge(a: Side, b: Side, angle: float, x: float, y: float, found: Floats, touches: Indices) -> None:
    """Adds to `found` what the points of the moved piece say, but for the ends; `touches`: which of them touch."""
    c, s, moved, normals, bent = math.cos(angle), math.sin(angle), b.points, b.normals, b.bent
    for k in range(len(moved)):
        u, v = c * moved[k, 0] - s * moved[k, 1] + x, s * moved[k, 0] + c * moved[k, 1] + y
        off, slope_x, slope_y = _look(a.field, u + a.centre[0], v + a.centre[1])
        touches[k] = 0
        if off < -1.0:
            found[2] += min(-off - 1.0, DEEPEST)
        normal_x, normal_y = c * normals[k, 0] - s * normals[k, 1], s * normals[k, 0] + c * normals[k, 1]
        facing = -(normal_x * slope_x + normal_y * slope_y) / math.sqrt(slope_x**2 + slope_y**2 + 1e-6)
        if facing <= FACING:
            continue
        close, touching = math.exp(-((off / CLOSE) ** 2)), math.exp(-((off / TOUCHING) ** 2))
        found[0] += close
        found[1] += close * bent[k]
        found[7] += touching
        found[8] += touching * bent[k]
        if abs(off) < 1.5:
            touches[k] = 1
        if 1.0 < off < WIDEST:
            found[3] += min(off - 1.0, 3.0) / 3.0


@jit_fast
def _bridge(start: int, length: int, touches: Indices) -> None:
    """Closes gaps of one or two points of a loop."""
    for k in range(length):
        if touches[start + k] != 1 or touches[start + (k + 1) % length]:
            continue
        for gap in range(2, 4):
            if touches[start + (k + gap) % length] == 1:
                for inner in range(1, gap):
                    touches[start + (k + inner) % length] = 2
                break


@jit_fast
def _ends(points: Floats, moved: Floats, touches: Indices, angle: float, x: float, y: float, found: Floats) -> None:
    """Adds to `found` the ends of the stretches that touch: how many go on smoothly in the other edge, and how many."""
    start = 0
    while start < len(moved):
        length = int(moved[start, 3])
        _bridge(start, length, touches)
        for k in range(length):
            if not touches[start + k] or touches[start + (k + 1) % length]:
                continue
            run = 1
            while run < length and touches[start + (k - run) % length]:
                run += 1
            if run >= 3:
                found[6] = max(found[6], run)
                for side in (1, -1):
                    end = start + (k if side == 1 else k - run + 1) % length
                    found[4] += _smoothness(points, moved, end, side, angle, x, y)
                    found[5] += 1.0
        start += length


@jit_fast
def _smoothness(points: Floats, moved: Floats, end: int, side: int, angle: float, x: float, y: float) -> float:
    """1 where the outline goes straight on from the moved edge into the other at the end of a stretch, else down to 0.

    The moved edge leaves the stretch with `side`, the other, run the other way, against it.
    """
    c, s = math.cos(angle), math.sin(angle)
    u, v = c * moved[end, 0] - s * moved[end, 1] + x, s * moved[end, 0] + c * moved[end, 1] + y
    nearest, row = 1e18, 0
    for k in range(len(points)):
        apart = (points[k, 0] - u) ** 2 + (points[k, 1] - v) ** 2
        if apart < nearest:
            nearest, row = apart, k
    near, far = _along(moved, end, 2 * side), _along(moved, end, 6 * side)
    other_near, other_far = _along(points, row, -2 * side), _along(points, row, -6 * side)
    away_x, away_y = moved[far, 0] - moved[near, 0], moved[far, 1] - moved[near, 1]
    out_x, out_y = c * away_x - s * away_y, s * away_x + c * away_y
    back_x, back_y = points[other_far, 0] - points[other_near, 0], points[other_far, 1] - points[other_near, 1]
    over_x = points[other_near, 0] - (c * moved[near, 0] - s * moved[near, 1] + x)
    over_y = points[other_near, 1] - (s * moved[near, 0] + c * moved[near, 1] + y)
    turn = math.atan2(out_x * back_y - out_y * back_x, -(out_x * back_x + out_y * back_y))
    step = math.atan2(out_x * over_y - out_y * over_x, -(out_x * over_x + out_y * over_y))
    return math.exp(-((turn / 0.4) ** 2) - (step / 0.5) ** 2)


@jit_fast
def _weighed(
    a: Side, b: Side, pose: Floats, weights: Floats, found: Floats, touches: Indices, other_touches: Indices
) -> float:
    """The evidence for a pose (3,); features, what either edge says of the other on average, go to `found`."""
    angle, x, y = pose[0], pose[1], pose[2]
    c, s = math.cos(angle), math.sin(angle)
    back_x, back_y = -(c * x + s * y), -(c * y - s * x)
    found[:] = 0.0
    _judge(a, b, angle, x, y, found, touches)
    _ends(a.points, b.points, touches, angle, x, y, found)
    longest, found[6] = found[6], 0.0
    _judge(b, a, -angle, back_x, back_y, found, other_touches)
    _ends(b.points, a.points, other_touches, -angle, back_x, back_y, found)
    found[6] += longest
    score = 0.0
    for k in range(COUNT):
        found[k] /= 2
        score += weights[k] * found[k]
    return score


@jit_fast
def rate(a: Side, b: Side, poses: Floats, weights: Floats) -> None:
    """Write the evidence for each of `poses` (k, 4) into its first column."""
    found = np.zeros(COUNT)
    touches, other_touches = np.zeros(len(b.points), np.int64), np.zeros(len(a.points), np.int64)
    for q in range(len(poses)):
        poses[q, 0] = _weighed(a, b, poses[q, 1:], weights, found, touches, other_touches)


@jit_fast
def closer(a: Side, b: Side, poses: Floats, promise: Floats, weights: Floats, climbed: int) -> Floats:
    """Draw poses (k, 4) closer, let the most promising make small steps; (k, 4 + COUNT): score, pose, features.

    Args:
        promise: weights by which the `climbed` poses are chosen.
        weights: of the score, and of the steps.
    """
    reached, order = np.zeros((len(poses), 4 + COUNT)), np.zeros(len(poses))
    touches, other_touches = np.zeros(len(b.points), np.int64), np.zeros(len(a.points), np.int64)
    found, tried = np.zeros(COUNT), np.zeros(3)
    for q in range(len(poses)):
        pose = reached[q, 1:4]
        pose[:] = poses[q, 1:]
        for reach in REACHES:
            pose[0], pose[1], pose[2] = _closer_points(a, b, pose[0], pose[1], pose[2], reach)
        reached[q, 0] = _weighed(a, b, pose, weights, found, touches, other_touches)
        reached[q, 4:] = found
        order[q] = -(promise * found).sum()
    for q in np.argsort(order)[:climbed]:
        pose, step = reached[q, 1:4], STEP
        while step > LAST_STEP:
            moves = False
            for axis in range(3):
                for sign in (-1.0, 1.0):
                    tried[:] = pose
                    tried[axis] += sign * step * (TURN if axis == 0 else 1.0)
                    score = _weighed(a, b, tried, weights, found, touches, other_touches)
                    if score > reached[q, 0]:
                        reached[q, 0], moves = score, True
                        pose[:] = tried
                        reached[q, 4:] = found
            if not moves:
                step /= 2
    return reached
