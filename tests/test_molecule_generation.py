"""Molecules to order: what is made satisfies what was asked for by a checker of the tests' own, and what cannot be is
said so."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rdkit")

from rdkit import Chem, DataStructs
from rdkit.Chem import QED, Descriptors, rdFingerprintGenerator, rdMolDescriptors

from metricvae.cli import main
from metricvae.core.errors import InputError
from metricvae.core.requirements import Requirement, check_requirements, forms_for, parse_requirement
from metricvae.generation.evolution import EvolutionConfig, Evolved, evolve
from metricvae.generation.fingerprints import best_distinct, max_min, similarities
from metricvae.kinds.molecule.conformers import conform, flat
from metricvae.kinds.molecule.generation.editor import MoleculeEditor
from metricvae.kinds.molecule.generation.edits import EDITS
from metricvae.kinds.molecule.generation.feasibility import largest_likeness, least_of
from metricvae.kinds.molecule.generation.fragment_pool import FragmentPool, bonded, cut, cuttable_bonds, environment
from metricvae.kinds.molecule.generation.score_process import ScoreProcess
from metricvae.kinds.molecule.kind import MoleculeKind
from metricvae.kinds.molecule.mol_blocks import write_sdf
from metricvae.kinds.molecule.readers import read
from metricvae.metrics.shape.metric import ShapeMetric
from metricvae.prediction.predictor import Predictor

KNOWN = (
    "CC(C)Cc1ccc(cc1)C(C)C(=O)O",
    "COc1ccc2cc(ccc2c1)C(C)C(=O)O",
    "CC(=O)Nc1ccc(O)cc1",
    "Clc1ccc(cc1)C(c1ccccc1)N1CCN(CCOCC(=O)O)CC1",
    "CN1CCC[C@H]1c1cccnc1",
    "O=C(Nc1cccc(Br)c1)C1CCN(Cc2ccco2)CC1",
    "CCOC(=O)c1ccc(NC(=O)Cc2cccs2)cc1",
    "FC(F)(F)c1ccc(OCCN2CCOCC2)cc1",
)
STEROID = "C1CCC2C(C1)CCC3C2CCC4C3CCC4"


def required(*texts: str) -> list[Requirement]:
    forms = forms_for(MoleculeKind())
    return [parse_requirement(text, forms) for text in texts]


@pytest.fixture(scope="module")
def pool() -> FragmentPool:
    made = FragmentPool()
    for smiles in KNOWN:
        made.learn(Chem.MolFromSmiles(smiles))
    return made


@pytest.fixture(scope="module")
def model() -> Predictor:
    return Predictor.load("molecules-2d")


@pytest.mark.parametrize("smiles", KNOWN)
def test_parts_put_together_again_are_the_molecule(smiles: str) -> None:
    mol = Chem.MolFromSmiles(smiles)
    bonds = cuttable_bonds(mol)
    for chosen in ([bonds[0]], [bonds[-1]], [bonds[0], bonds[-1]]):
        parts = cut(mol, chosen)
        assert sum(part.size for part in parts) == mol.GetNumAtoms()
        whole = bonded([part.mol for part in parts])
        assert whole is not None
        assert Chem.MolToSmiles(whole) == Chem.MolToSmiles(mol)


@pytest.mark.parametrize("edit", [edit for edit, _ in EDITS], ids=lambda edit: edit.__name__)
def test_an_edit_gives_valid_molecules_of_known_bonds(edit, pool: FragmentPool) -> None:
    rng, made = np.random.default_rng(3), []
    mols = [Chem.MolFromSmiles(smiles) for smiles in KNOWN]
    for _ in range(60):
        first, second = (mols[int(place)] for place in rng.integers(len(mols), size=2))
        found = edit(first, second, pool, rng)
        if found is not None:
            assert Chem.MolFromSmiles(Chem.MolToSmiles(found)) is not None
            made.append(Chem.MolFromSmiles(Chem.MolToSmiles(found)))
    assert len(made) >= 5
    for mol in made:
        for place in cuttable_bonds(mol) if edit.__name__ in ("exchange_part", "exchange_core", "cross") else ():
            bond = mol.GetBondWithIdx(place)
            assert pool.fits(environment(bond.GetBeginAtom()), environment(bond.GetEndAtom()))


def test_edits_keep_a_scaffold_and_grow_at_its_points_alone(pool: FragmentPool) -> None:
    rng, editor = np.random.default_rng(0), MoleculeEditor(pool=pool)
    kept = required("keep:c1ccc2[nH]ccc2c1")
    starts = editor.starts(kept, 10, rng)
    made = [*starts, *editor.edit(starts, kept, 10, rng)]
    indole = Chem.MolFromSmiles("c1ccc2[nH]ccc2c1")
    assert len(made) >= 15
    assert all(Chem.MolFromSmiles(one.smiles).HasSubstructMatch(indole) for one in made)
    grown = required("grow:*c1ccc(*)nc1")
    starts = editor.starts(grown, 10, rng)
    pattern = Chem.MolFromSmarts("[!#1]-[c;D3]1[c;D2][c;D2][c;D3](-[!#1])n[c;D2]1")
    for one in [*starts, *editor.edit(starts, grown, 10, rng)]:
        assert Chem.MolFromSmiles(one.smiles).HasSubstructMatch(pattern), one.smiles


def test_edits_depend_on_the_seed_alone(pool: FragmentPool) -> None:
    made = []
    for _ in range(2):
        found = MoleculeEditor(pool=pool).edit([flat(smiles) for smiles in KNOWN], [], 12, np.random.default_rng(5))
        made.append([one.smiles for one in found])
    assert made[0] == made[1]
    assert len(set(made[0])) > 6


MEASURED = {
    "mw<=450": (Descriptors.MolWt, 100.0),
    "logp=1..4": (Descriptors.MolLogP, 1.0),
    "qed>=0.5": (QED.qed, 0.5),
    "hbd<=2": (rdMolDescriptors.CalcNumHBD, 2.0),
    "charge=0": (Chem.GetFormalCharge, 2.0),
}


@pytest.mark.parametrize("text", MEASURED)
def test_properties_are_those_of_rdkit(text: str) -> None:
    one, (function, scale) = required(text)[0], MEASURED[text]
    for smiles in KNOWN:
        molecule = flat(smiles)
        value = one.measure(molecule).value
        assert value == pytest.approx(function(Chem.MolFromSmiles(molecule.smiles)), rel=1e-6)
        outside = max(one.span.low - value, value - one.span.high, 0.0)
        assert one.violation(value) == pytest.approx(outside / scale)


def test_spans_are_read_as_they_are_written() -> None:
    ends = {"logp>=-1": (-1, math.inf), "mw<300": (-math.inf, 300), "qed=0.5..0.7": (0.5, 0.7), "hbd=2": (1.9, 2.1)}
    for text, (low, high) in ends.items():
        span = required(text)[0].span
        assert (span.low, span.high) == pytest.approx((low, high))
    assert not required("mw<300")[0].span.holds(300.0)
    assert not required("mw>300")[0].span.holds(300.0)
    assert required("mw>=300")[0].span.holds(300.0)


def test_an_objective_has_no_bound_and_its_sign_says_what_is_better() -> None:
    for text, sign in (("logp=max", 1), ("logp=min", -1)):
        one = required(text)[0]
        assert one.is_objective
        for number in (-30.0, 0.0, 40.0):
            assert one.violation(number) == 0
            assert one.margin(number) == sign * number / one.scale
        assert not one.where
    assert not required("logp>=1")[0].is_objective
    check_requirements(required("qed=max", "qed>=0.5", "mw<=400"))


def test_similarity_and_substructures() -> None:
    similar, has, lacks = required(f"similarity:{KNOWN[0]}<0.4", "contains:C(=O)[OH]", "lacks:[Cl,Br]")
    prints = [
        rdFingerprintGenerator.GetMorganGenerator(2, fpSize=2048).GetFingerprint(Chem.MolFromSmiles(one))
        for one in KNOWN
    ]
    for smiles, bits in zip(KNOWN, prints, strict=True):
        assert similar.measure(flat(smiles)).value == pytest.approx(DataStructs.TanimotoSimilarity(prints[0], bits))
    assert [int(has.measure(flat(one)).value) for one in KNOWN] == [1, 1, 0, 1, 0, 0, 0, 0]
    assert [int(lacks.measure(flat(one)).value) for one in KNOWN] == [1, 1, 1, 0, 1, 0, 1, 1]


def test_shape_is_that_of_the_exact_overlay() -> None:
    reference = conform(KNOWN[1], 4)[0]
    one = required(f"shape:{KNOWN[1]}>=0.5")[0]
    found = one.measure(flat(KNOWN[0]))
    solver = ShapeMetric().solver
    again = solver.solve(one.prepared, solver.prepare(found.object))
    assert found.value == pytest.approx(again.score, abs=1e-6)
    assert one.measure(flat(reference.smiles)).value > 0.9


IMPOSSIBLE = {
    ("mw<=100", f"contains:{STEROID}"): "needs mw >= 204",
    ("mw<=100", "qed>=0.9"): "QED is at most",
    ("mw>=400", "mw<=300"): "no number is both",
    ("rings<=1", "keep:c1ccc2[nH]ccc2c1"): "needs rings >= 2",
    ("lacks:c1ccccc1", "keep:Cc1ccccc1"): "the one contains the other",
    ("qed>=1.2",): "from 0 to 1",
    ("heavy_atoms<=3",): "at least 4 heavy atoms",
}


def check(asked: list[Requirement]) -> None:
    check_requirements(asked)
    MoleculeEditor().check(asked)


@pytest.mark.parametrize(("texts", "complaint"), IMPOSSIBLE.items())
def test_what_cannot_be_is_refused_first(texts: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        check(required(*texts))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("solubility>=3", "nothing is called 'solubility'"),
        ("contains:C1CC(", "does not parse as SMARTS"),
        ("keep:C1CC(", "does not parse as SMILES"),
        ("grow:c1ccccc1", "0 attachment points"),
        ("keep:*c1ccccc1", "1 attachment points"),
        ("qed", "has no number"),
        ("qed>=high", "'high' for a number"),
        ("qed=0.9..0.1", "ends before it begins"),
        ("qed>=max", "write =max"),
        ("qed:aspirin>=0.5", "cannot be read"),
        ("shape>=0.5", "cannot be read"),
        ("shape:missing.sdf>=0.5", "missing.sdf"),
        ("contains:", "names nothing"),
        ("score:function>=1", "expected score:MODULE:FUNCTION"),
        ("score:no_such_module:f>=1", "ModuleNotFoundError"),
        ("pocket:missing.pdb>=0.4", "missing.pdb"),
        ("affinity:missing.pdb@ligand=LIG>=7", "no model of affinities"),
    ],
)
def test_bad_requirements_are_one_line(text: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint) as fault:
        required(text)
    assert "\n" not in str(fault.value)


def test_bounds_are_bounds() -> None:
    """No known molecule beats the bound of QED under its own properties, or has less than its own part."""
    for smiles in KNOWN:
        mol = Chem.MolFromSmiles(smiles)
        spans = {one.name: one.span for one in required(f"mw<={Descriptors.MolWt(mol)}", "hbd<=3")}
        assert QED.qed(mol) <= largest_likeness(spans)
        for part in cut(mol, cuttable_bonds(mol)[:1]):
            pattern = Chem.MolFromSmarts(Chem.MolToSmarts(part.mol))
            least = least_of(pattern)
            assert least["mw"] <= Descriptors.MolWt(mol) + 10.8  # the dummy atom stands for one of the other part
            assert least["rings"] <= rdMolDescriptors.CalcNumRings(mol)


FUNCTIONS = """
import time
def size(smiles): return len(smiles)
def broken(smiles): raise RuntimeError("no luck")
def nothing(smiles): return float("nan")
def words(smiles): return "many"
def slow(smiles): time.sleep(60)
def ends(smiles): raise SystemExit(3)
def nitrogens(smiles): return smiles.upper().count("N")
"""


def test_a_score_that_fails_is_named_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "functions.py"
    path.write_text(FUNCTIONS)
    faults = {"broken": "RuntimeError: no luck", "nothing": "gave nan", "words": "ValueError", "ends": "SystemExit"}
    for function, fault in faults.items():
        process = ScoreProcess(str(path), function)
        try:
            for _ in range(2):
                number, got = process.score("CCO")
                assert math.isnan(number)
                assert fault in got
        finally:
            process.close()


def test_a_score_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    path = tmp_path / "functions.py"
    path.write_text(FUNCTIONS)
    process = ScoreProcess(str(path), "slow", seconds=0.2)
    number, fault = process.score("CCO")
    assert math.isnan(number)
    assert fault == "took more than 0.2 seconds"
    assert process._running is None


def test_max_min_is_brute_force() -> None:
    rng = np.random.default_rng(0)
    features = rng.integers(0, 256, (20, 8), dtype=np.uint8)
    alike = similarities(features, features)
    chosen = [0]
    while len(chosen) < 6:
        rest = [row for row in range(20) if row not in chosen]
        chosen.append(min(rest, key=lambda row: alike[row, chosen].max()))
    assert max_min(features, 6) == chosen


@pytest.mark.parametrize("together", [1, 3])
def test_the_best_distinct_rows_are_brute_force(together: int) -> None:
    """30 rows in five groups: first the best of each, as many as may be together, then the best of the others."""
    rng = np.random.default_rng(0)
    features = rng.integers(0, 256, (5, 16), dtype=np.uint8)[rng.integers(0, 5, 30)]
    features[np.arange(30), rng.integers(0, 16, 30)] ^= 1
    alike = similarities(features, features) > 0.7
    assert 5 < alike.sum(1).mean() < 9
    chosen: list[int] = []
    for row in range(30):
        if alike[row, chosen].sum() < together:
            chosen.append(row)
    rest = [row for row in range(30) if row not in chosen]
    for count in (1, len(chosen), len(chosen) + 4, 30, 40):
        expected = sorted([*chosen[:count], *rest[: max(count - len(chosen), 0)]])
        assert best_distinct(features, count, 0.7, together) == expected
    assert best_distinct(features, 9, 1.0) == list(range(9))


def test_what_is_made_holds_and_is_no_copy(model: Predictor) -> None:
    asked = required("qed>=0.6", "sa<=4", "mw=250..400", "lacks:[Br,I]")
    config = EvolutionConfig(seconds=60, evaluations=100, children=40, population=16)
    found = evolve(model, asked, 4, config)
    assert len(found.answers) == 4
    for one in found.answers:
        mol = Chem.MolFromSmiles(one.key)
        assert QED.qed(mol) >= 0.6
        assert 250 <= Descriptors.MolWt(mol) <= 400
        assert not mol.HasSubstructMatch(Chem.MolFromSmarts("[Br,I]"))
    assert [one.key for one in evolve(model, asked, 4, config).answers] == [one.key for one in found.answers]


def maximised(
    model: Predictor, tmp_path: Path, seed: int, alike: float = 1.0, spare: float = 2.0, n: int = 3
) -> Evolved:
    """The search for many nitrogens in 56 measurements."""
    path = tmp_path / "functions.py"
    path.write_text(FUNCTIONS)
    config = EvolutionConfig(300, 56, seed, children=24, population=12, verified=(8, 4), alike=alike, spare=spare)
    return evolve(model, required(f"score:{path}:nitrogens=max", "mw<=350"), n, config)


def test_an_objective_takes_its_budget_and_no_more(model: Predictor, tmp_path: Path) -> None:
    found, again = (maximised(model, tmp_path, 1) for _ in range(2))
    assert found.evaluations == 56
    assert [one.key for one in found.answers] == [one.key for one in again.answers]
    numbers = [one.readings[0].value for one in found.answers]
    assert numbers == [one.key.upper().count("N") for one in found.answers]
    assert all(Descriptors.MolWt(Chem.MolFromSmiles(one.key)) <= 350 for one in found.answers)


def test_answers_are_of_several_series_where_that_is_asked_for(model: Predictor, tmp_path: Path) -> None:
    generator = rdFingerprintGenerator.GetMorganGenerator(2, fpSize=2048)
    pairs = []
    for alike in (1.0, 0.15):
        answers = maximised(model, tmp_path, 1, alike, spare=1.0, n=8).answers
        bits = [generator.GetFingerprint(Chem.MolFromSmiles(one.key)) for one in answers]
        close = [DataStructs.TanimotoSimilarity(one, other) > 0.15 for one, other in itertools.combinations(bits, 2)]
        pairs.append(sum(close))
    most = 0 + 1 + 2 * 6  # each is like two better ones at most
    assert pairs[1] <= most < pairs[0]
    with pytest.raises(InputError, match="similarity of what is alike is 0"):
        EvolutionConfig(alike=0.0)


@pytest.mark.slow
def test_a_search_finds_better_than_as_many_starts(model: Predictor, tmp_path: Path) -> None:
    """Of four seeds together; a start is as good as what the search finds now and then."""
    best, among_starts = [], []
    for seed in range(1, 5):
        best.append(max(one.readings[0].value for one in maximised(model, tmp_path, seed).answers))
        starts = [one.smiles for one in MoleculeEditor().starts([], 56, np.random.default_rng(seed))]
        light = [one for one in starts if Descriptors.MolWt(Chem.MolFromSmiles(one)) <= 350]
        among_starts.append(max(one.upper().count("N") for one in light))
    assert sum(best) > sum(among_starts) + 2


def test_what_was_written_otherwise_is_held_to_the_same(pool: FragmentPool) -> None:
    texts = "CC(C)Cc1ccc(cc1)C(C)C(=O)O", "CCOF", "O=C(Nc1ccccc1)c1ccccc1", "CC(=O)Cl"
    kept = MoleculeEditor(pool=pool).allowed([flat(one) for one in texts], required("keep:c1ccccc1"))
    assert [one.smiles for one in kept] == [flat(texts[0]).smiles, flat(texts[2]).smiles]


def test_the_command_writes_what_it_verified(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_sdf(tmp_path / "ref.sdf", [conform(KNOWN[5], 1, name="ref")[0]])
    texts = f"shape:{tmp_path / 'ref.sdf'}>=0.6", f"similarity:{tmp_path / 'ref.sdf'}<0.5"
    words = [word for text in texts for word in ("--require", text)]
    out = tmp_path / "out"
    limits = ["--evaluations", "32", "--seconds", "120", "-n", "2", "--json"]
    assert main(["generate", "molecules-2d", *words, *limits, "--out", str(out)]) == 0
    document = json.loads(capsys.readouterr().out)
    assert sorted(document["files"]) == ["answers.csv", "answers.json", "answers.sdf", "sheet.png"]
    assert {one.name for one in out.iterdir()} == set(document["files"])
    solver, reference = ShapeMetric().solver, next(iter(read(tmp_path / "ref.sdf")))
    for row, molecule in zip(document["answers"], read(out / "answers.sdf"), strict=True):
        assert row["object"] == molecule.smiles
        assert row["verified"][texts[0]] >= 0.6
        best = solver.solve(solver.prepare(reference), solver.prepare(molecule))
        assert best.score == pytest.approx(row["verified"][texts[0]], abs=1e-3)
        assert np.allclose(best.rotation if hasattr(best, "rotation") else best.pose.rotation, np.eye(3), atol=0.05)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["molecules", "--around", "CCCCO"], "has no decoder that writes molecules"),
        (["molecules-2d", "-r", "qed>=0.5", "--fit"], "--fit is for silhouettes"),
        (["molecules-2d", "-r", "qed>=0.5", "--library", "missing"], "missing"),
        (["overlap", "-r", "area=4000", "--library", "missing"], "--library is for molecules"),
        (["molecules-2d", "-r", "mw<=100", "-r", f"contains:{STEROID}"], "needs mw >= 204"),
    ],
)
def test_faults_of_the_command_are_one_line(
    words: list[str], complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["generate", *words, "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()
