"""Sites on a structure: how they are named, and the points in space that they stand for.

| text after `@` | site |
| --- | --- |
| `ligand=LIG` | a ligand of the structure by its name; the largest of that name |
| `ligand=A:301` | a ligand, or cofactor, by chain and number |
| `ligand=poses/lig.sdf` | the first molecule of a file, beside the structure or where the program runs |
| `residues=A:45,A:78` | the cavity that these residues line |
| `point=12.5,3,-8` | the cavity at a point, in angstroms |
| `auto`, `auto:2` | the best cavity that is found, or the second best |

A ligand that a site names is no part of the receptor, and neither is a cofactor that lies where the ligand does.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from metricvae.core.errors import InputError, shortened
from metricvae.kinds.pocket.cavities import Cavity, find_cavities
from metricvae.kinds.pocket.ligand_files import LIGAND_ENDINGS, positions_in
from metricvae.kinds.pocket.records import Floats, Receptor, SmallMolecule, Structure
from metricvae.kinds.pocket.structures import SHOWN, STRUCTURE_ENDINGS, receptor_of

MARK = "@"

SITES = "ligand=NAME, ligand=A:301, ligand=FILE.sdf, residues=A:45,A:78, point=X,Y,Z, auto or auto:2"
"""What a site may be, in messages."""

OVERLAP = 1.2
"""Angstroms between an atom of a cofactor and one of the ligand from which the cofactor is taken to be the ligand."""

FAR = 8.0
"""Angstroms from a site to the nearest atom of the receptor, at most."""

LINING = 6.0
"""Angstroms from a residue's atoms to the points of the cavity that it lines, at most."""

LARGEST_SEARCHED = 100_000
"""Atoms of a receptor in which cavities are looked for."""

_NAMED = re.compile(
    rf"^(?P<file>.*?(?:{'|'.join(map(re.escape, STRUCTURE_ENDINGS))})(?:\.gz)?){MARK}(?P<site>.*)$",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, eq=False)
class PlacedSite:
    """A site in the frame of its structure.

    Attributes:
        points: (n, 3) angstroms, that the site is about: atoms of a ligand, alpha spheres of a cavity, a point.
        reach: angstroms from these that belong to the site.
        centre: (3,) angstroms.
        receptor: without what the site says is the ligand.
    """

    points: Floats
    reach: float
    centre: Floats
    receptor: Receptor


LIGAND_REACH, CAVITY_REACH, POINT_REACH = 3.5, 2.5, 8.0
"""Angstroms from the atoms of a ligand, the spheres of a cavity and a point."""


def split_name(name: str) -> tuple[str, str]:
    """The path of a structure and the site on it that a name has; a site that is not named is `auto`.

    Example:
        >>> split_name("rec.pdb.gz@ligand=LIG"), split_name("me@home/rec.cif")
        (('rec.pdb.gz', 'ligand=LIG'), ('me@home/rec.cif', 'auto'))
    """
    found = _NAMED.match(name)
    return (found["file"], found["site"]) if found else (name, "auto")


def ligand_file(site: str) -> str | None:
    """The path of the file that a site says its ligand is in; None where it does not."""
    key, _, value = site.partition("=")
    lower = value.lower().removesuffix(".gz")
    return value if key.strip() == "ligand" and lower.endswith(LIGAND_ENDINGS) else None


def site_file(name: str) -> Path | None:
    """The file that the ligand of a named site is in; None where the site is named in another way."""
    path, site = split_name(name)
    file = ligand_file(site)
    return None if file is None else beside(path, file)


def short_name(name: str) -> str:
    """A site's name without the folders of the files that it names.

    Example:
        >>> short_name("data/rec.pdb@ligand=data/lig.sdf"), short_name("data/rec.pdb")
        ('rec.pdb@ligand=lig.sdf', 'rec.pdb')
    """
    path, site = split_name(name)
    if path == name:
        return Path(path).name
    file = ligand_file(site)
    return f"{Path(path).name}@{site if file is None else f'ligand={Path(file).name}'}"


@functools.lru_cache(maxsize=2)
def place(structure: Structure, site: str) -> PlacedSite:
    """A site, as it is named in a text, on a structure; the last ones are kept.

    Raises:
        InputError: a text that names no site, no such ligand or residue, a point far from all atoms, or no cavity.
    """
    key, _, value = (part.strip() for part in site.partition("="))
    if key == "ligand" and value:
        return _of_ligand(structure, value)
    if key == "residues" and value:
        return _of_residues(structure, [one.strip() for one in value.split(",") if one.strip()])
    if key == "point" and value:
        return of_point(structure, _numbers(structure, value))
    automatic = re.fullmatch(r"auto(?::([1-9]\d{0,2}))?", site.strip())
    if automatic:
        return _found(structure, int(automatic[1] or 1))
    raise InputError(f"{structure.path}: the site {shortened(site)!r} is none: expected {SITES}")


def of_ligand(structure: Structure, positions: Floats, taken: Iterable[str] = ()) -> PlacedSite:
    """The site about a ligand's atoms.

    Args:
        structure: that it binds to.
        positions: (n, 3) of the ligand's heavy atoms in the structure's frame, angstroms.
        taken: ids of small molecules that are the ligand.

    Raises:
        InputError: the ligand lies far from all atoms.
    """
    receptor = _receptor_without(structure, positions, set(taken))
    _check_near(structure, receptor, positions, "the ligand")
    return PlacedSite(positions, LIGAND_REACH, positions.mean(axis=0), receptor)


