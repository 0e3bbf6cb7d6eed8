"""Arrays of a ligand and of a site's maps as compiled functions take them.

They are named tuples and not dataclasses, because numba compiles functions of named tuples.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class LigandArrays(NamedTuple):
    """A ligand of n atoms in f rigid fragments, its root first and each after the one that it hangs on.

    A pose of it is (7 + f - 1,) numbers: where the origin of the root lies (angstroms), the quaternion (w, x, y, z) of
    its rotation, and the torsion angle of each further fragment in radians, zero in the reference conformer.

    Attributes:
        positions: (n, 3) reference conformer relative to the origin of the atom's fragment, angstroms.
        types: (n,) numbers of `atom_types.TYPES`.
        fragment_of: (n,) number of the fragment that an atom moves with.
        parents: (f,) the fragment that a fragment hangs on; -1 for the root.
        offsets: (f, 3) from the origin of the parent to that of the fragment, in the reference conformer.
        axes: (f, 3) unit vectors along the bond to the parent, in the reference conformer.
        pairs: (p, 2) atoms that interact and whose distance changes.
        cosines, sines: (f, 6) coefficients of the torsional energy, kcal/mol: sum over k of
            cosines[k - 1] cos(k angle) + sines[k - 1] sin(k angle); zero at its lowest but for `torsion_floor`.
        torsion_floor: the least value of these sums, all fragments together, kcal/mol.
        inertia: (6 + f - 1,) sums over the atoms that a coordinate moves of the squared distances that a unit moves
            them by: scales of the coordinates.
    """

    positions: Floats
    types: Ints
    fragment_of: Ints
    parents: Ints
    offsets: Floats
    axes: Floats
    pairs: Ints
    cosines: Floats
    sines: Floats
    torsion_floor: float
    inertia: Floats


class Maps(NamedTuple):
    """Energies of an atom of each type in a site, on a grid.

    Attributes:
        values: (types, x, y, z) float32, kcal/mol.
        origin: (3,) position of the first point, angstroms.
        spacing: angstroms between points.
    """

    values: npt.NDArray[np.float32]
    origin: Floats
    spacing: float


class ReceptorAtoms(NamedTuple):
    """The atoms of the receptor around a site, whose energies are summed where a grid is too coarse.

    Attributes:
        positions: (m, 3) angstroms.
        types: (m,) numbers of `atom_types.TYPES`.
    """

    positions: Floats
    types: Ints
