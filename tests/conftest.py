"""What several test modules share: small data sets, labelled once, and packages that seem to be missing.

Labelling, fitting and the command line are imported by the fixtures that use them, so that a test of one layer runs
without the layers above it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cli_problem import HALVES_TOWER, Command, Outcome
from metricvae.core.dataset import PairDataset
from metricvae.core.dataset_files import read_dataset
from metricvae.metrics.match.metric import MatchMetric
from metricvae.nn.autoencoder import ModelConfig
from metricvae.nn.heads import CosineDistance
from metricvae.training.config import TrainingConfig
from metricvae.training.optimisers import LossWeights


@pytest.fixture(scope="session")
def dataset_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data set of `PLAN` on one process; read it, do not change it."""
    from dataset_problem import PLAN
    from metricvae.labelling.run import label

    folder = tmp_path_factory.mktemp("labelled") / "dataset"
    label(PLAN, folder, workers=1)
    return folder


@pytest.fixture(scope="session")
def dataset(dataset_folder: Path) -> PairDataset:
    return read_dataset(dataset_folder)


@pytest.fixture(scope="session")
def halves(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Pairs of halves, and a small model of them that was trained for a moment; read them, do not change them."""
    from metricvae.fitting.fit import fit
    from metricvae.labelling.run import label
    from metricvae.metrics.match.labelling import MatchPlan

    folder = tmp_path_factory.mktemp("halves")
    label(MatchPlan("glyphs", 1_500, seed=2, times=6), folder / "data", workers=2)
    model = ModelConfig(MatchMetric(), HALVES_TOWER, latent=8, head=CosineDistance(swapped=True), mirrored=True)
    training = TrainingConfig(
        steps=25,
        batch_pairs=64,
        run_length=64,
        anchor_share=0.25,
        learning_rate=3e-3,
        metric_loss="contrastive",
        weights=LossWeights(reconstruction=1e-4, latent=1e-4, deformation=0.1, metric=1.0),
        mirror=True,
        copies=1,
        evaluate_pairs=50,
        threads=1,
        precision="float32",
    )
    fit(read_dataset(folder / "data"), model, training, folder / "model")
    return folder / "data", folder / "model"


@pytest.fixture
def hide_package(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes the import of a package fail, as where it is not installed."""

    def hide(package: str) -> None:
        for name in [package, *(name for name in sys.modules if name.startswith(f"{package}."))]:
            monkeypatch.setitem(sys.modules, name, None)

    return hide


@pytest.fixture
def command(capsys) -> Command:
    """Run a command in this process."""
    from metricvae import cli

    def run(*arguments: str | Path) -> Outcome:
        capsys.readouterr()
        status = cli.main([str(argument) for argument in arguments])
        return Outcome(status, *capsys.readouterr())

    return run
