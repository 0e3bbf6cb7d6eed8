"""Molecules after standardising, moving, embedding, writing and reading; and what is refused, and how."""

from __future__ import annotations

import gzip
import re
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem
from rdkit.Chem import AllChem
from scipy.spatial.transform import Rotation

import metricvae.kinds.molecule.library as library
import metricvae.kinds.molecule.listing as listing
import metricvae.kinds.molecule.streams as streams
from metricvae.core.errors import InputError
from metricvae.core.kind import AS_IT_IS, ReadOptions
from metricvae.kinds.molecule.conformers import conform
from metricvae.kinds.molecule.kind import MoleculeKind
from metricvae.kinds.molecule.listing import records
from metricvae.kinds.molecule.mol_blocks import mol_block, write_sdf
from metricvae.kinds.molecule.readers import ENDINGS, Skipped, molecule_of, read, read_one
from metricvae.kinds.molecule.records import RADII, SYMBOLS, Molecule
from metricvae.kinds.molecule.standardise import canonical, standard
from metricvae.kinds.molecule_2d.kind import Molecule2dKind

ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"
VARIED = (
    ASPIRIN,
    "C[C@H](N)C(=O)O",
    "O=[N+]([O-])c1ccc(Br)cc1",
    "C#CCN1CCN(S(C)(=O)=O)CC1",
    "C[N+](C)(C)CCO",
    "c1ccc2[nH]ccc2c1",
    r"C/C=C\CO",
    "O=P(O)(O)OCc1ccccc1",
    "[O-][n+]1ccccc1",
    "OB(O)c1ccccc1I",
)


def distances(molecule: Molecule) -> np.ndarray:
    return np.linalg.norm(molecule.positions[:, None] - molecule.positions, axis=-1)


@pytest.fixture(scope="module")
def molecules() -> list[Molecule]:
    return [conform(smiles, 0, name=f"molecule {number}")[0] for number, smiles in enumerate(VARIED)]


# The record


def test_motion_moves_every_atom_and_nothing_else(molecules):
    rotation, shift = Rotation.from_euler("xyz", [0.3, -1.1, 2.0]).as_matrix(), np.array([4.0, -2.0, 9.0])
    for molecule in molecules:
        moved = molecule.moved(rotation, shift)
        assert moved.positions == pytest.approx(np.array([rotation @ p + shift for p in molecule.positions]))
        assert distances(moved) == pytest.approx(distances(molecule))
        assert moved.moved(rotation.T, -rotation.T @ shift).positions == pytest.approx(molecule.positions)
        assert (moved.id, moved.smiles) == (molecule.id, molecule.smiles)
        assert moved.centre == pytest.approx(rotation @ molecule.centre + shift)


def test_radii_are_those_of_the_elements():
    assert SYMBOLS.keys() == RADII.keys()
    molecule = Molecule("x", "", np.array([6, 7, 8, 17], np.uint8), np.zeros((4, 3)))
    assert molecule.radii.tolist() == [1.70, 1.55, 1.52, 1.75]
    with pytest.raises(InputError, match="element number 26 is not supported"):
        _ = Molecule("x", "", np.array([6, 26], np.uint8), np.zeros((2, 3))).radii


# Standardising


@pytest.mark.parametrize(
    ("written", "parent"),
    [
        ("CC(=O)Oc1ccccc1C([O-])=O.[Na+]", ASPIRIN),
        ("O.CCCCN.Cl", "CCCCN"),
        ("C[NH2+]CCC.F[P-](F)(F)(F)(F)F", "CCCNC"),
        ("[2H]C([2H])([2H])CCC", "CCCC"),
        ("[CH3:7][CH2:1]CC", "CCCC"),
        ("OCC[N+](C)(C)C.[Br-]", "C[N+](C)(C)CCO"),
        ("N[C@@H](C)C(O)=O", "C[C@H](N)C(=O)O"),
        ("[NH3+]CCCC(=O)[O-]", "NCCCC(=O)O"),
    ],
)
def test_a_standard_molecule_is_the_neutral_parent(written, parent):
    assert canonical(standard(written)) == parent


