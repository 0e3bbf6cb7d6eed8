"""Kinds and metrics of another package: the example in `examples/plugin`, and packages that are broken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

PLUGIN = Path(__file__).resolve().parent.parent / "examples" / "plugin"
SAMPLES = 32


def install(site: Path, package: str, entry_points: Mapping[str, Mapping[str, str]]) -> Path:
    """What an installer writes that entry points are found by: the metadata of a distribution, in a folder."""
    information = site / f"{package}-0.1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 0.1.0\n")
    groups = [
        "\n".join([f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())])
        for group, entries in entry_points.items()
    ]
    (information / "entry_points.txt").write_text("\n\n".join(groups) + "\n")
    return site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The entry points of the example's pyproject.toml, as if it were installed."""
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return install(tmp_path_factory.mktemp("site"), "metricvae_signals", project["entry-points"])


def python(*arguments: str | Path, paths: tuple[Path, ...]) -> subprocess.CompletedProcess[str]:
    """Run Python with further folders on its path."""
    found = os.pathsep.join([*map(str, paths), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"PYTHONPATH": found}
    return subprocess.run(
        [sys.executable, *map(str, arguments)], capture_output=True, text=True, timeout=300, env=environment
    )


def metricvae(site: Path, *commands: tuple[str | Path, ...]) -> list[Any]:
    """The JSON documents of some commands, one after the other in a process that has the plug-in."""
    lines = json.dumps([[*map(str, command), "--json"] for command in commands])
    code = (
        "import json, sys\n"
        "from metricvae.cli import main\n"
        "for line in json.loads(sys.argv[1]):\n"
        "    assert main(line) == 0, line\n"
        "    print('\\0')"
    )
    done = python("-c", code, lines, paths=(site, PLUGIN))
    assert done.returncode == 0, done.stderr
    return [json.loads(document) for document in done.stdout.split("\0")[:-1]]


def test_a_plugin_is_found_by_its_entry_points(site: Path) -> None:
    code = (
        "from metricvae.core.kind import KINDS, kind_from_json\n"
        "from metricvae.core.metric import METRICS, metric_from_json\n"
        "import sys\n"
        "assert 'signal' in KINDS.names() and 'cross-correlation' in METRICS.names()\n"
        "assert 'metricvae_signals' not in sys.modules, 'imported before it was asked for'\n"
        "kind, metric = KINDS.get('signal')((16,)), METRICS.get('cross-correlation')()\n"
        "assert kind_from_json(kind.to_json()) == kind\n"
        "assert metric_from_json(metric.to_json()) == metric\n"
        "print(kind.name, metric.left)"
    )
    done = python("-c", code, paths=(site, PLUGIN))
    assert (done.stdout.strip(), done.stderr) == ("signal signal", "")


@pytest.mark.parametrize(
    ("registry", "noun"), [("metricvae.core.kind:KINDS", "kind"), ("metricvae.core.metric:METRICS", "metric")]
)
def test_a_plugin_that_cannot_be_imported_is_named_in_one_line(tmp_path: Path, registry: str, noun: str) -> None:
    (tmp_path / "broken_plugin.py").write_text("import a_package_that_is_nowhere\n")
    install(tmp_path, "broken_plugin", {f"metricvae.{noun}s": {"broken": "broken_plugin:Broken"}})
    module, _, name = registry.partition(":")
    code = (
        f"from {module} import {name}\n"
        "from metricvae.core.errors import InputError\n"
        f"assert 'broken' in {name}.names()\n"
        f"assert {name}.get({name}.names()[0]), 'the others are there'\n"
        f"try:\n    {name}.get('broken')\n"
        "except InputError as error:\n    print(error)"
    )
    done = python("-c", code, paths=(tmp_path,))
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        f"the {noun} 'broken' of the plug-in broken_plugin:Broken cannot be imported (ModuleNotFoundError: "
        "No module named 'a_package_that_is_nowhere'): mend or uninstall that package"
    ]


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    """The example's kind and metric, in this process."""
    monkeypatch.syspath_prepend(str(PLUGIN))
    from metricvae_signals.kind import SignalKind
    from metricvae_signals.metric import CrossCorrelationMetric

    return SignalKind((SAMPLES,)), CrossCorrelationMetric()


def test_the_solver_of_the_example_is_exact(example: tuple[Any, Any]) -> None:
    _, metric = example
    a, b = np.random.default_rng(0).normal(size=(2, SAMPLES))
    left, right = map(metric.solver.prepare, (a, b))
    found = metric.solver.solve(left, right)
    every = [float(a @ np.roll(b, shift)) for shift in range(SAMPLES)]
    assert found.pose.samples == int(np.argmax(every))
    assert found.value == pytest.approx(max(every))
    assert found.value == pytest.approx(metric.solver.solve(right, left).value)
    assert metric.solver.solve(left, metric.solver.prepare(np.roll(a, 5))).value == pytest.approx(a @ a)
    low, high = metric.limits(np.array([a @ a]), np.array([b @ b]))
    assert low[0] <= found.value <= high[0]


def test_motions_of_the_example_are_circular_shifts(example: tuple[Any, Any]) -> None:
    kind, _ = example
    x = kind.collate(np.random.default_rng(1).normal(size=(4, SAMPLES)))
    moved = kind.move(x, torch.Generator().manual_seed(0))
    for one, other in zip(x, moved, strict=True):
        assert any(torch.equal(one.roll(shift), other) for shift in range(SAMPLES))
    torch.testing.assert_close(kind.magnitudes(moved), kind.magnitudes(x))
    assert not torch.equal(moved, x)


def signals(folder: Path, count: int) -> Path:
    """Files of random signals, three harmonics each."""
    random, phase = np.random.default_rng(0), 2 * np.pi * np.arange(SAMPLES) / SAMPLES
    folder.mkdir()
    for number in range(count):
        weights, offsets = random.normal(size=3), random.uniform(0, 2 * np.pi, 3)
        harmonics = [w * np.sin((k + 1) * phase + o) for k, (w, o) in enumerate(zip(weights, offsets, strict=True))]
        np.save(folder / f"{number:03}.npy", np.sum(harmonics, axis=0).astype(np.float32))
    return folder


@pytest.mark.slow
def test_the_command_line_labels_trains_predicts_and_searches(site: Path, tmp_path: Path) -> None:
    library = signals(tmp_path / "signals", 500)
    query, data, model, index = library / "000.npy", tmp_path / "data", tmp_path / "model", tmp_path / "index"
    card, _, figures, answer, indexed, found = metricvae(
        site,
        ("label", "cross-correlation", "--objects", library, "--pairs", "2000", "--out", data, "--workers", "1"),
        ("train", data, "--out", model, "--training.steps", "60", "--device", "cpu"),
        ("evaluate", model, data),
        ("predict", model, query, library / "001.npy"),
        ("index", model, library, "--out", index),
        ("search", index, query, "-k", "3", "--exact", "500"),
    )
    assert card["metric"]["name"] == "cross-correlation"
    assert np.isfinite(figures["r2"])
    assert answer["low"] <= answer["high"]
    assert indexed["items"] == 500
    assert found["hits"][0]["id"] == "000.npy"
    assert found["hits"][0]["correlation"] == pytest.approx(1.0)
