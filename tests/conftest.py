"""What several test modules share: one small data set, labelled once."""

from __future__ import annotations

from pathlib import Path

import pytest

from dataset_problem import PLAN
from metricvae.pairs import DataSet, label, read_dataset


@pytest.fixture(scope="session")
def dataset_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data set of `PLAN` on one process; read it, do not change it."""
    folder = tmp_path_factory.mktemp("labelled") / "dataset"
    label(PLAN, folder, workers=1)
    return folder


@pytest.fixture(scope="session")
def dataset(dataset_folder: Path) -> DataSet:
    return read_dataset(dataset_folder)
