"""Negative images as files that ChimeraX and PyMOL show in the receptor's place: MRC, PDB and SDF."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.extra import require
from metricvae.kinds.molecule.gaussians import AMPLITUDE, KAPPA
from metricvae.kinds.molecule.listing import suffix_of
from metricvae.kinds.molecule.mol_blocks import write_sdf
from metricvae.kinds.pocket.records import FEATURE_ELEMENTS, IMAGE_RADIUS, Floats, Pocket
from metricvae.kinds.volume.records import ENDINGS, DensityMap
from metricvae.runtime import extras
from metricvae.runtime.files import write_text

RESIDUE_OF_TYPE = ("DON", "ACC", "ANI", "CAT", "HYD", "RNG")
"""Name of the residue of a PDB file that stands for each type of feature."""

IMAGE_RESIDUE = "IMG"

MARGIN = 4.0
"""Angstroms from the outermost pseudo-atoms to the edge of a map."""


def write_image(path: Path | str, pocket: Pocket) -> None:
    """Write a pocket's negative image where it lies, atomically, as the ending says: `.mrc`, `.map`, `.ccp4`, `.pdb` or
    `.sdf`.

    A map has the density that is overlaid, the sum of the pseudo-atoms' Gaussians. In a PDB file chain I are the
    pseudo-atoms, their B factors the percentage of buriedness, and chain F the features, each a residue `DON`, `ACC`,
    `ANI`, `CAT`, `HYD` or `RNG`. An SDF has `Pocket.as_molecule`.

    Raises:
        InputError: another ending, or the disk refuses.
    """
    ending = suffix_of(path)
    if ending in ENDINGS:
        extras.require("mrcfile", "maps", "writing a map")
        from metricvae.kinds.volume.io import write_map

        write_map(path, density_of(pocket))
    elif ending == ".pdb":
        write_text(Path(path), pdb_of(pocket))
    elif ending == ".sdf":
        write_sdf(path, [pocket.as_molecule()])
    else:
        raise InputError(f"{path} is no file for an image: expected one that ends in {', '.join(ENDINGS)}, .pdb, .sdf")


def density_of(pocket: Pocket, spacing: float = 0.5) -> DensityMap:
    """The density of an image, sum_i p exp(-alpha |r - r_i|^2), on a grid of whole multiples of the spacing.

    Args:
        pocket: whose image.
        spacing: of the grid, angstroms.
    """
    first = np.floor((pocket.image.min(axis=0) - MARGIN) / spacing)
    sizes = np.ceil((pocket.image.max(axis=0) + MARGIN) / spacing) - first + 1
    shape = tuple(int(one) for one in sizes)
    grid = DensityMap(np.empty(shape, np.float32), np.full(3, spacing), first * spacing)
    alpha = KAPPA / IMAGE_RADIUS**2
    x, y, z = (
        np.exp(-alpha * np.square(points - place[:, None]))
        for points, place in zip(grid.axes(), pocket.image.T, strict=True)
    )
    grid.values[:] = AMPLITUDE * np.einsum("ni,nj,nk->ijk", x, y, z, optimize=True)
    return grid


def density_at(pocket: Pocket, points: Floats) -> Floats:
    """(n,) density of an image at (n, 3) points, angstroms; one pseudo-atom has `AMPLITUDE` at its centre."""
    alpha = KAPPA / IMAGE_RADIUS**2
    near = cKDTree(pocket.image).query_ball_point(points, 6.0)
    return np.array(
        [
            AMPLITUDE * np.exp(-alpha * np.square(pocket.image[rows] - point).sum(axis=1)).sum()
            for point, rows in zip(points, near, strict=True)
        ]
    )


def pdb_of(pocket: Pocket) -> str:
    """The image and its features as the text of a PDB file."""
    gemmi = require("gemmi")
    structure, model = gemmi.Structure(), gemmi.Model(1)
    structure.name = pocket.id
    image, features = gemmi.Chain("I"), gemmi.Chain("F")
    for number, (place, depth) in enumerate(zip(pocket.image, pocket.buriedness, strict=True)):
        image.add_residue(_residue(IMAGE_RESIDUE, number + 1, 6, place, 100.0 * depth))
    for number, (kind, place) in enumerate(zip(pocket.feature_types, pocket.features, strict=True)):
        features.add_residue(_residue(RESIDUE_OF_TYPE[kind], number + 1, int(FEATURE_ELEMENTS[kind]), place, 0.0))
    model.add_chain(image)
    model.add_chain(features)
    structure.add_model(model)
    return str(structure.make_pdb_string(gemmi.PdbWriteOptions(minimal=True)))


def _residue(name: str, number: int, element: int, place: Floats, factor: float) -> Any:
    gemmi = require("gemmi")
    residue, atom = gemmi.Residue(), gemmi.Atom()
    residue.name, residue.seqid, residue.het_flag = name, gemmi.SeqId(number, " "), "H"
    atom.element = gemmi.Element(element)
    atom.name, atom.b_iso, atom.pos = atom.element.name.upper(), factor, gemmi.Position(*place.tolist())
    residue.add_atom(atom)
    return residue
