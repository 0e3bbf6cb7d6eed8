"""Terms of empirical scoring functions of a pose, hydrogen bonds, and how far the ligand is buried.

The terms are those of `metricvae.metrics.docking`, in kcal/mol as their authors weight them: of the ligand with the
receptor, of the ligand's own pairs of atoms, and of its torsions, which together stand for its strain.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from metricvae.kinds.pocket.atom_roles import METALS
from metricvae.kinds.pocket.buriedness import buriedness
from metricvae.kinds.pocket.records import ANION, CATION, HYDROPHOBE, RING
from metricvae.metrics.affinity.features.contacts import LIGAND_TYPES, ligand_classes
from metricvae.metrics.affinity.features.records import Floats, PosedComplex
from metricvae.metrics.docking.atom_types import ACCEPTORS, DONORS, HYDROPHOBES
from metricvae.metrics.docking.near_pairs import near_pairs
from metricvae.metrics.docking.ranking import ranking_terms
from metricvae.metrics.docking.records import ReceptorAtoms
from metricvae.metrics.docking.scoring import VINA, pair_terms
from metricvae.metrics.docking.torsions import arrays_of, topology_of

NATIVE = {
    "vina.attraction.0": -1.0932,
    "vina.attraction.1": 2.5434,
    "vina.repulsion": 3.8984,
    "vina.hydrophobic": -0.5296,
    "vina.hydrogen_bond": -1.4643,
    "vinardo.attraction.0": 3.2102,
    "vinardo.repulsion": -0.9980,
    "vinardo.hydrophobic": 0.7654,
    "vinardo.hydrogen_bond": 6.4226,
    "inside": 0.7167,
    "torsion": 0.0339,
}
"""Weights of the terms in `term.ranking`, one fit of what tells crystal poses from others. They belong to the features
that models are trained on, and do not follow docking's, which may be fitted anew."""

BOND_REACH = 3.5
"""Angstroms between a donor and an acceptor that make a hydrogen bond, at most."""

SALT_REACH = 4.5
"""Angstroms between charged atoms of a salt bridge, at most."""

RING_REACH = 5.0
"""Angstroms between aromatic carbons in contact, at most."""

METAL_REACH = 2.8
"""Angstroms from a metal to an atom that it binds, at most."""

NEIGHBOURS = (4.5, 6.0, 8.0, 10.0)
"""Angstroms within which the receptor's atoms about an atom of the ligand are counted."""

_SUMMARY = ("mean", "low", "high")

NAMES = (
    *(f"term.{name}" for name in NATIVE),
    *("term.vina", "term.ranking", "term.vina.per-atom", "term.vina.rotatable", "term.rotatable"),
    *("term.inside.per-atom", "term.torsion.per-bond"),
    *("pair.bonds", "pair.bonds.short", "pair.unpaired", "pair.unpaired.buried", "pair.unpaired.receptor"),
    *("pair.salt", "pair.repelled", "pair.rings", "pair.metal", "pair.hydrophobe", "pair.clashes", "pair.nearest"),
    *(f"around.{reach:g}.{name}" for reach in NEIGHBOURS for name in _SUMMARY),
    *("buried.mean", "buried.low", "buried.high", "buried.share", "buried.polar", "buried.hydrophobe"),
)


def terms(posed: PosedComplex) -> Floats:
    """(len(NAMES),) terms of the scoring functions, counts of interactions, and burial."""
    return np.concatenate([_scores(posed), _pairs(posed), _around(posed), _buried(posed)])


def _scores(posed: PosedComplex) -> Floats:
    positions, types = posed.molecule.positions, posed.ligand_types
    around = ReceptorAtoms(posed.receptor.positions, posed.receptor_types)
    found = ranking_terms(near_pairs(around, types, positions, VINA.cutoff))
    vina = sum(value for name, value in found.items() if name.startswith(f"{VINA.name}."))
    topology = topology_of(posed.mol)
    own = arrays_of(topology, positions)
    apart = np.linalg.norm(positions[topology.pairs[:, 0]] - positions[topology.pairs[:, 1]], axis=1)
    inside = pair_terms(VINA, types[topology.pairs[:, 0]], types[topology.pairs[:, 1]], apart)
    found |= {"inside": float(inside.sum()), "torsion": float(own.cosines.sum()) - own.torsion_floor}
    rotatable, atoms = topology.rotatable, len(positions)
    scaled = vina / (1.0 + VINA.per_torsion * rotatable)
    further = (
        vina,
        sum(weight * found[name] for name, weight in NATIVE.items()),
        vina / atoms,
        scaled,
        rotatable,
        found["inside"] / atoms,
    )
    return np.array([*(found[name] for name in NATIVE), *further, found["torsion"] / max(1, rotatable)])


