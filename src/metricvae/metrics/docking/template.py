"""A template: a ligand whose pose in the site is known, as that of a crystal of the same protein.

Conformers of another ligand are laid on it by shape and colour (`metricvae.metrics.shape.solver.coloured`), chains of
the search start from there, and atoms gain where the template has atoms of their class. So the search is led, not
bound: poses are refined without the template, and ranked with the similarity of each to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.pharmacophore import Pharmacophore, pharmacophore_of
from metricvae.kinds.molecule.readers import read_one
from metricvae.kinds.molecule.records import Molecule
from metricvae.metrics.docking.atom_types import ACCEPTORS, DONORS, HYDROPHOBES, TYPES, molecule_types
from metricvae.metrics.docking.chains import Start
from metricvae.metrics.docking.config import TemplateConfig
from metricvae.metrics.docking.records import Floats, Ints, Maps
from metricvae.metrics.docking.site import DockingSite
from metricvae.metrics.shape.solver.coloured import FEATURE_RADIUS, coloured, overlay_coloured
from metricvae.metrics.shape.solver.gaussian_molecule import exponents
from metricvae.metrics.shape.solver.volumes import overlap_volume

REACH = 1.0
"""Angstroms from an atom of the template at which the attraction to it has fallen to 1 / e."""

_CLASSES = [np.isin(np.arange(len(TYPES)), held) for held in (HYDROPHOBES, DONORS, ACCEPTORS)]


@dataclass(frozen=True, eq=False)
class Template:
    """A ligand whose pose is known, made ready.

    Attributes:
        molecule: where it lies in the frame of the receptor.
        types: (n,) of its atoms, `atom_types.ligand_types`.
        features: of its pharmacophore.
        volumes: overlaps with itself of its atoms and of its features, cubic angstroms.
    """

    molecule: Molecule
    types: Ints
    features: Pharmacophore
    volumes: tuple[float, float]


def template_of(molecule: Molecule) -> Template:
    """A molecule made ready to be a template.

    Raises:
        InputError: it has no bonds or no coordinates in space, or an element without parameters.
    """
    name = molecule.id or "the template"
    if not molecule.smiles:
        raise InputError(f"the bond orders of {name} are not known: give the template as an SDF")
    if len(molecule.positions) > 1 and not molecule.positions.any():
        raise InputError(f"{name} has no coordinates: give the template as it lies in the receptor, as an SDF")
    types = molecule_types(molecule)
    features = pharmacophore_of(molecule)
    return Template(molecule, types, features, _overlaps(molecule, features, molecule, features))


def read_template(path: Path | str) -> Template:
    """The template in a file, its first molecule.

    Raises:
        InputError: no molecule that can be read, or as `template_of`.
    """
    return template_of(read_one(path))


def require_in(site: DockingSite, template: Template) -> None:
    """Refuse a template that does not lie in a site.

    Raises:
        InputError: its centre is outside the cube that is searched.
    """
    places = site.from_receptor(template.molecule.positions)
    if np.abs(places.mean(axis=0)).max() > -site.maps.origin.min():
        away = float(np.linalg.norm(template.molecule.centre - site.centre))
        raise InputError(
            f"the template {template.molecule.id} lies {away:.1f} angstroms from the centre of the site: expected a "
            "ligand in the site, in the frame of the receptor"
        )


def starts_on(
    template: Template, conformers: Sequence[Molecule], torsions: int, site: DockingSite, config: TemplateConfig
) -> list[Start]:
    """Poses of conformers laid on a template, in the frame of the site, the best overlay first.

    Args:
        template: the template.
        conformers: of the molecule that is docked.
        torsions: bonds of it that turn.
        site: the site.
        config: how many.
    """
    solids = [coloured(template.molecule), *map(coloured, conformers)]
    pairs = np.array([(0, 1 + number) for number in range(len(conformers))])
    laid = overlay_coloured(solids, pairs, threads=1, poses=config.overlays)
    scores = laid.scores()
    found = []
    for place in np.argsort(-scores, kind="stable").tolist():  # those that a pair lacks are not a number, and last
        if np.isfinite(scores[place]):
            number, one = place // config.overlays, laid[place]
            centre = one.rotation @ conformers[number].positions.mean(axis=0) + one.translation
            x, y, z, w = Rotation.from_matrix(site.rotation @ one.rotation).as_quat()
            pose = np.concatenate([site.from_receptor(centre), [w, x, y, z], np.zeros(torsions)])
            found.append(Start(number, pose))
    return found


def attracted(site: DockingSite, template: Template, types: Ints, pull: float) -> Maps:
    """The maps of a site in which atoms gain near those of a template: by `pull` where there is one, and by as much
    again where it is of their class.

    Args:
        site: the site.
        template: the template.
        types: of the atoms that are docked; maps of others stay as they are.
        pull: kcal/mol.
    """
    places, maps = site.from_receptor(template.molecule.positions), site.maps
    axes = [maps.origin[axis] + maps.spacing * np.arange(maps.values.shape[1 + axis]) for axis in range(3)]
    values = maps.values.copy()
    for number in np.unique(types).tolist():
        alike = np.any([held[number] & held[template.types] for held in _CLASSES], axis=0)
        values[number] -= _density(places, pull * (1.0 + alike), axes)
    return maps._replace(values=values)


def _density(places: Floats, heights: Floats, axes: Sequence[Floats]) -> npt.NDArray[np.float32]:
    """(x, y, z) sum of Gaussians of the width `REACH` on a grid."""
    x, y, z = (np.exp(-(((axis[:, None] - at) / REACH) ** 2)) for axis, at in zip(axes, places.T, strict=True))
    flat = (x[:, None] * y[None]).reshape(-1, len(heights)) * heights @ z.T
    return flat.reshape(len(x), len(y), len(z)).astype(np.float32)


def similarity(template: Template, molecule: Molecule) -> tuple[float, float]:
    """Tanimoto coefficients of shape and of colour of a molecule with a template, where both lie.

    Example:
        >>> from metricvae.kinds.molecule.conformers import conform
        >>> one = conform("NCCc1c[nH]c2ccccc12", seed=1)[0]
        >>> [round(value, 6) for value in similarity(template_of(one), one)]
        [1.0, 1.0]
    """
    features = pharmacophore_of(molecule)
    own = _overlaps(molecule, features, molecule, features)
    both = _overlaps(molecule, features, template.molecule, template.features)
    shape, colour = (
        shared / (mine + other - shared) if mine + other > shared else 1.0
        for shared, mine, other in zip(both, own, template.volumes, strict=True)
    )
    return shape, colour


def _overlaps(one: Molecule, features: Pharmacophore, other: Molecule, others: Pharmacophore) -> tuple[float, float]:
    """Overlaps of the atoms and of the features of two molecules where they lie, cubic angstroms."""
    width, colour = exponents(np.array([FEATURE_RADIUS])), 0.0
    for number in np.intersect1d(features.types, others.types).tolist():
        first, second = features.positions[features.types == number], others.positions[others.types == number]
        colour += float(overlap_volume(first, np.repeat(width, len(first)), second, np.repeat(width, len(second))))
    shape = overlap_volume(one.positions, exponents(one.radii), other.positions, exponents(other.radii))
    return float(shape), colour
