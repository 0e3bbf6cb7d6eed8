"""What several test modules share: small data sets, labelled once, and packages that seem to be missing.

Labelling, fitting and the command line are imported by the fixtures that use them, so that a test of one layer runs
without the layers above it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read once, when PyTorch is loaded; the tests run side by side

from cli_problem import HALVES_TOWER, Command, Outcome
from metricvae.core.dataset import PairDataset
from metricvae.core.dataset_files import read_dataset
from metricvae.metrics.match.metric import MatchMetric
from metricvae.nn.autoencoder import ModelConfig
from metricvae.nn.heads import CosineDistance
from metricvae.training.config import TrainingConfig
from metricvae.training.optimisers import LossWeights

MakeOnce = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def make_once(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> MakeOnce:
    """Makes a folder by name unless another process of this run of the tests has, or waits until it has."""
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent

    def make(name: str, write: Callable[[Path], object]) -> Path:
        folder, made = shared / "once" / name, shared / "once" / f"{name}.made"
        folder.parent.mkdir(exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):
            if not made.exists():
                write(folder)
                made.touch()
        return folder

    return make


@pytest.fixture(scope="session")
def dataset_folder(make_once: MakeOnce) -> Path:
    """The data set of `PLAN` on one process; read it, do not change it."""
    from dataset_problem import PLAN
    from metricvae.labelling.run import label

    return make_once("dataset", lambda folder: label(PLAN, folder, workers=1))


@pytest.fixture(scope="session")
def dataset(dataset_folder: Path) -> PairDataset:
    return read_dataset(dataset_folder)


@pytest.fixture(scope="session")
def halves(make_once: MakeOnce) -> tuple[Path, Path]:
    """Pairs of halves, and a small model of them that was trained for a moment; read them, do not change them."""
    folder = make_once("halves", _make_halves)
    return folder / "data", folder / "model"


def _make_halves(folder: Path) -> None:
    from metricvae.fitting.fit import fit
    from metricvae.labelling.run import label
    from metricvae.metrics.match.labelling import MatchPlan

    label(MatchPlan("procedural", 400, seed=2), folder / "data", workers=1)
    model = ModelConfig(MatchMetric(), HALVES_TOWER, latent=8, head=CosineDistance(swapped=True), mirrored=True)
    training = TrainingConfig(
        steps=10,
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
