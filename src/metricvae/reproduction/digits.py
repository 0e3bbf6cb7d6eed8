"""Figure 1.1: a plain variational autoencoder of handwritten digits with two latent dimensions, and the effect of the
other two losses on the codes of rotated digits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from scipy import stats

from metricvae.core.dataset import ObjectTable, PairDataset
from metricvae.core.errors import InputError
from metricvae.kinds.silhouette.digits import SIDE, Digits, read_digits
from metricvae.kinds.silhouette.kind import SilhouetteKind
from metricvae.metrics.tabular import TabularMetric
from metricvae.nn.autoencoder import Tower
from metricvae.plotting.codes import draw_plane
from metricvae.reproduction.config import DigitsConfig
from metricvae.reproduction.dense import dense_training, train_dense
from metricvae.reproduction.inputs import OnStep
from metricvae.reproduction.report import Figure, Section, Table
from metricvae.training.optimisers import LossWeights

KIND = SilhouetteKind(SIDE, SIDE)
SAME_DIGIT = TabularMetric("whether two digits are the same", left=KIND.name, task="binary")

PLAIN = LossWeights(reconstruction=1.0, latent=1.0, deformation=0.0, metric=0.0)
ALL_LOSSES = LossWeights(reconstruction=1.0, latent=1.0, deformation=30.0, metric=30.0)

LEAST_UNSEEN = 20
"""Unseen digits that are needed."""


@dataclass(frozen=True)
class Invariance:
    """The effect of a motion on codes of unseen digits.

    Attributes:
        change: median of |z - z_moved| / |z|.
        same: share of moved digits whose nearest code, by angle, among training digits is one of the same digit.
    """

    change: float
    same: float


@dataclass(frozen=True)
class SplitDigits:
    """Digits, and which of them are learned from.

    Attributes:
        digits: all of them.
        train, unseen: rows of them.
    """

    digits: Digits
    train: npt.NDArray[np.int64]
    unseen: npt.NDArray[np.int64]


def digits_section(config: DigitsConfig, folder: Path, steps: int, seed: int, step: OnStep) -> Section:
    """Train three networks and show their codes.

    Args:
        config: the settings.
        folder: for the networks.
        steps: of the other figures' trainings.
        seed: of the pairs and the trainings.
        step: told what of how much is done.

    Raises:
        InputError: a file that is no MNIST, or too few digits.
    """
    split = _split_digits(read_digits(config.mnist), config.train_share, seed)
    parts = (
        digit_pairs(split.digits, split.train, config.pairs, seed),
        digit_pairs(split.digits, split.unseen, config.pairs // 10, seed + 1),
    )

    def trained(name: str, latent: int, weights: LossWeights) -> Tower:
        training = dense_training(config.steps_factor * steps, weights, seed)
        said = f"training on digits, {latent} dimensions"
        return train_dense(folder / f"{name}-{latent}", latent, training, parts, said, step)

    plane, found = trained("plain", 2, PLAIN), {}
    for name, weights in (("without", PLAIN), ("with", ALL_LOSSES)):
        found[name] = invariance(trained(name, config.latent, weights), split, config.measured, seed)
    rows = tuple((f"{name} deformation and metric loss", one.change, one.same) for name, one in found.items())
    source = "MNIST" if config.mnist is not None else "scikit-learn's digits"
    return Section(
        "Figure 1.1: the plane of digits",
        f"A plain variational autoencoder of {len(split.train):,} of {source}, thresholded at half, with the paper's "
        f"fully connected layers and two latent dimensions. Below it, networks with {config.latent} dimensions. One "
        "also has the other two losses: moved copies are to have the same code, and equal digits are to be close.",
        tables=(
            Table(
                f"Codes of {min(len(split.unseen), config.measured):,} unseen digits that are rotated by any angle and "
                "shifted.",
                ("network", "change of the code, median share", "nearest training digit is the same digit"),
                rows,
            ),
        ),
        figures=(_plane(plane, config),),
    )


def _split_digits(digits: Digits, train_share: float, seed: int) -> SplitDigits:
    total = len(digits.labels)
    count = round(train_share * total)
    if total - count < LEAST_UNSEEN:
        raise InputError(f"got {total} digits: expected at least {round(LEAST_UNSEEN / (1 - train_share))}")
    order = np.random.default_rng(seed).permutation(total)
    return SplitDigits(digits, order[:count], order[count:])


def digit_pairs(digits: Digits, rows: npt.NDArray[np.int64], count: int, seed: int) -> PairDataset:
    """Random pairs of some digits, half of them of the same digit (value 1), the rest of any two (1 or 0)."""
    rng = np.random.default_rng(seed)
    labels = digits.labels[rows]
    first, second = rng.integers(len(rows), size=(2, count))
    by_label = [np.flatnonzero(labels == label) for label in range(10)]
    equal = np.array([rng.choice(by_label[label]) for label in labels[first[: count // 2]]])
    second[: count // 2] = equal
    mixed = rng.permutation(count)
    first, second = first[mixed], second[mixed]
    table = ObjectTable.from_objects(KIND, list(digits.masks[rows]))
    return PairDataset.from_objects(SAME_DIGIT, table, first, second, labels[first] == labels[second])


@torch.inference_mode()
def invariance(tower: Tower, split: SplitDigits, most: int, seed: int) -> Invariance:
    """Move at most `most` unseen digits at random, and find the nearest of the training digits."""
    digits, unseen = split.digits, split.unseen[:most]
    known, new = (torch.from_numpy(digits.masks[rows])[:, None].float() for rows in (split.train, unseen))
    z, z_known = tower.code(new), tower.code(known)
    z_moved = tower.code(KIND.move(new, torch.Generator().manual_seed(seed)))
    near = torch.nn.functional.normalize(z_moved, dim=1) @ torch.nn.functional.normalize(z_known, dim=1).T
    guessed = digits.labels[split.train][near.argmax(1).numpy()]
    change = (z - z_moved).norm(dim=1) / z.norm(dim=1).clamp(min=1e-9)
    return Invariance(float(change.median()), float(np.mean(guessed == digits.labels[unseen])))


def _plane(tower: Tower, config: DigitsConfig) -> Figure:
    """Decoded at equal steps of the prior's probability."""
    points, edge = config.points, config.edge
    places = stats.norm.ppf(np.linspace(edge, 1 - edge, points))
    grid = np.stack(np.meshgrid(places, places[::-1]), axis=-1).reshape(-1, 2).astype(np.float32)
    pictures = tower.picture(torch.from_numpy(grid))[:, 0].numpy().reshape(points, points, SIDE, SIDE)
    return Figure(
        "digits",
        f"Decoded on a grid of the latent plane; {1 - 2 * edge:.0%} of the prior lies between the edges, each way.",
        "A square of handwritten digits that change gradually from one to the next.",
        draw_plane(pictures, across=places.tolist(), down=places[::-1].tolist()),
    )
