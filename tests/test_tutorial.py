"""The tutorial does what it says: its blocks are run in order, as a reader would run them."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from metricvae.cli import main

PAGE = Path(__file__).resolve().parent.parent / "docs" / "your-own-metric.md"
BLOCK = re.compile(r"^```(python|bash)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def run(command: str) -> None:
    """A line of a shell."""
    program, *arguments = shlex.split(command)
    assert program == "metricvae"
    assert main(arguments) == 0, command


def test_the_tutorial_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    assert [language for language, _ in blocks] == ["python", "bash", "bash", "bash", "bash", "python"]
    for language, text in blocks:
        if language == "python":
            exec(text, names)
        else:
            for line in text.splitlines():
                run(line)
    printed = capsys.readouterr().out
    assert "torch.Size([100, 400])" in printed
    run("metricvae evaluate model data --json")
    figures = json.loads(capsys.readouterr().out)
    assert figures["r2"] > 0.9
    assert 0.8 <= figures["interval_coverage"] <= 0.97