@pytest.mark.parametrize(
    ("smiles", "reason"),
    [
        ("c1ccc", "does not parse"),
        ("", "does not parse"),
        ("C(C)(C)(C)(C)C", "not valid"),
        ("c1cccc1", "not valid"),
        ("CCO", "3 heavy atoms"),
        ("C" * 101, "101 heavy atoms"),
        ("[Na+].[Cl-]", "heavy atoms"),
        ("[Na]OC(=O)c1ccccc1", "has Na"),
        ("CC[Fe]CC", "has Fe"),
        ("C*CCC", "no element"),
        ("O=S(=O)(O)O", "no carbon"),
        ("CCCC name", "without spaces"),
        ("CCCC\0", "without spaces"),
        ("C" * 5000, "5,000 characters"),
    ],
)
def test_what_is_no_drug_sized_organic_molecule_is_refused_with_the_reason(smiles, reason, capfd):
    with pytest.raises(InputError, match=reason) as caught:
        standard(smiles)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_standardising_twice_changes_nothing():
    for smiles in VARIED:
        once = canonical(standard(smiles))
        assert canonical(standard(once)) == once


@settings(max_examples=150, deadline=None)
@given(st.text("CcNnOo()[]=#123%+-@/\\.*HFClBr \t", max_size=40))
def test_any_text_is_a_molecule_or_bad_input(text):
    try:
        mol = standard(text)
    except InputError:
        return
    assert 4 <= mol.GetNumAtoms() <= 100


# Conformers


def test_a_conformer_depends_on_the_molecule_and_the_seed_alone():
    first, again, rewritten = (conform(smiles, 5)[0] for smiles in (ASPIRIN, ASPIRIN, "OC(=O)c1c(OC(C)=O)cccc1"))
    assert np.array_equal(first.positions, again.positions)
    assert np.array_equal(first.positions, rewritten.positions)
    assert np.array_equal(first.elements, rewritten.elements)
    assert not np.allclose(distances(conform(ASPIRIN, 6)[0]), distances(first), atol=1e-3)


def test_a_conformer_is_a_molecule_in_space():
    for relax in (False, True):
        found = conform("C[C@@H](O)c1ccccc1", 1, 3, name="x", relax=relax)
        assert [molecule.id for molecule in found] == ["x", "x#2", "x#3"]
        for molecule in found:
            assert molecule.elements.tolist().count(8) == 1
            assert np.ptp(molecule.positions, axis=0).min() > 0.5
            bonded = distances(molecule)[molecule.bonds[:, 0], molecule.bonds[:, 1]]
            assert bonded.min() > 1.1
            assert bonded.max() < 1.7


def test_the_hand_of_a_molecule_is_the_one_in_its_smiles():
    for smiles in ("C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O"):
        for hydrogens in (True, False):
            mol = Chem.MolFromMolBlock(mol_block(conform(smiles, 3, hydrogens=hydrogens)[0]))
            assert Chem.MolToSmiles(mol) == smiles


@pytest.mark.parametrize(("seed", "count"), [(-1, 1), (2**31, 1), (0, 0)])
def test_numbers_out_of_range_are_refused(seed, count):
    with pytest.raises(InputError, match="expected"):
        conform(ASPIRIN, seed, count)


def test_a_form_that_cannot_be_is_bad_input():
    with pytest.raises(InputError, match="no conformer"):
        conform("C1C[C@H]2C[C@H]1C2", 0)  # one bridgehead turned inside out


# Writing and reading


def test_what_is_written_is_read_again(molecules, tmp_path):
    path = tmp_path / "out.sdf"
    write_sdf(path, molecules)
    found = list(read(path))
    for before, after in zip(molecules, found, strict=True):
        assert isinstance(after, Molecule)
        assert (after.id, after.smiles) == (before.id, before.smiles)
        assert np.array_equal(after.elements, before.elements)
        assert after.positions == pytest.approx(before.positions, abs=6e-5)
        assert {tuple(bond) for bond in after.bonds.tolist()} == {tuple(bond) for bond in before.bonds.tolist()}
        assert np.array_equal(after.charges, before.charges)


def test_rdkit_reads_what_is_written_moved(molecules, tmp_path):
    moved = [molecule.moved(Rotation.from_rotvec([1, 2, 3]).as_matrix(), [5, 6, 7]) for molecule in molecules]
    write_sdf(tmp_path / "moved.sdf", moved)
    for molecule, mol in zip(moved, Chem.SDMolSupplier(str(tmp_path / "moved.sdf")), strict=True):
        assert mol.GetProp("_Name") == molecule.id
        assert Chem.MolToSmiles(mol) == molecule.smiles == mol.GetProp("smiles")
        assert mol.GetConformer().GetPositions() == pytest.approx(molecule.positions, abs=6e-5)


