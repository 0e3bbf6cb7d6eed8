"""Affinities: values and their units, tables of complexes, features of poses, forests, and the model of poses."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rdkit")
pytest.importorskip("gemmi")

from affinity_problem import CONFIG, ligand, receptor, training_set
from metricvae.core.constraints import Span
from metricvae.core.errors import InputError
from metricvae.kinds.molecule.mol_blocks import write_sdf
from metricvae.kinds.pocket.records import Structure
from metricvae.kinds.pocket.sites import of_ligand
from metricvae.kinds.pocket.structures import structure_of
from metricvae.metrics.affinity.complexes import ComplexRow, RefusedComplex, complex_rows
from metricvae.metrics.affinity.features.contacts import shell_counts
from metricvae.metrics.affinity.features.records import PosedComplex, posed_complex
from metricvae.metrics.affinity.features.vector import NAMES, features_of
from metricvae.metrics.affinity.jobs import Job, jobs_of, jobs_of_table
from metricvae.metrics.affinity.linear import ridge
from metricvae.metrics.affinity.posed import PosedModel
from metricvae.metrics.affinity.posed_files import MODEL, TENSORS, read_posed, write_posed
from metricvae.metrics.affinity.posed_fit import fit_posed
from metricvae.metrics.affinity.posing import ComplexReader, check_pose
from metricvae.metrics.affinity.predictor import AffinityPredictor
from metricvae.metrics.affinity.reference import Reference, tanimoto, words_of
from metricvae.metrics.affinity.requirements import AffinityRequirement
from metricvae.metrics.affinity.trees import LEAF, Forest, from_averaged
from metricvae.metrics.affinity.units import common_unit, measurement

# Units


@pytest.mark.parametrize(
    ("cell", "unit", "kind", "pk", "bound"),
    [
        ("12 nM", "", "", 7.9208, 0),
        ("Ki=2.5nM", "", "", 8.6021, 0),
        (">10", "uM", "IC50", 5.0, -1),
        ("<1pM", "", "Kd", 12.0, 1),
        ("~3e-3 mM", "", "", 5.5229, 0),
        ("-9.5", "kcal/mol", "dG", 6.9635, 0),
        (">-4.184", "kJ/mol", "dG", 0.733, -1),
        ("7.2", "", "pK", 7.2, 0),
        ("5 µM", "", "", 5.3010, 0),
    ],
)
def test_values_become_pk(cell: str, unit: str, kind: str, pk: float, bound: int) -> None:
    found = measurement(cell, unit, kind)
    assert found.pk == pytest.approx(pk, abs=1e-4)
    assert found.bound == bound


@pytest.mark.parametrize(
    ("cell", "unit", "kind", "said"),
    [
        ("12", "", "Ki", "no unit"),
        ("12 nM", "uM", "", "one unit"),
        ("50", "pK", "", "pK of 50"),
        ("0 nM", "", "", "above 0"),
        ("-3 nM", "", "", "above 0"),
        ("strong", "nM", "", "number"),
        ("12 furlongs", "", "", "unit"),
        ("12 nM", "", "Kcat", "Ki, Kd"),
        ("nan", "nM", "", "number"),
    ],
)
def test_values_without_sense_are_refused(cell: str, unit: str, kind: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        measurement(cell, unit, kind)


def test_a_table_has_one_unit() -> None:
    assert common_unit(["nM", "", "nmol/L"]) == "nM"
    assert common_unit(["", ""]) == ""
    with pytest.raises(InputError, match="nM and uM"):
        common_unit(["nM", "uM"])


# Tables


def test_rows_of_a_table_come_with_their_reasons(tmp_path: Path) -> None:
    receptor(tmp_path)
    write_sdf(tmp_path / "lig.sdf", [ligand()])
    lines = [
        "name,receptor,ligand,site,value,unit,kind",
        "good,rec.pdb,lig.sdf,,12,nM,Ki",
        "smiles,rec.pdb@ligand=LIG,CCO,,7.1,,pK",
        "absent,rec.pdb,other.sdf,,12,nM,Ki",
        "empty,rec.pdb,,,12,nM,Ki",
        'two,rec.pdb@auto,lig.sdf,"point=0,0,0",12,nM,Ki',
        "wrong,rec.pdb,lig.sdf,,50,pK,",
        "unit,rec.pdb,lig.sdf,,12,,Ki",
    ]
    (tmp_path / "table.csv").write_text("\n".join(lines))
    good, smiles, *bad = complex_rows(tmp_path / "table.csv")
    assert isinstance(good, ComplexRow)
    assert (good.name, good.site, good.has_file) == ("good", "auto", True)
    assert good.measured is not None
    assert good.measured.pk == pytest.approx(7.9208, abs=1e-4)
    assert isinstance(smiles, ComplexRow)
    assert (smiles.site, smiles.has_file) == ("ligand=LIG", False)
    said = [one.reason for one in bad if isinstance(one, RefusedComplex)]
    expected = ("no file other.sdf", "no ligand", "one", "pK of 50", "no unit")
    assert all(word in reason for word, reason in zip(expected, said, strict=True))
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="expected receptor, ligand"):
        list(complex_rows(tmp_path / "other.csv"))


@pytest.mark.parametrize("name", ["x" * 5_000, "x/" * 5_000 + "y"])
def test_names_that_no_file_can_have_are_rows_refused(tmp_path: Path, name: str) -> None:
    receptor(tmp_path)
    write_sdf(tmp_path / "lig.sdf", [ligand()])
    rows = [f"{name}.pdb,lig.sdf", f"rec.pdb,{name}.sdf", "rec.pdb,lig.sdf"]
    (tmp_path / "table.csv").write_text("\n".join(["receptor,ligand", *rows]))
    *refused, good = jobs_of_table(tmp_path / "table.csv")
    assert isinstance(good, Job)
    reasons = [one.reason for one in refused if isinstance(one, RefusedComplex)]
    assert [reason.startswith("there is no file") and len(reason) < 300 for reason in reasons] == [True, True]
    for asked in (name, "a\0b"):
        with pytest.raises(InputError, match="there is no file"):
            jobs_of(f"{asked}.pdb", "CCO")


# Poses and features


@pytest.fixture(scope="module")
def posed(tmp_path_factory: pytest.TempPathFactory) -> PosedComplex:
    structure, molecule = structure_of(receptor(tmp_path_factory.mktemp("pose"))), ligand("Oc1ccccc1")
    return posed_complex(of_ligand(structure, molecule.positions).receptor, molecule)


def test_contacts_are_those_of_brute_force() -> None:
    rng = np.random.default_rng(1)
    distances, mine, other = rng.uniform(0, 10, (7, 9)), rng.integers(0, 3, 7), rng.integers(0, 2, 9)
    shells = (2.0, 4.5, 8.0)
    found = shell_counts(distances, mine, other, shells, 3, 2).reshape(3, 3, 2)
    for shell, a, b in itertools.product(range(3), range(3), range(2)):
        low, high = (0.0, *shells)[shell], shells[shell]
        pairs = (distances > low) & (distances <= high) & (mine == a)[:, None] & (other == b)
        assert found[shell, a, b] == pairs.sum()


def test_features_do_not_depend_on_how_a_complex_lies(posed: PosedComplex) -> None:
    found = features_of(posed)
    assert found.shape == (len(NAMES),) == (len(set(NAMES)),)
    turn = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    moved = PosedComplex(
        replace(posed.receptor, positions=posed.receptor.positions @ turn.T + 5.0),
        posed.molecule.moved(turn, [5.0] * 3),
    )
    rays = np.array([name.startswith("buried.") for name in NAMES])  # in directions that are fixed in space
    assert features_of(moved)[~rays] == pytest.approx(found[~rays], abs=2e-3)
    assert features_of(moved)[rays] == pytest.approx(found[rays], abs=0.1)


def test_poses_that_no_ligand_has_are_refused(posed: PosedComplex) -> None:
    check_pose(posed)
    for place, said in ((1.5, "covalent"), (0.2, "clashes")):
        one = replace(posed.receptor, positions=posed.receptor.positions + 40.0)
        one.positions[1:60] = posed.molecule.positions[0] + [0.0, 0.0, 4.0]
        one.positions[0] = posed.molecule.positions[posed.molecule.positions[:, 2].argmax()] + [0.0, 0.0, place]
        with pytest.raises(InputError, match=said):
            check_pose(PosedComplex(one, posed.molecule))
    with pytest.raises(InputError, match="floats"):
        check_pose(replace(posed, molecule=posed.molecule.moved(np.eye(3), (18.0, 0.0, 0.0))))
    with pytest.raises(InputError, match="bonds of unknown order"):
        check_pose(replace(posed, molecule=replace(posed.molecule, smiles="")))


def test_a_ligand_must_be_in_its_site_and_frame(tmp_path: Path) -> None:
    reader, path = ComplexReader(), str(tmp_path / "ligands.sdf")
    structure = reader.receptor_of(str(receptor(tmp_path)))
    write_sdf(Path(path), [ligand(), ligand("CCCCN", (80.0, 0.0, 0.0))])
    with pytest.raises(InputError, match="in the frame of the structure"):
        reader.posed(structure, reader.ligand_of(path, "CCCCN"))
    near = reader.ligand_of(path)
    assert len(reader.posed(structure, near).molecule.elements) == 7
    with pytest.raises(InputError, match="no ligand other"):
        reader.ligand_of(path, "other")
    with pytest.raises(InputError, match="from the centre of the site"):
        reader.posed(structure, near, "point=0,0,12")


# Forests


def test_forests_say_what_scikit_learn_says() -> None:
    from sklearn.ensemble import ExtraTreesRegressor

    rng = np.random.default_rng(3)
    rows = rng.normal(size=(200, 5)).astype(np.float32)
    values = rows[:, 0] + np.abs(rows[:, 1])
    averaged = ExtraTreesRegressor(7, random_state=0).fit(rows, values)
    forest = from_averaged(averaged)
    found, spread = forest.predict(rows)
    assert found == pytest.approx(averaged.predict(rows), abs=1e-5)
    each = np.array([tree.predict(rows) for tree in averaged.estimators_])
    assert spread == pytest.approx(each.std(axis=0), abs=1e-4)
    forest.check(5)


def test_damaged_trees_are_refused() -> None:
    stump = Forest(*map(np.array, (_feature, _value, _right, _roots)), base=0.0, scale=1.0)
    assert stump.predict([[0.0], [2.0]])[0].tolist() == [-1.0, 1.0]
    stump.check(1)
    for changed in ({"right": np.array([0, 0, 0], np.int32)}, {"feature": np.array([3, LEAF, LEAF], np.int16)}):
        with pytest.raises(InputError):
            replace(stump, **changed).check(1)


_feature, _value = np.array([0, LEAF, LEAF], np.int16), np.array([1.0, -1.0, 1.0], np.float32)
_right, _roots = np.array([2, 0, 0], np.int32), np.array([0], np.int32)


def test_a_ridge_within_series_does_not_see_their_levels() -> None:
    rng = np.random.default_rng(4)
    series, rows = np.repeat(np.arange(4), 10), rng.normal(size=(40, 3))
    pk = rows @ np.array([1.0, -2.0, 0.0])
    found = ridge(rows, pk + 5.0 * series, np.ones(40), 1e-6, series)
    assert found.coefficients / found.deviation == pytest.approx([1.0, -2.0, 0.0], abs=0.02)
    held = ridge(rows, pk + 3.0, np.ones(40), 1e-6)
    assert held.predict(rows)[0] == pytest.approx(pk + 3.0, abs=1e-3)
    assert np.abs(ridge(rows, pk, np.ones(40), 1e9).coefficients).max() < 1e-6


# The model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> PosedModel:
    return fit_posed(training_set(tmp_path_factory.mktemp("model")), CONFIG)


def test_a_model_learns_and_its_intervals_hold(model: PosedModel) -> None:
    assert float(model.facts["new_proteins_pearson"]) > 0.8
    assert float(model.facts["new_proteins_coverage"]) == pytest.approx(0.9, abs=0.03)
    assert model.baseline.slope > 0


def test_a_model_says_the_same_after_it_was_written(model: PosedModel, tmp_path: Path) -> None:
    data = training_set(tmp_path)
    asked = data.features[:5], NAMES, data.reference.fingerprints[:5], [data.reference.sequences[0]] * 5
    said = model.predict(*asked)
    write_posed(tmp_path, model)
    again = read_posed(tmp_path).predict(*asked)
    assert np.array_equal(said.pk, again.pk)
    assert np.array_equal(said.low, again.low)
    assert np.array_equal(said.ranking, again.ranking)
    assert said.neighbours == again.neighbours
    assert (said.low < said.pk).all()
    assert said.ligand == pytest.approx(1.0)
    with open(tmp_path / TENSORS, "r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x55")
    with pytest.raises(InputError, match="changed"):
        read_posed(tmp_path)
    (tmp_path / MODEL).write_text(json.dumps({"format": 9}))
    with pytest.raises(InputError, match="format"):
        read_posed(tmp_path)


def reference(sequences: tuple[str, ...], count: int = 40) -> Reference:
    """Random fingerprints, the first of them empty, and these proteins."""
    rng = np.random.default_rng(5)
    bits = rng.random((count, 1024)) < rng.uniform(0.0, 0.1, (count, 1))
    bits[0] = False
    names = tuple(f"made/{row}" for row in range(count))
    return Reference(
        np.packbits(bits, axis=1), np.zeros(count, np.float32), np.zeros(count, np.int32), names, sequences
    )


def test_words_of_a_part_are_those_of_the_whole() -> None:
    found = reference(("ACDEFGHIKL/MNPQRST", "", "WWWWWW"))
    assert found.protein_similarity("CDEFGHIK").tolist() == [1.0, 0.0, 0.0]
    assert found.protein_similarity("").tolist() == [0.0, 0.0, 0.0]
    assert reference(()).protein_similarity("CDEFGHIK").tolist() == []


def shared_words(own: frozenset[str], other: frozenset[str]) -> float:
    """The share of the smaller set's words that both have, 0 where one is empty."""
    least = min(len(own), len(other))
    return len(own & other) / least if least else 0.0