def _pairs(posed: PosedComplex) -> Floats:
    """Hydrogen bonds, salt bridges, rings in contact and their like: how many pairs, and how many atoms lack one."""
    distances, roles = posed.distances, posed.receptor.roles
    mine, other = posed.ligand_types, posed.receptor_types
    gives, takes = np.isin(mine, DONORS), np.isin(mine, ACCEPTORS)
    givers, takers = np.isin(other, DONORS), np.isin(other, ACCEPTORS)
    fits = (gives[:, None] & takers) | (takes[:, None] & givers)
    bound = fits & (distances < BOND_REACH)
    polar, polar_around = gives | takes, givers | takers
    alone = polar & ~bound.any(axis=1)
    deep = (distances < NEIGHBOURS[-1]).sum(axis=1) > np.median((distances < NEIGHBOURS[-1]).sum(axis=1))
    left = polar_around & ~bound.any(axis=0) & (distances.min(axis=0) < NEIGHBOURS[0])
    classes = ligand_classes(posed.mol)
    minus = classes == LIGAND_TYPES.index("anion-O")
    plus = np.array([_basic(atom) for atom in posed.mol.GetAtoms()])
    near = distances < SALT_REACH
    anions, cations = (roles & ANION) > 0, (roles & CATION) > 0
    salt = near & ((minus[:, None] & cations) | (plus[:, None] & anions))
    repelled = near & ((minus[:, None] & anions) | (plus[:, None] & cations))
    ring = (classes == LIGAND_TYPES.index("ring"))[:, None] & ((roles & RING) > 0) & (distances < RING_REACH)
    metal = np.isin(posed.receptor.elements, list(METALS))[None] & (distances < METAL_REACH)
    hydrophobic = np.isin(mine, HYDROPHOBES)[:, None] & ((roles & HYDROPHOBE) > 0) & (distances < NEIGHBOURS[0])
    matrices = [bound, bound & (distances < 3.0)]
    atoms = [alone, alone & deep, left]
    more = [salt, repelled, ring, metal, hydrophobic, distances < 2.5]
    return np.array([*(float(one.sum()) for one in (*matrices, *atoms, *more)), distances.min()])


def _basic(atom: Any) -> bool:
    """Whether an atom is a nitrogen that water protonates: an amine on saturated carbons, or one of an amidine's."""
    if atom.GetAtomicNum() != 7 or atom.GetIsAromatic():
        return False
    around = atom.GetNeighbors()
    if str(atom.GetHybridization()) == "SP3" and all(
        one.GetAtomicNum() == 6 and str(one.GetHybridization()) == "SP3" for one in around
    ):
        return True
    return any(_amidine(one) for one in around)


def _amidine(carbon: Any) -> bool:
    bonds = [bond for bond in carbon.GetBonds() if bond.GetOtherAtom(carbon).GetAtomicNum() == 7]
    double = any(bond.GetBondTypeAsDouble() == 2.0 for bond in bonds)
    return carbon.GetAtomicNum() == 6 and not carbon.GetIsAromatic() and len(bonds) > 1 and double


def _around(posed: PosedComplex) -> Floats:
    found = []
    for reach in NEIGHBOURS:
        count = (posed.distances < reach).sum(axis=1)
        found += [count.mean(), *np.quantile(count, (0.1, 0.9))]
    return np.array(found)


def _buried(posed: PosedComplex) -> Floats:
    """Shares of directions from the ligand's atoms in which the receptor is near: all, polar and hydrophobic ones."""
    share = buriedness(posed.molecule.positions, posed.receptor.positions)
    types = posed.ligand_types
    polar, hydrophobic = share[np.isin(types, DONORS + ACCEPTORS)], share[np.isin(types, HYDROPHOBES)]
    means = [float(one.mean()) if len(one) else 0.0 for one in (polar, hydrophobic)]
    return np.array([share.mean(), *np.quantile(share, (0.1, 0.9)), (share > 0.75).mean(), *means])