def test_a_name_cannot_break_the_file(molecules, tmp_path):
    named = [Molecule("$$$$\nM  END\n" + "x" * 99, m.smiles, m.elements, m.positions, m.bonds) for m in molecules[:2]]
    write_sdf(tmp_path / "odd.sdf", named)
    assert [type(found) for found in read(tmp_path / "odd.sdf")] == [Molecule, Molecule]


def test_a_failed_write_leaves_nothing(molecules, tmp_path):
    lost = molecules[0].moved(np.eye(3), [1e6, 0, 0])
    with pytest.raises(InputError, match="9,999"):
        write_sdf(tmp_path / "far.sdf", [molecules[1], lost])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("packed", [False, True])
def test_bad_lines_are_named_by_number_and_good_ones_kept(tmp_path, packed):
    lines = [
        "smiles name",
        f"{ASPIRIN} aspirin",
        "",
        "# note",
        "junk!",
        "CCO short",
        "CCCCC\tpentane oil",
        "[Na+].[Cl-]",
    ]
    path = tmp_path / ("library.smi.gz" if packed else "library.smi")
    content = ("\r\n".join(lines)).encode("utf-8-sig")
    path.write_bytes(gzip.compress(content) if packed else content)
    found = list(read(path))
    assert [item.number for item in found if isinstance(item, Skipped)] == [5, 6, 8]
    assert [item.id for item in found if isinstance(item, Molecule)] == ["aspirin", "pentane oil"]
    assert str(found[2]).startswith("line 6 (short): the molecule has 3 heavy atoms")
    assert np.array_equal(found[0].positions, conform(ASPIRIN, 0)[0].positions)


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_a_table_is_read_by_its_heading(tmp_path, mark):
    rows = [["Name", "pIC50", "SMILES"], ["a", "6.1", "CCCCN"], ["b", "5.0", ""], ["c"], ['"d"', "1", '"CCCCCO"']]
    path = tmp_path / "table.csv"
    path.write_text("\n".join(mark.join(row) for row in rows) + "\n")
    found = list(read(path))
    assert [(item.id, item.smiles) for item in found if isinstance(item, Molecule)] == [("a", "CCCCN"), ("d", "CCCCCO")]
    assert [item.number for item in found if isinstance(item, Skipped)] == [3, 4]
    path.write_text("name,structure\nx,CCCC\n")
    with pytest.raises(InputError, match="no column smiles"):
        list(read(path))


def sdf(molecules) -> list[str]:
    return [f"{mol_block(molecule)}$$$$\n" for molecule in molecules]


def read_text(tmp_path, text: str, name: str = "x.sdf", **options) -> list:
    (tmp_path / name).write_text(text)
    return list(read(tmp_path / name, **options))


def kinds(found) -> str:
    return "".join("." if isinstance(item, Molecule) else "x" for item in found)