def test_similarities_are_those_of_pairs_one_by_one() -> None:
    rng = np.random.default_rng(6)
    sequences = tuple("".join(rng.choice(list("ACD/"), rng.integers(0, 60))) for _ in range(30))
    known = reference(sequences)
    new = np.concatenate([known.fingerprints[:5], reference(sequences).fingerprints[5:20] ^ np.uint8(1)])
    assert np.array_equal([known.ligand_similarity(one) for one in new], tanimoto(new, known.fingerprints))
    words = [words_of(one) for one in sequences]
    assert np.array_equal(known.protein_similarities, [[shared_words(a, b) for b in words] for a in words])


def test_what_is_required_of_affinities_reads_the_structure_once(
    model: PosedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, read = receptor(tmp_path), []

    def counted(asked: str) -> Structure:
        read.append(asked)
        return structure_of(asked)

    monkeypatch.setattr("metricvae.metrics.affinity.posing.structure_of", counted)
    monkeypatch.setattr("metricvae.metrics.affinity.jobs._posed", lambda *_: (ligand(), "docked"))
    write_posed(tmp_path / "model", model)
    subject = f"{path}@point=0,0,0"
    required = AffinityRequirement(
        text=f"affinity:{subject}>=5",
        name="affinity",
        subject=subject,
        span=Span(5.0, np.inf),
        predictor=AffinityPredictor(tmp_path / "model"),
    )
    first, second = (required.measure(ligand(smiles)) for smiles in ("Cc1ccccc1", "Oc1ccccc1"))
    assert first.value == second.value > 0.0
    assert read == [str(path)]
