"""The overlay of density maps: moved copies, grids of any kind, derivatives, bad input."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.optimize import check_grad
from scipy.spatial.transform import Rotation

from metricvae.core.errors import InputError
from metricvae.metrics.shape.solver.maps import (
    MapOverlay,
    MapSearchConfig,
    _CorrelationObjective,
    centre_map,
    overlay_maps,
    rotation_jacobian,
)

QUICK = MapSearchConfig(rotations=576, cells=8, optimised=8, refined=2)


@dataclass(frozen=True)
class Map:
    values: np.ndarray
    spacing: np.ndarray
    origin: np.ndarray


def blurred(positions: np.ndarray, spacing: tuple[float, float, float], width: float = 1.5) -> Map:
    """Map of Gaussians of standard deviation `width` angstroms at (n, 3) positions."""
    step, low = np.array(spacing), positions.min(axis=0) - 4 * width
    counts = np.ceil((positions.max(axis=0) + 4 * width - low) / step).astype(int) + 1
    axes = [low[i] + step[i] * np.arange(counts[i]) for i in range(3)]
    along = [np.exp(-((positions[:, i, None] - axes[i]) ** 2) / (2 * width**2)) for i in range(3)]
    return Map(np.einsum("nx,ny,nz->xyz", *along).astype(np.float32), step, low)


def cloud(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(14, 3)) * [4, 2.5, 1.5]


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.8, 1.1, 1.3)])
def test_a_moved_copy_on_another_grid_lies_on_itself(spacing):
    rotation, translation = Rotation.random(random_state=3).as_matrix(), np.array([20.0, -7, 3])
    found = overlay_maps(
        blurred(cloud(1), (1.0, 1.0, 1.0)), blurred(cloud(1) @ rotation.T + translation, spacing), QUICK
    )
    assert found.correlation > 0.995
    assert found.correlation <= 1 + 1e-3
    assert np.degrees(Rotation.from_matrix(found.rotation @ rotation).magnitude()) < 1.5
    positions = cloud(1) @ rotation.T + translation
    assert positions @ found.rotation.T + found.translation == pytest.approx(cloud(1), abs=0.15)


def test_different_maps_are_less_alike():
    assert overlay_maps(blurred(cloud(1), (1, 1, 1)), blurred(cloud(2), (1, 1, 1)), QUICK).correlation < 0.97


def test_the_correlation_is_the_integral_at_the_pose():
    """Against closed forms: a product of two Gaussians integrates to a Gaussian of their distance."""
    a, b, width = cloud(4), cloud(5), 1.5
    found = overlay_maps(blurred(a, (1, 1, 1)), blurred(b, (1, 1, 1)), QUICK)

    def inner(p: np.ndarray, q: np.ndarray) -> float:
        return float(np.exp(-((p[:, None] - q) ** 2).sum(-1) / (4 * width**2)).sum())

    at_pose = inner(a, b @ found.rotation.T + found.translation) / np.sqrt(inner(a, a) * inner(b, b))
    assert found.correlation == pytest.approx(at_pose, abs=5e-3)


def test_the_derivatives_are_those_of_finite_differences():
    pair = _CorrelationObjective(centre_map(blurred(cloud(1), (1, 1, 1))), centre_map(blurred(cloud(2), (1.2, 1, 0.9))))
    pose = MapOverlay(0.0, Rotation.random(random_state=1).as_matrix(), np.array([0.3, -0.2, 0.4]))
    move, scale = np.array([0.3, -0.2, 0.5, 0.1, 0.2, -0.3]), np.ones(6)
    error = check_grad(lambda m: pair._loss(pose, m, scale)[0], lambda m: pair._loss(pose, m, scale)[1], move)
    assert error < 1e-5


def test_the_jacobian_of_a_rotation_vector():
    vector, little = np.array([0.4, -0.9, 0.3]), 1e-6 * np.array([1.0, 2.0, -1.5])
    led = Rotation.from_rotvec(vector + little) * Rotation.from_rotvec(vector).inv()
    assert led.as_rotvec() == pytest.approx(rotation_jacobian(vector) @ little, abs=1e-11)
    assert rotation_jacobian(np.zeros(3)) == pytest.approx(np.eye(3))


def test_thinned_maps_keep_their_place():
    fine = centre_map(blurred(cloud(3), (0.5, 0.5, 0.5)))
    thin = fine.downsample(2000)
    assert thin.values.size < 4000
    index = np.stack(np.meshgrid(*(np.arange(size) for size in thin.values.shape), indexing="ij"), -1)
    centre = np.tensordot(thin.values**2, index * thin.spacing + thin.start, 3) / np.square(thin.values).sum()
    assert centre == pytest.approx(np.zeros(3), abs=0.05)


@pytest.mark.parametrize(
    "broken",
    [
        Map(np.zeros((4, 4, 4)), np.ones(3), np.zeros(3)),
        Map(np.full((4, 4, 4), np.nan), np.ones(3), np.zeros(3)),
        Map(np.ones((4, 4)), np.ones(3), np.zeros(3)),
        Map(np.ones((4, 4, 4)), np.zeros(3), np.zeros(3)),
        Map(np.ones((4, 4, 4)), np.ones(2), np.zeros(3)),
        Map(np.ones((0, 4, 4)), np.ones(3), np.zeros(3)),
    ],
)
def test_what_is_no_map_is_refused(broken):
    with pytest.raises(InputError):
        overlay_maps(broken, broken)


def test_configurations_that_make_no_sense_are_refused():
    with pytest.raises(InputError):
        MapSearchConfig(optimised=0)