def of_point(structure: Structure, point: Floats) -> PlacedSite:
    """The site about a point (3,), angstroms.

    Raises:
        InputError: the point lies far from all atoms.
    """
    receptor = _receptor_without(structure, np.zeros((0, 3)), set())
    _check_near(structure, receptor, point[None], "the point")
    return PlacedSite(point[None], POINT_REACH, point, receptor)


def cavities_of(structure: Structure) -> list[Cavity]:
    """The cavities of a structure, without its ligands, the best first.

    Raises:
        InputError: it has more than `LARGEST_SEARCHED` atoms.
    """
    receptor = _receptor_without(structure, np.zeros((0, 3)), set())
    if len(receptor) > LARGEST_SEARCHED:
        raise InputError(
            f"{structure.path} has {len(receptor):,} atoms, and cavities are looked for in at most "
            f"{LARGEST_SEARCHED:,}: name the site, {SITES}"
        )
    return find_cavities(receptor)


def _found(structure: Structure, rank: int) -> PlacedSite:
    cavities = cavities_of(structure)
    if len(cavities) < rank:
        raise InputError(
            f"{structure.path} has {len(cavities)} cavities, and the site is number {rank}: name a site, {SITES}"
        )
    cavity = cavities[rank - 1]
    return PlacedSite(
        cavity.centres, CAVITY_REACH, cavity.centre, _receptor_without(structure, cavity.centres[:0], set())
    )


def _of_ligand(structure: Structure, value: str) -> PlacedSite:
    path = ligand_file(f"ligand={value}")
    if path is not None:
        return of_ligand(structure, positions_in(beside(structure.path, path)))
    held = [*structure.ligands, *structure.cofactors]
    chosen = [one for one in held if value in (one.name, one.id)]
    if not chosen:
        listed = ", ".join(f"{one.name} {one.id}" for one in held[:SHOWN]) or "none"
        raise InputError(f"{structure.path} has no ligand {shortened(value)!r}: it has {listed}, or give a file")
    ligand = max(chosen, key=lambda one: len(one.elements))  # the first of the largest
    return of_ligand(structure, ligand.positions, [ligand.id])


def beside(structure: str, path: str) -> Path:
    """A file beside that of a structure, or where the program runs."""
    found = Path(structure).parent / path
    return found if os.path.isfile(found) else Path(path)  # Path.is_file raises on a name that is too long


def _of_residues(structure: Structure, ids: list[str]) -> PlacedSite:
    receptor = _receptor_without(structure, np.zeros((0, 3)), set())
    known = set(receptor.residue_ids.tolist())
    unknown = [one for one in ids if one not in known]
    if unknown or not ids:
        some = ", ".join(sorted(known)[:3])
        raise InputError(
            f"{structure.path} has no residue {shortened(unknown[0] if unknown else '')!r}: expected chain and number, "
            f"as {some}"
        )
    atoms = receptor.positions[np.isin(receptor.residue_ids, ids)]
    near = np.flatnonzero((np.abs(receptor.positions - atoms.mean(axis=0)) < 30.0).all(axis=1))
    spheres = find_cavities(receptor.select(near))
    points = np.concatenate([one.centres for one in spheres]) if spheres else np.zeros((0, 3))
    lined = _lined_by(points, receptor.positions[near], receptor.residue_ids[near], ids)
    if not len(lined):
        raise InputError(f"{structure.path} has no cavity at the residues {', '.join(ids)}: give a point or a ligand")
    return PlacedSite(lined, CAVITY_REACH, lined.mean(axis=0), receptor)


def _lined_by(points: Floats, atoms: Floats, residue_ids: Iterable[str], ids: list[str]) -> Floats:
    """Those of (n, 3) points that are near at least half of the residues."""
    if not len(points):
        return points
    points = np.unique(points, axis=0)
    names = np.asarray(list(residue_ids))
    near = [cKDTree(atoms[names == one]).query(points)[0] <= LINING for one in ids if (names == one).any()]
    count = np.sum(near, axis=0)
    most: Floats = points[(count >= max(1, (len(ids) + 1) // 2)) & (count > 0)]
    return most


def _numbers(structure: Structure, text: str) -> Floats:
    try:
        found = np.array([float(one) for one in text.split(",")])
    except ValueError:
        found = np.zeros(0)
    if found.shape != (3,) or not np.isfinite(found).all():
        raise InputError(f"{structure.path}: the point is {shortened(text)!r}: expected X,Y,Z in angstroms")
    return found


def _receptor_without(structure: Structure, ligand: Floats, taken: set[str]) -> Receptor:
    """The receptor with its cofactors, but for those that are the ligand or lie where it does."""
    kept = [one for one in structure.cofactors if one.id not in taken and not _overlaps(one, ligand)]
    return joined([structure.receptor, *map(receptor_of, kept)])


def _overlaps(cofactor: SmallMolecule, ligand: Floats) -> bool:
    """Whether half of a molecule's atoms lie where the ligand's do."""
    if not len(ligand):
        return False
    return bool((cKDTree(ligand).query(cofactor.positions)[0] < OVERLAP).mean() >= 0.5)


def joined(parts: list[Receptor]) -> Receptor:
    """Several receptors as one."""
    names = vars(parts[0])
    return Receptor(*(np.concatenate([getattr(one, name) for one in parts]) for name in names))


def _check_near(structure: Structure, receptor: Receptor, points: Floats, what: str) -> None:
    distance = float(cKDTree(receptor.positions).query(points)[0].min())
    if distance > FAR:
        raise InputError(
            f"{structure.path}: {what} lies {distance:.0f} angstroms from the nearest atom: expected at most {FAR:g}, "
            "in the frame of the structure"
        )
