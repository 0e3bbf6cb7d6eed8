"""Structures of macromolecules from PDB, PDBQT and mmCIF files, sorted into receptor, cofactors and ligands.

What is done with what a file may hold is counted in `Structure.facts`:

- several models: the first. Symmetry copies are not made.
- hydrogens are left out; they are implied.
- alternate locations: of each residue the one of the highest occupancy, of equal ones the first; of several residues in
  one place likewise.
- missing heavy atoms of the standard amino acids are counted, not built.
- waters are left out.
- ions and metals, residues of one atom, belong to the receptor.
- modified residues, with a backbone that is bound to others, belong to the receptor, and so do caps and sugars that are
  bound to it, and nucleic acids beside a protein.
- cofactors (`COFACTORS`) belong to the receptor.
- all other small molecules are ligands or additives, and left out: they stand where a ligand may lie.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.extra import require
from metricvae.kinds.molecule.ligands import ADDITIVES, CIF_ENDINGS, PDB_ENDINGS, read_structure
from metricvae.kinds.molecule.listing import suffix_of
from metricvae.kinds.molecule.records import RADII
from metricvae.kinds.molecule.standardise import MAX_COORDINATE
from metricvae.kinds.pocket.atom_roles import HALOGENS, METALS, receptor_roles
from metricvae.kinds.pocket.records import (
    ATOM_NAME,
    RESIDUE_ID,
    RESIDUE_NAME,
    Floats,
    Receptor,
    SmallMolecule,
    Structure,
)
from metricvae.kinds.pocket.residues import BACKBONE, CAPS, COFACTORS, SAME_RESIDUE, SIDE_CHAINS

PDBQT = ".pdbqt"

STRUCTURE_ENDINGS = (*PDB_ENDINGS, *CIF_ENDINGS, PDBQT)
"""Endings of files that are read; each may have `.gz` after it."""

WATERS = frozenset(("HOH", "WAT", "DOD", "H2O", "SPC", "SOL", "TIP", "TIP3", "T3P", "T4P"))

BOND = 1.9
"""Angstroms between two atoms of different residues that are bound, at most."""

SHOWN = 12
"""Names that a message or a fact lists, at most."""

_AUTODOCK = {"A": "C", "OA": "O", "OS": "O", "NA": "N", "NS": "N", "SA": "S", "HD": "H", "HS": "H"}
"""AutoDock's types of atoms that are not elements."""


@dataclass(frozen=True, eq=False)
class Residue:
    """A residue as it is read: heavy atoms, each in one place.

    Attributes:
        name, chain, number: as in the file.
        hetero: whether its atoms are HETATM records.
        atom_names: (n,) as in the file.
        elements: (n,) atomic numbers.
        positions: (n, 3) angstroms.
    """

    name: str
    chain: str
    number: str
    hetero: bool
    atom_names: tuple[str, ...]
    elements: tuple[int, ...]
    positions: Floats

    @property
    def id(self) -> str:
        return f"{self.chain}:{self.number}"

    @property
    def names(self) -> set[str]:
        return set(self.atom_names)


def structure_of(path: Path | str) -> Structure:
    """The structure in a file, gzipped or not.

    Raises:
        InputError: another ending; a file that cannot be opened, breaks off, is too large, or holds no atom; nucleic
            acids only; coordinates that are no numbers.
    """
    facts: Counter[str] = Counter()
    return _sorted(str(path), _read(path, facts), facts)


def atom_positions(path: Path | str) -> Floats:
    """(n, 3) heavy atoms of a file, waters left out; angstroms.

    Raises:
        InputError: as `structure_of`, but for what the atoms are of.
    """
    return np.concatenate([one.positions for one in _read(path, Counter())])


