"""Searches of molecules by shape and colour, over conformers, by several molecules, and what they write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rdkit")

from metricvae.cli import main
from metricvae.core.errors import InputError
from metricvae.kinds.molecule.conformers import LARGEST_SEED, conform
from metricvae.kinds.molecule.kind import MoleculeKind
from metricvae.kinds.molecule.mol_blocks import write_sdf
from metricvae.metrics.shape.metric import ShapeMetric
from metricvae.search.index import read_index

LIBRARY = {
    "ibuprofen": "CC(C)Cc1ccc(cc1)C(C)C(=O)O",
    "naproxen": "COc1ccc2cc(ccc2c1)C(C)C(=O)O",
    "tryptamine": "NCCc1c[nH]c2ccccc12",
    "nicotine": "CN1CCC[C@H]1c1cccnc1",
    "heptanol": "CCCCCCCO",
    "ketoprofen": "CC(C(=O)O)c1cccc(C(=O)c2ccccc2)c1",
}
MODEL = "molecules"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library with an index of three conformers of each molecule at most, and query files."""
    made = tmp_path_factory.mktemp("molecules")
    (made / "library.smi").write_text("".join(f"{smiles} {name}\n" for name, smiles in LIBRARY.items()))
    index = [str(made / "library.smi"), "--out", str(made / "index"), "--conformers", "3", "--workers", "1"]
    assert main(["index", MODEL, *index]) == 0
    queries = [conform(smiles, 7, name=name)[0] for name, smiles in list(LIBRARY.items())[:2]]
    write_sdf(made / "one.sdf", queries[:1])
    write_sdf(made / "two.sdf", queries)
    return made


