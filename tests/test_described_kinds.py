"""Pockets and molecules as rows of descriptors, and the encoder of such rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from metricvae.core.dataset import ObjectTable, PairDataset
from metricvae.core.errors import InputError
from metricvae.core.metric import metric_from_json
from metricvae.kinds.described import DescribedKind
from metricvae.kinds.molecule.conformers import flat
from metricvae.kinds.molecule.descriptors import NAMES
from metricvae.kinds.molecule_descriptors.kind import MoleculeDescriptorsKind
from metricvae.kinds.molecule_fingerprint.kind import BITS, MoleculeFingerprintKind
from metricvae.kinds.pocket.lining import LINING
from metricvae.kinds.pocket_lining.kind import REACHES, PocketLiningKind
from metricvae.metrics.tabular import TabularMetric
from metricvae.nn.autoencoder import ModelConfig, TowerConfig, build
from metricvae.nn.descriptors import DescriptorEncoderConfig
from metricvae.nn.heads import InnerProduct
from metricvae.training.checkpoint import WEIGHTS
from metricvae.training.config import TrainingConfig
from metricvae.training.features import features_for
from metricvae.training.logs import Progress
from metricvae.training.loop import train
from metricvae.training.optimisers import LossWeights, Optimisers
from metricvae.training.state import TrainingState
from metricvae.training.step import TrainingData, training_step
from model_problem import CPU
from pocket_problem import pockets


def test_descriptors_and_substructures_of_a_molecule_are_counted() -> None:
    kind = MoleculeFingerprintKind()
    acid, longer = kind.numbers([flat("CCCC(=O)O"), flat("CCCCCCCC(=O)O")])
    found = dict(zip(NAMES, acid.tolist(), strict=False))
    assert (found["ligand.heavy"], found["ligand.group.acid"], found["ligand.element.8"]) == (6, 1, 2)
    assert len(acid) == len(NAMES) + BITS == kind.count
    assert 6 <= acid[len(NAMES) :].sum() < longer[len(NAMES) :].sum()
    alone = MoleculeDescriptorsKind().numbers([flat("CCCC(=O)O"), flat("CCCCCCCC(=O)O")])
    np.testing.assert_array_equal(alone, np.stack([acid, longer])[:, : len(NAMES)])


@pytest.mark.parametrize("kind", [MoleculeDescriptorsKind(), MoleculeFingerprintKind()])
def test_a_molecule_whose_bonds_have_no_order_is_not_described(kind: DescribedKind) -> None:
    with pytest.raises(InputError, match="has no SMILES"):
        kind.numbers([replace(flat("CCCC(=O)O"), smiles="")])


def test_what_lines_a_pocket_is_counted_within_each_reach_and_follows_no_motion(tmp_path: Path) -> None:
    pocket = pockets(tmp_path)[0]
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    turn[:, 0] *= np.sign(np.linalg.det(turn))
    still, moved = PocketLiningKind().numbers([pocket, pocket.moved(turn, (3.0, -2.0, 5.0))])
    np.testing.assert_allclose(moved, still, atol=1e-3)
    atoms = still[: len(REACHES) * len(LINING)].reshape(len(REACHES), -1)[:, LINING.index("atoms")]
    assert 0 < atoms[0] <= atoms[1] <= atoms[2] <= len(pocket.receptor)
    assert still[len(REACHES) * len(LINING)] == len(pocket.image)


def test_members_share_nothing_and_leave_numbers_out_in_training_alone() -> None:
    torch.manual_seed(0)
    encoder = DescriptorEncoderConfig(inputs=5, width=8, members=2, input_dropout=0.5).build(4)
    rows = encoder.prepare(torch.randn(6, 5))
    encoder.fit_scaling(rows)
    encoder.eval()
    mean, log_variance = encoder(rows)
    assert mean.shape == log_variance.shape == (6, 4)
    torch.testing.assert_close(encoder(rows)[0], mean)
    gradients = torch.autograd.grad(mean[:, :2].sum(), list(encoder.members.parameters()))
    moved = [bool(gradient.any()) for gradient in gradients]
    half = len(moved) // 2
    assert any(moved[:half])
    assert not any(moved[half:])
    encoder.train()
    assert not torch.equal(encoder(rows)[0], encoder(rows)[0])


CONFIG = TrainingConfig(
    steps=6, batch_pairs=16, evaluate_every=2, average_decay=0.9, threads=1, precision="float32", optimisers="muon"
)


def counted_pairs(seed: int) -> PairDataset:
    """Pairs of random rows of numbers, in the place of molecules; the value is the mean of their first numbers."""
    random, kind = np.random.default_rng(seed), MoleculeFingerprintKind()
    rows = random.poisson(2.0, (20, kind.count)).astype(np.float32)
    table = ObjectTable(kind, tuple(map(str, range(20))), rows.view(np.uint8), np.ones(20))
    first, second = random.integers(0, 20, (2, 60))
    value = (rows[first, 0] + rows[second, 0]) / 2
    return PairDataset.from_objects(TabularMetric("mean").of_kinds(kind.name), table, first, second, value)


def counted_model() -> ModelConfig:
    kind = MoleculeFingerprintKind()
    encoder = DescriptorEncoderConfig(inputs=kind.count, width=8, members=2)
    return ModelConfig(counted_pairs(0).metric, TowerConfig(kind, encoder), latent=4, head=InnerProduct(1.0))


def test_what_a_step_leaves_out_depends_on_the_step_alone() -> None:
    def losses() -> list[float]:
        model, data = build(counted_model()).train(), counted_pairs(0)
        optimisers = Optimisers(model, "one", LossWeights(), 1e-3, 1e-3)
        features = {
            "left": features_for(CONFIG, data.left, np.arange(20), model.left.encoder, data.left.kind.move, CPU)
        }
        state = TrainingState(model, optimisers, average=False)
        return training_step(state, TrainingData.of(data, features, CONFIG), CONFIG)

    before = torch.get_rng_state()
    first = losses()
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(1)
    assert losses() == first


def test_an_interrupted_training_with_dropout_ends_bit_equal(tmp_path: Path) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.step == 3:
            raise KeyboardInterrupt

    data = counted_pairs(1), counted_pairs(2)
    train(CONFIG, counted_model(), *data, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(CONFIG, counted_model(), *data, tmp_path / "broken", on_progress=interrupt)
    train(CONFIG, counted_model(), *data, tmp_path / "broken")
    assert (tmp_path / "broken" / WEIGHTS).read_bytes() == (tmp_path / "whole" / WEIGHTS).read_bytes()


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(InputError, match="multiple of the 4 members"):
        DescriptorEncoderConfig(inputs=3).build(6)
    with pytest.raises(InputError, match="expected less than 1"):
        DescriptorEncoderConfig(dropout=1.0)


def test_a_metric_takes_kinds_that_are_another_view_of_its_own() -> None:
    metric = metric_from_json("affinity")
    assert metric.of_kinds("pocket-lining", "molecule-fingerprint") == metric.of_kinds("pocket", "molecule")
    with pytest.raises(InputError, match="between pocket and molecule, got vector"):
        metric.of_kinds("vector", "molecule")
