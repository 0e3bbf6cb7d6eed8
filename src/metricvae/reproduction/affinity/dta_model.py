"""A model of pairs of sequence and molecule: the product of two codes, and its training."""

from __future__ import annotations

import functools

import numpy as np

from metricvae.core.dataset import ObjectTable, PairDataset
from metricvae.core.metric import metric_from_json
from metricvae.kinds.molecule_fingerprint.kind import MoleculeFingerprintKind
from metricvae.kinds.sequence_words.kind import SequenceWordsKind
from metricvae.nn.autoencoder import ModelConfig, TowerConfig
from metricvae.nn.descriptors import DescriptorEncoderConfig
from metricvae.nn.heads import InnerProduct
from metricvae.nn.mlp import MlpDecoderConfig
from metricvae.reproduction.affinity.code_products import some_pairs, trained_answers
from metricvae.reproduction.affinity.dta_data import DtaSet, DtaSplit, Floats
from metricvae.training.config import TrainingConfig
from metricvae.training.optimisers import LossWeights

LATENT, DROPOUT, BATCH = 512, 0.1, 8_192
"""Numbers of a code, the share of hidden numbers that a training step leaves out, and pairs of a step: an object is
encoded once a step, so that many pairs cost little more than few."""


def fit_and_predict(data: DtaSet, split: DtaSplit, steps: int, seed: int) -> Floats:
    """(k,) values of the test pairs by a model that learned the others.

    Args:
        data: pairs.
        split: what is learned and predicted.
        steps: of the training.
        seed: of its weights and batches.
    """
    pairs = pairs_of(data)
    left, right = (
        TowerConfig(
            table.kind,
            DescriptorEncoderConfig(inputs=numbers.shape[1], dropout=DROPOUT),
            MlpDecoderConfig(inputs=numbers.shape[1]),
        )
        for table, numbers in ((pairs.left, data.targets), (pairs.right, data.drugs))
    )
    learned = data.value[split.train]
    head = InnerProduct(scale=3.0 * float(learned.std()), offset=float(learned.mean()))
    config = ModelConfig(pairs.metric, left, right, latent=LATENT, head=head)
    parts = some_pairs(pairs, split.train, "train"), some_pairs(pairs, split.validation, "validation")
    settings = training(steps, min(BATCH, len(learned)), seed)
    return trained_answers(config, settings, parts, pairs, np.flatnonzero(split.test))


def training(steps: int, batch: int, seed: int) -> TrainingConfig:
    """Some minutes on one core."""
    return TrainingConfig(
        steps=steps,
        batch_pairs=batch,
        anchor_share=0.05,
        optimisers="muon",
        learning_rate=2e-3,
        matrix_learning_rate=2e-2,
        weights=LossWeights(reconstruction=1e-4, latent=1e-4, deformation=0.0, metric=1.0),
        clip_norm=1.0,
        warmup_steps=min(50, steps),
        schedule="cosine",
        average_decay=0.99,
        evaluate_every=max(1, min(250, steps)),
        evaluate_pairs=5_000,
        threads=1,
        seed=seed,
    )


@functools.lru_cache(maxsize=1)
def pairs_of(data: DtaSet) -> PairDataset:
    """The pairs as a data set, the same for all splits: a sequence stands first, a molecule second."""
    words, molecules = SequenceWordsKind(), MoleculeFingerprintKind()
    left = ObjectTable.from_objects(words, data.sequences)
    right = ObjectTable.from_objects(molecules, [molecules.convert(one) for one in data.smiles])
    metric = metric_from_json({"name": "tabular", "title": data.name}).of_kinds(words.name, molecules.name)
    return PairDataset.from_objects(metric, left, data.target, data.drug, data.value, right=right)
