"""Cavities of a receptor, found by alpha spheres: spheres that touch four atoms and hold none.

After fpocket (V. Le Guilloux et al., BMC Bioinformatics 10 (2009) 168): the spheres are circumscribed about the
tetrahedra of the Delaunay triangulation of the atoms; small ones lie inside the protein, large ones on its surface. Of
those between, the buried ones fill the cavities. Where they are densest there is room for a ligand: a cavity is what
lies around a maximum of their density, so a long groove or a large cave gives several, each of a ligand's size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import Delaunay, QhullError, cKDTree

from metricvae.kinds.pocket.buriedness import buriedness
from metricvae.kinds.pocket.records import HYDROPHOBE, Floats, Receptor


@dataclass(frozen=True)
class CavityConfig:
    """How cavities are found.

    Attributes:
        smallest, largest: radius of an alpha sphere, angstroms.
        least_buried: share of directions in which the receptor is near, of a sphere that is kept.
        apolar: how much more a sphere counts whose four atoms are apolar.
        width: standard deviation of the Gaussian by which the density of spheres is smoothed, angstroms.
        apart: angstroms between the maxima of two cavities, at least.
        extent: angstroms from its maximum that belong to a cavity.
        most: cavities, at most.
    """

    smallest: float = 3.0
    largest: float = 6.0
    least_buried: float = 0.5
    apolar: float = 1.0
    width: float = 3.5
    apart: float = 6.0
    extent: float = 7.0
    most: int = 20


@dataclass(frozen=True, eq=False)
class AlphaSpheres:
    """n spheres that touch four atoms each and hold none.

    Attributes:
        centres: (n, 3) angstroms.
        radii: (n,) angstroms, to the centres of the atoms.
        atoms: (n, 4) the atoms, by number.
    """

    centres: Floats
    radii: Floats
    atoms: npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Cavity:
    """A place of a receptor with room for a ligand.

    Attributes:
        centre: (3,) mean of the alpha spheres near the maximum of their density, angstroms.
        centres: (n, 3) of its alpha spheres, angstroms, at most one in each cube of one angstrom.
        score: the density of spheres, by their buriedness and the apolar atoms they touch: the higher the likelier
            that a ligand binds there.
        apolar: share of apolar atoms among those that the spheres touch.
    """

    centre: Floats
    centres: Floats
    score: float
    apolar: float


def alpha_spheres(positions: Floats, smallest: float, largest: float) -> AlphaSpheres:
    """The alpha spheres of atoms between two radii, angstroms; none where all atoms lie in a plane.

    Args:
        positions: (n, 3) of atoms, angstroms.
        smallest, largest: radii.

    Example:
        >>> cube = 4.0 * np.array(np.meshgrid([0, 1], [0, 1], [0, 1]), float).reshape(3, -1).T
        >>> found = alpha_spheres(cube, 3.0, 6.0)
        >>> np.unique(found.centres.round(6), axis=0).tolist(), found.radii.round(3).max().tolist()
        ([[2.0, 2.0, 2.0]], 3.464)
    """
    try:
        corners = Delaunay(positions).simplices.astype(np.int64) if len(positions) > 4 else np.zeros((0, 4), np.int64)
    except QhullError:
        corners = np.zeros((0, 4), np.int64)
    first = positions[corners[:, 0]]
    edges = positions[corners[:, 1:]] - first[:, None]
    flat = np.abs(np.linalg.det(edges)) < 1e-6
    edges[flat] = np.eye(3) * 1e6
    offset = np.linalg.solve(edges, 0.5 * np.square(edges).sum(-1)[..., None])[..., 0]
    radii = np.linalg.norm(offset, axis=1)
    kept = (radii >= smallest) & (radii <= largest) & ~flat
    return AlphaSpheres((first + offset)[kept], radii[kept], corners[kept])


def find_cavities(receptor: Receptor, config: CavityConfig | None = None) -> list[Cavity]:
    """The cavities of a receptor, the best first.

    Args:
        receptor: its atoms.
        config: how they are found; the default is the measured one.
    """
    settings = config or CavityConfig()
    spheres = alpha_spheres(receptor.positions, settings.smallest, settings.largest)
    depth = buriedness(spheres.centres, receptor.positions)
    deep = np.flatnonzero(depth >= settings.least_buried)
    _, one = np.unique(np.floor(spheres.centres[deep]), axis=0, return_index=True)
    deep = deep[one]
    centres = spheres.centres[deep]
    if not len(centres):
        return []
    apolar = (receptor.roles[spheres.atoms[deep]] & HYDROPHOBE > 0).mean(axis=1)
    weights = depth[deep] * (1.0 + settings.apolar * apolar)
    return _maxima(centres, weights, apolar, settings)


def _maxima(centres: Floats, weights: Floats, apolar: Floats, settings: CavityConfig) -> list[Cavity]:
    """The cavities about the maxima of the smoothed density of weighted points, the densest first."""
    tree, cut = cKDTree(centres), 2.5 * settings.width
    density = np.array(
        [
            weights[near] @ np.exp(-np.square(centres[near] - here).sum(axis=1) / (2 * settings.width**2))
            for here, near in zip(centres, tree.query_ball_point(centres, cut), strict=True)
        ]
    )
    free, found = np.ones(len(centres), bool), list[Cavity]()
    for place in np.argsort(-density, kind="stable").tolist():
        if free[place] and len(found) < settings.most:
            free[tree.query_ball_point(centres[place], settings.apart)] = False
            near = np.array(tree.query_ball_point(centres[place], settings.extent))
            centre = weights[near] @ centres[near] / weights[near].sum()
            found.append(Cavity(centre, centres[near], float(density[place]), float(apolar[near].mean())))
    return found
