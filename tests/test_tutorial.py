"""The tutorials do what they say: their blocks are run in order, as a reader would run them."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from metricvae.cli import main

DOCS = Path(__file__).resolve().parent.parent / "docs"
BLOCK = re.compile(r"^```(python|bash)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

Said = Callable[[], str]


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Said:
    """What was printed since it was last asked for; the test runs in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return lambda: capsys.readouterr().out


def run(command: str) -> None:
    """A line of a shell."""
    program, *arguments = shlex.split(command)
    assert program == "metricvae"
    assert main(arguments) == 0, command


def follow(page: str, languages: str) -> dict[str, Any]:
    """Run the blocks of a page, whose languages are given by their first letters; the names that it defines."""
    names: dict[str, Any] = {}
    blocks = BLOCK.findall((DOCS / page).read_text(encoding="utf-8"))
    assert "".join(language[0] for language, _ in blocks) == languages
    for language, text in blocks:
        if language == "python":
            exec(text, names)
        else:
            for line in text.splitlines():
                run(line)
    return names


def test_your_own_metric(said: Said) -> None:
    follow("your-own-metric.md", "pbbbbp")
    assert "torch.Size([100, 400])" in said()
    run("metricvae evaluate model data --json")
    figures = json.loads(said())
    assert figures["r2"] > 0.9
    assert 0.8 <= figures["interval_coverage"] < 1
    assert figures["interval_width"] < 2 * 1.64 * figures["naive_mse"] ** 0.5 / 3  # a third of a constant guess's


def test_quick_start(said: Said) -> None:
    names = follow("quickstart.md", "pbp")
    assert "Pose(angle_deg=" in said()
    assert names["predicted"].low < names["exact"].value < names["predicted"].high


@pytest.mark.slow
def test_predict_and_solve(said: Said, tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("a,b\nshapes/00.png,shapes/01.png\nshapes/02.png,shapes/03.png\n")
    follow("predict-and-solve.md", "pbbpbb")
    assert "(30, 30)" in said()
    assert len((tmp_path / "solved.csv").read_text().splitlines()) == 3
    run("metricvae search index shapes/05.png -k 1 --exact 5 --json")
    assert json.loads(said())["hits"][0]["id"].startswith("05")


@pytest.mark.slow
def test_a_molecule_library(said: Said, tmp_path: Path) -> None:
    pytest.importorskip("rdkit")
    names = follow("molecule-library.md", "pbbbp")
    acids = {"ibuprofen", "naproxen", "ketoprofen", "flurbiprofen"}
    assert acids & {hit["id"] for hit in names["hits"]}
    assert (tmp_path / "hits.sdf").read_text().count("$$$$") == 9  # the query, and eight hits


@pytest.mark.slow
def test_docking(said: Said, tmp_path: Path) -> None:
    pytest.importorskip("rdkit")
    pytest.importorskip("gemmi")
    from pocket_problem import ligand_structure, write

    write(tmp_path / "rec.pdb", ligand_structure())
    follow("dock-ligands.md", "ppbpb")
    assert "pseudo-atoms fill the site" in said()
    assert (tmp_path / "poses.html").stat().st_size > 10_000


@pytest.mark.slow
def test_reproducing_the_paper(said: Said, tmp_path: Path) -> None:
    follow("reproduce-the-paper.md", "bbb")
    said()
    for page in ("network", "plane", "table-1"):
        assert (tmp_path / page / "index.html").is_file()