def _read(path: Path | str, facts: Counter[str]) -> list[Residue]:
    """The residues in a file, with what was left out counted."""
    if suffix_of(path) not in STRUCTURE_ENDINGS:
        raise InputError(f"{path} is no structure: expected a file that ends in {', '.join(STRUCTURE_ENDINGS)}")
    model = read_structure(path, _without_autodock_types if suffix_of(path) == PDBQT else None)
    facts["models left out"] += len(model) - 1
    residues = list(_residues(model[0], facts))
    if not residues:
        raise InputError(f"{path} holds no heavy atom but of water: expected a protein")
    places = np.concatenate([one.positions for one in residues])
    if not (np.abs(places) <= MAX_COORDINATE).all():
        raise InputError(
            f"{path} has coordinates that are no numbers within {MAX_COORDINATE:,.0f} angstroms: correct the file"
        )
    return residues


def _without_autodock_types(text: str) -> str:
    """A PDBQT as PDB: elements in the place of AutoDock's types."""

    def mended(match: re.Match[str]) -> str:
        kind = match[2].strip()
        return f"{match[1]}{_AUTODOCK.get(kind, kind):>2}"

    return re.sub(r"(?m)^((?:ATOM  |HETATM).{70})(.{0,4}).*$", mended, text)


def _residues(model: Any, facts: Counter[str]) -> Iterable[Residue]:
    """The residues of a model without waters, with what was left out counted."""
    for chain in model:
        taken: dict[str, Any] = {}
        for residue in chain:
            if residue.name in WATERS or require("gemmi").find_tabulated_residue(residue.name).is_water():
                facts["waters left out"] += 1
                continue
            rival = taken.get(str(residue.seqid))
            if rival is not None and _alternative(rival, residue):
                facts["alternate residues left out"] += 1
                if _occupancy(residue) <= _occupancy(rival):
                    continue
                del taken[str(residue.seqid)]
                rival = None  # it takes the place of the one that is left out
            taken[str(residue.seqid) if rival is None else f"{residue.seqid}/{len(taken)}"] = residue
        for residue in taken.values():
            atoms = _atoms(residue, facts)
            if atoms:
                yield Residue(
                    residue.name,
                    chain.name,
                    str(residue.seqid),
                    residue.het_flag == "H",
                    tuple(atom.name for atom in atoms),
                    tuple(atom.element.atomic_number for atom in atoms),
                    np.array([atom.pos.tolist() for atom in atoms]),
                )


def _alternative(one: Any, other: Any) -> bool:
    """Whether two residues of one number are alternatives of each other: all their atoms have locations."""
    return all(atom.has_altloc() for residue in (one, other) for atom in residue)


def _occupancy(residue: Any) -> float:
    return float(sum(atom.occ for atom in residue) / max(1, len(residue)))


def _atoms(residue: Any, facts: Counter[str]) -> list[Any]:
    """Heavy atoms of a residue, each in one place."""
    heavy = [atom for atom in residue if not atom.is_hydrogen()]
    facts["hydrogens left out"] += len(residue) - len(heavy)
    weight: Counter[str] = Counter()
    for atom in heavy:
        if atom.has_altloc():
            weight[atom.altloc] += atom.occ
    if not weight:
        return heavy
    chosen = max(weight, key=weight.__getitem__)  # of equal ones the first
    best: dict[Any, Any] = {}
    for number, atom in enumerate(heavy):
        key = atom.name if atom.has_altloc() else number
        held = best.get(key)
        if held is None or _rank(atom, chosen) > _rank(held, chosen):
            best[key] = atom
    facts["atoms in alternate locations left out"] += len(heavy) - len(best)
    return list(best.values())


def _rank(atom: Any, chosen: str) -> tuple[bool, float]:
    return atom.altloc == chosen, atom.occ


def _sorted(path: str, residues: list[Residue], facts: Counter[str]) -> Structure:
    """Residues told apart: receptor, cofactors, ligands."""
    classes = classify(residues)
    groups = {name: [one for one, held in zip(residues, classes, strict=True) if held == name] for name in set(classes)}
    if not groups.get("protein"):
        nucleic = groups.get("nucleic acid")
        what = "nucleic acids and no protein" if nucleic else "no protein"
        raise InputError(f"{path} holds {what}: expected a PDB or mmCIF file of a protein")
    kept = [one for one, held in zip(residues, classes, strict=True) if held in RECEPTOR_CLASSES]
    named: dict[str, int | str] = {key: value for key, value in sorted(facts.items()) if value}
    named |= _counts(groups)
    cofactors = tuple(map(_small, groups.get("cofactor", ())))
    ligands = tuple(map(_small, [*groups.get("ligand", ()), *groups.get("additive", ())]))
    return Structure(path, _receptor(kept), cofactors, ligands, _sequence(groups["protein"]), named)


