"""Bemis-Murcko scaffolds: the rings of a molecule and the chains between them."""

from __future__ import annotations

from metricvae.kinds.molecule.extra import require


def scaffold(smiles: str) -> str:
    """Canonical SMILES of the scaffold of a standardised molecule, without stereo; empty where it has no ring.

    Rings, the chains between them, and what is double-bonded to either: G. W. Bemis and M. A. Murcko, J. Med. Chem. 39
    (1996) 2887.

    Raises:
        InputError: RDKit is not installed.

    >>> scaffold("CC(=O)Oc1ccccc1C(=O)O")
    'c1ccccc1'
    """
    chem, murcko = require("rdkit.Chem"), require("rdkit.Chem.Scaffolds.MurckoScaffold")
    with require("rdkit.rdBase").BlockLogs():
        return str(chem.MolToSmiles(murcko.GetScaffoldForMol(chem.MolFromSmiles(smiles)), isomericSmiles=False))


def scaffold_group(smiles: str, name: str) -> str:
    """What a molecule shares a split with: its scaffold; of one without rings its SMILES, without that its name."""
    return (scaffold(smiles) if smiles else "") or smiles or name
