"""The usual siamese network: one encoder, the cosine of two codes, and its squared error, as the CosineSimilarityLoss
of sentence-transformers has it (N. Reimers and I. Gurevych, EMNLP 2019).

Values are scaled to [0, 1] by the least and the greatest of the training, a distance upside down, so that equal objects
have a cosine of 1. The encoder is of the class and size that the kind has by default; there is no decoder, no loss but
this one, no moved copies, and one tower even where the order of a pair counts. Where the kind starts from a model that
ships, so does the encoder. AdamW warms up over a tenth of the steps
and falls to zero along a line; the weights are those of the best measurement on the validation pairs.
"""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from metricvae.core.dataset import PairDataset
from metricvae.nn.angular_heads import cosine
from metricvae.nn.autoencoder import ModelConfig
from metricvae.nn.coders import Encoder, EncoderConfig
from metricvae.nn.layers import seeded_weights
from metricvae.reproduction.any_metric.records import Floats, Rows
from metricvae.reproduction.any_metric.scores import score
from metricvae.runtime.precision import threads_of
from metricvae.training.checkpoint import LoadedModel

AT_ONCE = 128
"""Objects that are prepared and encoded together."""


@dataclass(frozen=True)
class SiameseConfig:
    """How the network is trained.

    Attributes:
        steps, batch_pairs: as many as the model's training has.
        minutes: after which it stops, its learning rate at zero.
        latent: size of a code.
        learning_rate: of AdamW.
        warmup: share of the steps in which the learning rate rises.
        weight_decay: of AdamW.
        clip_norm: gradients longer than this are cut to it.
        measurements: on the validation pairs, over the whole training.
        threads: of PyTorch.
        seed: of the weights and the batches.
    """

    steps: int
    batch_pairs: int
    minutes: float
    latent: int
    learning_rate: float = 1e-3
    warmup: float = 0.1
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    measurements: int = 40
    threads: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class Scaling:
    """Between values and cosines.

    Attributes:
        low, high: values that stand for 0 and 1, or for 1 and 0.
        similarity: whether the higher stands for 1.
    """

    low: float
    high: float
    similarity: bool

    @classmethod
    def of(cls, data: PairDataset) -> Scaling:
        """By the training values."""
        values = data.value[data.rows("train")]
        return cls(float(values.min()), float(values.max()), data.metric.similarity)

    def to_cosine(self, value: Floats) -> Floats:
        """(n,) values -> (n,) in [0, 1], for those of the training."""
        share = (value - self.low) / (self.high - self.low)
        return share if self.similarity else 1 - share

    def to_value(self, found: Floats) -> Floats:
        """The inverse of `to_cosine`."""
        share = found if self.similarity else 1 - found
        return self.low + share * (self.high - self.low)


def predict_siamese(
    data: PairDataset, model: ModelConfig, config: SiameseConfig, start: LoadedModel | None = None
) -> tuple[Floats, float]:
    """Train on the train split of a data set, and predict its test split: (n,) values, and the minutes it took.

    Args:
        data: of one kind of objects.
        model: whose left encoder it is.
        config: of the training.
        start: a model of that encoder and size of code whose weights training starts from; by default random ones.
    """
    began = time.monotonic()
    with threads_of(config.threads):
        encoder, features = _begin(data, model, config, start)
        trained = _train(encoder, features, data, config)
        test = data.of_split("test")
        found = _cosines(trained, features, test)
    return Scaling.of(data).to_value(found), (time.monotonic() - began) / 60


def _begin(
    data: PairDataset, model: ModelConfig, config: SiameseConfig, start: LoadedModel | None
) -> tuple[Encoder, Tensor]:
    """An encoder with initial weights, and the features of all objects as it keeps them."""
    encoder_config = model.left.encoder
    assert isinstance(encoder_config, EncoderConfig)
    with seeded_weights(config.seed):
        encoder = encoder_config.build(config.latent)
    with torch.no_grad():
        parts = [
            encoder.pack(encoder.prepare(data.left.tensor(np.arange(start, min(start + AT_ONCE, len(data.left))))))
            for start in range(0, len(data.left), AT_ONCE)
        ]
        features = torch.cat(parts)
        seen = np.unique(np.concatenate([ends[data.rows("train")] for ends in (data.first, data.second)]))[:2_048]
        if start is None:
            encoder.fit_scaling(encoder.unpack(features[seen]))
        else:
            encoder.load_state_dict(start.model.left.encoder.state_dict())
    return encoder, features


def _train(encoder: Encoder, features: Tensor, data: PairDataset, config: SiameseConfig) -> Encoder:
    train, validation = data.of_split("train"), data.of_split("validation")
    target = torch.from_numpy(Scaling.of(data).to_cosine(train.value)).float()
    optimiser = torch.optim.AdamW(encoder.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    rng, began, best, kept = np.random.default_rng(config.seed), time.monotonic(), -np.inf, encoder
    order = np.empty(0, np.int64)
    for step in range(config.steps):
        done = max(step / config.steps, (time.monotonic() - began) / (60 * config.minutes))
        if len(order) < config.batch_pairs:
            order = rng.permutation(len(train))
        rows, order = order[: config.batch_pairs], order[config.batch_pairs :]
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * rate(step, done, config)
        encoder.train()
        found = _pair_cosines(encoder, features, train.first[rows], train.second[rows])
        loss = torch.nn.functional.mse_loss(found, target[rows])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(encoder.parameters(), config.clip_norm)
        optimiser.step()
        last = step + 1 == config.steps or done >= 1
        if last or (step + 1) % max(1, config.steps // config.measurements) == 0:
            reached = _validation_score(encoder, features, validation, Scaling.of(data))
            if reached > best:
                best, kept = reached, copy.deepcopy(encoder)
        if last:
            break
    return kept


def rate(step: int, done: float, config: SiameseConfig) -> float:
    """What the learning rate is multiplied with, when a share `done` of the steps or of the time is used up."""
    rise = min(1.0, (step + 1) / max(1.0, config.warmup * config.steps))
    return rise * max(0.0, min(1.0, (1 - done) / (1 - config.warmup)))


def _pair_cosines(encoder: Encoder, features: Tensor, first: Rows, second: Rows) -> Tensor:
    """Each object is encoded once."""
    rows, ends = np.unique(np.concatenate([first, second]), return_inverse=True)
    codes = encoder(encoder.unpack(features[rows]))[0]
    return cosine(codes[ends[: len(first)]], codes[ends[len(first) :]])


@torch.no_grad()
def _cosines(encoder: Encoder, features: Tensor, pairs: PairDataset) -> Floats:
    encoder.eval()
    rows, ends = np.unique(np.concatenate([pairs.first, pairs.second]), return_inverse=True)
    parts = [encoder(encoder.unpack(features[part]))[0] for part in np.array_split(rows, -(-len(rows) // AT_ONCE))]
    codes = torch.cat(parts)
    found: Floats = cosine(codes[ends[: len(pairs)]], codes[ends[len(pairs) :]]).double().numpy()
    return found


def _validation_score(encoder: Encoder, features: Tensor, validation: PairDataset, scaling: Scaling) -> float:
    predicted = scaling.to_value(_cosines(encoder, features, validation))
    return score(predicted, validation.value, validation.metric.task == "binary")