RECEPTOR_CLASSES = frozenset(("protein", "modified residue", "cap", "glycan", "ion", "nucleic acid"))


def classify(residues: Sequence[Residue]) -> list[str]:
    """What each residue is: one of `RECEPTOR_CLASSES`, `cofactor`, `ligand` or `additive`."""
    bound = _peptide_bound(residues)
    found = [_class_by_name(one, bound[number]) for number, one in enumerate(residues)]
    _join_neighbours(residues, found)
    return found


def _class_by_name(residue: Residue, bound: bool) -> str:
    """What a residue is, by its name and by whether its backbone is bound; `cap?` and `glycan?` are still open."""
    gemmi = require("gemmi")
    known, standard = gemmi.find_tabulated_residue(residue.name), SAME_RESIDUE.get(residue.name, residue.name)
    if standard in SIDE_CHAINS and (bound or not residue.hetero):
        return "protein"
    if bound or residue.name == "MSE" or (known.is_amino_acid() and not residue.hetero and "CA" in residue.names):
        return "modified residue"
    if len(residue.elements) == 1:
        return "ion" if residue.elements[0] in METALS | HALOGENS else "additive"
    if residue.name in CAPS:
        return "cap?"
    if known.is_nucleic_acid():
        return "nucleic acid?"
    if residue.name in COFACTORS:
        return "cofactor"
    if known.kind in (gemmi.ResidueKind.PYR, gemmi.ResidueKind.KET):
        return "glycan?"
    additive = residue.name in ADDITIVES or known.kind == gemmi.ResidueKind.BUF
    return "additive" if additive or len(residue.elements) < 4 else "ligand"


def _peptide_bound(residues: Sequence[Residue]) -> list[bool]:
    """Whether each residue has a backbone, N, CA and C, that is bound to that of another one."""
    found = [False] * len(residues)
    rows = [number for number, one in enumerate(residues) if {"N", "CA", "C"} <= one.names]
    if not rows:
        return found
    ends = {name: np.array([_place(residues[row], name) for row in rows]) for name in ("N", "C")}
    for number, near in enumerate(cKDTree(ends["N"]).query_ball_point(ends["C"], BOND)):
        for other in near:
            if other != number:
                found[rows[number]] = found[rows[other]] = True
    return found


def _place(residue: Residue, name: str) -> Any:
    return residue.positions[residue.atom_names.index(name)]


JOINED = {
    "cap?": frozenset(("protein", "modified residue")),
    "glycan?": frozenset(("protein", "modified residue", "glycan")),
    "nucleic acid?": frozenset(("protein", "nucleic acid?", "nucleic acid")),
}
"""What a residue of an open class must be bound to."""


def _join_neighbours(residues: Sequence[Residue], classes: list[str]) -> None:
    """Settle what is open: caps, sugars and nucleotides belong to what they are bound to, and are ligands alone."""
    waiting = [number for number, held in enumerate(classes) if held in JOINED]
    bound = _bound(residues) if waiting else {}
    while waiting:
        number = waiting.pop()
        around = bound.get(number, set())
        if classes[number] in JOINED and any(classes[other] in JOINED[classes[number]] for other in around):
            classes[number] = classes[number].rstrip("?")
            waiting += [other for other in around if classes[other] in JOINED]
    for number, held in enumerate(classes):
        if held in JOINED:
            classes[number] = "additive" if held == "cap?" else "ligand"


