"""Folders of PDBbind: what is read of their indexes, what is refused and why, and the way to a model."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import gemmi
import pytest

pytest.importorskip("rdkit")

from affinity_problem import SMILES, ligand
from metricvae.cli import main
from metricvae.core.dataset_files import read_dataset
from metricvae.core.errors import InputError
from metricvae.core.importing.faults import Faults
from metricvae.kinds.molecule.mol_blocks import write_sdf
from metricvae.kinds.molecule.readers import read_one
from metricvae.kinds.molecule.records import Molecule
from metricvae.metrics.affinity.complexes import ComplexRow, RefusedComplex
from metricvae.metrics.affinity.pdbbind import ABSENT, PdbbindTable, indexes_in, pdbbind_rows
from metricvae.runtime.files import read_json
from pocket_problem import shell, structure, write

RESIDUES = (
    *("ALA", "GLY", "SER", "VAL", "LEU", "THR", "PHE", "ASP", "LYS", "TRP"),
    *("ILE", "MET", "CYS", "PRO", "TYR", "HIS", "ARG", "GLU", "ASN", "GLN"),
)


def complex_folder(place: Path, code: str, smiles: str, protein: gemmi.Structure, part: str = "protein") -> Path:
    """A folder of a complex as PDBbind has it."""
    folder = place / code
    folder.mkdir(parents=True)
    write(folder / f"{code}_{part}.pdb", protein)
    write_sdf(folder / f"{code}_ligand.sdf", [ligand(smiles)])
    return folder


def index(path: Path, lines: Sequence[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "# PDB code, resolution, release year, -logKd/Ki, Kd/Ki, reference, ligand name\n" + "\n".join(lines)
    )


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six complexes in the layout of releases 2018 to 2020, and indexes that name more."""
    folder = tmp_path_factory.mktemp("pdbbind") / "v2020"
    protein = structure(shell())
    for number, code in enumerate(("1aaa", "1bbb", "1ccc")):
        complex_folder(folder / "refined-set", code, SMILES[number], protein, "pocket" if number else "protein")
    for number, code in enumerate(("2aaa", "2bbb", "2ccc", "2ddd")):
        complex_folder(folder / "v2020-other-PL", code, SMILES[number], protein)
    damaged = folder / "v2020-other-PL" / "2bbb" / "2bbb_ligand.sdf"
    damaged.write_text("not a molecule\n$$$$\n")
    shutil.copy(_mol2(folder), damaged.with_suffix(".mol2"))
    (folder / "v2020-other-PL" / "2ccc" / "2ccc_ligand.sdf").write_text("not a molecule\n$$$$\n")
    general = [
        "1aaa  2.00  2010   7.92  Kd=12nM       // 1aaa.pdf (LIG)",
        "1bbb  NMR   2011   5.00  IC50>10uM     // 1bbb.pdf (A&B)",
        "1ccc  1.50  1999   6.00  Ki~1uM        // 1ccc.pdf (LIG)",
        "2aaa  1.50  1999   9.00  Ki<=1nM       // 2aaa.pdf (LIG) incomplete ligand structure",
        "2bbb  1.50  1999   9.00  Ki<=1nM       // 2bbb.pdf (LIG)",
        "2ccc  1.50  1999   3.00  Kd=1mM        // 2ccc.pdf (LIG)",
        "2ddd  1.50  1999   3.00  Kd=1mM        // 2ddd.pdf (LIG) covalent complex",
        "3aaa  1.50  1999   3.00  Kd=1mM        // 3aaa.pdf (LIG)",
    ]
    index(folder / "index" / "INDEX_general_PL_data.2020", general)
    index(folder / "index" / "INDEX_general_NL.2020", ["4aaa  1.50  1999   3.00  Kd=1mM  // 4aaa.pdf (DNA)"])
    index(folder / "index" / "INDEX_general_PL_name.2020", ["1aaa  2010  P00000  A PROTEIN"])
    index(folder / "refined-set" / "index" / "INDEX_refined_data.2020", general[:3])
    index(folder / "index" / "CoreSet.dat", ["1aaa  2.00  2010  7.92  Kd=12nM  1"])
    return folder


def _mol2(folder: Path) -> Path:
    path = folder / "ligand.mol2"
    path.write_text(
        "@<TRIPOS>MOLECULE\nx\n 5 4 1 0 0\nSMALL\nNO_CHARGES\n@<TRIPOS>ATOM\n"
        " 1 C1 0.0 0.0 0.0 C.3 1 L 0\n 2 C2 1.5 0.0 0.0 C.3 1 L 0\n 3 C3 2.0 1.4 0.0 C.3 1 L 0\n"
        " 4 C4 3.5 1.4 0.1 C.3 1 L 0\n 5 O1 4.0 2.7 0.4 O.3 1 L 0\n"
        "@<TRIPOS>BOND\n 1 1 2 1\n 2 2 3 1\n 3 3 4 1\n 4 4 5 1\n"
    )
    return path


def test_indexes_of_complexes_with_ligands_are_read_together(release: Path) -> None:
    found = [(subset, path.name) for subset, path in indexes_in(release)]
    assert found == [
        ("general", "INDEX_general_PL_data.2020"),
        ("refined", "INDEX_refined_data.2020"),
        ("core", "CoreSet.dat"),
    ]
    with pytest.raises(InputError, match="no index of PDBbind"):
        indexes_in(release / "refined-set" / "1aaa")


