"""Every example runs as a user runs it, on small input."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cli_problem import draw_pictures
from metricvae.kinds.silhouette.io import read_image

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_pictures(tmp_path_factory.mktemp("examples") / "pictures")


def run(example: str, *arguments: str | Path) -> str:
    """What an example prints."""
    command = [sys.executable, str(EXAMPLES / example), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_draw_pair(pictures, tmp_path):
    assert run("draw_pair.py", tmp_path / "pair.png", pictures / "l.png", pictures / "moved.png") == ""
    assert (tmp_path / "pair.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_draw_pair_draws_two_unseen_shapes_where_no_images_are_given(tmp_path):
    assert run("draw_pair.py", tmp_path / "pair.png") == ""
    assert (tmp_path / "pair.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_rank_folder(pictures):
    head, *rows = run("rank_folder.py", pictures / "l.png", pictures, "-k", "9").splitlines()
    assert head.split() == ["shape", "predicted", "interval", "exact"]
    exact = {row.split()[0]: float(row.split()[-1]) for row in rows}
    area = read_image(pictures / "l.png", fit=True).sum()
    assert exact.keys() == {path.name for path in pictures.glob("*.png")}
    assert exact["l.png"] == max(exact.values()) == area  # nothing covers more of the query than the query itself


def test_every_example_is_run_here():
    source = Path(__file__).read_text(encoding="utf-8")
    assert [path.name for path in EXAMPLES.glob("*.py") if f'run("{path.name}"' not in source] == []
