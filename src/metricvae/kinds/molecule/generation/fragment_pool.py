"""Parts of known molecules, by the atoms at which they were cut, and which atoms were found bonded to one another.

Molecules are cut at single bonds outside rings. An attachment point is described by its environment: element,
aromaticity, whether the atom is in a ring, and whether it has a double bond to a heteroatom. Two parts are bonded to
one another only where a bond between such environments was seen in a known molecule: what is new is made of bonds that
are not (the idea of CReM: P. Polishchuk, J. Cheminformatics 12 (2020) 28, with environments of radius 1).
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from metricvae.kinds.molecule.extra import require
from metricvae.kinds.molecule.standardise import Mol

Environment = tuple[int, bool, bool, bool]
"""Atomic number, aromatic, in a ring, doubly bonded to a heteroatom."""

CUTTABLE, DUMMY = "[!#0;!#1;+0]-;!@[!#0;!#1;+0]", "[#0]"
"""SMARTS of a bond at which molecules are cut, and of an attachment point."""

LARGEST_PART, LARGEST_LINKER = 24, 16
"""Heavy atoms of parts with one attachment point, and with two, at most."""

MOST_PAIRS = 12
"""Pairs of bonds of one molecule between which a linker is cut out, at most."""

LOOKED_AT = 6
"""Parts that are drawn, of which the one whose size comes next to what is wanted is taken."""


@dataclass(frozen=True)
class MoleculePart:
    """A part of a molecule.

    Attributes:
        mol: with a dummy atom at each attachment point, of isotope 1, and 2 where there are two.
        size: heavy atoms.
        ends: environment of the atom at each attachment point.
        outer: environment of the atom that was bonded there.
    """

    mol: Mol
    size: int
    ends: tuple[Environment, ...]
    outer: tuple[Environment, ...]


def environment(atom: Any) -> Environment:
    """Of an atom of a sanitised molecule."""
    double = any(
        bond.GetBondTypeAsDouble() == 2 and bond.GetOtherAtom(atom).GetAtomicNum() not in (1, 6)
        for bond in atom.GetBonds()
    )
    return atom.GetAtomicNum(), atom.GetIsAromatic(), atom.IsInRing(), double


def cuttable_bonds(mol: Mol) -> list[int]:
    """Single bonds outside rings between heavy atoms without charge, by number."""
    found = mol.GetSubstructMatches(_pattern(CUTTABLE))
    return sorted(mol.GetBondBetweenAtoms(*ends).GetIdx() for ends in found)


@functools.cache
def _pattern(smarts: str) -> Any:
    return require("rdkit.Chem").MolFromSmarts(smarts)


def cut(mol: Mol, bonds: Sequence[int]) -> list[MoleculePart]:
    """The parts between one or two bonds of a molecule; a linker's first point is that of the first bond."""
    chem = require("rdkit.Chem")
    labels = range(1, len(bonds) + 1)
    broken = chem.FragmentOnBonds(mol, list(bonds), dummyLabels=[(label, label) for label in labels])
    atoms: list[tuple[int, ...]] = []
    parts = chem.GetMolFrags(broken, asMols=True, sanitizeFrags=False, fragsMolAtomMapping=atoms)
    return [_part(mol, one, indices, bonds) for one, indices in zip(parts, atoms, strict=True)]


def _part(mol: Mol, part: Mol, atoms: Sequence[int], bonds: Sequence[int]) -> MoleculePart:
    ends, outer = [], []
    points = (part.GetAtomWithIdx(place) for place, one in enumerate(atoms) if one >= mol.GetNumAtoms())
    for label in sorted(atom.GetIsotope() for atom in points):
        bond = mol.GetBondWithIdx(bonds[label - 1])
        inside, outside = bond.GetBeginAtom(), bond.GetEndAtom()
        if inside.GetIdx() not in atoms:
            inside, outside = outside, inside
        ends.append(environment(inside))
        outer.append(environment(outside))
    size = part.GetNumAtoms() - len(ends)
    return MoleculePart(part, size, tuple(ends), tuple(outer))


