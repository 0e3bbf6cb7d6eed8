"""The record of a molecule: heavy atoms with coordinates, a name, bonds and charges."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from metricvae.core.errors import InputError

Elements = npt.NDArray[np.uint8]
Positions = npt.NDArray[np.float64]
Bonds = npt.NDArray[np.int32]

SYMBOLS: dict[int, str] = {
    **{5: "B", 6: "C", 7: "N", 8: "O", 9: "F"},
    **{14: "Si", 15: "P", 16: "S", 17: "Cl", 33: "As", 34: "Se", 35: "Br", 52: "Te", 53: "I"},
}
"""The elements that molecules may have, by atomic number."""

RADII: dict[int, float] = {
    **{5: 1.92, 6: 1.70, 7: 1.55, 8: 1.52, 9: 1.47},
    **{14: 2.10, 15: 1.80, 16: 1.80, 17: 1.75, 33: 1.85, 34: 1.90, 35: 1.85, 52: 2.06, 53: 1.98},
}
"""Van der Waals radii in angstroms: A. Bondi, J. Phys. Chem. 68 (1964) 441; boron, which he left out, from
M. Mantina et al., J. Phys. Chem. A 113 (2009) 5806, who kept to his scale."""

_RADIUS_OF = np.full(256, np.nan)
_RADIUS_OF[list(RADII)] = list(RADII.values())


def _none(columns: int) -> Bonds:
    return np.zeros((0, columns), dtype=np.int32)


@dataclass(frozen=True)
class Molecule:
    """One molecule in one conformation, without its hydrogens.

    Attributes:
        id: its name, unique within a data set.
        smiles: canonical isomeric SMILES of the standardised molecule; empty where unknown.
        elements: (n,) uint8, atomic numbers of the heavy atoms.
        positions: (n, 3) float64, angstroms.
        bonds: (m, 3) int32, a row for each bond: two atoms by number from 0, and 1, 2 or 3 for single, double, triple.
        charges: (k, 2) int32, a row for each charged atom: its number, and its formal charge.
    """

    id: str
    smiles: str
    elements: Elements
    positions: Positions
    bonds: Bonds = field(default_factory=lambda: _none(3))
    charges: Bonds = field(default_factory=lambda: _none(2))

    @property
    def radii(self) -> Positions:
        """(n,) van der Waals radii in angstroms.

        Raises:
            InputError: an element without one in :data:`RADII`.
        """
        return radii_of(self.elements)

    @property
    def centre(self) -> Positions:
        """(3,) mean position of the atoms, angstroms."""
        centre: Positions = self.positions.mean(axis=0)
        return centre

    def _repr_html_(self) -> str:
        """The structural formula, in notebooks."""
        from metricvae.kinds.molecule.drawing import flat_svg

        return f'<div style="width: 180px">{flat_svg(self)}</div>'

    def moved(self, rotation: npt.ArrayLike, translation: npt.ArrayLike = (0.0, 0.0, 0.0)) -> Molecule:
        """The molecule with every position p at R p + t.

        Args:
            rotation: R, (3, 3).
            translation: t, (3,), angstroms.
        """
        return replace(self, positions=self.positions @ np.asarray(rotation, float).T + np.asarray(translation, float))


def radii_of(elements: npt.ArrayLike) -> Positions:
    """(n,) van der Waals radii in angstroms of (n,) atomic numbers.

    Raises:
        InputError: an element without one in :data:`RADII`.
    """
    numbers = np.asarray(elements, dtype=np.intp)
    known = (numbers >= 0) & (numbers < len(_RADIUS_OF))
    radii: Positions = _RADIUS_OF[np.where(known, numbers, 0)]
    if np.isnan(radii).any():
        number = int(numbers[np.isnan(radii)][0])
        raise InputError(f"element number {number} is not supported: expected one of {', '.join(SYMBOLS.values())}")
    return radii
