"""The README.md of a model folder: what it is, what it learned from, what it cost, where it ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from metricvae.model.checkpoints import LoadedModel
from metricvae.model.polar import REACH
from metricvae.model.settings import TrainingConfig

_TEXT = """---
library_name: metricvae
license: apache-2.0
tags: [metric-learning, variational-autoencoder, shape]
---
# {task} model

Predicts the maximum overlap area of two 200x200 silhouettes, over all rotations and translations, in pixels, from one
product of their codes: `metricvae predict MODEL A.png B.png`.

| | |
| --- | --- |
| data | {pairs} training pairs of `{objects}` shapes, seed {seed}; labels by metricvae's exact solver |
| network | {encoder} encoder, {decoder} decoder, {latent} latent dimensions, head {head}, {numbers} weights |
| training | {training} |
| validation R^2 | {r2:.4f} (used for early stopping; see the project's benchmarks for unseen shapes) |
| intervals | {level:.0%}, split conformal, half-widths {narrow:.0f} to {wide:.0f} pixels by size of the prediction |

**Limits.** One white shape on black, 200x200 pixels. Parts further than {reach:.0%} of the canvas side from the
centroid are not seen. The intervals hold for shapes like those of the data named above; on shapes of another kind
measure first: `metricvae label` some pairs of your own and `metricvae evaluate` with `--split all`.
"""


def model_card(loaded: LoadedModel, training: TrainingConfig) -> str:
    """The text for a finished, calibrated model."""
    facts, config = loaded.facts, loaded.config
    widths = loaded.calibration["half_widths"]
    return _TEXT.format(
        task=facts["task"],
        pairs=facts["pairs"],
        objects=facts["data"]["objects"],
        seed=facts["data"]["seed"],
        encoder=config.encoder,
        decoder=config.decoder,
        latent=config.latent,
        head=config.head.name,
        numbers=sum(p.numel() for p in loaded.model.parameters()),
        training=f"{_history(facts)}, seed {training.seed}",
        r2=facts["validation_r2"],
        level=loaded.calibration["level"],
        narrow=min(widths),
        wide=max(widths),
        reach=REACH,
    )


def _history(facts: Mapping[str, Any]) -> str:
    """Steps and time of a training, and before it of the one it started from."""
    start = facts.get("start")
    before = f"{_history(start['facts'])}; from there " if start else ""
    minutes = facts["seconds"] / 60
    return f"{before}{facts['steps']} steps, best at {facts['best_step']}, {minutes:.0f} minutes on {facts['device']}"
