"""What lines a pocket, counted: residues by name, atoms by element and by role."""

from __future__ import annotations

import numpy as np

from metricvae.kinds.molecule.pharmacophore import TYPES
from metricvae.kinds.pocket.atom_roles import METALS
from metricvae.kinds.pocket.records import Floats, Receptor
from metricvae.kinds.pocket.residues import SIDE_CHAINS

RESIDUES = (*SIDE_CHAINS, "other-residue")
ELEMENTS = ("C", "N", "O", "S", "metal", "other")
LINING = (*RESIDUES, *ELEMENTS, *TYPES, "atoms", "residues")
"""What `lining` counts, in its order."""

_ELEMENT = {6: 0, 7: 1, 8: 2, 16: 3}
_METAL, _OTHER = 4, 5


def lining(receptor: Receptor) -> Floats:
    """(len(LINING),) counts of a receptor's atoms, those near a ligand or an image: residues by name, atoms by element
    and by role, and totals."""
    ids, first = np.unique(receptor.residue_ids, return_index=True)
    names = receptor.residue_names[first].tolist()
    rows = [RESIDUES.index(one) if one in SIDE_CHAINS else len(RESIDUES) - 1 for one in names]
    residues = np.bincount(np.array(rows, np.int64), minlength=len(RESIDUES))
    kinds = [_METAL if one in METALS else _ELEMENT.get(one, _OTHER) for one in receptor.elements.tolist()]
    elements = np.bincount(np.array(kinds, np.int64), minlength=len(ELEMENTS))
    roles = [((receptor.roles >> number) & 1).sum() for number in range(len(TYPES))]
    return np.array([*residues, *elements, *roles, len(receptor), len(ids)], np.float64)
