"""Make the `molecules-colour` model that ships: conformers, overlays by shape and colour, training, and the model into
the package.

    python benchmarks/larger_molecules.py --smiles FILE --out FOLDER/larger.smi --molecules 40000
    python benchmarks/ship_molecules_colour.py --smiles FILE --work FOLDER [--device auto]

FILE lists SMILES, one a line: the 244,381 of ZINC250k, gzipped, have this SHA-256:
f3f2148e1976ffe079edb3e311f576977c63ae5d6b79eb4401e3cdc71af50936.

Three stages, of pairs in blocks of 16 molecules that all meet one another: 900,000 of 30,000 molecules, then of 60,000
from the weights of the first, then also 450,000 of 30,000 molecules of 28 to 48 heavy atoms that are joined from parts
of those of FILE. On two cores half an hour for the conformers and overlays of the first, 45 minutes for those of the
second, half an hour for those of the third; two hours and a quarter of training on one core that nothing else uses. A
killed run resumes.

What ships holds that encoder beside the one of the shipped model `molecules`, as it is there: a code says the shape of
a molecule, from which the metric `shape` is read, and the mean of both cosines is closer to shape and colour together
than either. The weights in that mean, and the power of it that is the answer, are those that explain most of the
validation pairs, on average over the data sets of the last stage.
"""

from __future__ import annotations

import itertools
import math
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from shipping import Stage, arguments, label, train_stages
from torch import Tensor

from metricvae.core.dataset import PairDataset, Rows
from metricvae.core.dataset_files import read_dataset
from metricvae.core.dataset_merge import merge
from metricvae.fitting.add_metric import install_metric
from metricvae.fitting.model_card import CARD, model_card
from metricvae.kinds.molecule.encoders.joined import JoinedEncoderConfig
from metricvae.kinds.molecule.encoders.point_set import PointSetEncoderConfig
from metricvae.kinds.molecule.kind import MoleculeKind
from metricvae.metrics.shape.coloured_metric import ColouredMetric
from metricvae.nn.angular_heads import POWERS
from metricvae.nn.autoencoder import ModelConfig, TowerConfig
from metricvae.nn.heads import CosineTanimoto, Head, LinearCosine
from metricvae.nn.views import ViewedHead
from metricvae.prediction.calibrate import calibration_of
from metricvae.prediction.predictor import Predictor
from metricvae.runtime.files import write_text
from metricvae.training.checkpoint import SHIPPED, LoadedModel, annotate, begin_model, finish_model, load_model
from metricvae.training.config import TrainingConfig

NAME, SHAPE = "molecules-colour", "molecules"
PARTNERS = 15
BLOCK = math.comb(PARTNERS + 1, 2)
TRAINING = {"steps": 4_000, "batch_pairs": 16 * BLOCK, "run_length": BLOCK, "evaluate_every": 500, "threads": 1}
"""What differs from the preset."""

FURTHER = TRAINING | {"steps": 2_500}


SOURCES = {"--smiles": "--objects"}

HELD_OUT = 20_000
"""Validation pairs of a data set, at most, by which the weights are chosen."""

CHOICES = [round(0.05 * number, 2) for number in range(21)]
"""Weights of the shape's cosine that are tried."""


def labels(molecules: int, seed: int) -> list[str]:
    """Arguments of `metricvae label`."""
    return [NAME, "--pairs", "900000", "--molecules", str(molecules), "--seed", str(seed)]


LARGER = [
    *(NAME, "--pairs", "450000", "--molecules", "30000", "--seed", "3"),
    *("--objects", "{work}/larger.smi"),
]

STAGES = [
    Stage({"zinc": labels(30_000, 1)}, TRAINING, "first"),
    Stage({"more": labels(60_000, 2)}, FURTHER, "second"),
    Stage({"more": labels(60_000, 2), "larger": LARGER}, FURTHER, "third"),
]

SHAPES = {
    "shape": [SHAPE, "--pairs", "30000", "--molecules", "4000", "--seed", "7"],
    "shape-larger": [
        *(SHAPE, "--pairs", "30000", "--molecules", "4000", "--seed", "7"),
        *("--objects", "{work}/larger.smi"),
    ],
}
"""Pairs on which shape is calibrated."""

PARTS = """
**Two encoders.** The cosine of two codes is {share:g} of what the encoder of the model `{shape}` says, as it is there,
and {rest:g} of what one says that learned shape and colour, to which data and training above belong. With
`--metric shape` the model says the overlap of shapes alone, as `{shape}` does. Weights and head were chosen by
validation pairs of ZINC250k and of larger molecules, of which they explain {explained}.
"""


