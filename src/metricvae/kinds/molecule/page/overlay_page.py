"""Molecules that were found for a query, laid on it, as an HTML page with a viewer in three dimensions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from metricvae.core.errors import InputError
from metricvae.core.hits import FoundObject, PageAbout, Value
from metricvae.kinds.molecule.drawing import flat_svg
from metricvae.kinds.molecule.gaussians import AMPLITUDE, KAPPA
from metricvae.kinds.molecule.kind import posed
from metricvae.kinds.molecule.mol_blocks import sdf_record
from metricvae.kinds.molecule.pharmacophore import TYPES, pharmacophore_of
from metricvae.kinds.molecule.records import Molecule
from metricvae.plotting.page.hits import ShownObject, Viewer, hit_page

SURFACE_LEVEL = AMPLITUDE * math.exp(-KAPPA)
"""Density at which the surface of the Gaussians is drawn: that of a lone atom is its van der Waals sphere."""

TILT = 20.0
"""Degrees from above at which a flat molecule is seen first."""

_DECIMALS = 4


SPHERE = 0.7
"""Angstroms, the radius of the spheres of pharmacophore features."""


@dataclass(frozen=True)
class FeatureSphere:
    """A pharmacophore feature, as it is drawn.

    Attributes:
        kind: its type; those of `metricvae.kinds.molecule.pharmacophore.TYPES` have colours of their own.
        x, y, z: its centre, angstroms.
        radius: angstroms.
    """

    kind: str
    x: float
    y: float
    z: float
    radius: float = SPHERE


SphereFinder = Callable[[Molecule], Sequence[FeatureSphere]]
"""The pharmacophore features of a molecule, where it lies."""


def feature_spheres(molecule: Molecule) -> list[FeatureSphere]:
    """The pharmacophore of a molecule, as spheres where its atoms lie; none where its bonds break the rules of valence.

    See `metricvae.kinds.molecule.pharmacophore.pharmacophore_of`.

    >>> from metricvae.kinds.molecule.conformers import conform
    >>> [sphere.kind for sphere in feature_spheres(conform("OCC(O)CO", seed=1)[0])]
    ['donor', 'donor', 'donor', 'acceptor', 'acceptor', 'acceptor']
    """
    try:
        found = pharmacophore_of(molecule)
    except InputError:
        return []
    kinds = [TYPES[number] for number in found.types.tolist()]
    return [FeatureSphere(kind, *place) for kind, place in zip(kinds, found.positions.tolist(), strict=True)]


def overlay_page(
    query: Molecule, found: Sequence[FoundObject], about: PageAbout, spheres: SphereFinder | None = feature_spheres
) -> str:
    """The page of a search for molecules; see `metricvae.plotting.page.hits.hit_page`.

    Args:
        query: the query.
        found: the hits, best first, with the motions that lay them on it.
        about: the search.
        spheres: gives the features that can be drawn, of the query and of each hit on it; None draws none.

    Raises:
        InputError: no hits, RDKit is missing, or a molecule that a mol block cannot hold.
    """
    asked = posed(query, None)
    laid = [posed(hit.value, hit.pose) for hit in found]
    hits = [_shown(one, hit.columns, spheres) for one, hit in zip(laid, found, strict=True)]
    view = {"gaussians": _gaussians(asked), "quaternion": _rounded([_broadside(asked)])[0]}
    return hit_page(found, about, _shown(asked, {}, spheres, view), hits, _viewer())


def scene_of(molecule: Molecule) -> dict[str, Any]:
    """A molecule where it lies, as the viewers of pages draw it.

    Returns:
        `sdf`, its record; `features`, rows of type, x, y, z and radius; `gaussians`, the `atoms` (x, y, z, radius) of
        its density with `kappa` and `amplitude`, and the `level` of its surface.
    """
    shown = {"sdf": sdf_record(molecule, {}), "features": _features(molecule, feature_spheres)}
    return {**shown, "gaussians": _gaussians(molecule)}


def _gaussians(molecule: Molecule) -> dict[str, Any]:
    atoms = _rounded([*place, radius] for place, radius in zip(molecule.positions, molecule.radii, strict=True))
    return {"atoms": atoms, "kappa": KAPPA, "amplitude": AMPLITUDE, "level": SURFACE_LEVEL}


def _broadside(molecule: Molecule) -> list[float]:
    """The quaternion (x, y, z, w) of the rotation that lays the longest axis of a molecule along x, and its shortest
    near the line of sight: bonds exactly along it are in the dark."""
    off = molecule.positions - molecule.centre
    axes = np.linalg.svd(off, full_matrices=len(off) < 3)[2]
    axes[2] = np.cross(axes[0], axes[1])
    turned = Rotation.from_euler("x", TILT, degrees=True) * Rotation.from_matrix(axes)
    quaternion: list[float] = turned.as_quat(canonical=True).tolist()
    return quaternion


def _shown(
    molecule: Molecule, fields: Mapping[str, Value], spheres: SphereFinder | None, view: Mapping[str, Any] | None = None
) -> ShownObject:
    more = {"features": _features(molecule, spheres), **(view or {})}
    return ShownObject(flat_svg(molecule), more, {"sdf": sdf_record(molecule, fields)})


def _features(molecule: Molecule, spheres: SphereFinder | None) -> list[list[Any]]:
    """Type, place and radius of each feature."""
    found = [] if spheres is None else spheres(molecule)
    return [[one.kind, *_rounded([[one.x, one.y, one.z, one.radius]])[0]] for one in found]


def _rounded(rows: Any) -> list[list[float]]:
    return [[round(float(value), _DECIMALS) for value in row] for row in rows]


def viewer_of(script: str, drawn: str) -> Viewer:
    """A viewer of molecules by 3Dmol.js, which the page carries.

    Args:
        script: JavaScript that defines `makeViewer`, see `Viewer`, by the functions of `viewer_base.js`.
        drawn: what it draws, in the credits of the page.
    """
    package = resources.files("metricvae.kinds.molecule")
    vendor, base = package.joinpath("vendor"), package.joinpath("page", "viewer_base.js").read_text("utf-8")
    library, licence = (vendor.joinpath(name).read_text("utf-8") for name in ("3Dmol-min.js", "LICENSE"))
    return Viewer(
        script=base + script,
        libraries=[(library, licence)],
        help="Drag to turn, scroll or pinch to zoom, drag with the right button to shift.",
        credits=[
            f"Structures are drawn by RDKit, {drawn} by 3Dmol.js (Rego and Koes, Bioinformatics 31, 1322, 2015), whose "
            "licence stands in the source of this page."
        ],
    )


def _viewer() -> Viewer:
    script = resources.files("metricvae.kinds.molecule").joinpath("page", "overlay_viewer.js").read_text("utf-8")
    return viewer_of(script, "overlays")
