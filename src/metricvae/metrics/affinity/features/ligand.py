"""What the ligand is by itself: descriptors of RDKit's, and counts of groups that bind."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from metricvae.kinds.molecule.extra import require
from metricvae.metrics.affinity.features.records import Floats

GROUPS = {
    "acid": "[CX3](=O)[OX2H1,OX1-]",
    "amine": "[NX3;H2,H1,H0;!$(N-[#6]=[O,N,S]);!$(N-c);!$(N-S);!$(N-[N,O])]([CX4])",
    "amidine": "[NX3][CX3]=[NX2,NX3+]",
    "amide": "[CX3](=O)[NX3]",
    "sulphonamide": "S(=O)(=O)[NX3]",
    "sulphonyl": "S(=O)(=O)",
    "phosphate": "P(=O)[OX2H1,OX1-]",
    "hydroxamate": "C(=O)[NX3][OX2H1,OX1-]",
    "thiol": "[SX2H1]",
    "urea": "[NX3]C(=O)[NX3]",
    "nitrile": "C#N",
    "phenol": "c[OX2H1]",
    "alcohol": "[CX4][OX2H1]",
    "ether": "[#6][OX2][#6]",
    "aminopyridine": "[NX3;H1,H2]c[n;H0]",
    "trifluoromethyl": "C(F)(F)F",
    "boron": "[#5]",
    "sugar": "[OX2H1]C1[C,O][C,O][C,O][C,O]C1",
}
"""Patterns of groups, whose matches are counted."""

_ELEMENTS = (6, 7, 8, 9, 15, 16, 17, 35, 53)

_DESCRIPTORS = (
    *("mw", "heavy", "log-heavy", "logp", "refractivity", "tpsa", "surface", "fraction-sp3"),
    *("donors", "acceptors", "rotatable", "heteroatoms", "rings", "aromatic-rings", "aliphatic-rings"),
    *("hetero-rings", "bridged", "spiro", "chirality", "largest-ring", "fused"),
    *("chi0v", "chi1v", "chi2v", "chi3v", "chi4v", "kappa1", "kappa2", "kappa3", "phi", "hall-kier"),
    *("charge-high", "charge-low", "logp-per-atom", "tpsa-per-atom"),
)

NAMES = (
    *(f"ligand.{name}" for name in _DESCRIPTORS),
    *(f"ligand.element.{number}" for number in _ELEMENTS),
    *(f"ligand.group.{name}" for name in GROUPS),
)


def ligand_numbers(mol: Any) -> Floats:
    """(len(NAMES),) descriptors of a sanitised RDKit molecule without explicit hydrogens."""
    elements = [atom.GetAtomicNum() for atom in mol.GetAtoms()]
    return np.array(
        [
            *_descriptors(mol),
            *(float(elements.count(number)) for number in _ELEMENTS),
            *(float(len(mol.GetSubstructMatches(pattern))) for pattern in _patterns()),
        ]
    )


def _descriptors(mol: Any) -> list[float]:
    found = require("rdkit.Chem.rdMolDescriptors")
    heavy = mol.GetNumHeavyAtoms()
    logp, refractivity = found.CalcCrippenDescriptors(mol)
    surface = found.CalcTPSA(mol)
    rings = [len(ring) for ring in mol.GetRingInfo().AtomRings()]
    charges = _partial_charges(mol)
    return [
        *(found._CalcMolWt(mol), heavy, np.log(heavy), logp, refractivity, surface, found.CalcLabuteASA(mol)),
        found.CalcFractionCSP3(mol),
        *(
            found.CalcNumHBD(mol),
            found.CalcNumHBA(mol),
            found.CalcNumRotatableBonds(mol),
            found.CalcNumHeteroatoms(mol),
        ),
        *(found.CalcNumRings(mol), found.CalcNumAromaticRings(mol), found.CalcNumAliphaticRings(mol)),
        *(found.CalcNumHeterocycles(mol), found.CalcNumBridgeheadAtoms(mol), found.CalcNumSpiroAtoms(mol)),
        *(found.CalcNumAtomStereoCenters(mol), max(rings, default=0), sum(rings) - _ring_atoms(mol)),
        *(found.CalcChi0v(mol), found.CalcChi1v(mol), found.CalcChi2v(mol), found.CalcChi3v(mol), found.CalcChi4v(mol)),
        *(found.CalcKappa1(mol), found.CalcKappa2(mol), found.CalcKappa3(mol)),
        *(found.CalcPhi(mol), found.CalcHallKierAlpha(mol)),
        *(max(charges), min(charges), logp / heavy, surface / heavy),
    ]


def _ring_atoms(mol: Any) -> int:
    return sum(atom.IsInRing() for atom in mol.GetAtoms())


def _partial_charges(mol: Any) -> list[float]:
    """Gasteiger's charges of the atoms; zeros where he has no parameters."""
    copy = require("rdkit.Chem").Mol(mol)
    require("rdkit.Chem.rdPartialCharges").ComputeGasteigerCharges(copy)
    found = [atom.GetDoubleProp("_GasteigerCharge") for atom in copy.GetAtoms()]
    return [one if np.isfinite(one) else 0.0 for one in found]


@functools.cache
def _patterns() -> tuple[Any, ...]:
    chem = require("rdkit.Chem")
    return tuple(chem.MolFromSmarts(one) for one in GROUPS.values())
