"""The negative image of a site: pseudo-atoms where a ligand's atoms would lie.

Points of a grid about the site are kept that lie at contact distance from the receptor, buried among its atoms, and
connected with the site. Of these the most buried come first, and each takes its neighbourhood, until no point is left
or there are as many as a large ligand has atoms; so the density is that of a molecule.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, csgraph
from scipy.spatial import cKDTree

from metricvae.core.errors import InputError
from metricvae.kinds.pocket.buriedness import buriedness
from metricvae.kinds.pocket.records import Floats, Receptor


@dataclass(frozen=True)
class ImageConfig:
    """How a site is filled.

    Attributes:
        spacing: of the grid, angstroms.
        nearest: angstroms from a point to an apolar atom of the receptor, at least.
        nearest_polar: the same to oxygen, nitrogen and ions, which hydrogen bonds bring closer.
        least_buried: share of directions in which the receptor is near, of a point that is filled.
        outwards: buriedness that a point loses for each angstrom from the site's points.
        apart: angstroms between two pseudo-atoms, at least.
        most: pseudo-atoms, at most.
        fewest: pseudo-atoms of an image, at least; less room is no pocket.
    """

    spacing: float = 0.7
    nearest: float = 3.2
    nearest_polar: float = 2.7
    least_buried: float = 0.45
    outwards: float = 0.05
    apart: float = 2.0
    most: int = 40
    fewest: int = 4


@dataclass(frozen=True, eq=False)
class Filling:
    """The pseudo-atoms of a site, the most buried first.

    Attributes:
        positions: (m, 3) angstroms.
        buriedness: (m,) share of directions in which the receptor is near.
    """

    positions: Floats
    buriedness: Floats


def fill(receptor: Receptor, points: Floats, reach: float, config: ImageConfig | None = None) -> Filling:
    """The pseudo-atoms of a site.

    Args:
        receptor: the atoms around it.
        points: (n, 3) that the site is about, angstroms.
        reach: angstroms from these that belong to the site.
        config: how it is filled; the default is the measured one.

    Raises:
        InputError: there is no room for `fewest` atoms.
    """
    settings = config or ImageConfig()
    free, distance = _free_points(receptor, points, reach, settings)
    depth = buriedness(free, receptor.positions)
    buried = np.flatnonzero(depth >= settings.least_buried)
    kept = buried[_connected(free[buried], distance[buried], settings.spacing)]
    order = kept[np.argsort(settings.outwards * distance[kept] - depth[kept], kind="stable")]
    chosen = order[spread(free[order], settings.apart)[: settings.most]]
    if len(chosen) < settings.fewest:
        raise InputError(
            f"the site has room for {len(chosen)} atoms: expected at least {settings.fewest}, name another site"
        )
    return Filling(free[chosen], depth[chosen])


def _free_points(receptor: Receptor, points: Floats, reach: float, settings: ImageConfig) -> tuple[Floats, Floats]:
    """Points of the grid within reach of a site at which an atom may lie, and how far they are from its points."""
    steps = [
        np.arange(np.floor(low / settings.spacing), np.ceil(high / settings.spacing) + 1) * settings.spacing
        for low, high in zip(points.min(axis=0) - reach, points.max(axis=0) + reach, strict=True)
    ]
    grid = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, 3)
    distance, _ = cKDTree(points).query(grid, distance_upper_bound=reach)
    grid, distance = grid[np.isfinite(distance)], distance[np.isfinite(distance)]
    polar = ~np.isin(receptor.elements, (6, 16, 34))
    free = np.ones(len(grid), bool)
    for atoms, nearest in ((~polar, settings.nearest), (polar, settings.nearest_polar)):
        if atoms.any():
            away, _ = cKDTree(receptor.positions[atoms]).query(grid, distance_upper_bound=nearest)
            free &= ~np.isfinite(away)
    return grid[free], distance[free]


def _connected(grid: Floats, distance: Floats, spacing: float) -> npt.NDArray[np.intp]:
    """The points of the largest part that is connected and comes nearest to the site, by number.

    Parts of the grid are weighed by their points, each by its nearness.
    """
    if not len(grid):
        return np.zeros(0, np.intp)
    pairs = cKDTree(grid).query_pairs(1.75 * spacing, output_type="ndarray")
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(grid), len(grid)))
    _, labels = csgraph.connected_components(graph, directed=False)
    weight = np.bincount(labels, 1.0 / (1.0 + distance) ** 2)
    return np.flatnonzero(labels == weight.argmax())


def spread(points: Floats, apart: float) -> npt.NDArray[np.intp]:
    """Those of (n, 3) points, by number, that are left when each in turn removes those after it that are nearer."""
    near = cKDTree(points).query_ball_point(points, apart - 1e-9) if len(points) else []
    free = np.ones(len(points), bool)
    found = []
    for place in range(len(points)):
        if free[place]:
            found.append(place)
            free[near[place]] = False
    return np.array(found, np.intp)
