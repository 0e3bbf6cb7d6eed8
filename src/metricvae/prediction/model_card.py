"""The README.md of a model folder: what it is, what it learned from, what it cost, where it ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from metricvae.kinds.silhouette.encoders.polar import REACH
from metricvae.prediction.calibration.binary import BinaryCalibration
from metricvae.training.checkpoint import LoadedModel
from metricvae.training.config import TrainingConfig

_TEXT = """---
library_name: metricvae
license: apache-2.0
tags: [metric-learning, variational-autoencoder, shape]
---
# {task} model

{does} `{command}`.

| | |
| --- | --- |
| data | {pairs} training pairs of {objects}; {labels} |
| network | {encoder} encoder, {decoder} decoder, {latent} latent dimensions, head {head}, {numbers} weights |
| training | {training} |
| validation R^2 | {r2:.4f} (used for early stopping; see the project's benchmarks for unseen shapes) |
{answers}

**Limits.** {limits}

Intervals hold for shapes like those of the data named above. Shapes unlike them are called novel and get wider ones,
which may be too narrow all the same; on shapes of another kind measure first: `metricvae label` some pairs of your own
and `metricvae evaluate` with `--split all`.
"""


_CANVAS = (
    f"One white shape on black, 200x200 pixels. Parts further than {REACH:.0%} of the canvas side from the\n"
    "centroid are not seen."
)

_IMAGES = {"command": "metricvae predict MODEL A.png B.png", "limits": _CANVAS, "unit": "pixels"}

_OVERLAP = _IMAGES | {
    "does": (
        "Predicts the maximum overlap area of two 200x200 silhouettes, over all rotations and translations, in pixels, "
        "from their\ncodes: one product, and for near duplicates what a product leaves out."
    ),
    "labels": "labels by metricvae's exact solver",
}

_MATCHES = _IMAGES | {
    "does": (
        "Says how likely two pieces on 200x200 canvases belong together, however each is turned and shifted, from one "
        "product of\ntheir codes."
    ),
    "labels": "labels known from how the pairs were made",
}

_MOLECULES = {
    "does": (
        "Predicts the maximum overlap volume of two molecules, over all rotations and translations, in cubic "
        "angstroms, and with\nit their shape Tanimoto, which is the cosine of their codes."
    ),
    "labels": "labels by metricvae's exact overlay",
    "command": "metricvae predict MODEL A.sdf B.sdf",
    "unit": "cubic angstroms",
}

_IN_SPACE = (
    "Molecules of 4 to 100 heavy atoms, in the conformers that are given: shape alone, nothing of charges or\nhydrogen "
    "bonds, and no other conformers."
)

_ON_PAPER = (
    "Molecules of 4 to 100 heavy atoms, as atoms and bonds alone: an answer for a molecule that can take many\n"
    "shapes is one for all of them, and stereo is not seen."
)


def _words(loaded: LoadedModel) -> dict[str, str]:
    """What the card of a model says beside its numbers."""
    if loaded.config.form == "molecules":
        return _MOLECULES | {"limits": _IN_SPACE if loaded.config.encoder == "cloud" else _ON_PAPER}
    return _OVERLAP if loaded.config.head.absolute else _MATCHES


def model_card(loaded: LoadedModel, training: TrainingConfig) -> str:
    """The text for a finished, calibrated model."""
    facts, config = loaded.facts, loaded.config
    words = _words(loaded)
    calibration = loaded.calibration
    return _TEXT.format(
        **words,
        answers=_intervals(calibration, words["unit"]) if config.head.absolute else _verdicts(calibration),
        task=facts["task"],
        pairs=facts["pairs"],
        objects=_objects(facts["data"]),
        encoder=config.encoder,
        decoder=config.decoder,
        latent=config.latent,
        head=config.head.name,
        numbers=sum(p.numel() for p in loaded.model.parameters()),
        training=f"{_history(facts)}, seed {training.seed}",
        r2=facts["validation_r2"],
    )


def _intervals(calibration: Mapping[str, Any], unit: str) -> str:
    widths, level = calibration["half_widths"], calibration["level"]
    size = f"half-widths {min(widths):.0f} to {max(widths):.0f} {unit} by size of the prediction"
    return f"| intervals | {level:.0%}, split conformal, {size} |"


def _verdicts(calibration: Mapping[str, Any]) -> str:
    binary = BinaryCalibration.read(calibration)
    border = f"probability at least {binary.threshold:.3f}, chosen on validation pairs"
    ruled_out = f"an answer less likely than {1 - binary.nonconformity_quantile:.2f} is ruled out"
    return f"| a match | {border} |\n| answers | {binary.level:.0%}, split conformal: {ruled_out} |"


def _objects(plan: Mapping[str, Any]) -> str:
    """What objects a data set, or several as one, has."""
    plans = plan.get("parts", [plan])
    return " and of ".join(f"`{one['objects']}` shapes, seed {one['seed']}" for one in plans)


def _history(facts: Mapping[str, Any]) -> str:
    """Steps and time of a training, and before it of the one it started from."""
    start = facts.get("start")
    before = f"{_history(start['facts'])}; from there " if start else ""
    minutes = facts["seconds"] / 60
    return f"{before}{facts['steps']} steps, best at {facts['best_step']}, {minutes:.0f} minutes on {facts['device']}"
