"""Filters of searches: conditions, substructures and diversity; k hits that satisfy them while there are k."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from rdkit import Chem, DataStructs
from rdkit.Chem import QED, rdFingerprintGenerator

from cli_problem import Command
from metricvae.core.errors import InputError
from metricvae.kinds.molecule.fragments import draw
from metricvae.kinds.molecule.kind import MoleculeKind
from metricvae.kinds.molecule.properties import PROPERTIES, describe, described_smiles, property_columns
from metricvae.kinds.molecule.standardise import standard
from metricvae.kinds.molecule_2d.kind import Molecule2dKind
from metricvae.kinds.silhouette.sources.generators import draw as draw_shapes
from metricvae.prediction.predictor import Predictor
from metricvae.search import build as build_module
from metricvae.search import search as search_module
from metricvae.search.ann import InvertedFile
from metricvae.search.build import build_index
from metricvae.search.expressions import filterable, parse_condition
from metricvae.search.filters import EVERYTHING, DiversePicker, ItemFilter
from metricvae.search.index import Index, read_index
from metricvae.search.search import search

COUNT = 120
QUERY = "CC(C)Cc1ccc(cc1)C(C)C(=O)O"


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor.load("molecules-2d")


@pytest.fixture(scope="module")
def smiles() -> list[str]:
    return [one.smiles for one in draw(COUNT, seed=11)]


@pytest.fixture(scope="module")
def folder(predictor: Predictor, smiles: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("filters")
    (place / "library.smi").write_text("".join(f"{one} m{number}\n" for number, one in enumerate(smiles)))
    build_index(predictor, place / "library.smi", place / "plain", workers=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build_module, "WORTHWHILE", 10)
        build_index(predictor, place / "library.smi", place / "cells", workers=1)
    return place


@pytest.fixture(scope="module", params=["plain", "cells"])
def index(folder: Path, request: pytest.FixtureRequest) -> Index:
    found = read_index(folder / request.param)
    assert (found.cells is not None) == (request.param == "cells")
    return found


@pytest.fixture(scope="module")
def query(predictor: Predictor) -> Any:
    return predictor.kind("left").convert(QUERY)


@pytest.fixture(scope="module")
def ranking(folder: Path, predictor: Predictor, query: Any) -> list[int]:
    return search(read_index(folder / "plain"), predictor, query, COUNT).rows.tolist()


def mols_of(smiles: list[str]) -> list[Chem.Mol]:
    return [Chem.MolFromSmiles(one) for one in smiles]


# Properties


def test_properties_are_those_that_rdkit_gives(smiles: list[str], index: Index) -> None:
    from rdkit.Chem import Crippen, Descriptors, rdMolDescriptors

    mols, table = mols_of(smiles), index.whole(list(PROPERTIES))
    expected = {
        "mw": Descriptors.MolWt,
        "logp": Crippen.MolLogP,
        "tpsa": rdMolDescriptors.CalcTPSA,
        "hbd": rdMolDescriptors.CalcNumHBD,
        "hba": rdMolDescriptors.CalcNumHBA,
        "rotatable": rdMolDescriptors.CalcNumRotatableBonds,
        "qed": QED.qed,
        "charge": Chem.GetFormalCharge,
        "heavy_atoms": Chem.Mol.GetNumHeavyAtoms,
        "rings": rdMolDescriptors.CalcNumRings,
    }
    for name, function in expected.items():
        np.testing.assert_allclose(table[name].to_numpy(), [function(mol) for mol in mols], rtol=1e-6, err_msg=name)
    scores = table["sa"].to_numpy()
    assert (scores >= 1).all()
    assert (scores <= 10).all()


@pytest.mark.parametrize(
    "text", ["N=C(CCSCc1csc(N=C(N)N)n1)NS(N)(=O)=O", "CCCCCNC(=N)NN=Cc1c[nH]c2ccc(CO)cc12", "O=C1C=CC(=O)C=C1", "CI"]
)
def test_alerts_that_are_screened_first_give_the_same_drug_likeness(text: str) -> None:
    mol = Chem.MolFromSmiles(text)
    assert describe(mol).numbers[list(PROPERTIES).index("qed")] == pytest.approx(QED.qed(mol), abs=1e-12)


def test_properties_are_of_the_standardised_molecule_however_it_is_written() -> None:
    written = ["[Na+].CC(=O)Oc1ccccc1C(=O)[O-]", "OC(=O)c1ccccc1OC(C)=O"]
    found = [describe(standard(text)) for text in written]
    assert found[0].pattern == found[1].pattern
    np.testing.assert_allclose(found[0].numbers, found[1].numbers, rtol=1e-9)


def test_what_is_unknown_of_a_molecule_is_missing() -> None:
    assert described_smiles("") is None
    columns = property_columns([None, described_smiles("CCCO")])
    assert columns["mw"].to_pylist()[0] is None
    assert columns["mw"].to_pylist()[1] == pytest.approx(60.096, abs=1e-3)
    table = pa.table(columns)
    assert MoleculeKind().item_test("CO").possible(table).tolist() == [False, True]
    assert not property_columns([])["mw"]
    assert pa.schema([(name, column.type) for name, column in columns.items()]) == Molecule2dKind().index_schema


# Conditions

TABLE = pa.table(
    {
        "mw": pa.array([180.1, 460, 300, None], pa.float32()),
        "logp": pa.array([1, 2, 3, 4], pa.float32()),
        "id": ["a", "b", "c", "d"],
        "rings": pa.array([1, 2, 3, 4], pa.int64()),
        "code": [[1], [2], [3], [4]],
    }
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mw < 450", "ac"),
        ("not mw < 450", "b"),
        ("200 < mw < 450 and logp > 1", "c"),
        ("id in ('a', 'd')", "ad"),
        ("id not in ['a', 'd']", "bc"),
        ("mw / 100 + logp * 2 > 6", "bc"),
        ("mw == 180.1", "a"),
        ("-logp > -2", "a"),
        ("rings >= 3", "cd"),
        ("(mw > 200 or logp < 2) and not id == 'c'", "ab"),
        ("3 > logp", "ab"),
        ("area > 200\n or logp == 4", "bcd"),
        ("1 < 2", "abcd"),
        ("mw != 300", "ab"),
    ],
)
def test_conditions_are_those_of_python(text: str, expected: str) -> None:
    condition = parse_condition(text, filterable(TABLE.schema), {"area": "mw"})
    holds = condition.holds(TABLE).to_pylist()
    assert "".join(name for name, there in zip(TABLE["id"].to_pylist(), holds, strict=True) if there) == expected
    assert condition.holds(TABLE.slice(0, 0)).to_pylist() == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mww < 3", r"no property 'mww' \(did you mean mw\?\): expected one of mw, logp, id, rings, area"),
        ("zzz < 3", r"no property 'zzz': expected one of"),
        ("code < 3", "no property 'code'"),
        ("mw", "'mw' is a number, not a condition"),
        ("", "condition is empty"),
        ("mw <", "from character 5 on"),
        ("mw = 3", r"from character 4 on .*: equality is written =="),
        ("mw < 3)", r"from character 7 on \(unmatched"),
        ("mw < 'a'", r"\"'a'\" at character 6 of the condition is a text: expected a number"),
        ("id < 3", "'3' at character 6 of the condition is a number: expected a text"),
        ("mw and logp < 2", "'mw' at character 1 of the condition is a number: expected a condition"),
        ("(1 < 2) < 3", "is a condition: expected a number or a text"),
        ("mw in 3", "is no list"),
        ("mw in ()", "is no list"),
        ("mw is 3", "one of < <= > >= == != in"),
        ("mw < True", "is no value to compare"),
        ("mw < 1j", "is no value to compare"),
        ("__import__('os').system('true')", "not part of the language"),
        ("(lambda: mw)() < 3", "not part of the language"),
        ("mw ** 9 < 3", "not part of the language"),
        ("mw < 3; logp < 2", "from character 7 on"),
        ("-" * 1500 + "1 < 2", "cannot be read as a condition"),
        ("(" * 1500, "too many nested parentheses"),
        ("mw < " + "9" * 500, "cannot be read as a condition"),
        ("x" * 3000, "has 3,000 characters"),
        ("mw\0 < 3", "null bytes"),
    ],
)
def test_a_condition_that_cannot_be_read_is_one_line(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        parse_condition(text, filterable(TABLE.schema), {"area": "mw"})
    assert "\n" not in str(caught.value)


# Searches


def wanted_rows(wanted: ItemFilter, smiles: list[str], index: Index) -> set[int]:
    """Rows that satisfy a filter, by RDKit, one molecule at a time."""
    good = set(range(COUNT))
    if wanted.where:
        weights = index.whole(["mw"])["mw"].to_numpy()
        low, high = (float(word) for word in wanted.where.replace("<", "").replace("mw", "").split())
        good &= set(np.flatnonzero((low < weights) & (weights < high)).tolist())
    for patterns, there in ((wanted.contains, True), (wanted.lacks, False)):
        for pattern in map(Chem.MolFromSmarts, patterns):
            good &= {row for row, mol in enumerate(mols_of(smiles)) if mol.HasSubstructMatch(pattern) == there}
    return good


@pytest.mark.parametrize(
    "wanted",
    [
        EVERYTHING,
        ItemFilter("250 < mw < 350"),
        ItemFilter("300 < mw < 310"),
        ItemFilter(contains=("c1ccccc1",)),
        ItemFilter(lacks=("c1ccccc1",)),
        ItemFilter("200 < mw < 400", contains=("[OX2H]", "c"), lacks=("[#9]", "C(=O)N")),
    ],
)
@pytest.mark.parametrize("count", [1, 7, COUNT])
def test_hits_are_the_best_that_satisfy_the_filter(
    index: Index,
    predictor: Predictor,
    query: Any,
    smiles: list[str],
    ranking: list[int],
    wanted: ItemFilter,
    count: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(search_module, "AT_ONCE", 5)
    good = wanted_rows(wanted, smiles, index)
    hits = search(index, predictor, query, count, wanted)
    expected = [row for row in ranking if row in good][:count]
    assert len(hits) == min(count, len(good))
    if index.cells is None:
        assert hits.rows.tolist() == expected
    else:  # half precision, and cells that were not looked into
        assert set(hits.rows.tolist()) <= good
        assert len(set(hits.rows.tolist()) & set(expected)) >= 0.9 * len(expected) - 1
    assert list(hits.score) == sorted(hits.score, reverse=True)


def test_a_filter_that_nothing_satisfies_gives_nothing(index: Index, predictor: Predictor, query: Any) -> None:
    for wanted in (ItemFilter("mw > 9000"), ItemFilter(contains=("[Te]",)), ItemFilter(lacks=("*",))):
        assert len(search(index, predictor, query, 5, wanted)) == 0


@pytest.mark.parametrize("threshold", [0.0, 0.15, 0.4, 1.0])
def test_diverse_hits_are_unlike_one_another(
    index: Index, predictor: Predictor, query: Any, smiles: list[str], ranking: list[int], threshold: float
) -> None:
    hits = search(index, predictor, query, 6, ItemFilter(diverse=threshold))
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)
    prints = [generator.GetFingerprint(mol) for mol in mols_of(smiles)]
    picked: list[int] = []
    for row in ranking:  # sphere exclusion, written plainly
        if all(DataStructs.TanimotoSimilarity(prints[row], prints[other]) <= threshold + 1e-7 for other in picked):
            picked.append(row)
    assert len(hits) == min(6, len(picked))
    for at, row in enumerate(hits.rows.tolist()):
        similar = DataStructs.BulkTanimotoSimilarity(prints[row], [prints[other] for other in hits.rows[:at].tolist()])
        assert max(similar, default=0) <= threshold + 1e-7
    if index.cells is None:
        assert hits.rows.tolist() == picked[:6]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (ItemFilter("mww < 3"), "did you mean mw"),
        (ItemFilter(contains=("C(=O",)), r"'C\(=O' does not parse as SMARTS"),
        (ItemFilter(lacks=("",)), "does not parse as SMARTS"),
        (ItemFilter(contains=("é",)), "does not parse as SMARTS"),
        (ItemFilter(diverse=1.5), "is 1.5: expected 0 to 1"),
        (ItemFilter(diverse=float("nan")), "expected 0 to 1"),
    ],
)
def test_a_filter_that_is_none_is_one_line(
    index: Index, predictor: Predictor, query: Any, wanted: ItemFilter, said: str
) -> None:
    with pytest.raises(InputError, match=said) as caught:
        search(index, predictor, query, 5, wanted)
    assert "\n" not in str(caught.value)


def test_hydrogens_named_in_a_pattern_are_those_of_their_atoms(index: Index) -> None:
    table = index.table(np.arange(COUNT), ["smiles"])
    here, there = (MoleculeKind().item_test(text).holds(table).tolist() for text in ("[H]O", "[O;!H0]"))
    assert here == there
    assert any(here)


def test_an_inverted_file_finds_the_best_of_those_wanted() -> None:
    random = np.random.default_rng(2)
    codes = random.normal(size=(5_000, 16)).astype(np.float32)
    cells = InvertedFile.build([codes], codes[::2], len(codes))
    for share in (0.5, 0.05, 0.002):
        wanted = random.random(len(codes)) < share
        rows, products = cells.find(codes[7], 40, wanted, cells=20)
        expected = np.flatnonzero(wanted)[np.argsort(-codes[wanted] @ codes[7], kind="stable")][:40]
        assert len(rows) == len(expected)
        assert wanted[rows].all()
        assert (np.diff(products) <= 0).all()
        assert len(set(rows.tolist()) & set(expected.tolist())) >= (0.95 if share < 0.1 else 0.8) * len(expected)
    assert len(cells.find(codes[7], 40, np.zeros(len(codes), bool))[0]) == 0


# Other kinds


def test_the_first_of_alike_items_are_picked_whether_told_at_once_or_in_parts() -> None:
    """By the Tanimoto coefficient of bits, one pair at a time."""
    chance = np.random.default_rng(0)
    bits = chance.random((60, 64)) < chance.random((60, 1))
    bits[7], bits[20] = bits[3], False

    def alike(one: int, other: int) -> float:
        return float((bits[one] & bits[other]).sum() / max(1, (bits[one] | bits[other]).sum()))

    expected: list[int] = []
    for row in range(60):
        if all(alike(row, earlier) <= 0.5 for earlier in expected):
            expected.append(row)
    kind = SimpleNamespace(fingerprinted=("bits",), fingerprints=lambda rows: np.packbits(bits[rows], axis=1))
    for parts in (1, 7):
        picker = DiversePicker(SimpleNamespace(kind=kind, table=lambda rows, _: rows), 0.5)  # type: ignore[arg-type]
        found = [picker.pick(rows) for rows in np.array_split(np.arange(60), parts)]
        assert np.concatenate(found).tolist() == expected
    assert 7 not in expected
    assert 20 in expected
    assert len(expected) > 8


def test_a_query_that_is_no_number_finds_nothing_in_cells(folder: Path, predictor: Predictor, query: Any) -> None:
    index = read_index(folder / "cells")
    asked = predictor.encode([query], index.query_side)
    unknown = replace(asked, codes=asked.codes * math.nan)
    parts = search_module._ranked(index, predictor, unknown, EVERYTHING.of_index(index), 4)
    assert [len(rows) for rows in itertools.islice(parts, 9)] == [0]


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shapes")
    (folder / "images").mkdir()
    for number, shape in enumerate(draw_shapes("mixed", 25, seed=7)):
        Image.fromarray(255 * shape.mask).save(folder / "images" / f"{number:02d}.png")
    build_index(Predictor.load("overlap"), folder / "images", folder / "index")
    return folder


def test_shapes_are_filtered_by_their_areas_and_by_their_codes(shapes: Path) -> None:
    index, predictor = read_index(shapes / "index"), Predictor.load("overlap")
    query = predictor.kind().convert(shapes / "images" / "03.png")
    middle = float(index.magnitudes.median())
    every = search(index, predictor, query, 25).rows
    for text in (f"area < {middle}", f"magnitude < {middle} and area > 0"):
        hits = search(index, predictor, query, 25, ItemFilter(text))
        assert hits.rows.tolist() == [row for row in every.tolist() if index.magnitudes[row] < middle]
    hits = search(index, predictor, query, 5, ItemFilter(diverse=0.8))
    codes = index.encoded(hits.rows).codes.numpy()
    codes /= np.linalg.norm(codes, axis=1, keepdims=True)
    assert (codes @ codes.T - np.eye(len(codes))).max() <= 0.8 + 1e-5
    assert hits.rows[0] == every[0]
    with pytest.raises(InputError, match="silhouettes contain no substructures: leave out --contains"):
        search(index, predictor, query, 5, ItemFilter(contains=("C",)))


# The command line and the Python interface


def test_the_command_line_filters(command: Command, folder: Path, smiles: list[str]) -> None:
    asked = ("search", folder / "plain", QUERY, "-k", "4")
    found = command(*asked, "--where", "mw < 300", "--contains", "c1ccccc1", "--lacks", "F", "--json").document["hits"]
    pattern = Chem.MolFromSmarts("c1ccccc1")
    for hit in found:
        mol = Chem.MolFromSmiles(smiles[int(hit["id"][1:])])
        assert mol.HasSubstructMatch(pattern)
    assert len(found) == 4
    exact = command(*asked, "--where", "mw < 300", "--exact", "6", "--json").document["hits"]
    assert len(exact) == 4
    none = command(*asked, "--where", "mw > 9000")
    assert (none.status, none.out) == (0, "no item of the index satisfies what is asked for\n")
    assert command(*asked, "--where", "mw > 9000", "--exact", "9", "--json").document == {"hits": []}
    for option, value, said in (
        ("--where", "mass < 3", "the index has no property 'mass'"),
        ("--where", "mw <", "cannot be read from character 5 on"),
        ("--contains", "C(", "does not parse as SMARTS"),
        ("--diverse", "2", "expected 0 to 1"),
    ):
        refused = command(*asked, option, value)
        assert (refused.status, refused.out, refused.err.count("\n")) == (2, "", 1)
        assert said in refused.err


def test_the_python_interface_filters(folder: Path, tmp_path: Path, smiles: list[str]) -> None:
    import metricvae as mv

    index = mv.load("molecules-2d").index(folder / "library.smi", tmp_path / "index")
    found = index.search(QUERY, 3, where="mw < 300", contains="c1ccccc1", lacks=["F", "Cl"], diverse=0.6)
    assert len(found) == 3
    (tmp_path / "more.smi").write_text("CC(C)Cc1ccc(cc1)C(C)C(=O)O ibuprofen\n")
    assert index.append(tmp_path / "more.smi").added == 1
    assert index.search(QUERY, 1)[0]["id"] == "ibuprofen"
    assert index.delete(["ibuprofen"]).deleted == 1
    assert len(index) == COUNT
    assert index.search(QUERY, 1)[0]["id"] != "ibuprofen"
