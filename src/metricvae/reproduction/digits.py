"""Figure 1.1: a plain variational autoencoder of handwritten digits with two latent dimensions, and what the other two
losses do to codes of digits that are turned."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from scipy import stats

from metricvae.core.errors import InputError
from metricvae.kinds.silhouette.digits import SIDE, Digits, read_digits
from metricvae.nn.autoencoder import MagicAutoencoder, ModelConfig
from metricvae.nn.heads import CosineDistance
from metricvae.plotting.codes import draw_plane
from metricvae.reproduction.report import Figure, Section, Table
from metricvae.reproduction.reproduce import OnStep
from metricvae.training.batching import PairData
from metricvae.training.checkpoint import load_model
from metricvae.training.config import TrainingConfig
from metricvae.training.features import move_randomly
from metricvae.training.loop import train
from metricvae.training.optimisers import LossWeights

POINTS = 16
"""Of the plane, each way."""

EDGE = 0.05
"""Share of the prior beyond each edge of the plane."""

LATENT = 20
"""Dimensions where all four losses are at work."""

PAIRS = 20_000
LEARNED = 0.8
"""Share of the digits that is learned from."""

MEASURED = 1_000
"""Digits that codes are measured on, at most."""

STEPS_A_STEP = 5
"""These networks are small: steps of theirs for each of the other figures' trainings."""

LESS = LossWeights(reconstruction=1.0, latent=1.0, deformation=0.0, metric=0.0)
ALL = LossWeights(reconstruction=1.0, latent=1.0, deformation=30.0, metric=30.0)


@dataclasses.dataclass(frozen=True)
class Invariance:
    """What a motion does to codes of unseen digits.

    Attributes:
        change: median of |z - z_moved| / |z|.
        same: share of moved digits whose nearest code, by angle, among learned digits is one of the same digit.
    """

    change: float
    same: float


def digits_section(mnist: Path | None, folder: Path, steps: int, seed: int, step: OnStep) -> Section:
    """Train three networks and show what they do.

    Args:
        mnist: file of digits; None for scikit-learn's.
        folder: for the networks.
        steps: of the other figures' trainings.
        seed: of the pairs and the trainings.
        step: told what of how much is done.

    Raises:
        InputError: a file that is no MNIST, or too few digits.
    """
    digits = read_digits(mnist)
    count = round(LEARNED * len(digits.labels))
    if len(digits.labels) - count < 20:
        raise InputError(f"got {len(digits.labels)} digits: expected at least 100")
    order = np.random.default_rng(seed).permutation(len(digits.labels))
    learned, unseen = order[:count], order[count:]
    parts = digit_pairs(digits, learned, PAIRS, seed), digit_pairs(digits, unseen, PAIRS // 10, seed + 1)
    flat, found = _trained(folder / "plain-2", 2, LESS, parts, steps, seed, step), {}
    for name, weights in (("without", LESS), ("with", ALL)):
        model = _trained(folder / f"{name}-{LATENT}", LATENT, weights, parts, steps, seed, step)
        found[name] = invariance(model, digits, learned, unseen[:MEASURED], seed)
    rows = tuple((f"{name} deformation and metric loss", one.change, one.same) for name, one in found.items())
    source = "MNIST" if mnist is not None else "scikit-learn's digits"
    return Section(
        "Figure 1.1: the plane of digits",
        f"A plain variational autoencoder of {len(learned):,} of {source}, cut at half, with the paper's fully "
        f"connected layers and two latent dimensions. Below it, networks with {LATENT} dimensions. One also has "
        "the other two losses: moved copies are to have the same code, and digits are near where they are the same.",
        tables=(
            Table(
                f"Codes of {min(len(unseen), MEASURED):,} unseen digits that are turned by any angle and shifted.",
                ("network", "change of the code, median share", "nearest learned digit is the same digit"),
                rows,
            ),
        ),
        figures=(_plane(flat),),
    )


def digit_pairs(digits: Digits, rows: npt.NDArray[np.int64], count: int, seed: int) -> PairData:
    """Random pairs of some digits, half of them of the same digit (value 1), the rest of any two (1 or 0)."""
    rng = np.random.default_rng(seed)
    labels = digits.labels[rows]
    first, second = rng.integers(len(rows), size=(2, count))
    by_label = [np.flatnonzero(labels == label) for label in range(10)]
    alike = np.array([rng.choice(by_label[label]) for label in labels[first[: count // 2]]])
    second[: count // 2] = alike
    mixed = rng.permutation(count)
    first, second = first[mixed], second[mixed]
    return PairData.from_masks(digits.masks[rows], first, second, labels[first] == labels[second])


def _trained(
    folder: Path,
    latent: int,
    weights: LossWeights,
    parts: tuple[PairData, PairData],
    steps: int,
    seed: int,
    step: OnStep,
) -> MagicAutoencoder:
    total = STEPS_A_STEP * steps
    config = TrainingConfig(
        steps=total,
        batch_pairs=64,
        weights=weights,
        schedule="cosine",
        clip_norm=1_000.0,
        evaluate_every=total,
        precision="float32",
        seed=seed,
    )
    model = ModelConfig(latent=latent, head=CosineDistance(), height=SIDE, width=SIDE)
    name = f"training on digits, {latent} dimensions"
    train(config, model, *parts, folder, on_progress=lambda now: step(name, now.step, now.steps))
    return load_model(folder).model


@torch.inference_mode()
def invariance(
    model: MagicAutoencoder, digits: Digits, learned: npt.NDArray[np.int64], unseen: npt.NDArray[np.int64], seed: int
) -> Invariance:
    """Move unseen digits at random, and look for the nearest of the learned ones."""
    known, new = (torch.from_numpy(digits.masks[rows])[:, None].float() for rows in (learned, unseen))
    z, z_known = model.code(new), model.code(known)
    z_moved = model.code(move_randomly(new, torch.Generator().manual_seed(seed)))
    near = torch.nn.functional.normalize(z_moved, dim=1) @ torch.nn.functional.normalize(z_known, dim=1).T
    guessed = digits.labels[learned][near.argmax(1).numpy()]
    change = (z - z_moved).norm(dim=1) / z.norm(dim=1).clamp(min=1e-9)
    return Invariance(float(change.median()), float(np.mean(guessed == digits.labels[unseen])))


def _plane(model: MagicAutoencoder) -> Figure:
    """Decoded at equal steps of the prior's probability."""
    places = stats.norm.ppf(np.linspace(EDGE, 1 - EDGE, POINTS))
    grid = np.stack(np.meshgrid(places, places[::-1]), axis=-1).reshape(-1, 2).astype(np.float32)
    pictures = model.picture(torch.from_numpy(grid))[:, 0].numpy().reshape(POINTS, POINTS, SIDE, SIDE)
    return Figure(
        "digits",
        f"Decoded on a grid of the latent plane; {1 - 2 * EDGE:.0%} of the prior lies between the edges, each way.",
        "A square of handwritten digits that change gradually from one to the next.",
        draw_plane(pictures, across=places.tolist(), down=places[::-1].tolist()),
    )
