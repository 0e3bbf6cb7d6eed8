"""Labels of molecules: of the objects that are there, from the file of coordinates; and plans as cards have them."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from metricvae.labelling.plans import facts_of
from metricvae.metrics.shape.labels import (
    GEOMETRY_SCHEMA,
    ShapePlan,
    overlay_part,
    read_geometry,
    write_geometry,
)

from metricvae.labelling.run import label
from metricvae.metrics.shape.solver.gaussian_molecule import prepare
from metricvae.metrics.shape.solver.overlays import OverlayConfig, overlay

QUICK = OverlayConfig(starts=16, optimised=8, refined=4, final=2)


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
    return pa.Table.from_pylist(rows, GEOMETRY_SCHEMA)


def test_two_data_sets_at_one_path_have_their_own_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metricvae.labelling.run.worker_pool", lambda workers: ThreadPoolExecutor(1))
    folder, other = tmp_path / "data", tmp_path / "other"
    label(ShapePlan("fragments", 30, seed=1), folder)
    shutil.rmtree(folder)
    label(ShapePlan("fragments", 30, seed=2), folder)
    label(ShapePlan("fragments", 30, seed=2), other)
    assert pq.read_table(folder / "pairs.parquet") == pq.read_table(other / "pairs.parquet")


def test_any_rows_of_the_coordinates_come_back(tmp_path: Path) -> None:
    table = geometry(1, conformers=2)
    write_geometry(table, tmp_path / "geometry.arrow")
    rows = np.array([4, 0, 5])
    assert read_geometry(tmp_path / "geometry.arrow", rows) == table.take(pa.array(rows)).combine_chunks()


def test_a_part_holds_the_overlays_of_its_pairs(tmp_path: Path) -> None:
    path, out = tmp_path / "geometry.arrow", tmp_path / "part.parquet"
    for seed in (1, 2):
        table = geometry(seed)
        write_geometry(table, path)
        overlay_part(QUICK, path, ("train", [np.array([[5, 1], [1, 3]]), np.array([[2, 4]])]), out)
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
    facts = facts_of(ShapePlan("fragments", 10))
    assert facts["effort"] == {"starts": 192, "climbs": 96, "kept": 32, "last": 16}
    assert "search" not in facts
