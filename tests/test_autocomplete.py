"""Candidates around a binding site: what scores are compared with, what is screened and learned, files, bad input."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rdkit")
pytest.importorskip("gemmi")

from rdkit import Chem

from metricvae.autocomplete.description import describe, nearest_known
from metricvae.autocomplete.random_molecules import draw_random
from metricvae.autocomplete.records import Autocompletion, DockedMolecule, RandomMolecules, SiteCandidate
from metricvae.autocomplete.writing import write_all
from metricvae.cli import main
from metricvae.core.errors import InputError
from metricvae.core.requirements import Reading, Requirement, forms_for, parse_requirement
from metricvae.generation.evolution import Made
from metricvae.generation.judging import Judge
from metricvae.generation.screening import screens_of
from metricvae.generation.surrogate import FEWEST, Surrogate
from metricvae.kinds.molecule.conformers import conform, flat
from metricvae.kinds.molecule.fragments import stream_smiles
from metricvae.kinds.molecule.generation.editor import STRAINED, MoleculeEditor
from metricvae.kinds.molecule.kind import MoleculeKind
from metricvae.kinds.molecule.readers import read
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.molecule.standardise import canonical, standard
from metricvae.kinds.pocket.structures import structure_of
from metricvae.metrics.docking.size_trend import fit_trend
from metricvae.prediction.predictor import Predictor
from pocket_problem import shell, structure, write

EXAMPLE = Path(__file__).parent.parent / "examples" / "1eve.pdb.gz"
DOCKABLE = ("Cc1ccccc1", "CC(=O)Nc1ccc(O)cc1", "CCOC(=O)c1ccccc1", "c1ccc2[nH]ccc2c1", "NCCc1ccccc1", "Oc1ccccc1O")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("site")
    return f"{write(folder / 'rec.pdb', structure(shell()))}@point=0,0,0"


def required(*texts: str) -> list[Requirement]:
    forms = forms_for(MoleculeKind())
    return [parse_requirement(text, forms) for text in texts]


def test_a_trend_is_the_line_that_scores_lie_on() -> None:
    sizes, rng = np.arange(14, 38), np.random.default_rng(0)
    exact = fit_trend(sizes.tolist(), (-2.0 - 0.25 * sizes).tolist())
    assert (exact.level, exact.slope) == (pytest.approx(-2.0), pytest.approx(-0.25))
    assert exact.expected(20) == pytest.approx(-7.0)
    many = rng.integers(14, 38, 4_000)
    scores = -2.0 - 0.25 * many + rng.normal(0, 0.8, len(many))
    found = fit_trend(many.tolist(), scores.tolist())
    assert found.spread == pytest.approx(0.8, rel=0.05)
    gains = [found.gain(score, size) for score, size in zip(scores, many, strict=True)]
    assert np.corrcoef(gains, many)[0, 1] == pytest.approx(0.0, abs=1e-6)  # size alone gains nothing
    assert np.std(gains) == pytest.approx(1.0, rel=1e-2)
    with pytest.raises(InputError, match="2 random molecules could be docked"):
        fit_trend([20, 21], [-7.0, -7.2])


def test_a_surrogate_learns_what_fingerprints_tell() -> None:
    rng = np.random.default_rng(0)
    packed = rng.integers(0, 256, (300, 32), np.uint8) & rng.integers(0, 256, (300, 32), np.uint8)
    bits = np.unpackbits(packed, axis=1)
    values = bits[:, :40] @ rng.normal(size=40)
    learned = Surrogate()
    assert learned.predict(packed) is None
    learned.learn(packed[:250], np.where(np.arange(250) == 7, np.nan, values[:250]))
    found = learned.predict(packed[250:])
    assert found is not None
    assert np.corrcoef(found, values[250:])[0, 1] > 0.4
    few = Surrogate()
    few.learn(packed[: FEWEST - 1], values[: FEWEST - 1])
    assert few.predict(packed) is None


def test_a_pocket_is_screened_by_the_product_of_two_codes(site: str) -> None:
    """Whatever model generates: the requirement names the one that reads pockets."""
    fit, light = required(f"pocket:{site}>=0.1", "mw<=400")
    fitting, flat_model = Predictor.load("pocket-fit"), Predictor.load("molecules-2d")
    molecules = [flat(smiles) for smiles in DOCKABLE]
    scores = []
    for model in (fitting, flat_model):
        (screen,) = screens_of(model, [light, fit])
        assert screen.predictor.metric.name == "pocket-fit"
        assert screen.places == (1,)
        assert screen.predicts(fit)
        scores.append(screen.scores(molecules)[0])
    conformers = list(screen.editor.encodable(molecules))
    assert all(np.abs(one.positions).sum() > 0 for one in conformers)
    pocket, made = fitting.encode([fit.coded.object], "left"), fitting.encode(conformers, "right")
    values = fitting.values(pocket, made, np.zeros(len(made), int), np.arange(len(made)))
    np.testing.assert_allclose(scores[0][0], values, rtol=1e-5)
    np.testing.assert_allclose(scores[1][0], values, rtol=1e-5)


def test_the_best_by_codes_are_measured_exactly(site: str) -> None:
    (fit,) = required(f"pocket:{site}>=0.1")
    model = Predictor.load("pocket-fit")
    judge = Judge(model, [fit], MoleculeEditor(embeds=True), math.inf)
    found = judge.judge([flat(smiles) for smiles in DOCKABLE], (2, 2))
    assert len(found) == judge.evaluations == 2
    (screen,) = screens_of(model, [fit])
    best = np.sort(screen.scores([flat(smiles) for smiles in DOCKABLE])[0][0])[-2:]
    promised = sorted(one.predicted[0] for one in found)
    if min(best) < fit.span.low:  # else those that hold by most: margins are bounded
        assert promised == pytest.approx(best)
    assert all(one.readings[0].value <= 1.0 for one in found)


@pytest.mark.slow
def test_docking_can_be_required(site: str) -> None:
    (one,) = required(f"docking:{site}<=-1")
    (found,) = one.measure_all([flat(DOCKABLE[0])])
    assert found.fault == ""
    assert found.value == one.measure(flat(DOCKABLE[0])).value < 0
    assert np.linalg.norm(found.object.centre) < 6.0


def test_random_molecules_are_drug_like_of_all_sizes() -> None:
    found = draw_random(None, 8, 1)
    assert found == draw_random(None, 8, 1)
    sizes = sorted(len(flat(one).elements) for one in found)
    assert len(set(found)) == 8
    assert sizes[-1] - sizes[0] >= 8


@pytest.mark.parametrize(
    ("smiles", "refused"),
    [
        ("CN1CCN(c2ccc(C)nc2)CN1", True),  # a hydrazine and an aminal in a ring
        ("CC1COCN1Cc1ccccc1", True),
        ("Cc1ccc(N2SC(C)CC2=O)cc1", True),
        ("CC1CCSSC1C", True),
        ("CN1CCN(Cc2ccccc2)CC1", False),
        ("c1cc2c(cc1CNC)OCO2", False),
        ("CC1C(=O)NN(C)C1=O", False),
        ("CC1OCN(C)C1=O", False),
        ("Cc1cc(N)ccc1-c1ccnc(N2OCc3[nH]nc(O)c3O2)c1", True),  # of two oxygens on a nitrogen
        ("CCON(C)Cc1ccccc1", True),
        ("CON(C)C(=O)c1ccccc1", False),
        ("CON=C(C)c1ccccc1", False),
        ("Cc1noc(C)c1[N+](=O)[O-]", False),
    ],
)
def test_unstable_groups_are_not_made(smiles: str, refused: bool) -> None:
    patterns = map(Chem.MolFromSmarts, STRAINED)
    assert any(Chem.MolFromSmiles(smiles).HasSubstructMatch(one) for one in patterns) == refused


def test_the_example_is_a_site() -> None:
    found = structure_of(str(EXAMPLE))
    assert len(found.sequence) == 145
    assert found.facts["ligands left out"] == "E20 A:2001"


def completion(site: str, smiles: tuple[str, ...] = DOCKABLE[:3]) -> Autocompletion:
    """Molecules in the middle of a shell with made scores."""
    trend = fit_trend([10, 12, 14, 16, 18, 20, 22], [-4.1, -4.3, -4.9, -5.2, -5.5, -6.1, -6.3])
    keys = [canonical(standard(one)) for one in smiles]
    docked = [DockedMolecule(key, middle(key), -6.0 - number) for number, key in enumerate(keys)]
    asked = required("qed>=0.5", "mw<=400")
    made = [
        Made(one.molecule, None, one.smiles, (Reading(0.6), Reading(150.0)), (None, None), 0.0, ("CCO", 0.2))
        for one in docked
    ]
    best = list(zip(made, docked, strict=True))
    said = describe(site, best, asked, trend, nearest_known(None, made), lambda _: None)
    candidates = [
        SiteCandidate(f"candidate-{number:02d}", one, row)
        for number, (one, row) in enumerate(zip(docked, said.rows, strict=True), start=1)
    ]
    random = RandomMolecules(docked, trend, trend, 0.2, 1.0)
    receptor = structure_of(site.split("@")[0]).receptor
    return Autocompletion(site, receptor, asked, candidates, random, docked[0], said.notes, {"held": 3})


def middle(smiles: str) -> Molecule:
    found = conform(smiles, 1)[0]
    return replace(found, positions=found.positions - found.centre)


def test_files_say_what_is_known(site: str, tmp_path: Path) -> None:
    found = completion(site)
    write_all(tmp_path, found, {"command": "metricvae autocomplete", "engine": "metricvae"}, tmp_path / "index.html")
    document = json.loads((tmp_path / "candidates.json").read_text())
    with open(tmp_path / "candidates.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    poses = list(read(tmp_path / "candidates.sdf"))
    assert [row["name"] for row in rows] == [one["name"] for one in document["candidates"]] == [one.id for one in poses]
    for row, one in zip(document["candidates"], found.candidates, strict=True):
        expected = found.random.trend.expected(one.docked.size)
        assert row["random_score"] == pytest.approx(expected)
        assert row["gain"] == pytest.approx((expected - row["score"]) / found.random.trend.spread)
    assert document["best_retrieved"]["gain"] == pytest.approx(document["candidates"][0]["gain"])
    page = (tmp_path / "index.html").read_text()
    for text in ("Docking scores are not affinities", "candidate-02", "Best retrieved", "makeViewer", "nearest known"):
        assert text in page
    assert "http://" not in page.split("<script")[0]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("none.pdb",), "there is no file"),
        (("REC@point=90,0,0",), "angstroms from the nearest atom"),
        (("REC@point=0,0,0", "--site", "auto"), "give one"),
        (("REC", "--site", "middle"), "expected ligand=NAME"),
        (("REC@point=0,0,0", "--library", "none"), "none"),
        (("REC@point=0,0,0", "-r", "mw<=100", "-r", "qed>=0.9"), "at once"),
        (("REC@point=0,0,0", "-r", "beauty>=1"), "nothing is called 'beauty'"),
        (("REC@point=0,0,0", "-r", "qed>=2"), "qed is from 0 to 1"),
        (("REC@point=0,0,0", "-r", "contains:C(("), "C(("),
    ],
)
def test_bad_input_is_one_line(
    site: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], expected: str
) -> None:
    named = [word.replace("REC", site.split("@")[0]) for word in words]
    assert main(["autocomplete", *named, "--out", str(tmp_path / "made")]) == 2
    said = capsys.readouterr().err
    assert expected in said
    assert said.count("\n") == 1
    assert not (tmp_path / "made").exists()


@pytest.mark.slow
def test_candidates_are_made_for_the_example(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    library = tmp_path / "library.smi"
    library.write_text("".join(f"{smiles} m{number}\n" for number, smiles in enumerate(stream_smiles(80, 3))))
    assert main(["index", "pocket-fit", str(library), "--out", str(tmp_path / "index"), "--workers", "1"]) == 0
    capsys.readouterr()
    words = ["autocomplete", f"{EXAMPLE}@ligand=E20", "-n", "3", "--evaluations", "40", "--out", str(tmp_path / "made")]
    assert main([*words, "--library", str(tmp_path / "index"), "--seconds", "400", "-r", "mw<=500", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    known = set(stream_smiles(80, 3))
    assert 1 <= len(document["candidates"]) <= 3
    for row in document["candidates"]:
        assert row["smiles"] not in known
        assert row["qed"] >= 0.5
        assert row["sa"] <= 4
        assert row["mw"] <= 500
        assert row["pK_low"] < row["pK"] < row["pK_high"]


@pytest.mark.slow
def test_a_site_that_no_molecule_fits_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = f"{write(tmp_path / 'small.pdb', structure(shell(radius=5.0)))}@point=0,0,0"
    assert main(["autocomplete", small, "--out", str(tmp_path / "made"), "--seconds", "20"]) == 2
    said = capsys.readouterr().err
    assert said.strip().count("\n") == 0
    assert "site" in said or "room" in said
