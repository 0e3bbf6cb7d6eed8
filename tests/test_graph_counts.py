"""Counts of what a molecule's graph holds, against RDKit's fingerprints and under renumbering."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator

from metricvae.kinds.molecule.encoders.graph_counts import (
    COUNTS,
    GRAPH_DESCRIPTORS,
    bonds_between,
    graph_counts,
    ring_bonds,
)
from metricvae.kinds.molecule.fragments import stream_smiles
from metricvae.kinds.molecule.packing import COLUMNS
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.molecule_2d.kind import Molecule2dKind

KIND = Molecule2dKind()
SMILES = (
    "CC(=O)Oc1ccccc1C(=O)O",
    "C1CC2CCC1CC2",
    "c1ccc2c(c1)ccc1ccccc12",
    "CN1CCC[C@H]1c1cccnc1",
    "O=C(c1ccccc1)N1CCN(c2ccc(F)cc2)CC1",
    "C#CCCC(C)(C)S(=O)(=O)N",
    "C1CC1CC1CC1",
    "C[N+](C)(C)CC(=O)[O-]",
    "ClCCBr",
)


def tensor(molecules: list[Molecule]) -> torch.Tensor:
    return KIND.unpack(KIND.pack(molecules))


def renumbered(molecule: Molecule, seed: int) -> Molecule:
    """The same molecule with its atoms in another order."""
    order = np.random.default_rng(seed).permutation(len(molecule.elements))
    place = np.argsort(order)
    bonds, charges = molecule.bonds.copy(), molecule.charges.copy()
    bonds[:, :2], charges[:, 0] = place[bonds[:, :2]], place[charges[:, 0]]
    return replace(
        molecule, elements=molecule.elements[order], positions=molecule.positions[order], bonds=bonds, charges=charges
    )


def test_counts_do_not_depend_on_the_order_of_atoms_nor_on_the_padding() -> None:
    molecules = [KIND.convert(one) for one in SMILES]
    counts = graph_counts(tensor(molecules))
    assert counts.shape == (len(SMILES), COUNTS[-1])
    assert torch.equal(counts, graph_counts(tensor([renumbered(one, 3) for one in molecules])))
    alone = torch.cat([graph_counts(tensor([one])) for one in molecules])
    assert torch.equal(counts, alone)
    assert len(torch.unique(counts, dim=0)) == len(SMILES)


def test_both_kekule_forms_of_a_ring_give_the_same() -> None:
    toluene = KIND.convert("Cc1ccccc1O")
    ring = [row for row, bond in enumerate(toluene.bonds) if {int(end) for end in bond[:2]} <= set(range(1, 7))]
    assert len(ring) == 6
    bonds = toluene.bonds.copy()
    bonds[ring, 2] = 3 - bonds[ring, 2]
    other = replace(toluene, bonds=bonds)
    assert not np.array_equal(other.bonds, toluene.bonds)
    assert torch.equal(graph_counts(tensor([toluene])), graph_counts(tensor([other])))


def test_ring_bonds_are_those_of_rdkit() -> None:
    molecules = [KIND.convert(one) for one in SMILES] + drawn()[:20]
    for molecule in molecules:
        links = tensor([molecule])[..., COLUMNS:].long()
        bonded = (links >= 2) & (links <= 5)
        found = ring_bonds(bonds_between(links, bonded), bonded)[0]
        assert torch.equal(found, found.T)
        mol = Chem.MolFromSmiles(molecule.smiles)
        assert int(found.sum()) == 2 * sum(bond.IsInRing() for bond in mol.GetBonds()), molecule.smiles
        assert int(found.any(1).sum()) == sum(atom.IsInRing() for atom in mol.GetAtoms()), molecule.smiles


def drawn() -> list[Molecule]:
    """Molecules that are assembled from fragments."""
    return [KIND.convert(one) for one in stream_smiles(60)]


def test_atoms_bonds_rings_and_elements_are_counted() -> None:
    described = graph_counts(tensor([KIND.convert("O=C(c1ccccc1)N1CCN(c2ccc(F)cc2)CC1")]))[0, :GRAPH_DESCRIPTORS]
    assert described[:4].tolist() == [17, 2, 1, 1], "carbon, nitrogen, oxygen, fluorine"
    atoms, bonds, rings, multiple, ends, branches, longest = described[-7:].tolist()
    assert (atoms, bonds, rings, multiple, ends, branches) == (21, 23, 3, 7, 2, 6)
    assert longest > 10


@pytest.mark.parametrize(
    ("block", "fingerprint"),
    [
        (slice(COUNTS[0], COUNTS[1]), rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)),
        (slice(COUNTS[1], COUNTS[2]), rdFingerprintGenerator.GetAtomPairGenerator(fpSize=2048)),
    ],
)
def test_counts_tell_molecules_apart_as_fingerprints_of_rdkit_do(block: slice, fingerprint: object) -> None:
    """Correlation of the cosines of all pairs of 60 molecules."""
    molecules = drawn()
    known = [fingerprint.GetCountFingerprintAsNumPy(Chem.MolFromSmiles(one.smiles)) for one in molecules]  # type: ignore[attr-defined]
    own = graph_counts(tensor(molecules))[:, block].double().numpy()
    upper = np.triu_indices(len(molecules), 1)
    cosines = []
    for rows in (np.array(known, np.float64), own):
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        cosines.append((unit @ unit.T)[upper])
    assert np.corrcoef(*cosines)[0, 1] > 0.9
