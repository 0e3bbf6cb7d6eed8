"""Table 2: its arithmetic by hand, and a whole small run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from metricvae.core.errors import InputError
from metricvae.metrics.overlap.drawing import draw_joined
from metricvae.prediction.predictor import Predictor
from metricvae.reproduction.config import HalvesPairs, ReassemblyConfig, Table2Config
from metricvae.reproduction.table_2 import (
    METHODS,
    PUBLISHED_MODEL,
    MethodScores,
    _of_other_shapes,
    _table,
    reproduce_table_2,
)


def test_the_errors_by_hand() -> None:
    match = np.array([True, True, False, False] * 6)
    grade = np.where(match, "match", np.array(["easy", "hard"] * 12))
    perfect, upside_down = MethodScores(match.astype(float), 0.5), MethodScores(-match.astype(float), -0.5)
    half = MethodScores(np.zeros(24), 0.0)  # calls everything a match
    batches = tuple(np.arange(4) + 4 * k for k in range(6))
    table = _table((half, half, upside_down, half, perfect, perfect), match, grade, batches, np.arange(24))
    assert [row.batch for row in table.rows] == list("123456")
    assert table.rows[2].published_model == PUBLISHED_MODEL[2]
    assert table.large.errors == (1.0, 1.0, 2.0, 1.0, 0.0, 0.0)
    figures = {(name, method): (area, precision) for name, method, area, precision in table.grades}
    assert figures["easy", "model"] == (1.0, 1.0)
    assert figures["hard", "boundary lengths"][0] == 0.0
    assert figures["hard", "areas"][0] == 0.5


def test_batches_are_balanced_and_hold_halves_of_two_shapes_where_they_do_not_match() -> None:
    match = np.array([True] * 30 + [False] * 30)
    grade = np.array(["match"] * 30 + ["easy"] * 10 + ["hard"] * 15 + ["family"] * 5)
    chosen = _of_other_shapes(match, grade != "hard", seed=1)
    assert sorted(set(chosen)) == chosen.tolist()
    assert (match[chosen].sum(), len(chosen)) == (15, 30)
    assert set(grade[chosen]) == {"match", "easy", "family"}
    assert len(_of_other_shapes(match, np.ones(60, bool), seed=1)) == 60


@pytest.mark.slow
def test_a_run_leaves_a_report(halves: tuple[Path, Path], tmp_path: Path) -> None:
    small = ReassemblyConfig(listed=5, drawn=2)
    config = Table2Config(HalvesPairs(halves[0]), str(halves[1]), batch_size=4, fitted=20, examples=2, reassembly=small)
    run = reproduce_table_2(tmp_path / "report", config)
    document = json.loads((tmp_path / "report" / "report.json").read_text())
    assert document["title"].startswith("Table 2")
    assert (tmp_path / "report" / "pairs.png").read_bytes().startswith(b"\x89PNG")
    assert [row["batch"] for row in run.to_json()["rows"]] == [*"123456", "large"]
    assert set(run.to_json()["rows"][0]["errors"]) == set(METHODS)
    guess = run.table.large.errors[0]
    assert guess == pytest.approx(1.0, abs=1.0)
    assert "report:" in run.text()


def test_a_model_of_sizes_is_refused(halves: tuple[Path, Path], tmp_path: Path) -> None:
    assert Predictor.load("overlap").metric.task == "regression"
    with pytest.raises(InputError, match="expected one that tells matches"):
        reproduce_table_2(tmp_path / "report", Table2Config(HalvesPairs(halves[0]), "overlap"))


def test_no_pairs_no_picture() -> None:
    with pytest.raises(InputError, match="no pairs to draw"):
        draw_joined([])
