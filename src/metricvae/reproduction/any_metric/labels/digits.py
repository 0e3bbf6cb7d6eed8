"""scikit-learn's handwritten digits: the earth mover's distance between two, and whether two rotated ones are the
same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial.distance import cdist

from metricvae.reproduction.any_metric.labels.writers import write_png
from metricvae.reproduction.any_metric.records import Floats, MadeObjects, Measure, Rows
from metricvae.runtime.extras import require

SIDE = 8
"""Pixels of scikit-learn's digits, each way."""

LEVELS = 16
"""Their greatest grey level."""

ENLARGED = 24
"""Side of the rotated digits in pixels."""

LARGEST_ANGLE = 60.0
"""Degrees by which a digit is rotated, at most: a six stays a six."""


def make_digits(count: int, seed: int) -> MadeObjects:
    """At most `count` of the 1,797 digits, as they are: (8, 8) whole numbers from 0 to 16."""
    images, labels = _digits(count, seed)
    rows = np.arange(len(images))
    shares = images.reshape(len(images), -1) / images.sum((1, 2))[:, None]
    magnitudes = np.array([_moments(image) for image in images])
    return MadeObjects(list(images.astype(np.uint8)), rows, labels, magnitudes, shares)


def make_rotated_digits(count: int, seed: int) -> MadeObjects:
    """The digits at random angles, on a larger canvas: some of them twice and more often, never in two splits.

    Values are pairs of an image (24, 24) of grey levels 0 to 255 and the digit that it shows.
    """
    rng = np.random.default_rng([seed, 2])
    images, labels = _digits(count, seed)
    of = np.arange(count) % len(images)
    angles = rng.uniform(-LARGEST_ANGLE, LARGEST_ANGLE, count)
    rotated = [_rotated(images[row], angle) for row, angle in zip(of.tolist(), angles.tolist(), strict=True)]
    magnitudes = np.array([_moments(image.astype(np.float64)) for image in rotated])
    embedding = np.array([image.ravel() / 255 for image in rotated])
    values = list(zip(rotated, labels[of].tolist(), strict=True))
    return MadeObjects(values, of, labels[of], magnitudes, embedding)


def write_digit(path: Path, image: npt.NDArray[np.uint8]) -> Path:
    """Grey levels from 0 to 240."""
    return write_png(path, image * np.uint8(240 // LEVELS))


def write_rotated_digit(path: Path, value: tuple[npt.NDArray[np.uint8], int]) -> Path:
    """The image alone: the digit that it shows is not to be seen from its file."""
    return write_png(path, value[0])


def measure_earth_mover(images: Sequence[npt.NDArray[np.uint8]]) -> Measure:
    """Work in pixels that moves the ink of one digit onto the other, both of total 1: POT's `emd2`."""
    emd2 = require("ot", "any-metric", "the earth mover's distance").emd2
    places = np.indices((SIDE, SIDE)).reshape(2, -1).T.astype(np.float64)
    costs = cdist(places, places)
    shares = [image.ravel() / image.sum() for image in images]

    def one(a: Floats, b: Floats) -> float:
        left, right = np.flatnonzero(a), np.flatnonzero(b)
        return float(emd2(a[left], b[right], np.ascontiguousarray(costs[np.ix_(left, right)])))

    return lambda first, second: np.array(
        [one(shares[a], shares[b]) for a, b in zip(first.tolist(), second.tolist(), strict=True)]
    )


def measure_same_digit(values: Sequence[tuple[Any, int]]) -> Measure:
    """1 where two images show the same digit, else 0."""
    labels = np.array([label for _, label in values])

    def same(first: Rows, second: Rows) -> Floats:
        return (labels[first] == labels[second]).astype(np.float64)

    return same


def _digits(count: int, seed: int) -> tuple[Floats, Rows]:
    from sklearn.datasets import load_digits

    found = load_digits()
    order = np.random.default_rng([seed, 3]).permutation(len(found.target))[:count]
    return found.images[order], found.target[order].astype(np.int64)


def _rotated(image: Floats, angle: float) -> npt.NDArray[np.uint8]:
    """An image enlarged twofold, rotated about its centre on a canvas that holds it, cubic splines throughout."""
    large = np.clip(ndimage.zoom(image, 2, order=3, grid_mode=True, mode="grid-constant"), 0, LEVELS)
    padded = np.pad(large, (ENLARGED - 2 * SIDE) // 2)
    turned = ndimage.rotate(padded, angle, reshape=False, order=3)
    return np.round(np.clip(turned, 0, LEVELS) * (255 / LEVELS)).astype(np.uint8)


def _moments(image: Floats) -> list[float]:
    """Ink, inked pixels, centre of the ink, and its spread along its principal axes."""
    mass = image / image.sum()
    places = np.indices(image.shape).reshape(2, -1)
    centre = places @ mass.ravel()
    spread = np.linalg.eigvalsh((places - centre[:, None]) * mass.ravel() @ (places - centre[:, None]).T)
    return [float(image.sum()), float((image > 0).sum()), *centre.tolist(), *np.sqrt(np.maximum(spread, 0)).tolist()]
