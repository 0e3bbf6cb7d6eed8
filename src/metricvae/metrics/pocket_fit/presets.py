"""Ready-made models of the fit of molecules in pockets, and their trainings."""

from __future__ import annotations

from typing import Any

from metricvae.core.metric import Preset
from metricvae.kinds.molecule.encoders.point_set import PointSetEncoderConfig
from metricvae.kinds.molecule.kind import MoleculeKind
from metricvae.kinds.pocket.kind import PocketKind
from metricvae.metrics.pocket_fit.metric import FitMetric
from metricvae.metrics.shape.presets import TRAINING as SHAPE_TRAINING
from metricvae.nn.autoencoder import ModelConfig, TowerConfig
from metricvae.nn.density import DensityDecoderConfig
from metricvae.nn.heads import InnerProduct

TRAINING: dict[str, Any] = SHAPE_TRAINING | {
    "steps": 6_000,
    "batch_pairs": 2_048,
    "run_length": 256,
    "anchor_share": 0.05,
    "evaluate_every": 500,
}
"""As for the overlay by shape and colour (`metricvae.metrics.shape.presets`), in blocks of 16 pockets and molecules."""


OFFSET, SCALE = 0.23, 0.16
"""About the mean fit of drug-like molecules in pockets, and five standard deviations of it."""


def encoder(*, bonded: bool) -> PointSetEncoderConfig:
    """Convolutions between atoms of known elements, with their bonds where they have any."""
    return PointSetEncoderConfig(
        (64, 64, 64),
        mixing="convolution",
        chemical=True,
        bonded=bonded,
        distance_features=32,
        max_distance=12.0,
        grid_side=16,
        grid_spacing=1.35,
    )


def decoder() -> DensityDecoderConfig:
    """Coarse density maps."""
    return DensityDecoderConfig((48, 32, 16), grid_side=16, grid_spacing=1.35)


def pocket_fit() -> Preset:
    """Two towers of convolutions between atoms: one for images of pockets, one for molecules with their bonds."""
    pocket = TowerConfig(PocketKind(), encoder(bonded=False), decoder())
    molecule = TowerConfig(MoleculeKind(), encoder(bonded=True), decoder())
    return Preset(
        ModelConfig(FitMetric(), pocket, molecule, latent=192, head=InnerProduct(scale=SCALE, offset=OFFSET)), TRAINING
    )


PRESETS = {"pocket-fit": pocket_fit}
