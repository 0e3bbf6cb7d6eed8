"""Molecules as Gaussian atoms about their centre, on their principal axes, with their self-overlap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.gaussians import KAPPA
from metricvae.metrics.shape.solver.pose_batch import Atoms
from metricvae.metrics.shape.solver.volumes import overlap_volume

RADII = 0.1, 10.0
"""Angstroms, of the atoms that are taken."""

WIDEST = 1000.0
"""Angstroms from the centre of a molecule to its atoms, at most: the float32 of the search is coarse beyond."""

Floats = npt.NDArray[np.float64]


def exponents(radii: Floats) -> Floats:
    """Exponents alpha = kappa / radius^2 (n,), 1 / angstrom^2, of radii (n,) in angstroms."""
    return KAPPA / np.asarray(radii, np.float64) ** 2


@dataclass(frozen=True, eq=False)
class PreparedMolecule:
    """A molecule as Gaussian atoms on its principal axes.

    Attributes:
        atoms: the atoms on the molecule's own axes.
        centre: (3,) angstroms; where the origin of these axes lies.
        axes: (3, 3) proper rotation; an atom at q on the axes lies at centre + axes @ q.
        volume: overlap of the molecule with itself, cubic angstroms.
    """

    atoms: Atoms
    centre: Floats
    axes: Floats
    volume: float

    @property
    def count(self) -> int:
        """Number of atoms."""
        return len(self.atoms.positions)


def prepare(positions: npt.ArrayLike, radii: npt.ArrayLike) -> PreparedMolecule:
    """The Gaussian molecule of some atoms, as the search takes it.

    Args:
        positions: (n, 3) angstroms.
        radii: (n,) angstroms.

    Raises:
        InputError: no atoms, shapes that do not fit, a number that is not finite, a radius that is not in `RADII`, or
            an atom farther than `WIDEST` from the centre.

    >>> carbon_monoxide = prepare([[0, 0, 0], [0, 0, 1.13]], [1.7, 1.52])
    >>> carbon_monoxide.count, round(carbon_monoxide.volume, 1)
    (2, 54.3)
    """
    places, sizes = _check_atoms(positions, radii)
    mass = sizes**3
    centre = mass @ places / mass.sum()
    if not np.abs(places - centre).max() <= WIDEST:
        raise InputError(f"an atom lies more than {WIDEST:g} angstroms from the centre: these are not one molecule")
    axes = principal_axes(places - centre, mass)
    own = (places - centre) @ axes
    order = np.lexsort((*own.T, sizes))
    own, alpha = own[order], exponents(sizes[order])
    firsts = np.flatnonzero(np.diff(alpha, prepend=np.nan) != 0)
    atoms = Atoms(atom_rows(own), np.append(firsts, len(own)), alpha[firsts], own)
    return PreparedMolecule(atoms, centre, axes, overlap_volume(own, alpha, own, alpha))


def _check_atoms(positions: npt.ArrayLike, radii: npt.ArrayLike) -> tuple[Floats, Floats]:
    places, sizes = np.asarray(positions, np.float64), np.asarray(radii, np.float64)
    if places.ndim != 2 or places.shape[1:] != (3,) or sizes.shape != places.shape[:1]:
        raise InputError(
            f"positions of shape {places.shape} and radii of shape {sizes.shape}: expected (n, 3) and (n,)"
        )
    if len(places) == 0:
        raise InputError("a molecule of no atoms has no volume: give at least one heavy atom")
    if not (np.isfinite(places).all() and np.isfinite(sizes).all()):
        raise InputError("positions and radii must be finite numbers")
    if not (RADII[0] <= sizes.min() and sizes.max() <= RADII[1]):
        raise InputError(f"radii from {sizes.min():g} to {sizes.max():g} angstroms: expected {RADII[0]} to {RADII[1]}")
    return places, sizes


def principal_axes(centred: Floats, mass: Floats) -> Floats:
    """(3, 3) proper rotation whose columns are the principal axes, the longest first, towards the heavier tail."""
    _, axes = np.linalg.eigh((centred * mass[:, None]).T @ centred)
    axes = axes[:, ::-1]
    tails = mass @ (centred @ axes) ** 3
    axes = axes * np.where(tails < 0, -1.0, 1.0)
    axes[:, 2] *= np.sign(np.linalg.det(axes))
    return np.ascontiguousarray(axes)


def atom_rows(own: Floats) -> npt.NDArray[np.float32]:
    """(n, 10) float32, the columns of `Atoms.rows`."""
    x, y, z = own.T
    return np.column_stack([x, y, z, x * x, x * y, x * z, y * y, y * z, z * z, x * x + y * y + z * z]).astype(
        np.float32
    )
