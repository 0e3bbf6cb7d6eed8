"""From a file and a site to a pocket."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from metricvae.core.errors import InputError
from metricvae.kinds.pocket.features import FeatureConfig, features_of
from metricvae.kinds.pocket.image import ImageConfig, fill
from metricvae.kinds.pocket.records import Floats, Pocket, Structure
from metricvae.kinds.pocket.sites import MARK, PlacedSite, place, split_name
from metricvae.kinds.pocket.structures import structure_of

AROUND = 10.0
"""Angstroms from the image or the site's points to the atoms of the receptor that a pocket keeps, at most."""

FEWEST_ATOMS = 20
"""Atoms of the receptor around a site, at least."""


def read_pocket(name: str | Path) -> Pocket:
    """The pocket that a name stands for: the path of a structure, and behind `@` a site on it.

    Raises:
        InputError: see `metricvae.kinds.pocket.structures`, `metricvae.kinds.pocket.sites` and `pocket_at`.
    """
    path, site = split_name(str(name))
    structure = structure_of(path)
    return pocket_at(structure, place(structure, site), f"{Path(path).name}{MARK}{site}")


def pocket_at(
    structure: Structure,
    site: PlacedSite,
    name: str,
    image: ImageConfig | None = None,
    features: FeatureConfig | None = None,
) -> Pocket:
    """The pocket at a site.

    Args:
        structure: the receptor's.
        site: where, as `metricvae.kinds.pocket.sites` gives it.
        name: of the pocket.
        image, features: how the negative image is made.

    Raises:
        InputError: fewer than `FEWEST_ATOMS` atoms around the site, or no room for a ligand.
    """
    held = site.receptor.select(_within(site.receptor.positions, site.points, site.reach + AROUND))
    if len(held) < FEWEST_ATOMS:
        raise InputError(
            f"{structure.path}: {len(held)} atoms of the receptor are near the site, expected at least {FEWEST_ATOMS}: "
            "name another site, or give the whole structure"
        )
    try:
        filling = fill(held, site.points, site.reach, image)
    except InputError as error:
        raise InputError(f"{structure.path}: {error}") from None
    found = features_of(held, filling.positions, features)
    return Pocket(
        id=name,
        receptor=held.select(_within(held.positions, np.concatenate([filling.positions, site.points]), AROUND)),
        image=filling.positions,
        buriedness=filling.buriedness,
        feature_types=found.types,
        features=found.positions,
        centre=site.centre,
        sequence=structure.sequence,
        facts=structure.facts,
    )


def _within(positions: Floats, points: Floats, reach: float) -> npt.NDArray[np.bool_]:
    near: npt.NDArray[np.bool_] = np.isfinite(cKDTree(points).query(positions, distance_upper_bound=reach)[0])
    return near
