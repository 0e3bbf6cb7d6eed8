"""Examples in docstrings run, and every public function has one."""

from __future__ import annotations

import doctest
import importlib
import inspect
from pathlib import Path

import pytest

import metricvae

SOURCE = Path(metricvae.__file__).parent
MODULES = sorted(
    ".".join(("metricvae", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__")
    for path in SOURCE.rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert found.attempted
    assert not found.failed


@pytest.mark.parametrize("name", sorted(set(metricvae.__all__) - {"InputError", "kinds", "metrics"}))
def test_a_public_name_has_an_example(name: str) -> None:
    assert ">>> " in (inspect.getdoc(getattr(metricvae, name)) or ""), f"mv.{name} has no example"


def test_public_names_are_loaded_when_asked_for() -> None:
    assert set(metricvae.__all__) <= set(dir(metricvae))
    assert metricvae.metrics.Tabular("length").title == "length"
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = metricvae.nothing
