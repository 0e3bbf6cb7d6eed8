"""Labels of molecules: of the objects that are there, from the file of coordinates; and plans as cards have them."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from metricvae.labelling.parts import ReadShard, Shard, label_part, read_arrow_rows
from metricvae.labelling.run import label
from metricvae.metrics.shape.conformers_table import MOLECULE_SCHEMA
from metricvae.metrics.shape.labelling import ShapePlan
from metricvae.metrics.shape.solver.gaussian_molecule import prepare
from metricvae.metrics.shape.solver.overlays import OverlayConfig, overlay

QUICK = OverlayConfig(starts=16, optimised=8, refined=4, final=2)
CONTENTS = pa.schema([MOLECULE_SCHEMA.field(name) for name in ("id", "elements", "positions", "others")])


def write_arrow(table: pa.Table, path: Path) -> None:
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)


def geometry(seed: int, conformers: int = 1) -> pa.Table:
    """Six carbon chains of 2 to 7 atoms at random places."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(6):
        first, *others = rng.normal(size=(conformers, number + 2, 3)) * 2
        rows.append(
            {
                "id": f"{seed}-{number}",
                "elements": [6] * (number + 2),
                "positions": first.ravel().tolist(),
                "others": np.ravel(others).tolist(),
            }
        )
    return pa.Table.from_pylist(rows, CONTENTS)


@pytest.mark.slow
def test_two_data_sets_at_one_path_have_their_own_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metricvae.labelling.run.worker_pool", lambda workers: ThreadPoolExecutor(1))
    folder, other = tmp_path / "data", tmp_path / "other"
    label(ShapePlan("fragments", 30, seed=1, search=QUICK), folder)
    shutil.rmtree(folder)
    label(ShapePlan("fragments", 30, seed=2, search=QUICK), folder)
    label(ShapePlan("fragments", 30, seed=2, search=QUICK), other)
    assert pq.read_table(folder / "pairs.parquet") == pq.read_table(other / "pairs.parquet")


def test_any_rows_of_the_coordinates_come_back(tmp_path: Path) -> None:
    table = geometry(1, conformers=2)
    write_arrow(table, tmp_path / "objects.arrow")
    rows = np.array([0, 3, 4, 5])
    assert read_arrow_rows(tmp_path / "objects.arrow", rows) == table.take(pa.array(rows)).combine_chunks()


def test_a_part_holds_the_overlays_of_its_pairs(tmp_path: Path) -> None:
    path, out = tmp_path / "objects.arrow", tmp_path / "part.parquet"
    labelling = ShapePlan("fragments", 3, search=QUICK).labelling()
    for seed in (1, 2):
        table = geometry(seed)
        write_arrow(table, path)
        shard = Shard("train", [np.array([[5, 1], [1, 3]]), np.array([[2, 4]])])
        label_part(labelling, "cpu", ReadShard((path,))(shard), out)
        found = pq.read_table(out).to_pylist()
        assert [(row["a"], row["b"]) for row in found] == [
            (f"{seed}-{a}", f"{seed}-{b}") for a, b in ((5, 1), (1, 3), (2, 4))
        ]
        for row in found:
            sides = [table["id"].to_pylist().index(row[side]) for side in "ab"]
            places = [np.reshape(table["positions"][side].as_py(), (-1, 3)) for side in sides]
            best = overlay(*(prepare(one, np.full(len(one), 1.7)) for one in places), QUICK)
            assert row["value"] == pytest.approx(best.overlap, abs=1e-4)
            assert np.reshape(row["rotation"], (3, 3)) == pytest.approx(best.rotation, abs=1e-6)


def test_plans_in_cards_keep_their_names() -> None:
    facts = ShapePlan("fragments", 10).facts()
    assert facts["effort"] == {"starts": 192, "climbs": 96, "kept": 32, "last": 16}
    assert "search" not in facts
