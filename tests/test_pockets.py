"""The kind `pocket`: what is read of a structure, how sites are named, and what fills them."""

from __future__ import annotations

import gzip
from pathlib import Path

import gemmi
import numpy as np
import pytest

from metricvae.core.array_files import ArrayFiles
from metricvae.core.errors import InputError
from metricvae.core.object_files import read_named, resolve
from metricvae.kinds.molecule.mol_blocks import write_sdf
from metricvae.kinds.molecule.pharmacophore import TYPES
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.pocket.kind import PocketKind
from metricvae.kinds.pocket.prepare import read_pocket
from metricvae.kinds.pocket.records import ACCEPTOR, ANION, CATION, DONOR, HYDROPHOBE, RING
from metricvae.kinds.pocket.residues import SIDE_CHAINS, roles_of
from metricvae.kinds.pocket.sites import place, split_name
from metricvae.kinds.pocket.structures import structure_of
from metricvae.kinds.pocket.writing import RESIDUE_OF_TYPE, density_at, write_image
from metricvae.kinds.volume.io import read_map
from pocket_problem import Atom, add, benzene, ligand_structure, residue, shell, structure, write

PEPTIDE: list[list[Atom]] = [
    [("N", "N", (0, 0, 0)), ("CA", "C", (1.46, 0, 0)), ("C", "C", (2.0, 1.42, 0)), ("O", "O", (1.25, 2.4, 0))],
    [("N", "N", (3.3, 1.6, 0)), ("CA", "C", (3.9, 2.9, 0)), ("C", "C", (5.4, 2.8, 0)), ("O", "O", (6.0, 1.8, 0))],
]
"""Two glycines that are bound."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("structures")
    write(where / "rec.pdb", ligand_structure())
    return where


# Structures


def test_what_a_structure_holds_is_kept_or_left_out_and_counted(folder: Path) -> None:
    found = structure_of(folder / "rec.pdb")
    assert found.facts == {
        "chains": 1,
        "residues": 60,
        "waters left out": 2,
        "ions": "ZN L:2",
        "ligands left out": "LIG L:1",
    }
    assert len(found.receptor) == 60 * 5 + 1
    assert [(one.name, one.id) for one in found.ligands] == [("LIG", "L:1")]
    assert found.sequence == "A" * 60


@pytest.mark.parametrize("suffix", [".pdb", ".cif", ".pdb.gz", ".cif.gz", ".ent"])
def test_every_format_gives_the_same(folder: Path, tmp_path: Path, suffix: str) -> None:
    plain = write(tmp_path / f"rec{suffix.removesuffix('.gz').replace('.ent', '.pdb')}", ligand_structure())
    path = tmp_path / f"other{suffix}"
    content = plain.read_bytes()
    path.write_bytes(gzip.compress(content) if suffix.endswith(".gz") else content)
    found, expected = structure_of(path), structure_of(folder / "rec.pdb")
    assert found.facts == expected.facts
    np.testing.assert_allclose(found.receptor.positions, expected.receptor.positions, atol=2e-3)


def test_hydrogens_other_models_and_alternate_locations_are_left_out(tmp_path: Path) -> None:
    made = structure(PEPTIDE, "GLY")
    first = made[0]["A"][0]
    for name, altloc, occupancy, x in (("CX", "A", 0.4, 1), ("CX", "B", 0.6, 2), ("CY", "A", 0.5, 3)):
        added = residue("GLY", 1, [(name, "C", (x, 5, 5))])[0]
        added.altloc, added.occ = altloc, occupancy
        first.add_atom(added)
    first.add_atom(residue("GLY", 1, [("H", "H", (0, 0, 1))])[0])
    second = made[0].clone()
    second.num = 2
    made.add_model(second)
    found = structure_of(write(tmp_path / "a.pdb", made))
    assert found.facts["models left out"] == 1
    assert found.facts["hydrogens left out"] == 1
    assert found.facts["atoms in alternate locations left out"] == 1
    chosen = dict(zip(found.receptor.atom_names.tolist(), found.receptor.positions[:, 0].tolist(), strict=True))
    assert (chosen["CX"], chosen["CY"]) == (1, 3)  # A is the fuller conformation, 0.9 to 0.6


def test_of_equal_locations_and_of_residues_in_one_place_one_is_taken(tmp_path: Path) -> None:
    lines = [
        "ATOM      1  N   GLY A   1       0.000   0.000   0.000  1.00  0.00           N",
        "ATOM      2  CA BGLY A   1       1.460   0.000   0.000  0.50  0.00           C",
        "ATOM      3  CA AGLY A   1       1.560   0.000   0.000  0.50  0.00           C",
        "ATOM      4  CA ASER A   2       3.560   0.000   0.000  0.40  0.00           C",
        "ATOM      5  CA BTHR A   2       3.660   0.000   0.000  0.50  0.00           C",
        "ATOM      6  CA CALA A   2       3.760   0.000   0.000  0.60  0.00           C",
    ]
    (tmp_path / "a.pdb").write_text("\n".join(lines))
    found = structure_of(tmp_path / "a.pdb")
    assert found.receptor.positions[:, 0].tolist() == [0.0, 1.46, 3.76]
    assert found.sequence == "GA"
    assert found.facts["alternate residues left out"] == 2


def test_missing_atoms_are_counted_and_none_is_built(tmp_path: Path) -> None:
    found = structure_of(write(tmp_path / "a.pdb", structure(PEPTIDE, "LYS")))
    assert (found.facts["missing atoms"], found.facts["residues with missing atoms"]) == (10, 2)
    assert len(found.receptor) == 8


def test_modified_residues_caps_and_cofactors_are_kept_and_free_ones_are_ligands(tmp_path: Path) -> None:
    made = structure(PEPTIDE, "GLY")
    made[0]["A"][1].name, made[0]["A"][1].het_flag = "TPO", "H"
    add(made, "ACE", 5, [("C", "C", (-0.7, -1.1, 0)), ("O", "O", (-0.1, -2.2, 0)), ("CH3", "C", (-2.2, -1.0, 0))])
    add(made, "GLU", 6, [(name, name[0], (20 + 1.4 * at, 0, 0)) for at, name in enumerate(("N", "CA", "C", "O"))])
    add(made, "NAP", 7, benzene((0, 30, 0)))
    add(made, "GOL", 8, benzene((0, 40, 0)))
    found = structure_of(write(tmp_path / "a.pdb", made))
    assert found.facts["modified residues"] == "TPO A:2"
    assert found.facts["cofactors"] == "NAP L:7"
    assert found.facts["ligands left out"] == "GLU L:6"
    assert found.facts["additives left out"] == "GOL L:8"
    assert "ACE" in found.receptor.residue_names


def test_pdbqt_has_elements_in_the_place_of_types(tmp_path: Path) -> None:
    line = "ATOM  {:5d}  {:<3} PHE A   1    {:8.3f}{:8.3f}{:8.3f}  1.00  0.00    +0.000 {:<2}"
    rows = [("N", "NA"), ("CA", "C"), ("C", "C"), ("O", "OA"), ("CG", "A"), ("HN", "HD")]
    text = "\n".join(line.format(i, name, 1.5 * i, 0, 0, kind) for i, (name, kind) in enumerate(rows))
    (tmp_path / "a.pdbqt").write_text(text)
    found = structure_of(tmp_path / "a.pdbqt")
    assert found.receptor.elements.tolist() == [7, 6, 6, 8, 6]
    assert found.facts["hydrogens left out"] == 1


def test_roles_follow_names_and_other_residues_their_bonds(tmp_path: Path) -> None:
    assert roles_of("LYS", "NZ") == DONOR | CATION
    assert roles_of("ASP", "OD1") == ACCEPTOR | ANION
    assert roles_of("PRO", "N") == 0
    assert roles_of("PHE", "CZ") == HYDROPHOBE | RING
    assert all(roles_of(name, "O") == ACCEPTOR and roles_of(name, "OXT") == ACCEPTOR | ANION for name in SIDE_CHAINS)
    made = structure(PEPTIDE, "GLY")
    phosphate = [("P", "P", (9, 9, 9)), ("O1", "O", (10.5, 9, 9)), ("O2", "O", (9, 10.5, 9)), ("C", "C", (9, 12, 9))]
    add(made, "FMN", 1, [*phosphate, ("C2", "C", (9, 13.5, 9))])
    add(made, "MG", 2, [("MG", "Mg", (20, 0, 0))])
    receptor = place(structure_of(write(tmp_path / "a.pdb", made)), "point=9,9,5").receptor
    role = dict(zip(receptor.atom_names.tolist(), receptor.roles.tolist(), strict=True))
    assert role["O1"] == ACCEPTOR | ANION
    assert (role["O2"], role["C2"], role["MG"]) == (ACCEPTOR, HYDROPHOBE, CATION)


# Sites


def test_a_name_is_split_behind_the_ending() -> None:
    assert split_name("a@b/rec.pdb.gz@ligand=x@y.sdf") == ("a@b/rec.pdb.gz", "ligand=x@y.sdf")
    assert split_name("rec.PDB@auto:2") == ("rec.PDB", "auto:2")
    assert split_name("rec.cif") == ("rec.cif", "auto")


@pytest.mark.parametrize("site", ["ligand=LIG", "ligand=L:1", "residues=A:1,A:30,A:60", "point=0,0,0", "auto"])
def test_every_site_finds_the_hollow(folder: Path, site: str) -> None:
    pocket = read_pocket(f"{folder / 'rec.pdb'}@{site}")
    assert pocket.id == f"rec.pdb@{site}"
    assert np.linalg.norm(pocket.centre) < 1.5
    assert np.linalg.norm(pocket.image, axis=1).max() < 5.0
    assert "LIG" not in pocket.receptor.residue_names
    assert "ZN" in pocket.receptor.residue_names


def test_a_ligand_may_be_in_a_file_beside_the_structure(folder: Path, tmp_path: Path) -> None:
    positions = np.array([place for _, _, place in benzene()])
    molecule = Molecule("b", "", np.full(6, 6, np.uint8), positions)
    write_sdf(folder / "lig.sdf", [molecule])
    named = read_pocket(f"{folder / 'rec.pdb'}@ligand=LIG")
    for name in (folder / "lig.sdf", "lig.sdf"):
        np.testing.assert_allclose(read_pocket(f"{folder / 'rec.pdb'}@ligand={name}").image, named.image)
    made = gemmi.Structure()
    made.add_model(gemmi.Model(1))
    add(made, "LIG", 1, benzene())
    alone = write(tmp_path / "lig.pdb", made)
    np.testing.assert_allclose(read_pocket(f"{folder / 'rec.pdb'}@ligand={alone}").image, named.image)


def test_a_cofactor_is_no_obstacle_where_it_is_the_ligand(tmp_path: Path) -> None:
    made = structure(shell())
    add(made, "NAP", 1, benzene())
    path = write(tmp_path / "rec.pdb", made)
    assert "NAP" not in read_pocket(f"{path}@ligand=NAP").receptor.residue_names
    held = structure_of(path)
    assert "NAP" in place(held, "point=0,0,3").receptor.residue_names
    assert "NAP" not in place(held, "ligand=L:1").receptor.residue_names


@pytest.mark.parametrize(
    ("site", "message"),
    [
        ("ligand=XYZ", r"rec\.pdb has no ligand 'XYZ': it has LIG L:1, or give a file"),
        ("ligand=none.sdf", r"none\.sdf does not exist: give the path of a file"),
        ("point=90,0,0", r"rec\.pdb: the point lies 8\d angstroms from the nearest atom: expected at most 8"),
        ("point=1,2", r"rec\.pdb: the point is '1,2': expected X,Y,Z in angstroms"),
        ("point=nan,0,0", r"the point is 'nan,0,0': expected X,Y,Z"),
        ("residues=A:999", r"rec\.pdb has no residue 'A:999': expected chain and number, as A:1, A:10"),
        ("auto:90", r"cavities, and the site is number 90: name a site, ligand=NAME"),
        ("hole", r"rec\.pdb: the site 'hole' is none: expected ligand=NAME"),
        ("", r"the site '' is none: expected ligand=NAME"),
    ],
)
def test_a_site_that_is_none_is_refused(folder: Path, site: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_pocket(f"{folder / 'rec.pdb'}@{site}")
    assert "\n" not in str(caught.value)


# Bad files


def test_files_that_are_no_receptor_are_refused(tmp_path: Path) -> None:
    def refused(name: str, content: bytes, message: str) -> None:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=message) as caught:
            structure_of(tmp_path / name)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)

    cif = write(tmp_path / "whole.cif", structure(PEPTIDE, "GLY")).read_bytes()
    refused("cut.cif", cif[: cif.rindex(b"GLY")], "is not a structure that can be read")
    refused("cut.pdb.gz", gzip.compress(cif)[:-20], "damaged or cut short")
    refused("empty.pdb", b"", "holds no atom")
    refused("wrong.txt", b"", "is no structure: expected a file that ends in .pdb")
    atom = b"ATOM      1  CA  GLY A   1    %s   0.000   0.000  1.00  0.00           C\n"
    refused("far.pdb", atom % b"99999.99", "coordinates that are no numbers within 9,999 angstroms")
    refused("nan.cif", cif.replace(b"1.46", b"nan"), "coordinates that are no numbers")
    refused("water.pdb", (atom % b"   1.000").replace(b"GLY", b"HOH"), "no heavy atom but of water")
    lines = gzip.compress((atom % b"   1.000") * 2**20, compresslevel=1)
    refused("large.pdb.gz", lines, "has more than 67,108,864 bytes: give a smaller file")
    base = [("P", "P", (0, 0, 0)), ("C1'", "C", (4, 0, 0)), ("N1", "N", (5, 1, 0)), ("O5'", "O", (1.6, 0, 0))]
    dna = structure([base, [(n, e, np.add(p, (0, 1.6, 0))) for n, e, p in base]], "DA")
    refused("dna.pdb", write(tmp_path / "x.pdb", dna).read_bytes(), "holds nucleic acids and no protein")


def test_a_pocket_of_a_few_atoms_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "three.pdb", structure(PEPTIDE[:1], "GLY"))
    with pytest.raises(
        InputError, match=r"three\.pdb: 4 atoms of the receptor are near the site, expected at least 20"
    ):
        read_pocket(f"{path}@point=0,0,4")
    with pytest.raises(InputError, match=r"three\.pdb has 0 cavities"):
        read_pocket(path)
    full = write(tmp_path / "full.pdb", structure(shell(radius=3.0)))
    with pytest.raises(InputError, match=r"full\.pdb: the site has room for \d atoms: expected at least 4"):
        read_pocket(f"{full}@point=0,0,0")


# The kind


def test_a_table_names_a_site_relative_to_its_folder(folder: Path) -> None:
    kind, files = PocketKind(), ArrayFiles()
    write_sdf(folder / "here.sdf", [Molecule("b", "", np.full(6, 6, np.uint8), np.array([p for _, _, p in benzene()]))])
    assert resolve(kind, folder, "rec.pdb", files) == folder / "rec.pdb"
    assert resolve(kind, folder, "rec.pdb@auto", files) == Path(f"{folder / 'rec.pdb'}@auto")
    assert resolve(kind, folder, "rec.pdb@ligand=here.sdf", files) == Path(
        f"{folder / 'rec.pdb'}@ligand={folder / 'here.sdf'}"
    )
    with pytest.raises(InputError, match=r"there is no file nothing\.pdb@ligand=LIG"):
        resolve(kind, folder, "nothing.pdb@ligand=LIG", files)
    assert len(read_named(kind, f"{folder / 'rec.pdb'}@ligand=here.sdf").image) > 4


def test_a_molecule_is_refused_where_a_pocket_is_taken(folder: Path) -> None:
    write_sdf(folder / "m.sdf", [Molecule("b", "", np.full(6, 6, np.uint8), np.array([p for _, _, p in benzene()]))])
    with pytest.raises(InputError, match=r"m\.sdf is a file of molecules, and the model takes pockets"):
        read_named(PocketKind(), folder / "m.sdf")
    with pytest.raises(InputError, match="got int: expected a structure file"):
        PocketKind().convert(3)


def test_pockets_of_like_sequences_are_of_one_group(folder: Path, tmp_path: Path) -> None:
    kind = PocketKind()
    one, other = read_pocket(folder / "rec.pdb"), read_pocket(f"{folder / 'rec.pdb'}@point=0,0,1")
    third = read_pocket(f"{write(tmp_path / 'v.pdb', structure(shell(), 'VAL'))}@point=0,0,0")
    groups = kind.groups([one, other, third], ["a", "b", "c"])
    assert groups[0] == groups[1] != groups[2]
    assert kind.group(one, "a") == kind.group(other, "b")


def test_a_moved_pocket_is_moved_as_a_whole(folder: Path) -> None:
    pocket = read_pocket(folder / "rec.pdb")
    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    moved = pocket.moved(turn, (1, 2, 3))
    for before, after in (
        (pocket.image, moved.image),
        (pocket.receptor.positions, moved.receptor.positions),
        (pocket.features, moved.features),
        (pocket.centre[None], moved.centre[None]),
    ):
        np.testing.assert_allclose(after, before @ turn.T + (1, 2, 3))


def test_an_image_is_written_where_it_lies(folder: Path, tmp_path: Path) -> None:
    pocket = read_pocket(folder / "rec.pdb")
    for name in ("i.mrc", "i.pdb", "i.sdf"):
        write_image(tmp_path / name, pocket)
    grid = read_map(tmp_path / "i.mrc")
    corner = grid.origin + grid.spacing * (5, 6, 7)
    np.testing.assert_allclose(grid.values[5, 6, 7], density_at(pocket, corner[None])[0], atol=1e-4)
    model = gemmi.read_pdb(str(tmp_path / "i.pdb"))[0]
    image = np.array([one[0].pos.tolist() for one in model["I"]])
    np.testing.assert_allclose(image, pocket.image, atol=1e-3)
    names = [one.name for one in model["F"]] if len(pocket.features) else []
    assert names == [RESIDUE_OF_TYPE[kind] for kind in pocket.feature_types]
    assert len(TYPES) == len(RESIDUE_OF_TYPE)
    assert (tmp_path / "i.sdf").read_text().count("$$$$") == 1
    with pytest.raises(InputError, match=r"expected one that ends in \.mrc"):
        write_image(tmp_path / "i.xyz", pocket)
