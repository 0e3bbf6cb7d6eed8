"""Rotations to begin an overlay from: spread evenly, and the same whichever way the principal axes point.

The principal axes of a molecule are known up to sign. Half turns about them, q -> h q h' with unit quaternions h, h'
among 1, i, j, k, lead from one choice of both molecules' signs to any other; so each base rotation comes with all
sixteen of its images, and the set is the same for every choice.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

IMAGES = 16
"""Images of a rotation under half turns about the principal axes of either molecule."""

CANDIDATES = 4096
Quaternions = npt.NDArray[np.float64]


def super_fibonacci(count: int) -> Quaternions:
    """(count, 4) unit quaternions spread evenly over all rotations.

    M. Alexa, Super-Fibonacci spirals, CVPR 2022: s = i + 1/2, r = sqrt(s / n), R = sqrt(1 - s / n),
    q = (r sin a, r cos a, R sin b, R cos b), a = 2 pi s / phi, b = 2 pi s / psi, phi^2 = 2, psi^4 = psi + 4.
    """
    s = np.arange(count) + 0.5
    psi = 1.533751168755204288118041
    inner, outer = np.sqrt(s / count), np.sqrt(1 - s / count)
    a, b = 2 * np.pi * s / np.sqrt(2.0), 2 * np.pi * s / psi
    return np.column_stack([inner * np.sin(a), inner * np.cos(a), outer * np.sin(b), outer * np.cos(b)])


def half_turn_images(quaternion: Quaternions) -> Quaternions:
    """(16, 4) images h q h' of a quaternion (4,), the identity's first."""
    units = np.eye(4)
    return np.array(
        [quaternion_product(quaternion_product(left, quaternion), right) for left in units for right in units]
    )


def quaternion_product(p: Quaternions, q: Quaternions) -> Quaternions:
    """(4,) Hamilton's product of two quaternions w, x, y, z: the rotation q, then p."""
    vector = p[0] * q[1:] + q[0] * p[1:] + np.cross(p[1:], q[1:])
    return np.array([p[0] * q[0] - p[1:] @ q[1:], *vector])


@functools.lru_cache(maxsize=8)
def initial_rotations(count: int) -> npt.NDArray[np.float32]:
    """(count, 4, 16) float32 quaternions w, x, y, z: base rotations, each with its 16 images.

    Greedy farthest-point sampling: each base is the rotation, of `CANDIDATES`, farthest from those before it and their
    images. The first lays the principal axes on each other.
    """
    candidates = np.concatenate([[[1.0, 0.0, 0.0, 0.0]], super_fibonacci(CANDIDATES)])
    near = np.zeros(len(candidates))
    chosen: list[Quaternions] = []
    for _ in range(count):
        chosen.append(half_turn_images(candidates[int(np.argmin(near))]))
        near = np.maximum(near, np.abs(candidates @ chosen[-1].T).max(axis=1))
    return np.array(chosen).transpose(0, 2, 1).astype(np.float32)
