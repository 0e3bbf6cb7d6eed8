"""The benchmark of molecule generation: its score in closed form, and what it takes for finished."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("rdkit")

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def pmo() -> ModuleType:
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import pmo as module
    finally:
        sys.path.remove(str(BENCHMARKS))
    found: ModuleType = module
    return found


def test_the_area_is_that_of_the_curve(pmo: ModuleType) -> None:
    assert pmo.top_auc([1.0] * 1000, 1000) == pytest.approx(0.95)
    assert pmo.top_auc([1.0] * 100, 1000) == pytest.approx(0.95)
    assert pmo.top_auc([], 1000) == 0
    ramp = [place / 400 for place in range(1, 401)]
    means = [0.0, *((count - 4.5) / 400 for count in (100, 200, 300, 400))]
    assert pmo.top_auc(ramp, 400) == pytest.approx((sum(means) - means[-1] / 2) / 4)
    assert pmo.top_auc([0.0] * 400 + [1.0] * 100, 400) == 0


def test_a_line_that_was_cut_off_is_no_row(pmo: ModuleType, tmp_path: Path) -> None:
    row = '{"task": "qed", "contender": "random", "seed": 0, "calls": 10, "auc": 0.5}'
    (tmp_path / "rows").write_text(f"{row}\n{row[:30]}")
    assert list(pmo.rows_of(tmp_path / "rows")) == [pmo.json.loads(row)]
    assert list(pmo.rows_of(tmp_path / "none")) == []
    assert "| qed | 0.500 |" in pmo.table(list(pmo.rows_of(tmp_path / "rows")), 10)


def test_a_molecule_counts_once(pmo: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pmo.pmo_oracles, "objective", lambda _: len)
    oracle = pmo.Oracle("qed", 2)
    assert oracle(["CCO", "OCC", "not one"]) == [3, 3, 0.0]
    oracle(["CCN"])
    with pytest.raises(pmo.Spent):
        oracle(["CCC"])
    assert list(oracle.known.values()) == [3, 3]
