"""Molecules in memory by the million: arrays of atoms.

A molecule of n atoms among others of at most A is (A, 6 + A) float32, zero from row n and column 6 + n on: x, y, z and
radius of each atom in angstroms; its atomic number and formal charge; and what links it to each atom, as `LINKED` says.
Coordinates are zero where none are known.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from metricvae.kinds.molecule.records import Molecule
from metricvae.runtime.jit import jit_strict

Atoms = npt.NDArray[np.float32]
Packed = npt.NDArray[np.uint8]

COLUMNS = 6
"""Of an atom's own, before its links."""

LINKED = {"self": 1, "single": 2, "double": 3, "triple": 4, "unknown bond": 5, "two bonds": 6, "most": 30, "no way": 31}
"""Links of two atoms: one bond by its order, or so many bonds on the shortest way, up to `most`."""

SELF, TWO_BONDS, MOST, UNKNOWN = (LINKED[name] for name in ("self", "two bonds", "most", "unknown bond"))


def packed_molecules(molecules: Atoms) -> Packed:
    """(m, A, 6 + A) arrays -> (m, 4 * A * (6 + A)) bytes."""
    return np.ascontiguousarray(molecules, np.float32).reshape(len(molecules), -1).view(np.uint8)


def unpacked_molecules(packed: Packed) -> Atoms:
    """The inverse of `packed_molecules`."""
    numbers = np.ascontiguousarray(packed).view(np.float32)
    atoms = round((COLUMNS**2 / 4 + numbers.shape[1]) ** 0.5 - COLUMNS / 2)
    return numbers.reshape(len(packed), atoms, COLUMNS + atoms)


def atoms_of(molecule: Molecule) -> Atoms:
    """The array of one molecule, (n, 6 + n).

    Raises:
        InputError: an element that has no radius here.
    """
    count = len(molecule.elements)
    found = np.zeros((count, COLUMNS + count), np.float32)
    found[:, :3], found[:, 3], found[:, 4] = molecule.positions, molecule.radii, molecule.elements
    found[molecule.charges[:, 0], 5] = molecule.charges[:, 1]
    found[:, COLUMNS:] = links(count, molecule.bonds)
    return found


def links(count: int, bonds: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
    """(n, n) codes of `LINKED` between n atoms with bonds (m, 3): two atoms and the order, 0 where it is unknown."""
    found = np.full((count, count), LINKED["no way"], np.float32)
    _add_links(np.ascontiguousarray(bonds, np.int32), found)
    return found


@jit_strict
def _add_links(bonds: npt.NDArray[np.int32], codes: npt.NDArray[np.float32]) -> None:
    """Write the codes of atoms between which there is a way: breadth first from every atom."""
    count = len(codes)
    degrees, neighbours = np.zeros(count, np.int32), np.zeros((count, count), np.int32)
    for first, second, _ in bonds:
        for one, other in ((first, second), (second, first)):
            neighbours[one, degrees[one]] = other
            degrees[one] += 1
    ways, queue = np.zeros(count, np.int32), np.zeros(count, np.int32)
    for start in range(count):
        ways[:] = -1
        ways[start], queue[0], end = 0, start, 1
        codes[start, start] = SELF
        for place in range(count):
            if place == end:
                break
            atom = queue[place]
            for other in neighbours[atom, : degrees[atom]]:
                if ways[other] < 0:
                    ways[other] = ways[atom] + 1
                    codes[start, other] = min(ways[other] + TWO_BONDS - 2, MOST)
                    queue[end] = other
                    end += 1
    for first, second, order in bonds:
        codes[first, second] = codes[second, first] = order + 1 if order > 0 else UNKNOWN


def padded(molecules: Sequence[Atoms]) -> Atoms:
    """Arrays of molecules of any numbers of atoms as one, (m, A, 6 + A), A being the largest number."""
    most = max(map(len, molecules), default=0)
    found = np.zeros((len(molecules), most, COLUMNS + most), np.float32)
    for place, one in enumerate(molecules):
        found[place, : len(one), : one.shape[1]] = one
    return found