def _bound(residues: Sequence[Residue]) -> dict[int, set[int]]:
    """For each residue the others that have an atom within `BOND` of one of its own."""
    owner = np.repeat(np.arange(len(residues)), [len(one.elements) for one in residues])
    pairs = cKDTree(np.concatenate([one.positions for one in residues])).query_pairs(BOND, output_type="ndarray")
    found: dict[int, set[int]] = {}
    for one, other in np.unique(owner[pairs], axis=0).tolist():
        if one != other:
            found.setdefault(one, set()).add(other)
            found.setdefault(other, set()).add(one)
    return found


def _counts(groups: dict[str, list[Residue]]) -> dict[str, int | str]:
    """How many there are of what was kept and left out, and their names."""
    protein = groups["protein"]
    missing = [len(_missing(one)) for one in protein]
    found: dict[str, int | str] = {
        "chains": len({one.chain for one in protein}),
        "residues": len(protein),
        "residues with missing atoms": sum(map(bool, missing)),
        "missing atoms": sum(missing),
        "nucleotides": len(groups.get("nucleic acid", ())),
        "modified residues": _listed(groups.get("modified residue", ())),
        "glycans": _listed(groups.get("glycan", ())),
        "ions": _listed(groups.get("ion", ())),
        "cofactors": _listed(groups.get("cofactor", ())),
        "ligands left out": _listed(groups.get("ligand", ())),
        "additives left out": _listed(groups.get("additive", ())),
    }
    return {key: value for key, value in found.items() if value}


def _missing(residue: Residue) -> set[str]:
    standard = SAME_RESIDUE.get(residue.name, residue.name)
    return {*BACKBONE, *SIDE_CHAINS[standard]} - residue.names


def _listed(residues: Iterable[Residue]) -> str:
    """Names of residues and where they are, `ZN A:301, HEM A:302`; the first of them."""
    found = [f"{one.name} {one.id}" for one in residues]
    more = [f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    return ", ".join(found[:SHOWN] + more)


def _sequence(protein: Sequence[Residue]) -> str:
    """One-letter codes of the different chains, sorted."""
    gemmi, chains = require("gemmi"), dict[str, list[str]]()
    for one in protein:
        letter = gemmi.find_tabulated_residue(SAME_RESIDUE.get(one.name, one.name)).one_letter_code
        chains.setdefault(one.chain, []).append(letter)
    return "/".join(sorted({"".join(letters) for letters in chains.values()}))


def _small(residue: Residue) -> SmallMolecule:
    return SmallMolecule(
        residue.name,
        residue.id,
        np.array(residue.elements, np.uint8),
        residue.positions,
        np.array(residue.atom_names, ATOM_NAME),
    )


def receptor_of(molecule: SmallMolecule) -> Receptor:
    """A small molecule as atoms of a receptor."""
    count = len(molecule.elements)
    names = np.full(count, molecule.name, RESIDUE_NAME), np.full(count, molecule.id, RESIDUE_ID)
    return _with_roles(molecule.elements, molecule.positions, molecule.atom_names, *names)


def _receptor(residues: Sequence[Residue]) -> Receptor:
    sizes = [len(one.elements) for one in residues]
    names = np.array([SAME_RESIDUE.get(one.name, one.name) for one in residues], RESIDUE_NAME)
    return _with_roles(
        np.array([element for one in residues for element in one.elements], np.uint8),
        np.concatenate([one.positions for one in residues]),
        np.array([name for one in residues for name in one.atom_names], ATOM_NAME),
        np.repeat(names, sizes),
        np.repeat(np.array([one.id for one in residues], RESIDUE_ID), sizes),
    )


def _with_roles(elements: Any, positions: Any, atom_names: Any, residue_names: Any, residue_ids: Any) -> Receptor:
    gemmi = require("gemmi")
    radius = {number: RADII.get(number) or gemmi.Element(number).vdw_r for number in np.unique(elements).tolist()}
    return Receptor(
        elements,
        positions,
        np.array([radius[number] for number in elements.tolist()]),
        receptor_roles(elements, positions, atom_names, residue_names),
        atom_names,
        residue_names,
        residue_ids,
    )
