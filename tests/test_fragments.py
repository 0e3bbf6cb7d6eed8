"""The embedded molecules: the same every time, all different, drug-like, and readable by everyone."""

from __future__ import annotations

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import QED, Crippen, Descriptors, Lipinski
from rdkit.Chem.Scaffolds import MurckoScaffold

from metricvae.core.errors import InputError
from metricvae.kinds.molecule import fragments, pieces
from metricvae.kinds.molecule.fragments import Assembly, draw, stream_smiles
from metricvae.kinds.molecule.standardise import canonical, standard

PIECES = (
    *pieces.SIX_RINGS,
    *pieces.FIVE_RINGS,
    *pieces.FUSED_RINGS,
    *pieces.SATURATED_RINGS,
    *pieces.LINKERS,
    *pieces.END_GROUPS,
)


@pytest.fixture(scope="module")
def default() -> list[str]:
    return list(stream_smiles())


def test_every_piece_is_a_molecule_with_places():
    assert len(set(PIECES)) == len(PIECES)
    for piece in PIECES:
        mol = Chem.MolFromSmiles(piece)
        assert mol is not None, piece
        assert sum(atom.GetAtomicNum() == 0 for atom in mol.GetAtoms()) == piece.count("*") > 0
    for group in pieces.END_GROUPS:
        assert group.count("*") == 1
    for linker in pieces.LINKERS:
        assert linker.count("*") == 2


def test_the_default_set_is_large_varied_and_drug_like(default):
    assert len(set(default)) == len(default) == fragments.COUNT >= 600
    mols = [Chem.MolFromSmiles(smiles) for smiles in default]
    assert len({MurckoScaffold.MurckoScaffoldSmiles(mol=mol) for mol in mols}) > 500
    for mol in mols:
        assert QED.qed(mol) > fragments.LEAST_QED - 0.05
        assert Descriptors.MolWt(mol) <= 501
        assert Lipinski.NumHDonors(mol) <= 5
        assert Lipinski.NumHAcceptors(mol) <= 10
        assert Crippen.MolLogP(mol) <= 5.01
    sizes = [mol.GetNumAtoms() for mol in mols]
    assert 20 <= np.median(sizes) <= 26


def test_the_default_set_is_standard(default):
    for smiles in default[:100]:
        assert canonical(standard(smiles)) == smiles


def test_a_molecule_depends_on_its_number_and_the_seed_alone(default):
    assert list(stream_smiles(3, start=40)) == default[40:43]
    assert list(stream_smiles(1, 1)) != default[:1]
    first, second = draw(2, 4, start=7), draw(1, 4, start=8)
    assert np.array_equal(first[1].positions, second[0].positions)
    assert [molecule.id for molecule in first] == ["fragments/4-7", "fragments/4-8"]
    assert [molecule.smiles for molecule in first] == list(stream_smiles(2, 4, start=7))


def test_the_draw_is_the_one_it_was(default):
    assert default[:3] == [
        "CN(Cc1ccc2[nH]c(S(=O)(=O)Nc3nnc(Cl)o3)nc2c1)c1ccccn1",
        "O=C(Cc1ccccc1[C@@H]1CCOC1)NCc1nnc(C2CC2)s1",
        "O=C(N[C@@H]1CCOC1)c1ccccc1",
    ]


def test_pieces_are_joined_where_they_are_told():
    whole = Assembly([], {}, {})
    ring = whole.add("n1(*)nc(*)cc1")
    assert whole.open == {ring[0]: "n", ring[1]: "c"}
    assert whole.attach("C(*)(=O)N(*)", ring[1], np.random.default_rng(0)) != []
    assert Chem.CanonSmiles(whole.smiles()) in {
        Chem.CanonSmiles("O=CNc1cc[nH]n1"),
        Chem.CanonSmiles("NC(=O)c1cc[nH]n1"),
    }


@pytest.mark.parametrize(
    ("first", "second", "may"),
    [("C", "N", True), ("c", "l", True), ("C", "F", False), ("N", "O", False), ("n", "N", False), ("S", "N", True)],
)
def test_what_may_be_bonded(first, second, may):
    assert fragments.fits(first, second) is fragments.fits(second, first) is may


@pytest.mark.parametrize(("count", "seed", "start"), [(-1, 0, 0), (1, -1, 0), (1, 0, -1)])
def test_negative_numbers_are_refused(count, seed, start):
    with pytest.raises(InputError, match="expected 0 or more"):
        draw(count, seed, start=start)
