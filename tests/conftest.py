"""What several test modules share: one small data set, labelled once, and packages that seem to be missing."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


@pytest.fixture
def hide_package(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes the import of a package fail, as where it is not installed."""
    there = builtins.__import__

    def hide(package: str) -> None:
        def missing(name: str, *rest: Any) -> Any:
            if name == package:
                raise ImportError(name)
            return there(name, *rest)

        monkeypatch.setattr(builtins, "__import__", missing)

    return hide
