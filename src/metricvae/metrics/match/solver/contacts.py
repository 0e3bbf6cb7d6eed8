"""Compiled inner loops over contours of pieces: candidate poses, their refinement, and the features that score a pose.

Poses (angle, x, y) follow the convention of :mod:`metricvae.metrics.overlap.solver.poses`, with the canvas centre as
the origin in both pieces: a point p of the second piece goes to R p + (x, y), R = [[c, s], [-s, c]] with the cosine c
and the sine s of the angle. Features are in the order of `FEATURES`.
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


class EdgeArrays(NamedTuple):
    """A piece as the compiled loops read it; see `metricvae.metrics.match.solver.edges.Edge` for its parts."""

    distance: Field
    centre: Floats
    points: Floats
    normals: Floats
    deviation: Floats
    corners: Indices
    turning: Floats


FEATURES = (
    "close",
    "close and curved",
    "depth",
    "gap",
    "smooth ends",
    "ends",
    "longest",
    "touching",
    "touching and curved",
)
"""The features of a pose, summed over the points of an edge."""

COUNT = len(FEATURES)

CLOSE, TOUCHING = 1.2, 0.6
"""Pixels at which a point of an edge counts 1/e as close to the other, and as touching it."""

FACING = 0.5
"""Cosine between a normal and the reversed normal of the other edge from which on they face one another."""

MAX_DEPTH = 12.0
"""Pixels of penetration that count, at most."""

MAX_GAP = 7.0
"""Pixels between edges that face one another, from which on the gap is no feature."""

SAME_ANGLE, SAME_PLACE = 0.12, 7.0
"""Radians and pixels within which two poses are one."""

ICP_DISTANCES = (5.0, 4.0, 3.0, 2.5, 2.0, 2.0)
"""Pixels within which points correspond, in each round of iterated closest points."""

FIRST_STEP, LAST_STEP, RADIANS_PER_PIXEL = 1.0, 0.12, 0.02
"""Pixels of the first and the last step of the coordinate search, and radians of rotation per pixel of step."""


@jit_fast
def _rotate(c: float, s: float, x: float, y: float) -> tuple[float, float]:
    """R (x, y), with c and s the cosine and the sine of the angle."""
    return c * x + s * y, c * y - s * x


@jit_fast
def _distance_and_gradient(distance: Field, x: float, y: float) -> tuple[float, float, float]:
    """Signed distance at column x and row y of a distance field, bilinear, and its derivatives along x and y."""
    height, width = distance.shape
    x, y = min(max(x, 0.0), width - 2.001), min(max(y, 0.0), height - 2.001)
    i, j = int(y), int(x)
    fy, fx = y - i, x - j
    a, b, c, d = distance[i, j], distance[i, j + 1], distance[i + 1, j], distance[i + 1, j + 1]
    value = (a * (1 - fx) + b * fx) * (1 - fy) + (c * (1 - fx) + d * fx) * fy
    return value, (b - a) * (1 - fy) + (d - c) * fy, (c - a) * (1 - fx) + (d - b) * fx


@jit_fast
def poses_from_arcs(a: EdgeArrays, b: EdgeArrays, similar: Bools, angle: Floats, most: int) -> Floats:
    """The best poses that put a point j of one edge on a point i of the other where `similar[i, j]`.

    Of poses that are nearly the same (`SAME_ANGLE`, `SAME_PLACE`) the best is kept.

    Args:
        a, b: the piece that stays and the one that moves.
        similar: (n_a, n_b) whether the arcs around two points match.
        angle: (n_a, n_b) radians by which the second arc is rotated onto the first.
        most: number of poses.

    Returns:
        (k, 4): a quick score, angle, x, y.
    """
    best, count, least = np.zeros((most, 4)), 0, -1e18
    for i in range(len(a.points)):
        for j in range(len(b.points)):
            if not similar[i, j]:
                continue
            c, s = math.cos(angle[i, j]), math.sin(angle[i, j])
            u, v = _rotate(c, s, b.points[j, 0], b.points[j, 1])
            x, y = a.points[i, 0] - u, a.points[i, 1] - v
            score = _quick_score(a, b, c, s, x, y)
            if score <= least and count == most:
                continue
            count = _insert_pose(best, count, score, angle[i, j], x, y)
            if count == most:
                least = best[:, 0].min()
    return best[:count]


@jit_fast
def _quick_score(a: EdgeArrays, b: EdgeArrays, c: float, s: float, x: float, y: float) -> float:
    """Score of a pose from every other point of the moved edge, with the distance field at the nearest pixel.

    A point deeper than 2.5 pixels inside the other piece costs twice its further depth; one within 2 pixels of the
    other edge, and facing it, counts 0.2 and the deviation of its arc from a line.
    """
    distance, centre, points = a.distance, a.centre, b.points
    height, width = distance.shape
    score = 0.0
    for k in range(0, len(points), 2):
        u, v = _rotate(c, s, points[k, 0], points[k, 1])
        u, v = u + x + centre[0], v + y + centre[1]
        column, row = int(min(max(u, 1.0), width - 2.0) + 0.5), int(min(max(v, 1.0), height - 2.0) + 0.5)
        column, row = min(column, width - 2), min(row, height - 2)
        off = distance[row, column]
        if off < -2.5:
            score -= 2.0 * min(-off - 2.5, MAX_DEPTH)
        elif off < 2.0:
            slope_x = distance[row, column + 1] - distance[row, column - 1]
            slope_y = distance[row + 1, column] - distance[row - 1, column]
            normal_x, normal_y = _rotate(c, s, b.normals[k, 0], b.normals[k, 1])
            if -(normal_x * slope_x + normal_y * slope_y) > 2 * FACING:
                score += 0.2 + b.deviation[k]
    return score


@jit_fast
def _insert_pose(best: Floats, count: int, score: float, angle: float, x: float, y: float) -> int:
    """Put a pose into `best` (most, 4), `count` rows of which are taken; returns how many are taken then.

    It takes the place of a pose that is nearly the same if it scores more, else a free row, else that of the lowest.
    """
    for row in range(count):
        apart = abs(best[row, 1] - angle)
        if min(apart, 2 * math.pi - apart) < SAME_ANGLE and abs(best[row, 2] - x) + abs(best[row, 3] - y) < SAME_PLACE:
            if score > best[row, 0]:
                best[row, 0], best[row, 1], best[row, 2], best[row, 3] = score, angle, x, y
            return count
    row = count if count < len(best) else int(np.argmin(best[:, 0]))
    best[row, 0], best[row, 1], best[row, 2], best[row, 3] = score, angle, x, y
    return min(count + 1, len(best))


@jit_fast
def _along(points: Floats, row: int, step: int) -> int:
    """Row of the point `step` further along the loop."""
    start, length = int(points[row, 2]), int(points[row, 3])
    return start + (row - start + step) % length


@jit_fast
def poses_from_corners(a: EdgeArrays, b: EdgeArrays, slack: float) -> Floats:
    """Poses that put corner on corner where the two make a straight line together.

    Of the two sides of each corner one is the cut, which coincides with the other piece's cut, and one the outline of
    the whole, which continues in the other piece's; either may be either. The angle is the one that maximises the sum
    of the scalar products of both pairs of directions: tan(angle) = sum of cross products / sum of dot products.

    Args:
        a, b: the piece that stays and the one that moves.
        slack: radians by which the sum of both turning angles may differ from pi.

    Returns:
        (k, 4): 0, angle, x, y.
    """
    points, moved = a.points, b.points
    poses, count = np.zeros((2 * len(a.corners) * len(b.corners), 4)), 0
    for i in a.corners:
        for j in b.corners:
            if abs(a.turning[i] + b.turning[j] - math.pi) > slack:
                continue
            for side in (1, -1):
                sine, cosine = 0.0, 0.0
                for direction, sign in ((side, -1.0), (-side, 1.0)):
                    near, far = _along(moved, j, direction), _along(moved, j, 6 * direction)
                    onto_near, onto_far = _along(points, i, -direction), _along(points, i, -6 * direction)
                    u, v = moved[far, 0] - moved[near, 0], moved[far, 1] - moved[near, 1]
                    p = sign * (points[onto_far, 0] - points[onto_near, 0])
                    q = sign * (points[onto_far, 1] - points[onto_near, 1])
                    sine += v * p - u * q
                    cosine += u * p + v * q
                angle = math.atan2(sine, cosine)
                x, y = _rotate(math.cos(angle), math.sin(angle), moved[j, 0], moved[j, 1])
                poses[count, 1], poses[count, 2], poses[count, 3] = angle, points[i, 0] - x, points[i, 1] - y
                count += 1
    return poses[:count]


@jit_fast
def _icp_step(
    a: EdgeArrays, b: EdgeArrays, angle: float, x: float, y: float, reach: float
) -> tuple[float, float, float]:
    """One round of iterated closest points (Besl and McKay 1992): the least-squares pose of the correspondences.

    A point of the moved edge that lies within `reach` of the other edge, and faces it, corresponds to its foot on that
    edge, p - d grad d / |grad d|^2 with d the signed distance. With both sets centred on their means, the angle of the
    least-squares rotation (Horn 1987) is atan2(sum of cross products, sum of dot products).
    """
    c, s, count, moved, normals = math.cos(angle), math.sin(angle), 0, b.points, b.normals
    pairs = np.empty((len(moved), 4))
    for k in range(len(moved)):
        u, v = _rotate(c, s, moved[k, 0], moved[k, 1])
        u, v = u + x, v + y
        off, slope_x, slope_y = _distance_and_gradient(a.distance, u + a.centre[0], v + a.centre[1])
        if abs(off) >= reach:
            continue
        normal_x, normal_y = _rotate(c, s, normals[k, 0], normals[k, 1])
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
        sine += u * q - v * p
    angle = math.atan2(sine, cosine)
    u, v = _rotate(math.cos(angle), math.sin(angle), mean[2], mean[3])
    return angle, mean[0] - u, mean[1] - v


@jit_fast
def _add_point_features(
    a: EdgeArrays, b: EdgeArrays, angle: float, x: float, y: float, features: Floats, touches: Indices
) -> None:
    """Add to `features` those of the points of the moved edge, without its ends; mark in `touches` those that touch."""
    c, s, moved, normals, deviation = math.cos(angle), math.sin(angle), b.points, b.normals, b.deviation
    for k in range(len(moved)):
        u, v = _rotate(c, s, moved[k, 0], moved[k, 1])
        u, v = u + x, v + y
        off, slope_x, slope_y = _distance_and_gradient(a.distance, u + a.centre[0], v + a.centre[1])
        touches[k] = 0
        if off < -1.0:
            features[2] += min(-off - 1.0, MAX_DEPTH)
        normal_x, normal_y = _rotate(c, s, normals[k, 0], normals[k, 1])
        facing = -(normal_x * slope_x + normal_y * slope_y) / math.sqrt(slope_x**2 + slope_y**2 + 1e-6)
        if facing <= FACING:
            continue
        close, touching = math.exp(-((off / CLOSE) ** 2)), math.exp(-((off / TOUCHING) ** 2))
        features[0] += close
        features[1] += close * deviation[k]
        features[7] += touching
        features[8] += touching * deviation[k]
        if abs(off) < 1.5:
            touches[k] = 1
        if 1.0 < off < MAX_GAP:
            features[3] += min(off - 1.0, 3.0) / 3.0


@jit_fast
def _close_gaps(start: int, length: int, touches: Indices) -> None:
    """Mark points between touching ones as touching where at most two of a loop are missing."""
    for k in range(length):
        if touches[start + k] != 1 or touches[start + (k + 1) % length]:
            continue
        for gap in range(2, 4):
            if touches[start + (k + gap) % length] == 1:
                for inner in range(1, gap):
                    touches[start + (k + inner) % length] = 2
                break


@jit_fast
def _add_end_features(
    points: Floats, moved: Floats, touches: Indices, angle: float, x: float, y: float, features: Floats
) -> None:
    """Add to `features` the ends of the arcs that touch: their number, how smoothly they continue, and the longest."""
    start = 0
    while start < len(moved):
        length = int(moved[start, 3])
        _close_gaps(start, length, touches)
        for k in range(length):
            if not touches[start + k] or touches[start + (k + 1) % length]:
                continue
            run = 1
            while run < length and touches[start + (k - run) % length]:
                run += 1
            if run >= 3:
                features[6] = max(features[6], run)
                for side in (1, -1):
                    end = start + (k if side == 1 else k - run + 1) % length
                    features[4] += _smoothness(points, moved, end, side, angle, x, y)
                    features[5] += 1.0
        start += length


@jit_fast
def _smoothness(points: Floats, moved: Floats, end: int, side: int, angle: float, x: float, y: float) -> float:
    """1 where the outline goes straight on from the moved edge into the other at the end of an arc, else down to 0.

    The moved edge leaves the arc in direction `side`, and the other edge, which runs the other way, against it. The
    value is exp(-(t / 0.4)^2 - (o / 0.5)^2), with t the angle between the directions in which both leave, and o the
    angle of the step from one to the other.
    """
    c, s = math.cos(angle), math.sin(angle)
    u, v = _rotate(c, s, moved[end, 0], moved[end, 1])
    u, v = u + x, v + y
    nearest, row = 1e18, 0
    for k in range(len(points)):
        apart = (points[k, 0] - u) ** 2 + (points[k, 1] - v) ** 2
        if apart < nearest:
            nearest, row = apart, k
    near, far = _along(moved, end, 2 * side), _along(moved, end, 6 * side)
    other_near, other_far = _along(points, row, -2 * side), _along(points, row, -6 * side)
    out_x, out_y = _rotate(c, s, moved[far, 0] - moved[near, 0], moved[far, 1] - moved[near, 1])
    back_x, back_y = points[other_far, 0] - points[other_near, 0], points[other_far, 1] - points[other_near, 1]
    near_x, near_y = _rotate(c, s, moved[near, 0], moved[near, 1])
    over_x, over_y = points[other_near, 0] - (near_x + x), points[other_near, 1] - (near_y + y)
    bend = math.atan2(out_x * back_y - out_y * back_x, -(out_x * back_x + out_y * back_y))
    offset = math.atan2(out_x * over_y - out_y * over_x, -(out_x * over_x + out_y * over_y))
    return math.exp(-((bend / 0.4) ** 2) - (offset / 0.5) ** 2)


@jit_fast
def _score(
    a: EdgeArrays,
    b: EdgeArrays,
    pose: Floats,
    weights: Floats,
    features: Floats,
    touches: Indices,
    other_touches: Indices,
) -> float:
    """Score of a pose (3,): the weighted sum of its features, which are written to `features`.

    Features are means over both directions: points of the second edge against the first, and the reverse with the
    inverse pose, (-angle, -R^T (x, y)).
    """
    angle, x, y = pose[0], pose[1], pose[2]
    back_x, back_y = _rotate(math.cos(angle), -math.sin(angle), x, y)
    features[:] = 0.0
    _add_point_features(a, b, angle, x, y, features, touches)
    _add_end_features(a.points, b.points, touches, angle, x, y, features)
    longest, features[6] = features[6], 0.0
    _add_point_features(b, a, -angle, -back_x, -back_y, features, other_touches)
    _add_end_features(b.points, a.points, other_touches, -angle, -back_x, -back_y, features)
    features[6] += longest
    score = 0.0
    for k in range(COUNT):
        features[k] /= 2
        score += weights[k] * features[k]
    return score


@jit_fast
def score_poses(a: EdgeArrays, b: EdgeArrays, poses: Floats, weights: Floats) -> None:
    """Write the score of each of `poses` (k, 4) into its first column, with `weights` (COUNT,) of the features."""
    features = np.zeros(COUNT)
    touches, other_touches = np.zeros(len(b.points), np.int64), np.zeros(len(a.points), np.int64)
    for q in range(len(poses)):
        poses[q, 0] = _score(a, b, poses[q, 1:], weights, features, touches, other_touches)


@jit_fast
def refine_poses(
    a: EdgeArrays, b: EdgeArrays, poses: Floats, selection: Floats, weights: Floats, searched: int
) -> Floats:
    """Poses refined by iterated closest points, and the best of them by a coordinate search.

    Args:
        a, b: the piece that stays and the one that moves.
        poses: (k, 4), of which the first column is not read.
        selection: (COUNT,) weights by which the poses for the coordinate search are selected.
        weights: (COUNT,) of the score, which the coordinate search maximises.
        searched: number of poses that the coordinate search refines.

    Returns:
        (k, 4 + COUNT): score, angle, x, y, features.
    """
    refined, order = np.zeros((len(poses), 4 + COUNT)), np.zeros(len(poses))
    touches, other_touches = np.zeros(len(b.points), np.int64), np.zeros(len(a.points), np.int64)
    features, tried = np.zeros(COUNT), np.zeros(3)
    for q in range(len(poses)):
        pose = refined[q, 1:4]
        pose[:] = poses[q, 1:]
        for reach in ICP_DISTANCES:
            pose[0], pose[1], pose[2] = _icp_step(a, b, pose[0], pose[1], pose[2], reach)
        refined[q, 0] = _score(a, b, pose, weights, features, touches, other_touches)
        refined[q, 4:] = features
        order[q] = -(selection * features).sum()
    for q in np.argsort(order)[:searched]:
        pose, step = refined[q, 1:4], FIRST_STEP
        while step > LAST_STEP:
            improved = False
            for axis in range(3):
                unit = -RADIANS_PER_PIXEL if axis == 0 else 1.0
                for sign in (-1.0, 1.0):
                    tried[:] = pose
                    tried[axis] += sign * step * unit
                    score = _score(a, b, tried, weights, features, touches, other_touches)
                    if score > refined[q, 0]:
                        refined[q, 0], improved = score, True
                        pose[:] = tried
                        refined[q, 4:] = features
            if not improved:
                step /= 2
    return refined
