"""Chamfer distance of clouds of points on the surfaces of bodies, the least over all rigid motions.

The distance at a pose is the root of the mean squared distance from each point of either cloud to the nearest of the
other. Its minimum is found by iterated closest points, from many rotations about the centroids.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from metricvae.reproduction.any_metric.labels.descriptors import sorted_distances
from metricvae.reproduction.any_metric.records import Floats, MadeObjects, Measure, Rows
from metricvae.runtime.jit import jit_strict

POINTS = 64
"""Of a cloud."""

BALLS = (2, 6)
"""Ellipsoids of a body, least, and one more than most."""

SIZES = 0.2
"""Standard deviation of the logarithm of the size of bodies."""

VARIANTS = 3
"""Bodies that are made of one, with their ellipsoids a little displaced."""


@dataclass(frozen=True)
class ChamferSearch:
    """How hard the least distance is searched for.

    Attributes:
        rotations: from which iterations start.
        first: iterations from each of them.
        starts: the best of them, which go on.
        steps: further iterations of these, at most.
        tolerance: relative gain below which an iteration is the last.
    """

    rotations: int = 72
    first: int = 3
    starts: int = 8
    steps: int = 60
    tolerance: float = 1e-5


SEARCH = ChamferSearch()
"""The search whose values are learned; its shortfall is measured in the tests."""


def make_bodies(count: int, seed: int) -> MadeObjects:
    """Clouds (64, 3) on the surfaces of unions of ellipsoids, in any orientation and at any place."""
    rng = np.random.default_rng([seed, 9])
    clouds = []
    for number in range(count):
        if number % VARIANTS == 0:
            centres, axes, frames = random_body(rng)
        moved = centres + rng.normal(0, 0.25, centres.shape)
        cloud = sample_surface(moved, axes * np.exp(rng.normal(0, 0.1, axes.shape)), frames, rng)
        rotation = Rotation.random(rng=rng).as_matrix()
        clouds.append((cloud - cloud.mean(0)) @ rotation.T + rng.normal(0, 1, 3))
    groups = np.arange(count) // VARIANTS
    magnitudes = np.array([_magnitudes(cloud) for cloud in clouds])
    embedding = np.array([sorted_distances(cloud, 24) for cloud in clouds])
    return MadeObjects([cloud.astype(np.float32) for cloud in clouds], groups, groups, magnitudes, embedding)


def random_body(rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """Centres (k, 3), half-axes (k, 3) and frames (k, 3, 3) of ellipsoids that touch, each grown on one before."""
    count = int(rng.integers(*BALLS))
    axes = np.exp(rng.normal(0, 0.35, (count, 3))) * rng.uniform(0.5, 1.2, (count, 1))
    centres = np.zeros((count, 3))
    for place in range(1, count):
        parent = int(rng.integers(place))
        direction = rng.normal(size=3)
        reach = (axes[parent].mean() + axes[place].mean()) * rng.uniform(0.6, 1.0)
        centres[place] = centres[parent] + reach * direction / np.linalg.norm(direction)
    size = np.exp(rng.normal(0, SIZES))
    return size * centres, size * axes, np.array([Rotation.random(rng=rng).as_matrix() for _ in range(count)])


def sample_surface(centres: Floats, axes: Floats, frames: Floats, rng: np.random.Generator) -> Floats:
    """(POINTS, 3) points on the outside of a union of ellipsoids, each far from those before."""
    directions = rng.normal(size=(len(centres), 8 * POINTS, 3))
    directions /= np.linalg.norm(directions, axis=2, keepdims=True)
    found = np.einsum("kij,knj->kni", frames, directions * axes[:, None]) + centres[:, None]
    points = found.reshape(-1, 3)
    outside = np.ones(len(points), bool)
    for place in range(len(centres)):
        own = np.arange(len(points)) // (8 * POINTS) == place
        inside = np.square((points - centres[place]) @ frames[place] / axes[place]).sum(1) < 1
        outside &= own | ~inside
    return _spread(points[outside], POINTS)


def _spread(points: Floats, count: int) -> Floats:
    """(count, d) of some points, one after the other the farthest from those taken before."""
    chosen = [0]
    nearest = np.full(len(points), np.inf)
    for _ in range(count - 1):
        nearest = np.minimum(nearest, np.square(points - points[chosen[-1]]).sum(1))
        chosen.append(int(nearest.argmax()))
    return points[chosen]


def _magnitudes(cloud: Floats) -> list[float]:
    """Radius of gyration, greatest distance from the centroid, and spreads along the principal axes."""
    centred = cloud - cloud.mean(0)
    spreads = np.sqrt(np.linalg.eigvalsh(centred.T @ centred / len(cloud)))
    radii = np.linalg.norm(centred, axis=1)
    return [float(np.sqrt(np.square(radii).mean())), float(radii.max()), *spreads.tolist()]


def measure_chamfer(clouds: Sequence[npt.NDArray[np.float32]]) -> Measure:
    """Least Chamfer distances of pairs of some clouds."""
    doubles = [cloud.astype(np.float64) for cloud in clouds]

    def distances(first: Rows, second: Rows) -> Floats:
        ends = zip(first.tolist(), second.tolist(), strict=True)
        return np.array([least_chamfer(doubles[a], doubles[b]) for a, b in ends])

    return distances


def least_chamfer(a: Floats, b: Floats, search: ChamferSearch = SEARCH) -> float:
    """The least Chamfer distance of two clouds (n, 3), (m, 3) over all rotations and translations."""
    a, b = (np.ascontiguousarray(cloud - cloud.mean(0)) for cloud in (a, b))
    found = _search(a, b, _rotations(search.rotations), search.first, search.starts, search.steps, search.tolerance)
    return float(np.sqrt(found))


def _rotations(count: int) -> Floats:
    """(count, 3, 3) evenly spread rotations: the super-Fibonacci spiral of M. Alexa, CVPR 2022."""
    place = np.arange(count) + 0.5
    root, psi = np.sqrt(2.0), 1.533751168755204288118041
    inner, outer = np.sqrt(place / count), np.sqrt(1 - place / count)
    alpha, beta = 2 * np.pi * place / root, 2 * np.pi * place / psi
    quaternions = np.stack(
        [inner * np.sin(alpha), inner * np.cos(alpha), outer * np.sin(beta), outer * np.cos(beta)], axis=1
    )
    return np.ascontiguousarray(Rotation.from_quat(quaternions).as_matrix())


@jit_strict
def _nearest(a: Floats, b: Floats, near_a: npt.NDArray[np.int64], near_b: npt.NDArray[np.int64]) -> float:
    """Nearest points both ways, into `near_a` and `near_b`; returns the mean squared distance."""
    least_b = np.full(len(b), np.inf)
    total = 0.0
    for i in range(len(a)):
        least = np.inf
        for j in range(len(b)):
            squared = (a[i, 0] - b[j, 0]) ** 2 + (a[i, 1] - b[j, 1]) ** 2 + (a[i, 2] - b[j, 2]) ** 2
            if squared < least:
                least, near_a[i] = squared, j
            if squared < least_b[j]:
                least_b[j], near_b[j] = squared, i
        total += least / len(a)
    return (total + least_b.mean()) / 2


@jit_strict
def _fit(a: Floats, b: Floats, near_a: npt.NDArray[np.int64], near_b: npt.NDArray[np.int64], pose: Floats) -> None:
    """The pose that brings nearest points together best, into `pose`: W. Kabsch, Acta Cryst. A 32 (1976) 922."""
    mean_a, mean_b, cross = np.zeros(3), np.zeros(3), np.zeros((3, 3))
    for k in range(len(a) + len(b)):
        i, j = (k, near_a[k]) if k < len(a) else (near_b[k - len(a)], k - len(a))
        weight = 0.5 / len(a) if k < len(a) else 0.5 / len(b)
        for axis in range(3):
            mean_a[axis] += weight * a[i, axis]
            mean_b[axis] += weight * b[j, axis]
            for other in range(3):
                cross[axis, other] += weight * b[j, axis] * a[i, other]
    for axis in range(3):
        for other in range(3):
            cross[axis, other] -= mean_b[axis] * mean_a[other]
    u, _singular, v = np.linalg.svd(cross)
    u[:, 2] *= 1.0 if np.linalg.det(u) * np.linalg.det(v) > 0 else -1.0
    rotation = np.ascontiguousarray(v.T) @ np.ascontiguousarray(u.T)
    pose[:3] = rotation
    pose[3] = mean_a - rotation @ mean_b


@jit_strict
def _iterate(a: Floats, b: Floats, pose: Floats, steps: int, tolerance: float) -> float:
    """Iterated closest points from a pose (4, 3), rotation above translation, which is brought up to date; the mean
    squared distance at the end."""
    near_a, near_b = np.zeros(len(a), np.int64), np.zeros(len(b), np.int64)
    moved = np.empty_like(b)
    value = np.inf
    for _ in range(steps + 1):
        for j in range(len(b)):
            for axis in range(3):
                along = pose[axis, 0] * b[j, 0] + pose[axis, 1] * b[j, 1] + pose[axis, 2] * b[j, 2]
                moved[j, axis] = along + pose[3, axis]
        found = _nearest(a, moved, near_a, near_b)
        if found > value * (1 - tolerance):
            return min(found, value)
        value = found
        _fit(a, b, near_a, near_b, pose)
    return value


@jit_strict
def _search(a: Floats, b: Floats, rotations: Floats, first: int, starts: int, steps: int, tolerance: float) -> float:
    poses, values = np.zeros((len(rotations), 4, 3)), np.zeros(len(rotations))
    for number in range(len(rotations)):
        poses[number, :3] = rotations[number]
        values[number] = _iterate(a, b, poses[number], first, 0.0)
    best = values.min()
    for number in np.argsort(values)[:starts]:
        best = min(best, _iterate(a, b, poses[number], steps, tolerance))
    return best
