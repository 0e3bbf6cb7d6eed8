"""Pockets and molecules as rows of descriptors, and the encoder of such rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from metricvae.core.errors import InputError
from metricvae.core.metric import metric_from_json
from metricvae.kinds.molecule.conformers import flat
from metricvae.kinds.molecule.descriptors import NAMES
from metricvae.kinds.molecule_fingerprint.kind import BITS, MoleculeFingerprintKind
from metricvae.kinds.pocket.lining import LINING
from metricvae.kinds.pocket_lining.kind import REACHES, PocketLiningKind
from metricvae.nn.descriptors import DescriptorEncoderConfig
from pocket_problem import pockets


def test_descriptors_and_substructures_of_a_molecule_are_counted() -> None:
    kind = MoleculeFingerprintKind()
    acid, longer = kind.numbers([flat("CCCC(=O)O"), flat("CCCCCCCC(=O)O")])
    found = dict(zip(NAMES, acid.tolist(), strict=False))
    assert (found["ligand.heavy"], found["ligand.group.acid"], found["ligand.element.8"]) == (6, 1, 2)
    assert len(acid) == len(NAMES) + BITS == kind.count
    assert 6 <= acid[len(NAMES) :].sum() < longer[len(NAMES) :].sum()


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
