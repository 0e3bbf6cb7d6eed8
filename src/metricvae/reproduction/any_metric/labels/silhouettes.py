"""Hausdorff distance of silhouettes, the least over all rigid motions.

The distance of two outlines at a pose is the largest distance from a point of one to the nearest point of the other.
Its minimum over poses is found from a scan of angles, whose best ones are refined by a pattern search.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from metricvae.kinds.silhouette.outlines import resample_outline, trace
from metricvae.kinds.silhouette.records import SIZE, Mask
from metricvae.kinds.silhouette.sources.procedural import SMALLEST_AREA, random_mask, random_shape
from metricvae.reproduction.any_metric.labels.descriptors import sorted_distances
from metricvae.reproduction.any_metric.labels.writers import write_png
from metricvae.reproduction.any_metric.records import Floats, MadeObjects, Measure, Rows
from metricvae.runtime.jit import jit_strict

Outlines = npt.NDArray[np.float64]
"""(n, 2) points along the outline of a silhouette, pixels from the canvas centre, x to the right and y down."""

Hints = npt.NDArray[np.int64]
"""For each point of an outline, a point of the other that was near before."""

Ends = tuple[float, float]
"""First and last step of a refinement, pixels."""


@dataclass(frozen=True)
class HausdorffSearch:
    """How hard the least distance is searched for.

    Attributes:
        spacing: pixels between points of an outline.
        points: of an outline, at most.
        angles: of the scan.
        shift: pixels by which the scan also moves the centre of the bounding box, each way.
        starts: poses of the scan that are refined.
        step: pixels by which the refinement begins to move the outline.
        accuracy: pixels of its last step.
    """

    spacing: float = 3.0
    points: int = 256
    angles: int = 36
    shift: float = 6.0
    starts: int = 6
    step: float = 4.0
    accuracy: float = 0.05


SEARCH = HausdorffSearch()
"""The search whose values are learned; its shortfall is measured in the tests."""


def make_silhouettes(count: int, seed: int) -> MadeObjects:
    """Procedural shapes, each by itself."""
    rng = np.random.default_rng([seed, 1])
    masks: list[Mask] = []
    while len(masks) < count:
        mask = random_mask(random_shape(rng)[1], rng)
        if mask.sum() >= SMALLEST_AREA:
            masks.append(mask)
    outlines = [outline(mask) for mask in masks]
    rows = np.arange(count)
    magnitudes = np.array([_magnitudes(mask, points) for mask, points in zip(masks, outlines, strict=True)])
    embedding = np.array([sorted_distances(points, 24) for points in outlines])
    return MadeObjects(masks, rows, rows, magnitudes, embedding)


def _magnitudes(mask: Mask, points: Outlines) -> list[float]:
    """Area, number of outline points, radius about the mean, and extents along the principal axes of the outline."""
    centred = points - points.mean(0)
    extents = np.ptp(centred @ np.linalg.eigh(centred.T @ centred)[1], axis=0)
    return [float(mask.sum()), float(len(points)), float(np.linalg.norm(centred, axis=1).max()), *sorted(extents)]


def write_silhouette(path: Path, mask: Mask) -> Path:
    """White on black."""
    return write_png(path, mask * np.uint8(255))


def outline(mask: Mask, search: HausdorffSearch = SEARCH) -> Outlines:
    """Evenly spaced points along all outlines of a mask."""
    middle = (SIZE - 1) / 2
    points = resample_outline(*trace(mask, middle, middle), search.spacing, 4, search.points)
    return points[points[:, 3] > 0, :2].astype(np.float64)


def measure_hausdorff(masks: Sequence[Mask]) -> Measure:
    """Least Hausdorff distances, in pixels, of pairs of some masks."""
    outlines = [outline(mask) for mask in masks]

    def distances(first: Rows, second: Rows) -> Floats:
        ends = zip(first.tolist(), second.tolist(), strict=True)
        return np.array([least_hausdorff(outlines[a], outlines[b]) for a, b in ends])

    return distances


def least_hausdorff(a: Outlines, b: Outlines, search: HausdorffSearch = SEARCH) -> float:
    """The least Hausdorff distance of two outlines over all rotations and shifts, pixels."""
    shuffled = np.random.default_rng(0)  # far points are met early, so that poor poses are left early
    a, b = (points[shuffled.permutation(len(points))] - points.mean(0) for points in (a, b))
    found = _search(a, b, search.angles, search.shift, search.starts, (search.step, search.accuracy))
    return float(np.sqrt(found))


@jit_strict
def _directed(a: Outlines, b: Outlines, hints: Hints, limit: float) -> float:
    """The largest squared distance from a point of `a` to the nearest of `b`; infinite where it exceeds `limit`.

    `hints` holds for each point of `a` a point of `b` that was near before, and is brought up to date.
    """
    largest = 0.0
    for i in range(len(a)):
        j = hints[i]
        nearest = (a[i, 0] - b[j, 0]) ** 2 + (a[i, 1] - b[j, 1]) ** 2
        if nearest <= largest:
            continue
        for k in range(len(b)):
            squared = (a[i, 0] - b[k, 0]) ** 2 + (a[i, 1] - b[k, 1]) ** 2
            if squared < nearest:
                nearest, hints[i] = squared, k
                if nearest <= largest:
                    break
        if nearest > limit:
            return np.inf
        largest = max(largest, nearest)
    return largest


@jit_strict
def _move(b: Outlines, pose: npt.NDArray[np.float64], moved: Outlines) -> None:
    """`b` rotated by pose[0] and shifted by pose[1:], into `moved`."""
    cosine, sine = np.cos(pose[0]), np.sin(pose[0])
    for i in range(len(b)):
        moved[i, 0] = cosine * b[i, 0] - sine * b[i, 1] + pose[1]
        moved[i, 1] = sine * b[i, 0] + cosine * b[i, 1] + pose[2]


@jit_strict
def _at_pose(
    a: Outlines,
    b: Outlines,
    pose: npt.NDArray[np.float64],
    moved: Outlines,
    hints_a: Hints,
    hints_b: Hints,
    limit: float,
) -> float:
    """Squared Hausdorff distance with `b` rotated by pose[0] and shifted by pose[1:]; infinite above `limit`."""
    _move(b, pose, moved)
    there = _directed(a, moved, hints_a, limit)
    return there if there == np.inf else max(there, _directed(moved, a, hints_b, limit))


@jit_strict
def _scan(
    a: Outlines, b: Outlines, angles: int, shift: float, hints_a: Hints, hints_b: Hints
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The best shift at each of some angles: poses (angles, 3), and squared distances (angles,).

    Tried are the centres of both bounding boxes on one another, these shifted each way, and the centroids likewise.
    """
    moved, pose = np.empty_like(b), np.zeros(3)
    poses, values = np.zeros((angles, 3)), np.full(angles, np.inf)
    middle_x, middle_y = (a[:, 0].min() + a[:, 0].max()) / 2, (a[:, 1].min() + a[:, 1].max()) / 2
    for number in range(angles):
        pose[0], pose[1], pose[2] = 2 * np.pi * number / angles, 0.0, 0.0
        _move(b, pose, moved)
        x = middle_x - (moved[:, 0].min() + moved[:, 0].max()) / 2
        y = middle_y - (moved[:, 1].min() + moved[:, 1].max()) / 2
        for place in range(10):
            pose[1] = x + shift * (place % 3 - 1) if place < 9 else 0.0
            pose[2] = y + shift * (place // 3 - 1) if place < 9 else 0.0
            value = _at_pose(a, b, pose, moved, hints_a, hints_b, values[number])
            if value < values[number]:
                values[number], poses[number] = value, pose
    return poses, values


@jit_strict
def _refine(
    a: Outlines, b: Outlines, pose: npt.NDArray[np.float64], value: float, ends: Ends, hints_a: Hints, hints_b: Hints
) -> float:
    """The squared distance at the end of a pattern search from a pose of a squared distance.

    Tried are all combinations of a step forward, none and a step back in the angle and both shifts; where none is
    better, steps are halved.
    """
    moved = np.empty_like(b)
    radius = np.sqrt((b**2).sum(1).max())
    reach, accuracy = ends
    while reach >= accuracy:
        improved = False
        for direction in range(27):
            tried = pose.copy()
            tried[0] += (direction // 9 - 1) * reach / radius
            tried[1] += (direction // 3 % 3 - 1) * reach
            tried[2] += (direction % 3 - 1) * reach
            other = _at_pose(a, b, tried, moved, hints_a, hints_b, value)
            if other < value:
                pose, value, improved = tried, other, True
        if not improved:
            reach /= 2
    return value


@jit_strict
def _search(a: Outlines, b: Outlines, angles: int, shift: float, starts: int, ends: Ends) -> float:
    """The least squared distance that refinements of the best poses of a scan come to."""
    hints_a, hints_b = np.zeros(len(a), np.int64), np.zeros(len(b), np.int64)
    poses, values = _scan(a, b, angles, shift, hints_a, hints_b)
    best = np.inf
    for number in np.argsort(values)[:starts]:
        best = min(best, _refine(a, b, poses[number].copy(), values[number], ends, hints_a, hints_b))
    return best