def test_complexes_come_with_values_bounds_and_reasons(release: Path) -> None:
    rows = {row.name: row for row in pdbbind_rows(release)}
    first, bound, approximate, other = (rows[code] for code in ("1aaa", "1bbb", "1ccc", "2bbb"))
    assert isinstance(first, ComplexRow)
    assert isinstance(bound, ComplexRow)
    assert isinstance(approximate, ComplexRow)
    assert isinstance(other, ComplexRow)
    assert first.site == f"ligand={release / 'refined-set' / '1aaa' / '1aaa_ligand.sdf'}"
    assert [row.group for row in (first, bound, other)] == ["core", "refined", "general"]
    assert bound.receptor.endswith("1bbb_pocket.pdb")
    assert other.ligand.endswith("2bbb_ligand.mol2")
    measured = [row.measured for row in (first, bound, approximate, other)]
    assert [(one.kind, one.bound, round(one.pk, 2)) for one in measured if one is not None] == [
        ("Kd", 0, 7.92),
        ("IC50", -1, 5.0),
        ("Ki", 0, 6.0),
        ("Ki", 1, 9.0),
    ]
    refused = {name: row.reason for name, row in rows.items() if isinstance(row, RefusedComplex)}
    assert set(refused) == {"2aaa", "2ddd", "3aaa"}
    assert "incomplete" in refused["2aaa"]
    assert "covalent" in refused["2ddd"]
    assert refused["3aaa"] == ABSENT


def test_bad_ligands_are_counted_and_absent_complexes_are_not_faults(release: Path) -> None:
    table, faults = PdbbindTable(release), Faults(False, "release")
    (batch,) = table.batches(table.names, faults)
    assert batch.columns["a"].to_pylist()[0] == (
        "refined-set/1aaa/1aaa_protein.pdb@ligand=refined-set/1aaa/1aaa_ligand.sdf"
    )
    assert batch.columns["b"].to_pylist()[0] == "Cc1ccccc1"
    assert batch.columns["censored"].to_pylist() == ["", "<", "", ">"]
    assert batch.columns["benchmark"].to_pylist() == ["test", "train", "train", "train"]
    assert {name: rows.count for name, rows in faults.by_reason.items()} == {"remark": 2, "ligand": 1}
    assert table.notes == (
        "measured 1 by Kd, 2 by Ki, 1 by IC50; 2 of the values are bounds",
        "1 complexes of the indexes have no folder here",
    )


def test_ligands_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, read = tmp_path / "release", []
    for number, code in enumerate(("1aaa", "1bbb")):
        complex_folder(folder, code, SMILES[number], structure(shell()))
        shutil.copy(_mol2(tmp_path), folder / code / f"{code}_ligand.mol2")
    (folder / "1bbb" / "1bbb_ligand.sdf").write_text("not a molecule\n$$$$\n")
    lines = [f"{code}  2.00  2010   7.92  Kd=12nM  // x.pdf (LIG)" for code in ("1aaa", "1bbb")]
    index(folder / "index" / "INDEX_general_PL_data.2020", lines)

    def counted(path: Path | str) -> Molecule:
        read.append(Path(path).name)
        return read_one(path)

    monkeypatch.setattr("metricvae.metrics.affinity.pdbbind.read_one", counted)
    (batch,) = PdbbindTable(folder).batches(PdbbindTable.names)
    assert batch.columns["b"].to_pylist() == ["Cc1ccccc1", "CCCCO"]
    assert read == ["1aaa_ligand.sdf", "1bbb_ligand.sdf", "1bbb_ligand.mol2"]


def test_folders_that_are_no_release_are_one_line(release: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--kind", "pocket-lining", "--right", "molecule-fingerprint", "--out", str(release / "data")]
    asked = (["import", str(release / "refined-set" / "1aaa"), *words, "--metric", "affinity"], "no index of PDBbind")
    other = (["import", str(release), *words], "is a folder: expected a table of pairs")
    for arguments, said in (asked, other):
        assert main(arguments) == 2
        assert said in capsys.readouterr().err


@pytest.mark.slow
def test_a_release_is_imported_learned_and_evaluated(tmp_path: Path) -> None:
    release, lines = tmp_path / "v2016", []
    for number in range(120):
        name, smiles = RESIDUES[number % len(RESIDUES)], SMILES[number % 7] + "C" * (number % 5)
        code = f"{1 + number % 9}{number:03d}"
        complex_folder(release, code, smiles, structure(shell(), name))
        lines.append(f"{code}  2.00  2010   6.00  Ki{'>' if number < 2 else '='}{number + 1}nM  // {code}.pdf (LIG)")
    index(release / "index" / "INDEX_general_PL_data.2016", lines)
    words = ["--kind", "pocket-lining", "--right", "molecule-fingerprint", "--metric", "affinity", "--workers", "1"]
    assert main(["import", str(release), *words, "--out", str(tmp_path / "data")]) == 0
    data = read_dataset(tmp_path / "data")
    assert data.censored is not None
    assert set(data.censored.tolist()) == {0, -1}
    assert any("by Ki" in note for note in read_json(tmp_path / "data" / "card.json")["import"]["notes"])
    settings = ["--preset", "affinity", "--training.steps", "3", "--training.batch_pairs", "8"]
    assert main(["train", str(tmp_path / "data"), *settings, "--out", str(tmp_path / "model")]) == 0
    assert main(["evaluate", str(tmp_path / "model"), str(tmp_path / "data"), "--split", "test"]) == 0
