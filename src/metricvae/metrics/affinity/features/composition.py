"""What lines the pocket: residues and elements of the receptor near the ligand, whatever the ligand's pose."""

from __future__ import annotations

import numpy as np

from metricvae.kinds.pocket.atom_roles import METALS
from metricvae.kinds.pocket.records import ACCEPTOR, ANION, CATION, DONOR, HYDROPHOBE, RING
from metricvae.kinds.pocket.residues import SIDE_CHAINS
from metricvae.metrics.affinity.features.records import Floats, PosedComplex

REACHES = (5.0, 8.0)
"""Angstroms from the ligand within which residues and atoms count."""

RESIDUES = (*SIDE_CHAINS, "other-residue")
ELEMENTS = ("C", "N", "O", "S", "metal", "other")
ROLES = {"donor": DONOR, "acceptor": ACCEPTOR, "anion": ANION, "cation": CATION, "oily": HYDROPHOBE, "ring": RING}
_ELEMENT = {6: 0, 7: 1, 8: 2, 16: 3}

NAMES = tuple(
    f"pocket.{reach:g}.{name}" for reach in REACHES for name in (*RESIDUES, *ELEMENTS, *ROLES, "atoms", "residues")
)


def composition(posed: PosedComplex) -> Floats:
    """(len(NAMES),) residues by name, atoms by element and by role, and totals, within each of `REACHES`."""
    nearest = posed.distances.min(axis=0)
    return np.concatenate([_within(posed, nearest <= reach) for reach in REACHES])


def _within(posed: PosedComplex, near: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Floats:
    receptor = posed.receptor.select(near)
    ids, first = np.unique(receptor.residue_ids, return_index=True)
    names = receptor.residue_names[first].tolist()
    rows = [RESIDUES.index(one) if one in SIDE_CHAINS else len(RESIDUES) - 1 for one in names]
    residues = np.bincount(np.array(rows, np.int64), minlength=len(RESIDUES))
    kinds = [4 if one in METALS else _ELEMENT.get(one, 5) for one in receptor.elements.tolist()]
    elements = np.bincount(np.array(kinds, np.int64), minlength=len(ELEMENTS))
    roles = [((receptor.roles & bit) > 0).sum() for bit in ROLES.values()]
    return np.array([*residues, *elements, *roles, len(receptor), len(ids)], np.float64)