def test_a_broken_record_does_not_harm_the_next(molecules, tmp_path):
    a, b, c = sdf(molecules[:3])
    counts = a.split("\n")[3]
    assert (
        kinds(read_text(tmp_path, a + b.replace(b.split("\n")[3], "  x  y  0  0  0  0            999 V2000") + c))
        == ".x."
    )
    assert kinds(read_text(tmp_path, a.replace(counts, " 99 99" + counts[6:]) + b + c)) == "x.."
    assert kinds(read_text(tmp_path, a + b + c[: len(c) // 2])) == "..x"
    assert kinds(read_text(tmp_path, a[: len(a) // 2].rsplit("\n", 1)[0] + "\n" + b + c)) == "x.."
    assert kinds(read_text(tmp_path, a.replace("$$$$\n", "") + b + c)) == "..."
    assert kinds(read_text(tmp_path, a + "garbage\n$$$$\n" + b + "\n\n\n")) == ".x."
    assert kinds(read_text(tmp_path, a.replace(" C  ", " Xx ", 1) + b)) == "x."


def test_a_record_of_any_size_is_passed_over(molecules, tmp_path, monkeypatch):
    monkeypatch.setattr(listing, "LARGEST_RECORD", 5000)
    monkeypatch.setattr(streams, "LONGEST_LINE", 300)
    a, b = sdf(molecules[:2])
    long_line, many_lines = "y" * 1000 + "\n", "z\n" * 5000
    found = read_text(tmp_path, a + long_line + b + many_lines + "$$$$\n" + a)  # b's data never ends: one record
    assert kinds(found) == ".xx."
    assert kinds(read_text(tmp_path, f"CCCC\nCCCC{'C' * 900}\nCCCCC\n", "x.smi")) == ".x."


def test_gzip_that_breaks_off_loses_only_what_is_missing(molecules, tmp_path):
    rng = np.random.default_rng(0)
    names = "".join(f"CCCCN n{number}-{rng.integers(1 << 40)}\n" for number in range(400))
    (tmp_path / "cut.smi.gz").write_bytes(gzip.compress(names.encode())[:-700])
    listed = list(records(tmp_path / "cut.smi.gz"))
    assert len(listed) > 50
    assert not any(record.fault for record in listed[:-1])
    assert "cut short" in listed[-1].fault


def flat(molecule: Molecule, depth: float = 0.0) -> Molecule:
    return molecule.moved(np.diag([1.0, 1.0, depth]))


def test_flat_and_missing_coordinates_are_not_made_up(molecules, tmp_path):
    block = mol_block(flat(molecules[1])).replace("  metricvae         3D", "  drawn             2D")
    nowhere = mol_block(molecules[1].moved(np.zeros((3, 3))))
    for text, reason in ((block, "2-D"), (nowhere, "all coordinates"), (mol_block(flat(molecules[1])), "2-D")):
        (skipped,) = read_text(tmp_path, text)
        assert reason in skipped.reason
        assert "embed" in skipped.reason
        (made,) = read_text(tmp_path, text, embed=True)
        assert np.ptp(made.positions, axis=0).min() > 0.1
        with pytest.raises(InputError, match="record 1"):
            read_one(tmp_path / "x.sdf")
    close = molecules[0].positions.copy()
    close[1] = close[0] + 0.1
    (skipped,) = read_text(tmp_path, mol_block(Molecule("x", "", molecules[0].elements, close, molecules[0].bonds)))
    assert "two atoms" in skipped.reason


def test_a_molecule_that_is_flat_by_nature_is_read(tmp_path):
    angles = np.arange(6) * np.pi / 3
    ring = 1.39 * np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1)
    bonds = np.array([[k, (k + 1) % 6, 1 + k % 2] for k in range(6)], np.int32)
    benzene = Molecule("benzene", "c1ccccc1", np.full(6, 6, np.uint8), ring, bonds)
    (found,) = read_text(tmp_path, mol_block(benzene))
    assert found.smiles == "c1ccccc1"


def test_hydrogens_salts_and_charges_in_a_block_leave_the_atoms_where_they_are(tmp_path):
    mol = Chem.AddHs(Chem.MolFromSmiles("C[NH2+]CC(C)C.[Cl-]"))
    Chem.rdDistGeom.EmbedMolecule(mol, randomSeed=7)
    (found,) = read_text(tmp_path, Chem.MolToMolBlock(mol) + "$$$$\n")
    assert found.smiles == "CNCC(C)C"
    assert found.positions == pytest.approx(mol.GetConformer().GetPositions()[:6], abs=1e-4)


MOL2 = """# comment
@<TRIPOS>MOLECULE
butane
 4 3 0 0 0
SMALL
NO_CHARGES

@<TRIPOS>ATOM
 1 C1 0.0000 0.0000 0.0000 C.3 1 LIG 0.0
 2 C2 1.5300 0.0000 0.1000 C.3 1 LIG 0.0
 3 C3 2.0400 1.4400 0.2000 C.3 1 LIG 0.0
 4 O4 3.4700 1.4500 0.4000 O.3 1 LIG 0.0
@<TRIPOS>BOND
 1 1 2 1
 2 2 3 1
 3 3 4 1
"""


@pytest.mark.parametrize("drawn", [False, True], ids=["no conformer", "depiction"])
def test_an_rdkit_molecule_that_is_not_in_space_is_its_smiles(drawn):
    mol = Chem.MolFromSmiles(ASPIRIN)
    if drawn:
        AllChem.Compute2DCoords(mol)
    assert np.array_equal(MoleculeKind().convert(mol).positions, MoleculeKind().convert(ASPIRIN).positions)
    for kind, options in ((Molecule2dKind(), AS_IT_IS), (MoleculeKind(), ReadOptions(conformers=0))):
        found = kind.convert(mol, options)
        assert found.smiles == ASPIRIN
        assert not found.positions.any()


@pytest.mark.parametrize("smiles", [ASPIRIN, "c1ccccc1"])
def test_an_rdkit_molecule_in_space_keeps_its_coordinates(smiles):
    mol = Chem.MolFromSmiles(smiles)
    AllChem.EmbedMolecule(mol, randomSeed=1)
    for kind in (MoleculeKind(), Molecule2dKind()):
        assert np.array_equal(kind.convert(mol).positions, mol.GetConformer().GetPositions())


def test_an_rdkit_molecule_without_atoms_is_bad_input():
    mol = Chem.Mol()
    mol.AddConformer(Chem.Conformer(0))
    with pytest.raises(InputError, match="does not parse as a SMILES"):
        MoleculeKind().convert(mol)


def with_topology(block):
    """A V2000 block as PDBbind has them: aromatic bonds as such, and of each bond whether it is in a ring."""
    mol = Chem.MolFromMolBlock(block, removeHs=False)
    rings, lines = mol.GetRingInfo(), block.split("\n")
    for number, bond in enumerate(mol.GetBonds(), 4 + mol.GetNumAtoms()):
        order = 4 if bond.GetIsAromatic() else int(bond.GetBondTypeAsDouble())
        ends = bond.GetBeginAtomIdx() + 1, bond.GetEndAtomIdx() + 1
        ring = 1 if rings.NumBondRings(bond.GetIdx()) else 2
        lines[number] = "".join(f"{one:3d}" for one in (*ends, order, 0, 0, ring))
    return "\n".join(lines)


def test_bonds_that_say_whether_they_are_in_a_ring_are_no_query(tmp_path):
    mol = Chem.AddHs(Chem.MolFromSmiles("COc1cc2c(cc1OC)C(=O)[C@H](CC1CCN(Cc3ccccc3)CC1)C2"))
    AllChem.EmbedMolecule(mol, randomSeed=5)
    expected = canonical(standard(Chem.MolToSmiles(mol)))
    plain = Chem.MolToMolBlock(mol)
    long = re.sub(r"(?m)^(M  V30 \d+ [124] \d+ \d+)", r"\1 TOPO=1 RXCTR=1", Chem.MolToV3KMolBlock(mol))
    assert Chem.MolFromMolBlock(with_topology(plain)).GetBondWithIdx(0).HasQuery()
    assert Chem.MolFromMolBlock(long).GetBondWithIdx(0).HasQuery()
    for number, block in enumerate((with_topology(plain), long)):
        path = tmp_path / f"{number}.sdf"
        path.write_text(f"{block}\n$$$$\n")
        assert read_one(path).smiles == expected


def test_bonds_of_unknown_order_stay_so(molecules, tmp_path):
    block = mol_block(molecules[0]).split("\n")
    bond = 4 + len(molecules[0].elements)
    block[bond] = f"{block[bond][:6]}  8  0  0  1"
    (tmp_path / "a.sdf").write_text("\n".join(block))
    assert read_one(tmp_path / "a.sdf").smiles == ""


def test_mol2_records_stand_alone(tmp_path):
    good = MOL2.split("\n", 1)[1]
    found = read_text(tmp_path, MOL2 + good[:150] + "\n" + good, "x.mol2")
    assert kinds(found) == ".x."
    assert (found[0].id, found[0].smiles, found[2].positions.tolist()[3]) == ("butane", "CCCO", [3.47, 1.45, 0.4])


PDB = """\
ATOM      1  N   ALA A   1       0.000   0.000   0.000  1.00 10.00           N
ATOM      2  CA  ALA A   1       1.458   0.000   0.000  1.00 10.00           C
ATOM      3  C   ALA A   1       2.009   1.420   0.000  1.00 10.00           C
ATOM      4  O   ALA A   1       1.251   2.390   0.000  1.00 10.00           O
TER
HETATM    5  C1 ALIG A 101      10.000   0.000   0.000  0.40 10.00           C
HETATM    6  C1 BLIG A 101      10.000   0.000   0.500  0.60 10.00           C
HETATM    7  C2  LIG A 101      11.500   0.000   0.500  1.00 10.00           C
HETATM    8  C3  LIG A 101      12.000   1.400   0.500  1.00 10.00           C
HETATM    9  N4  LIG A 101      13.400   1.400   0.900  1.00 10.00           N
HETATM   10  H1  LIG A 101      13.800   2.300   0.900  1.00 10.00           H
HETATM   11  S   SO4 A 102      20.000   0.000   0.000  1.00 10.00           S
HETATM   12 ZN    ZN A 103      25.000   0.000   0.000  1.00 10.00          ZN
HETATM   13  O   HOH A 201      30.000   0.000   0.000  1.00 10.00           O
HETATM   14  C1  HEM A 301      40.000   0.000   0.000  1.00 10.00           C
HETATM   15  C2  HEM A 301      41.500   0.000   0.000  1.00 10.00           C
HETATM   16  C3  HEM A 301      43.000   0.000   0.000  1.00 10.00           C
HETATM   17 FE   HEM A 301      44.900   0.000   0.000  1.00 10.00          FE
END
"""


def test_ligands_of_a_structure(tmp_path):
    ligand, heme = read_text(tmp_path, PDB, "x.pdb")
    assert (ligand.id, ligand.smiles) == ("LIG-A-101", "")
    assert ligand.elements.tolist() == [6, 6, 6, 7]
    assert ligand.positions[0].tolist() == [10.0, 0.0, 0.5]
    assert ligand.bonds.tolist() == [[0, 1, 0], [1, 2, 0], [2, 3, 0]]
    assert "has Fe" in heme.reason
    (again,) = read_text(tmp_path, mol_block(ligand))
    assert again.smiles == ""
    assert np.array_equal(again.bonds, ligand.bonds)


def test_the_first_molecule_is_not_quietly_another_one(molecules, tmp_path):
    path = tmp_path / "two.sdf"
    path.write_text("junk\n$$$$\n" + sdf(molecules)[0])
    with pytest.raises(InputError, match=r"two.sdf, record 1 \(junk\)"):
        read_one(path)
    write_sdf(path, molecules)
    assert read_one(path).id == "molecule 0"


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_without_molecules_is_bad_input(tmp_path, ending):
    path = tmp_path / f"x{ending}"
    path.write_bytes(b"")
    with pytest.raises(InputError, match="x"):
        read_one(path)
    path.write_bytes(np.random.default_rng(0).bytes(3000))
    with pytest.raises(InputError, match="x"):
        read_one(path)


def test_bad_paths_are_bad_input(tmp_path):
    for path, reason in (
        (tmp_path / "no.sdf", "does not exist"),
        (tmp_path, "ends in"),
        (tmp_path / "x.xyz", "ends in"),
    ):
        with pytest.raises(InputError, match=reason):
            list(read(path))


def test_records_are_turned_into_the_same_molecules_elsewhere(molecules, tmp_path):
    write_sdf(tmp_path / "x.sdf", molecules)
    here = list(read(tmp_path / "x.sdf"))
    there = [molecule_of(record, "x.sdf") for record in records(tmp_path / "x.sdf")]
    assert [item.id for item in here] == [item.id for item in there]


@pytest.mark.parametrize(
    ("most", "numbers", "passes"), [(None, range(1, 8), 1), (3, [1, 4, 7], 2), (9, range(1, 8), 2)]
)
def test_records_are_counted_only_where_some_are_left_out(tmp_path, monkeypatch, most, numbers, passes):
    source, read_passes = tmp_path / "all.smi", []
    source.write_text(f"{ASPIRIN}\n" * 7)
    monkeypatch.setattr(library, "records", lambda path: read_passes.append(path) or records(path))
    assert library.list_records(source, most, 2, tmp_path / "listed") == len(numbers)
    assert pq.read_table(tmp_path / "listed")["number"].to_pylist() == list(numbers)
    assert len(read_passes) == passes


@pytest.mark.parametrize("most", [None, 3])
def test_an_empty_file_gives_no_list_of_records(tmp_path, most):
    (tmp_path / "none.smi").touch()
    with pytest.raises(InputError, match="holds no molecule"):
        library.list_records(tmp_path / "none.smi", most, 2, tmp_path / "new" / "listed")
    assert [path.name for path in tmp_path.iterdir()] == ["none.smi"]


def test_a_missing_library_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "rdkit.Chem", None)
    (tmp_path / "x.smi").write_text("CCCC\n")
    for call in (lambda: standard(ASPIRIN), lambda: read(tmp_path / "x.smi")):
        with pytest.raises(InputError, match=r'pip install "metricvae\[chem\]"'):
            call()
