"""Ready-made models of the shape of molecules, and their trainings."""

from __future__ import annotations

from typing import Any

from metricvae.core.metric import Preset
from metricvae.kinds.molecule.encoders.point_set import PointSetEncoderConfig
from metricvae.kinds.molecule.kind import MoleculeKind
from metricvae.kinds.molecule_2d.encoders.graph import GraphEncoderConfig
from metricvae.kinds.molecule_2d.kind import Molecule2dKind
from metricvae.metrics.shape.coloured_metric import ColouredMetric
from metricvae.metrics.shape.metric import ShapeMetric
from metricvae.nn.autoencoder import ModelConfig, TowerConfig
from metricvae.nn.density import DensityDecoderConfig
from metricvae.nn.heads import CosineSimilarity, CosineTanimoto

TRAINING: dict[str, Any] = {
    "steps": 20_000,
    "batch_pairs": 1_920,
    "run_length": 120,
    "anchor_share": 0.25,
    "optimisers": "muon",
    "learning_rate": 1e-3,
    "matrix_learning_rate": 3e-3,
    "weights": {"reconstruction": 2e-8, "latent": 2e-8, "deformation": 1e-3, "metric": 1.0},
    "clip_norm": 0.05,
    "warmup_steps": 200,
    "schedule": "cosine",
    "mirror": True,
    "average_decay": 0.999,
    "evaluate_every": 1_000,
    "evaluate_pairs": 20_000,
    "stored_as": "float16",
}
"""The metric loss, of the order of 1e-3, leads; equation (1), in nats, is scaled down to stay beside it."""


def molecules() -> Preset:
    """Shape in space: atoms that attend to one another, and the Tanimoto coefficient as the cosine of two codes."""
    tower = TowerConfig(MoleculeKind(), PointSetEncoderConfig(), DensityDecoderConfig())
    return Preset(ModelConfig(ShapeMetric(), tower, latent=256, head=CosineTanimoto(), mirrored=True), TRAINING)


def molecules_2d() -> Preset:
    """`molecules` from atoms and bonds alone, for libraries without conformers."""
    tower = TowerConfig(Molecule2dKind(), GraphEncoderConfig(), DensityDecoderConfig())
    return Preset(ModelConfig(ShapeMetric(), tower, latent=256, head=CosineTanimoto()), TRAINING)


def molecules_colour() -> Preset:
    """Shape and colour in space: convolutions between atoms of known elements and bonds, and their similarity as the
    cosine of two codes."""
    encoder = PointSetEncoderConfig(
        (96, 96, 96, 96),
        mixing="convolution",
        chemical=True,
        bonded=True,
        distance_features=48,
        max_distance=14.0,
        grid_side=16,
        grid_spacing=1.35,
    )
    decoder = DensityDecoderConfig((48, 32, 16), grid_side=16, grid_spacing=1.35)
    tower = TowerConfig(MoleculeKind(), encoder, decoder)
    model = ModelConfig(ColouredMetric(), tower, latent=256, head=CosineSimilarity(), mirrored=True)
    return Preset(model, TRAINING | {"anchor_share": 0.05})


PRESETS = {"molecules": molecules, "molecules-2d": molecules_2d}

COLOURED_PRESETS = {"molecules-colour": molecules_colour}
