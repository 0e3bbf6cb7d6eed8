"""Figure 1.4: the plane of codes of wrenches, stars, scissors and moose that stand upright."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from metricvae.core.dataset import ObjectTable, PairDataset
from metricvae.kinds.silhouette.kind import SilhouetteKind
from metricvae.kinds.silhouette.sources.upright import UPRIGHT, UprightShapes, draw_upright
from metricvae.metrics.tabular import TabularMetric
from metricvae.nn.autoencoder import Tower
from metricvae.plotting.codes import draw_plane
from metricvae.reproduction.config import PlaneConfig
from metricvae.reproduction.dense import dense_training, train_dense
from metricvae.reproduction.inputs import OnStep
from metricvae.reproduction.report import Figure, Section
from metricvae.training.optimisers import LossWeights

SAME_FAMILY = TabularMetric("whether two shapes are of one family", left=SilhouetteKind.name, task="binary")
"""What pairs are labelled with; its loss has no weight here, as the paper's figure has no metric."""

VALIDATED = 0.1
"""Share of the shapes that validate."""


def plane_section(config: PlaneConfig, folder: Path, steps: int, seed: int, step: OnStep) -> Section:
    """Train a plain autoencoder with two latent dimensions, and decode a grid over its codes.

    Args:
        config: the settings.
        folder: for the network.
        steps: of the other figures' trainings.
        seed: of the shapes and the training.
        step: told what of how much is done.
    """
    shapes = draw_upright(config.shapes, config.side, seed)
    weights = LossWeights(reconstruction=1.0, latent=config.latent_weight, deformation=0.0, metric=0.0)
    training = dense_training(config.steps_factor * steps, weights, seed, config.batch_pairs)
    tower = train_dense(folder, 2, training, _parts(shapes, config, seed), "training on upright shapes", step)
    names = ", ".join(family.name.replace("_", " ") for family in UPRIGHT)
    return Section(
        "Figure 1.4: the plane of codes",
        f"A variational autoencoder with the paper's fully connected layers and two latent dimensions, of "
        f"{config.shapes:,} shapes that are not rotated: {names}. As in the paper no metric is defined, so distances "
        "mean nothing; shapes change smoothly along rows and columns: the latent space is continuous.",
        figures=(_figure(tower, shapes, config),),
    )


def _parts(shapes: UprightShapes, config: PlaneConfig, seed: int) -> tuple[PairDataset, PairDataset]:
    """Random pairs of the shapes to learn from, and of those that validate."""
    held_out = round(VALIDATED * len(shapes.masks))
    rng = np.random.default_rng(seed)
    rows = np.arange(len(shapes.masks))
    learned, validating = rows[held_out:], rows[:held_out]
    return _pairs(shapes, learned, config.pairs, rng), _pairs(shapes, validating, config.pairs // 10, rng)


def _pairs(shapes: UprightShapes, rows: npt.NDArray[np.int64], count: int, rng: np.random.Generator) -> PairDataset:
    """`count` random pairs of some of the shapes, 1 where both are of one family."""
    height, width = shapes.masks.shape[1:]
    table = ObjectTable.from_objects(SilhouetteKind(height, width), list(shapes.masks[rows]))
    first, second = rng.integers(len(rows), size=(2, count))
    family = shapes.families[rows]
    return PairDataset.from_objects(SAME_FAMILY, table, first, second, family[first] == family[second])


@torch.inference_mode()
def _figure(tower: Tower, shapes: UprightShapes, config: PlaneConfig) -> Figure:
    """Decoded on a grid between quantiles of the shapes' codes."""
    codes = tower.code(torch.from_numpy(shapes.masks)[:, None].float()).numpy()
    ends = np.quantile(codes, [(1 - config.span) / 2, (1 + config.span) / 2], axis=0)
    across, up = np.linspace(ends[0], ends[1], config.points).T
    down = up[::-1]
    grid = np.stack(np.meshgrid(across, down), axis=-1).reshape(-1, 2).astype(np.float32)
    pictures = tower.picture(torch.from_numpy(grid))[:, 0].numpy()
    return Figure(
        "plane",
        f"Decoded on a grid over the central {config.span:.0%} of the shapes' codes.",
        "A square of small shapes that change gradually: wrenches, stars, scissors and moose.",
        draw_plane(
            pictures.reshape(config.points, config.points, *pictures.shape[1:]),
            across=across.tolist(),
            down=down.tolist(),
        ),
    )