def relabelled(part: MoleculePart, labels: Sequence[int]) -> Mol:
    """A part whose attachment points, in their order, have other isotopes."""
    found = require("rdkit.Chem").Mol(part.mol)
    dummies = sorted((atom for atom in found.GetAtoms() if atom.GetAtomicNum() == 0), key=lambda one: one.GetIsotope())
    for atom, label in zip(dummies, labels, strict=True):
        atom.SetIsotope(label)
    return found


def bonded(parts: Sequence[Mol]) -> Mol | None:
    """Parts bonded where their attachment points have the same isotope, sanitised; None where that is no molecule."""
    chem = require("rdkit.Chem")
    whole = parts[0]
    for one in parts[1:]:
        whole = chem.CombineMols(whole, one)
    params = chem.MolzipParams()
    params.label = chem.MolzipLabel.Isotope
    with require("rdkit.rdBase").BlockLogs():
        try:
            found = chem.molzip(whole, params)
            chem.SanitizeMol(found)
        except (ValueError, RuntimeError):
            return None
    return None if found.HasSubstructMatch(_pattern(DUMMY)) else found


@dataclass
class FragmentPool:
    """Parts of known molecules, to make others of.

    Attributes:
        ends: parts with one attachment point, by its environment.
        linkers: parts with two, by the environments of both, in either order.
        bonds: pairs of environments that were found bonded.
    """

    ends: dict[Environment, list[MoleculePart]] = field(default_factory=dict)
    linkers: dict[tuple[Environment, Environment], list[MoleculePart]] = field(default_factory=dict)
    bonds: set[tuple[Environment, Environment]] = field(default_factory=set)
    _seen: set[str] = field(default_factory=set)

    def learn(self, mol: Mol) -> None:
        """Take the parts of a molecule."""
        bonds = cuttable_bonds(mol)
        for one in bonds:
            for part in cut(mol, [one]):
                self.bonds.add((part.ends[0], part.outer[0]))
                if part.size <= LARGEST_PART and self._new(part):
                    self.ends.setdefault(part.ends[0], []).append(part)
        for pair in itertools.islice(itertools.combinations(bonds, 2), MOST_PAIRS):
            for part in cut(mol, pair):
                if len(part.ends) == 2 and part.size <= LARGEST_LINKER and self._new(part):
                    self.linkers.setdefault((part.ends[0], part.ends[1]), []).append(part)

    def _new(self, part: MoleculePart) -> bool:
        text = require("rdkit.Chem").MolToSmiles(part.mol)
        if text in self._seen:
            return False
        self._seen.add(text)
        return True

    def fits(self, first: Environment, second: Environment) -> bool:
        """Whether two such atoms were found bonded."""
        return (first, second) in self.bonds

    def end_for(self, anchor: Environment, size: int, rng: np.random.Generator) -> MoleculePart | None:
        """A part that may be bonded to such an atom, of about a size."""
        lists = [parts for end, parts in self.ends.items() if self.fits(anchor, end)]
        return _drawn(lists, size, rng)

    def linker_for(
        self, first: Environment, second: Environment, size: int, rng: np.random.Generator
    ) -> tuple[MoleculePart, bool] | None:
        """A part that may stand between two such atoms, of about a size, and whether it stands the other way round."""
        lists = {False: list(self._linkers(first, second)), True: list(self._linkers(second, first))}
        turned = bool(rng.random() < 0.5)
        found = _drawn(lists[turned], size, rng)
        return None if found is None else (found, turned)

    def _linkers(self, first: Environment, second: Environment) -> Iterator[list[MoleculePart]]:
        for (one, other), parts in self.linkers.items():
            if self.fits(first, one) and self.fits(second, other):
                yield parts


def _drawn(lists: Sequence[list[MoleculePart]], size: int, rng: np.random.Generator) -> MoleculePart | None:
    """One of the parts of some lists, of about a size."""
    bounds = np.cumsum([len(parts) for parts in lists])
    if not len(bounds):
        return None
    places = rng.integers(bounds[-1], size=LOOKED_AT)
    rows = np.searchsorted(bounds, places, side="right")
    drawn = [lists[row][place - (bounds[row - 1] if row else 0)] for row, place in zip(rows, places, strict=True)]
    return min(drawn, key=lambda one: abs(one.size - size))
