"""The verb `dock`: poses of a batch of ligands, faults as rows, and going on after an interruption."""

from __future__ import annotations

import csv
import html
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("rdkit")
pytest.importorskip("gemmi")

from metricvae.cli import main
from metricvae.cli.dock import _site
from metricvae.kinds.molecule.conformers import conform
from metricvae.kinds.molecule.mol_blocks import write_sdf
from metricvae.runtime.command_line import command_of
from pocket_problem import shell, structure, write


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("docking")
    write(made / "rec.pdb", structure(shell()))
    (made / "ligands.smi").write_text("Cc1ccccc1 toluene\nC[Fe]CC metal\n")
    return made


def words(folder: Path, *more: str) -> list[str]:
    named = f"{folder / 'rec.pdb'}@point=0,0,0"
    return [
        "dock",
        named,
        str(folder / "ligands.smi"),
        "--out",
        str(folder / "out"),
        "--workers",
        "1",
        "-n",
        "3",
        *more,
    ]


def test_ligands_are_docked_once_and_faults_are_rows(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(folder)) == 0
    assert "1 ligands docked, 1 without poses" in capsys.readouterr().out
    with open(folder / "out" / "ligands.csv", newline="") as file:
        docked, failed = csv.DictReader(file)
    assert (docked["name"], failed["name"]) == ("toluene", "metal")
    assert float(docked["score"]) < 0
    assert "has" in failed["fault"]
    poses = folder / "out" / docked["file"]
    assert 1 <= poses.read_text().count("$$$$") <= 3
    assert "<ranking>" in poses.read_text()
    before = poses.stat().st_mtime_ns
    again = words(folder, "--json", "--html", str(folder / "page.html"))
    assert main(again) == 0
    assert len(json.loads(capsys.readouterr().out)["ligands"]) == 2
    assert poses.stat().st_mtime_ns == before
    assert html.escape(command_of(*again)) in (folder / "page.html").read_text()
    changed = words(folder)
    changed[1] = changed[1].replace("0,0,0", "0,0,1")
    assert main(changed) == 2
    assert "holds poses of another receptor, site, template or configuration" in capsys.readouterr().err


def test_a_ligand_without_force_field_parameters_has_no_strain(folder: Path, tmp_path: Path) -> None:
    site, page = f"{folder / 'rec.pdb'}@point=0,0,0", tmp_path / "page.html"
    assert main(["dock", site, "OB(O)c1ccccc1", "--out", str(tmp_path / "out"), "-n", "1", "--html", str(page)]) == 0
    with open(tmp_path / "out" / "ligands.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["strain"], row["fault"], row["valid"]) == ("", "", "1")
    assert page.exists()


def test_without_a_pose_no_page_is_written(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site, page = f"{folder / 'rec.pdb'}@point=0,0,0", tmp_path / "page.html"
    assert main(["dock", site, "C[Fe]CC", "--out", str(tmp_path / "out"), "--html", str(page)]) == 0
    assert "1 without poses (see the column fault); no page was written" in capsys.readouterr().out
    assert not page.exists()


def test_another_ligand_in_the_file_of_the_site_is_another_site(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(folder / "rec.pdb", tmp_path)
    made = conform("Cc1ccccc1", 1)[0]
    site = f"{tmp_path / 'rec.pdb'}@ligand=lig.sdf"
    for shift, code in ((0.0, 0), (0.0, 0), (0.5, 2)):
        write_sdf(tmp_path / "lig.sdf", [replace(made, positions=made.positions - made.centre + shift)])
        assert main(["dock", site, "CCO", "--out", str(tmp_path / "out"), "-n", "1"]) == code
    assert "holds poses of another receptor, site" in capsys.readouterr().err


@pytest.mark.parametrize(("path", "site"), [("me@lab/rec.pdb", True), ("rec.pdb@auto", False), ("rec.pdb", True)])
def test_a_template_names_the_site_of_a_receptor_without_one(path: str, site: bool) -> None:
    assert _site(path, "lig.sdf") == (f"{path}@ligand=lig.sdf" if site else path)


def test_what_cannot_be_docked_into_is_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    elsewhere = ["--out", str(folder / "none")]
    for receptor, ligands, expected in (
        (f"{folder / 'no.pdb'}@point=0,0,0", "CCCCO", "no.pdb"),
        (f"{folder / 'rec.pdb'}@ligand=XYZ", "CCCCO", "XYZ"),
        (f"{folder / 'rec.pdb'}@point=90,0,0", "CCCCO", "angstroms from the nearest atom"),
    ):
        assert main(["dock", receptor, ligands, *elsewhere]) == 2
        said = capsys.readouterr().err
        assert expected in said
        assert said.count("\n") == 1
    assert not (folder / "none").exists()
