"""`metricvae predict` with a model of affinities: rows with reasons, tables, pages, and known ligands."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

pytest.importorskip("rdkit")
pytest.importorskip("gemmi")

from affinity_problem import CONFIG, ligand, receptor, training_set
from metricvae.cli import main
from metricvae.core.errors import InputError
from metricvae.kinds.molecule.mol_blocks import write_sdf
from metricvae.metrics.affinity.complexes import ComplexRow, RefusedComplex, complex_rows
from metricvae.metrics.affinity.known_rows import prior_means, read_known
from metricvae.metrics.affinity.metric import AffinityMetric
from metricvae.metrics.affinity.posed_files import MODEL, TENSORS, read_posed, write_posed
from metricvae.metrics.affinity.posed_fit import fit_posed
from metricvae.metrics.affinity.predictor import with_measured
from metricvae.metrics.affinity.units import MeasuredAffinity
from metricvae.training.checkpoint import load_model, write_metric_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("affinity")
    receptor(made)
    write_posed(made / "model", fit_posed(training_set(made), CONFIG))
    write_metric_model(made / "model", AffinityMetric(), {"quality": "made"}, (MODEL, TENSORS))
    write_sdf(made / "ligands.sdf", [ligand(), ligand("Oc1ccccc1", (60.0, 0.0, 0.0)), ligand("CCCCN")])
    return made


def run(folder: Path, *words: str) -> int:
    return main(["predict", str(folder / "model"), *words])


def test_ligands_get_rows_and_reasons(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = folder / "page.html"
    asked = str(folder / "rec.pdb"), str(folder / "ligands.sdf"), "--json", "--html", str(page)
    assert run(folder, *asked) == 0
    document = json.loads(capsys.readouterr().out)
    first, far, last = document["rows"]
    assert first["low"] < first["pK"] < first["high"]
    assert first["pose"] == "pose of the file"
    assert (first["name"], last["reason"]) == ("Cc1ccccc1", "")
    assert "frame of the structure" in far["reason"]
    assert far["pK"] is None
    assert document["failed"] == 1
    text = page.read_text()
    assert text.startswith("<!doctype html>")
    assert "http" not in text
    assert "frame of the structure" in text


def test_tables_of_pairs_go_on_after_a_fault(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [
        "name,receptor,ligand,ligand_title",
        "a,rec.pdb,ligands.sdf,CCCCN",
        "b,none.pdb,ligands.sdf,",
        "c,rec.pdb,C,",
    ]
    (folder / "pairs.csv").write_text("\n".join(lines))
    out = folder / "out.csv"
    assert run(folder, "--pairs", str(folder / "pairs.csv"), "--out", str(out)) == 0
    with open(out, newline="") as file:
        good, absent, unposed = csv.DictReader(file)
    assert float(good["pK"]) > 3
    assert "no file none.pdb" in absent["reason"]
    assert "no site is named" in unposed["reason"]
    assert "2 of 3 could not be predicted" in capsys.readouterr().out


def test_a_smiles_in_a_table_of_this_folder_is_no_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    Path("here.csv").write_text("receptor,ligand\nrec.pdb,CCO\nrec.pdb,ligands.sdf\nrec.pdb,rec.pdb\n")
    smiles, file, structure = complex_rows(Path("here.csv"))
    assert isinstance(smiles, ComplexRow)
    assert isinstance(file, ComplexRow)
    assert (smiles.ligand, smiles.has_file) == ("CCO", False)
    assert (file.ligand, file.has_file) == ("ligands.sdf", True)
    assert isinstance(structure, RefusedComplex)
    assert structure.reason.startswith("rec.pdb ends in '.pdb': expected one of .smi")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("absent.pdb", "x.sdf"), "absent.pdb"),
        (("rec.pdb@auto", "ligands.sdf", "--site", "point=0,0,0"), "give one"),
        (("rec.pdb",), "fewer than two"),
        (("rec.pdb@point=0,0,0", "rec.pdb"), "ends in '.pdb'"),
        (("rec.pdb", "ligands.sdf", "--workers", "none"), "whole number"),
        (("rec.pdb", "ligands.sdf", "--fit"), "--fit"),
    ],
)
def test_requests_that_cannot_be_met_are_one_line(
    folder: Path, words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert run(folder, *words) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_model_without_codes_is_refused_where_codes_are_needed(folder: Path) -> None:
    with pytest.raises(InputError, match="predict"):
        load_model(folder / "model")


def test_known_ligands_need_units_and_get_prior_means(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "known.csv"
    table.write_text("ligand,value,unit\nCCCO,12,nM\nCCCN,>3,\n")
    smiles, measured = read_known(table)
    assert smiles == ["CCCO", "CCCN"]
    assert [one.bound for one in measured] == [0, -1]
    table.write_text("ligand,value\nCCCO,12\n")
    with pytest.raises(InputError, match="row 1: there is no unit"):
        read_known(table)
    model = read_posed(folder / "model")
    pocket = training_set(tmp_path).features[0]
    said = prior_means(model, ["Cc1ccccc1", "CCCCO"], pocket)
    assert said.shape == (2,)
    assert said[0] > said[1]


@pytest.mark.slow
def test_a_smiles_is_docked_first(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, str(folder / "rec.pdb"), "Cc1ccccc1", "--site", "point=0,0,0", "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert row["pose"].startswith("docked")


def test_what_was_measured_stands_beside_what_is_predicted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [f"rec.pdb,ligands.sdf,{value}" for value in ("7.1,pK", "12 nM,", ">10 uM,", "6,pK", ",")]
    table = folder / "measured.csv"
    table.write_text("\n".join(["receptor,ligand,value,unit", *rows]) + "\n")
    assert run(folder, "--pairs", str(table), "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert [row["measured"] for row in document["rows"]] == [7.1, pytest.approx(7.92, abs=0.01), 5.0, 6.0, None]
    said = [{"number": at, "pK": value} for at, value in enumerate((5.0, 6.0, 7.0, None))]
    known = {at: MeasuredAffinity(value, 0, "Ki") for at, value in enumerate((6.0, 7.0, 8.0))}
    (note,) = with_measured(said, known)[1]
    assert note == "of 3 complexes with measured values Pearson's R is 1.000, and the RMSE 1.00"
    known[2] = MeasuredAffinity(8.0, -1, "Ki")
    assert with_measured(said, known)[1] == []
