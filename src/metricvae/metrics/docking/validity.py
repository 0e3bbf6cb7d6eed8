"""What is physically wrong with a pose: the checks of PoseBusters, on heavy atoms.

M. Buttenschoen, G. M. Morris, C. M. Deane, Chem. Sci. 15 (2024) 3130: bond lengths and angles within the bounds of
distance geometry, no overlap inside the molecule, flat aromatic rings and double bonds, stereochemistry as in the
SMILES, and neither a contact that is too near nor too large an overlap with the receptor.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from metricvae.kinds.molecule.extra import require
from metricvae.metrics.docking.atom_types import METAL
from metricvae.metrics.docking.plausibility import clashes
from metricvae.metrics.docking.records import Floats, Ints
from metricvae.metrics.docking.site import DockingSite

STRETCH = 0.25
"""Share by which a distance over one or two bonds may leave its bounds."""

OVERLAP = 0.3
"""Share by which a distance over more bonds may be below its lower bound."""

FLAT = 0.25
"""Angstroms that an atom of an aromatic ring or a double bond may lie out of the plane, at most."""

SHRUNK = 0.8
"""Share of the radii by which the overlap of volumes with the receptor is measured."""

SHARED = 0.075
"""Share of the volume of the molecule that may lie in the receptor, at most."""

SPACING = 0.4
"""Angstroms between the points by which volumes are measured."""


def faults_of(smiles: str, positions: Floats, radii: Floats, around: Floats, site: DockingSite) -> tuple[str, ...]:
    """What is wrong with a pose, in a few words each; nothing in a valid one.

    Args:
        smiles: of the molecule.
        positions: (n, 3) of its atoms in the order of the SMILES, angstroms.
        radii: (n,) of them.
        around: (m, 3) atoms of the receptor, in the same frame.
        site: the site, for radii and types of these.
    """
    inorganic = site.around.types == METAL
    organic, organic_radii = around[~inorganic], site.radii[~inorganic]
    found = {
        **geometry_faults(smiles, positions),
        "too near to the protein": clashes(positions, radii, organic, organic_radii) > 0,
        "too near to a metal": bool((_distances(positions, around[inorganic]) < NEAREST_METAL).any()),
        "overlaps with the protein": shared_volume(positions, radii, organic, organic_radii) > SHARED,
    }
    return tuple(name for name, wrong in found.items() if wrong)


NEAREST_METAL = 1.6
"""Angstroms from an atom to a metal, at least."""


def _distances(one: Floats, other: Floats) -> Floats:
    found: Floats = np.linalg.norm(one[:, None] - other, axis=-1)
    return found


def geometry_faults(smiles: str, positions: Floats) -> dict[str, bool]:
    """Whether each check of a molecule by itself fails, by what would be wrong.

    Args:
        smiles: of the molecule.
        positions: (n, 3) of its atoms in the order of the SMILES, angstroms.

    Example:
        >>> from metricvae.kinds.molecule.conformers import conform
        >>> one = conform("C[C@H](N)C(=O)O", seed=1)[0]
        >>> [name for name, wrong in geometry_faults(one.smiles, one.positions).items() if wrong]
        []
        >>> mirrored = geometry_faults(one.smiles, one.positions * [1, 1, -1])
        >>> [name for name, wrong in mirrored.items() if wrong]
        ['stereochemistry']
    """
    low, high, apart, planes, stereo = _expected(smiles)
    away = _distances(positions, positions)
    bonds, angles, further = apart == 1, apart == 2, apart > 2
    stretched = (away < (1 - STRETCH) * low) | (away > (1 + STRETCH) * high)
    return {
        "bond lengths": bool((stretched & bonds).any()),
        "bond angles": bool((stretched & angles).any()),
        "atoms of the molecule too near": bool(((away < (1 - OVERLAP) * low) & further).any()),
        "not flat": any(_off_plane(positions[list(atoms)]) > FLAT for atoms in planes),
        "stereochemistry": stereo != "" and _stereo(smiles, positions) != stereo,
    }


@functools.lru_cache(maxsize=64)
def _expected(smiles: str) -> tuple[Floats, Floats, Ints, tuple[tuple[int, ...], ...], str]:
    """Least and largest distances (n, n) of the heavy atoms in angstroms, how many bonds apart they are, sets of atoms
    that lie in one plane, and the SMILES that a pose of the same stereochemistry has (empty where it has none)."""
    chem, geometry = require("rdkit.Chem"), require("rdkit.Chem.rdDistGeom")
    mol = chem.MolFromSmiles(smiles)
    count = mol.GetNumAtoms()
    bounds = np.asarray(geometry.GetMoleculeBoundsMatrix(chem.AddHs(mol)))[:count, :count]
    high, low = np.triu(bounds), np.tril(bounds)
    apart = np.asarray(chem.GetDistanceMatrix(mol)).astype(np.int64)
    stereo = smiles if "@" in smiles or "/" in smiles or "\\" in smiles else ""
    return low + low.T, high + high.T, apart, tuple(_planes(mol)), stereo


def _planes(mol: Any) -> list[tuple[int, ...]]:
    rings = [ring for ring in mol.GetRingInfo().AtomRings() if len(ring) in (5, 6)]
    found = [tuple(ring) for ring in rings if all(mol.GetAtomWithIdx(one).GetIsAromatic() for one in ring)]
    for first, second in mol.GetSubstructMatches(_double_bond()):
        atoms = {first, second}
        for end in (first, second):
            atoms |= {one.GetIdx() for one in mol.GetAtomWithIdx(end).GetNeighbors()}
        if len(atoms) > 3:
            found.append(tuple(sorted(atoms)))
    return found


@functools.cache
def _double_bond() -> Any:
    return require("rdkit.Chem").MolFromSmarts("[#6X3;!a]=[#6X3;!a]")


def _off_plane(points: Floats) -> float:
    """The largest distance of (n, 3) points from the plane that fits them best."""
    middle = points - points.mean(axis=0)
    normal = np.linalg.svd(middle)[2][-1]
    return float(np.abs(middle @ normal).max())


def _stereo(smiles: str, positions: Floats) -> str:
    """The canonical SMILES of a molecule with the stereochemistry of its coordinates, as far as the SMILES says it."""
    chem = require("rdkit.Chem")
    mol = chem.MolFromSmiles(smiles)
    known = {atom.GetIdx() for atom in mol.GetAtoms() if atom.GetChiralTag() != chem.ChiralType.CHI_UNSPECIFIED}
    bonds = {bond.GetIdx() for bond in mol.GetBonds() if bond.GetStereo() > chem.BondStereo.STEREOANY}
    conformer = chem.Conformer(len(positions))
    conformer.SetPositions(np.ascontiguousarray(positions))
    mol.AddConformer(conformer)
    chem.AssignStereochemistryFrom3D(mol)
    for atom in mol.GetAtoms():
        if atom.GetIdx() not in known:
            atom.SetChiralTag(chem.ChiralType.CHI_UNSPECIFIED)
    for bond in mol.GetBonds():
        if bond.GetIdx() not in bonds:
            bond.SetStereo(chem.BondStereo.STEREONONE)
    mol.RemoveAllConformers()
    return str(chem.MolToSmiles(chem.MolFromSmiles(chem.MolToSmiles(mol))))


def shared_volume(positions: Floats, radii: Floats, around: Floats, around_radii: Floats) -> float:
    """The share of a molecule's volume that lies in the receptor, both with their radii shrunk.

    Args:
        positions, radii: (n, 3) and (n,) of the molecule, angstroms.
        around, around_radii: (m, 3) and (m,) of the receptor, angstroms.
    """
    low, high = positions.min(axis=0) - 2.0, positions.max(axis=0) + 2.0
    axes = [np.arange(start, end, SPACING) for start, end in zip(low, high, strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    own = _inside(points, positions, radii)
    points = points[own]
    near = (around > low - 3.0).all(axis=1) & (around < high + 3.0).all(axis=1)
    return float(_inside(points, around[near], around_radii[near]).mean()) if len(points) else 0.0


def _inside(points: Floats, centres: Floats, radii: Floats) -> np.ndarray:
    """(n,) whether each point lies in one of the shrunk spheres."""
    found = np.zeros(len(points), bool)
    if len(points) and len(centres):
        for row in cKDTree(points).query_ball_point(centres, SHRUNK * radii):
            found[row] = True
    return found