def hits_of(folder: Path, capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert main(["search", str(folder / "index"), *words, "--json"]) == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["hits"]
    return found


def test_a_molecule_has_several_items_and_is_found_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    index = read_index(folder / "index")
    assert index.variants == 3
    assert set(index.ids) == set(LIBRARY)
    assert max(map(len, index.rows_of.values())) == 3
    assert min(map(len, index.rows_of.values())) < 3  # conformers that differ too little are left out
    for words in ((), ("--exact", "6"), ("--diverse", "1.0"), ("--where", "mw > 1")):
        found = [hit["id"] for hit in hits_of(folder, capsys, str(folder / "one.sdf"), "-k", "6", *words)]
        assert sorted(found) == sorted(LIBRARY)
        assert found[0] == "ibuprofen"


def test_the_exact_score_is_that_of_the_best_conformer(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    index, query = read_index(folder / "index"), MoleculeKind().read(folder / "one.sdf")
    found = hits_of(folder, capsys, str(folder / "one.sdf"), "-k", "6", "--exact", "6", "--by", "combo")
    solver = ShapeMetric().solver_by("combo")
    assert solver is not None
    asked = solver.prepare(query)
    for hit in found:
        items = index.kind.from_table(index.table(index.rows_of[hit["id"]]))
        best = max(solver.solve(asked, solver.prepare(item)).score for item in items)
        assert hit["combo"] == pytest.approx(best, abs=1e-6)
    assert [hit["combo"] for hit in found] == sorted((hit["combo"] for hit in found), reverse=True)


def test_adding_a_library_counts_molecules_not_conformers(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "more.smi").write_text(f"{LIBRARY['nicotine']} nicotine\nCCCCC(=O)NCC1CCCC1 amide\nC[Fe] metal\n")
    capsys.readouterr()
    words = [str(folder / "index"), str(folder / "more.smi"), "--conformers", "2", "--workers", "1", "--json"]
    assert main(["append", *words]) == 0
    done = json.loads(capsys.readouterr().out)
    assert (done["known"], done["skipped"]) == (1, 1)
    assert 1 <= done["added"] <= 2
    assert main(["delete", str(folder / "index"), "--ids", "amide", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["deleted"] == done["added"]


def test_by_chooses_what_the_exact_search_maximises(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for by, name in (("shape", "tanimoto"), ("colour", "colour_tanimoto"), ("combo-tversky", "tversky")):
        found = hits_of(folder, capsys, str(folder / "one.sdf"), "-k", "3", "--exact", "6", "--by", by)
        assert [hit[name] for hit in found] == sorted((hit[name] for hit in found), reverse=True)
    assert main(["search", str(folder / "index"), str(folder / "one.sdf"), "--by", "combo"]) == 2
    assert "--by chooses what the exact search maximises: give --exact N with it" in capsys.readouterr().err
    assert main(["search", str(folder / "index"), str(folder / "one.sdf"), "--exact", "10", "--by", "charge"]) == 2
    assert "expected one of shape, colour, combo" in capsys.readouterr().err


def test_fragments_and_a_consensus_are_queries(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    several, exact = [str(folder / "two.sdf"), "-k", "2", "--several"], ["--exact", "6", "--by", "combo"]
    found = hits_of(folder, capsys, *several, "consensus", *exact, "--sdf", str(folder / "laid.sdf"))
    assert {hit["id"] for hit in found} == {"ibuprofen", "naproxen"}
    assert (folder / "laid.sdf").read_text().count("$$$$") == 3
    joined = hits_of(folder, capsys, *several, "fragments", "--exact", "6", "--by", "shape-tversky")
    assert all(0 < hit["tversky"] < 1 for hit in joined)
    assert main(["search", str(folder / "index"), *several, "consensus", "--exact", "6"]) == 2
    assert "takes one query, got 2" in capsys.readouterr().err


def test_molecules_are_joined_where_they_lie(folder: Path) -> None:
    kind = MoleculeKind()
    parts = kind.read_several(folder / "two.sdf")
    whole = kind.join(parts)
    assert np.array_equal(whole.positions, np.concatenate([one.positions for one in parts]))
    count = len(parts[0].elements)
    assert (whole.bonds[len(parts[0].bonds) :, :2] >= count).all()
    (folder / "bad.smi").write_text("CCCC(\n")
    with pytest.raises(InputError, match="one gives none"):
        kind.read_several(folder / "bad.smi")


def test_hits_are_written_with_their_columns(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page, table, sdf = (folder / f"hits.{ending}" for ending in ("html", "csv", "sdf"))
    outputs = ["--html", str(page), "--csv", str(table), "--sdf", str(sdf)]
    hits_of(folder, capsys, str(folder / "one.sdf"), "-k", "2", "--exact", "6", "--by", "combo", *outputs)
    header, first, *_ = table.read_text().splitlines()
    assert header.startswith("id,path,predicted,combo,shape_tanimoto,colour_tanimoto,mw,logp")
    assert first.startswith("ibuprofen,")
    assert "ibuprofen" in page.read_text()
    assert "<combo>" in sdf.read_text()
    assert "<qed>" in sdf.read_text()
    assert main(["search", str(folder / "index"), str(folder / "one.sdf"), "--html", str(page)]) == 2
    assert "--html shows what the exact search found: give --exact N with it" in capsys.readouterr().err


def test_kinds_without_conformers_refuse_several(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [str(folder / "library.smi"), "--out", str(folder / "flat"), "--conformers", "3"]
    assert main(["index", "molecules-2d", *words]) == 2
    assert "--conformers is for molecules in space" in capsys.readouterr().err


@pytest.mark.parametrize("seed", [0, 1, LARGEST_SEED - 1, LARGEST_SEED])
def test_conformers_of_any_seed_differ(seed: int) -> None:
    one, other = conform("CCCCOc1ccccc1CN", seed, 2)
    assert not np.allclose(one.positions, other.positions)


def test_conformers_differ_and_come_in_the_order_of_energies() -> None:
    smiles = "CCCCOc1ccccc1CN"
    every, apart = conform(smiles, 1, 6), conform(smiles, 1, 6, distinct=1.0)
    assert len(apart) < len(every)
    low = conform(smiles, 1, 6, window=3.0)
    assert 1 <= len(low) <= 6
    assert conform(smiles, 1, 6, window=1e9)[0].positions.tolist() == low[0].positions.tolist()