def joined(shape: LoadedModel, colour: LoadedModel, share: float, head: Head) -> ModelConfig:
    """What the model is built from, with the encoder of `shape` for so much of the cosine."""
    parts = tuple(one.config.left.encoder for one in (shape, colour))
    assert all(isinstance(part, PointSetEncoderConfig) for part in parts)
    encoder = JoinedEncoderConfig(parts, (share, round(1 - share, 2)))  # type: ignore[arg-type]
    latent = 2 * (shape.config.latent + colour.config.latent)
    return ModelConfig(ColouredMetric(), TowerConfig(MoleculeKind(), encoder), latent=latent, head=head)


def weights_of(parts: Sequence[LoadedModel]) -> dict[str, Tensor]:
    """Those of the encoders of models, by the names that they have side by side."""
    old = "towers.left.encoder."
    return {
        f"{old}encoders.{number}.{name.removeprefix(old)}": weight
        for number, part in enumerate(parts)
        for name, weight in part.model.state_dict().items()
        if name.startswith(old)
    }


def cosines(model: LoadedModel, data: PairDataset, rows: Rows) -> Tensor:
    """Of the codes of pairs."""
    ends = data.first[rows], data.second[rows]
    objects, place = np.unique(np.concatenate(ends), return_inverse=True)
    left, right = Predictor(model).encode_rows(data.left, objects).codes[place].chunk(2)
    return model.config.head.score(left, right).double()


def slope_from_equal(score: Tensor, value: Tensor) -> float:
    """That of the line through a score and a value of 1, those of a molecule and itself, by least squares."""
    return float(((1 - score) * (1 - value)).sum() / (1 - score).square().sum())


def chosen(shape: LoadedModel, colour: LoadedModel, data: Sequence[PairDataset]) -> tuple[float, Head, list[float]]:
    """Share of the shape's cosine, the head, and what is explained of each data set."""
    held_out = [part.rows("validation")[:HELD_OUT] for part in data]
    values = [torch.from_numpy(part.value[rows]) for part, rows in zip(data, held_out, strict=True)]
    measured = [
        tuple(cosines(model, part, rows) for model in (shape, colour))
        for part, rows in zip(data, held_out, strict=True)
    ]
    found = []
    for share, power in itertools.product(CHOICES, (1.0, *POWERS)):
        cosine = [share * of_shape + (1 - share) * of_both for of_shape, of_both in measured]
        scores = [LinearCosine(power=power).score_of_cosine(one) for one in cosine]
        scale = slope_from_equal(torch.cat(scores), torch.cat(values))
        head = LinearCosine(scale, 1 - scale, power)
        nothing = torch.zeros(())
        explained = [
            float(1 - (head.value(score, nothing, nothing) - value).square().mean() / value.var(correction=0))
            for score, value in zip(scores, values, strict=True)
        ]
        print(f"{share:.2f} of shape, power {power:g}: explained {explained[0]:.4f}, {explained[1]:.4f}", flush=True)
        found.append((sum(explained), share, head, explained))
    _, share, head, explained = max(found, key=lambda one: one[0])
    return share, head, explained


def main() -> None:
    """Make the model, and put it into the package."""
    options = arguments(__doc__, SOURCES)
    shape, colour = load_model(SHAPE), load_model(train_stages(NAME, STAGES, options, SOURCES))
    data = [read_dataset(options.work / name) for name in STAGES[-1].data]
    shapes = [read_dataset(label(name, words, options, SOURCES)) for name, words in SHAPES.items()]
    share, head, explained = chosen(shape, colour, data)
    folder: Path = options.work / NAME
    shutil.rmtree(folder, ignore_errors=True)
    parts = {"shape": shape.sha256, "colour": colour.sha256}
    begin_model(folder, joined(shape, colour, share, head), {}, {"parts": parts})
    told = {"validation_r2": sum(explained) / len(explained), "explained": explained, "parts": parts}
    facts = {**colour.facts, **told}
    finish_model(folder, weights_of((shape, colour)), "float16", facts)
    # without the latent prior, which a decoder would draw from: of 1,024 numbers it is larger than the encoders
    annotate(folder, calibration=calibration_of(Predictor(load_model(folder)), merge(data)))
    loaded = load_model(folder)
    said = " and ".join(f"{one:.1%}" for one in explained)
    parts_text = PARTS.format(shape=SHAPE, share=share, rest=round(1 - share, 2), explained=said)
    write_text(folder / CARD, model_card(loaded, TrainingConfig()) + parts_text)
    known = {"train": shape.facts["pairs"], "calibration": sum(len(one.rows("calibration")) for one in shapes)}
    view = ViewedHead(CosineTanimoto(), (0, 2 * shape.config.latent))
    of_shape = {"values": known, "validation": shape.facts["validation_r2"], "encoder": f"as in {SHAPE}"}
    install_metric(loaded, "shape", merge(shapes), view, folder, of_shape)
    target = SHIPPED / NAME
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(folder, target, ignore=shutil.ignore_patterns("*.tmp", "log.jsonl"))
    load_model(NAME)


if __name__ == "__main__":
    main()
