"""Training a model of two codes on some pairs of a data set, and its answers for others."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from metricvae.core.dataset import PairDataset
from metricvae.nn.autoencoder import ModelConfig
from metricvae.training.checkpoint import load_model
from metricvae.training.config import TrainingConfig
from metricvae.training.loop import train


def some_pairs(data: PairDataset, rows: npt.NDArray[Any], split: str) -> PairDataset:
    """Some pairs with all objects, as pairs of one split.

    Args:
        data: pairs.
        rows: (k,) indices, or (n,) bool.
        split: its name.
    """
    found = data.select(rows)
    return dataclasses.replace(found, split=np.full(len(found), split))


def trained_answers(
    config: ModelConfig,
    training: TrainingConfig,
    parts: tuple[PairDataset, PairDataset],
    data: PairDataset,
    rows: npt.NDArray[np.int64],
) -> npt.NDArray[np.float64]:
    """(k,) values of pairs by a model that learned others; the model is not kept.

    Args:
        config, training: of the model between two kinds of objects.
        parts: pairs to learn, and pairs that tell which of the networks of the training is kept.
        data: of which pairs are answered for.
        rows: (k,) of these.
    """
    with tempfile.TemporaryDirectory() as folder:
        train(training, config, *parts, Path(folder) / "model")
        model = load_model(Path(folder) / "model").model
    with torch.no_grad():
        codes = [
            tower.encoder(tower.encoder.prepare(table.tensor(np.arange(len(table)))))[0]
            for tower, table in ((model.tower("left"), data.left), (model.tower("right"), data.right))
        ]
        score = model.head.score(codes[0][data.first[rows]], codes[1][data.second[rows]])
        ones = torch.ones(len(rows))
        return np.asarray(model.head.value(score, ones, ones).double().numpy())
