"""A site made ready for docking: its atoms and maps in a frame of its own, and the places where a ligand may start.

The frame has its origin at the centre of the site and its axes along the principal axes of the atoms around, so that
a search does not depend on how the receptor lies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metricvae.core.errors import InputError
from metricvae.kinds.pocket.records import Receptor
from metricvae.metrics.docking.atom_types import TYPES, receptor_types
from metricvae.metrics.docking.fields import maps_of
from metricvae.metrics.docking.records import Floats, Ints, Maps, ReceptorAtoms
from metricvae.metrics.docking.scoring import ScoringFunction

NARROWEST, WIDEST = 8.0, 48.0
"""Angstroms, width of the cube that a search stays in."""

FINEST, COARSEST = 0.2, 1.0
"""Angstroms between points of the maps."""

FEWEST_ATOMS = 20
"""Atoms of the receptor within the cut-off of the cube, at least."""

FRAME_REACH = 12.0
"""Angstroms from the centre to the atoms whose principal axes are the frame's."""

DIGITS = 3
"""Decimals of coordinates in the frame: what a rotation of the input changes by rounding is removed."""

START_REACH = 8.0
"""Angstroms from the centre of the site to that of a ligand at the start, at most."""

START_SHARE = 0.25
"""Share of the points of the grid, those where carbon gains most, where a ligand may start."""


@dataclass(frozen=True, eq=False)
class DockingSite:
    """A site made ready for docking.

    Attributes:
        scoring: the scoring function.
        centre: (3,) of the site in the receptor's frame, angstroms.
        rotation: (3, 3) from the receptor's frame: a position p lies at rotation (p - centre).
        around: atoms of the receptor, in the site's frame.
        radii: (m,) their van der Waals radii, angstroms.
        maps: energies of atoms by their types, in the site's frame.
        starts: (m, 3) places of the centre of a ligand, in the site's frame.
    """

    scoring: ScoringFunction
    centre: Floats
    rotation: Floats
    around: ReceptorAtoms
    radii: Floats
    maps: Maps
    starts: Floats

    def from_receptor(self, positions: Floats) -> Floats:
        """Positions (..., 3) of the receptor's frame in that of the site."""
        return (positions - self.centre) @ self.rotation.T

    def to_receptor(self, positions: Floats) -> Floats:
        """Positions (..., 3) of the site's frame in that of the receptor."""
        return positions @ self.rotation + self.centre


def prepare_site(
    receptor: Receptor,
    centre: Floats,
    scoring: ScoringFunction,
    *,
    width: float = 24.0,
    spacing: float = 0.375,
    types: Ints | None = None,
) -> DockingSite:
    """A site made ready for docking.

    Args:
        receptor: atoms of the receptor.
        centre: (3,) of the site, angstroms.
        scoring: the scoring function.
        width: of the cube about the centre that ligands stay in, angstroms.
        spacing: between points of the maps, angstroms.
        types: types of the ligands' atoms, `atom_types.ligand_types`; all where it is left out.

    Raises:
        InputError: a width or spacing out of range, a centre that is no point, or too few atoms around it.
    """
    centre = np.asarray(centre, np.float64)
    if centre.shape != (3,) or not np.isfinite(centre).all():
        raise InputError(f"the centre of the site is {centre.tolist()}: expected three coordinates in angstroms")
    if not NARROWEST <= width <= WIDEST:
        raise InputError(f"the width of the site is {width:g}: expected {NARROWEST:g} to {WIDEST:g} angstroms")
    if not FINEST <= spacing <= COARSEST:
        raise InputError(f"the spacing of the maps is {spacing:g}: expected {FINEST:g} to {COARSEST:g} angstroms")
    rotation = _principal_axes(receptor.positions - centre)
    positions = np.round((receptor.positions - centre) @ rotation.T, DIGITS)
    near = np.flatnonzero((np.abs(positions) < width / 2 + scoring.cutoff).all(axis=1))
    if len(near) < FEWEST_ATOMS:
        raise InputError(
            f"{len(near)} atoms of the receptor are near the site, expected at least {FEWEST_ATOMS}: name another site"
        )
    around = ReceptorAtoms(positions[near], receptor_types(receptor.select(near)))
    wanted = np.arange(len(TYPES)) if types is None else np.union1d(types, [0])
    maps = maps_of(around, width, spacing, scoring, wanted)
    return DockingSite(scoring, centre, rotation, around, receptor.radii[near], maps, _starts(maps))


def _principal_axes(offsets: Floats) -> Floats:
    """(3, 3) rotation to the principal axes of the atoms near the origin, each axis towards the longer tail."""
    near = offsets[np.square(offsets).sum(axis=1) < FRAME_REACH**2]
    if len(near) < FEWEST_ATOMS:
        near = offsets
    middle = near - near.mean(axis=0)
    axes = np.linalg.eigh(middle.T @ middle)[1].T
    tails = ((middle @ axes.T) ** 3).sum(axis=0)
    axes[:2] *= np.where(tails[:2] < 0, -1.0, 1.0)[:, None]
    axes[2] = np.cross(axes[0], axes[1])
    return axes


def _starts(maps: Maps) -> Floats:
    """The points of the grid within `START_REACH` of the centre where a carbon atom gains most: buried, and free."""
    values = maps.values[0]
    points = maps.origin + maps.spacing * np.argwhere(np.ones(values.shape, bool))
    inside = np.square(points).sum(axis=1) < START_REACH**2
    energies, points = values.ravel()[inside], points[inside]
    best = np.argsort(energies, kind="stable")[: int(START_SHARE * len(energies))]
    found: Floats = points[best]
    return found
