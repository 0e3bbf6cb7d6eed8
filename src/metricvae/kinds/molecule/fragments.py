"""Drug-like molecules assembled at random from listed pieces: the source that needs no download.

One to four rings are joined by linkers or directly, and some of the open attachment points get end groups. Molecules
that are not drug-like (C. Lipinski's rule of five; the QED of G. R. Bickerton et al., Nature Chem. 4 (2012) 90) or not
stable are drawn again.
"""

from __future__ import annotations

import functools
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.conformers import LARGEST_SEED, conform
from metricvae.kinds.molecule.extra import require
from metricvae.kinds.molecule.pieces import (
    END_GROUPS,
    FIVE_RINGS,
    FUSED_RINGS,
    LINKERS,
    SATURATED_RINGS,
    SIX_RINGS,
)
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.molecule.standardise import Mol, canonical, standard

Choice = TypeVar("Choice")

COUNT = 600
"""Molecules of the default set: numbers 0 to 599 of seed 0, all different."""

LEAST_QED = 0.45
"""Least quantitative estimate of drug-likeness (QED); half of all approved drugs reach it."""

ATOMS = (14, 38)
"""Heavy atoms, fewest and most."""

RING_KINDS = ((SIX_RINGS, 0.34), (FIVE_RINGS, 0.2), (FUSED_RINGS, 0.22), (SATURATED_RINGS, 0.24))
"""Lists of rings, and the share of the rings that each gives."""

RINGS = ((1, 0.04), (2, 0.36), (3, 0.46), (4, 0.14))
"""Numbers of rings (a fused one counts as one), and how often each is tried."""

DIRECT = 0.22
"""Share of the rings that are bonded to the next without a linker."""

END_GROUP_RATE = 1.8
"""End groups on a molecule, on average, before the filters."""

UNWANTED = (
    "[#7,#8,#16]-!@[CX4]-[#7,#8,#16]",  # aminals and acetals
    "[#7;+0]-!@[#7,#8;+0]",
    "[#8]-!@[#8,#16]",
    "[#16]-!@[#16]",
    "[#7;+0]-!@[#16X2]",
    "[CX3](=O)-!@[CX3]=O",
    "[#7]-C(=O)[OX2H1]",
    "[#7]-C(=O)-[#8]-a",
    "[CX3](=O)-O-C(=O)",
    "[NX3]-!@[CX3]=[CX3]",
    "[#6]-[SX2H]",
    "n-[OX2,NX3]",
    "n-!@[SX2]",
    "[OX2H]-[CX3]=[CX3;!R]",
    "C=!@C-!@[OX2,NX3;!$(NC=O)]",
    "[#7]-C#N",
    "n-!@[#16]",
    "n-!@C=O",
)
"""SMARTS of unstable or reactive groups."""


@dataclass
class Assembly:
    """A molecule being assembled: pieces side by side, bonded by ring closures between their attachment points.

    Attributes:
        text: the pieces; an attachment point is written as its number in angle brackets.
        open: points where nothing is attached yet, each with the last letter of its atom.
        closures: the number of the ring closure of each point that is bonded.
    """

    text: list[str]
    open: dict[int, str]
    closures: dict[int, int]

    def add(self, piece: str) -> list[int]:
        """Add a piece, not bonded yet; returns its attachment points."""
        first = len(self.open) + len(self.closures)
        head, *tail = piece.split("(*)")
        letter, whole, places = "", head, []
        for place, part in enumerate(tail, start=first):
            letter = next((sign for sign in reversed(head) if sign.isalpha()), letter)
            self.open[place] = letter
            places.append(place)
            whole, head = f"{whole}<{place}>{part}", part
        self.text.append(whole)
        return places

    def free(self, rng: np.random.Generator) -> int:
        """An open attachment point at random.

        Raises:
            InputError: there is none.
        """
        if not self.open:
            raise InputError("no attachment point is open")
        return _choose(rng, sorted(self.open))

    def attach(self, piece: str, at: int, rng: np.random.Generator) -> list[int]:
        """Bond a piece to an open attachment point by one of its own; returns those it has left.

        Raises:
            InputError: none of its points may be bonded to that one.
        """
        places = self.add(piece)
        fitting = [place for place in places if fits(self.open[at], self.open[place])]
        if not fitting:
            raise InputError(f"{piece} has no attachment point that fits an atom {self.open[at]}")
        chosen = fitting[int(rng.integers(len(fitting)))]
        closure = 10 + len(self.closures) // 2
        for place in (at, chosen):
            del self.open[place]
            self.closures[place] = closure
        return [place for place in places if place != chosen]

    def smiles(self) -> str:
        """SMILES of the whole; open points are hydrogens, which an aromatic nitrogen has to name."""
        whole = ".".join(self.text)
        for place, closure in self.closures.items():
            whole = whole.replace(f"<{place}>", f"%{closure}")
        return re.sub(r"<\d+>", "", re.sub(r"n(\d?)<\d+>", r"[nH]\1", whole))


def fits(first: str, second: str) -> bool:
    """Whether two atoms may be bonded, by their last letters (small: aromatic); halogens go on aromatic carbon only."""
    pair = {first, second}
    if pair & set("Flr"):
        return "c" in pair
    return bool(pair & set("Cc")) or pair == {"N", "S"}


def draw(count: int = COUNT, seed: int = 0, *, start: int = 0) -> list[Molecule]:
    """Molecules number `start` to `start + count - 1`, each in one conformer.

    Molecule i depends on (seed, i) alone, so any worker may draw any part of a data set. Among many thousands two may
    be the same molecule; those of the default set are not.

    Args:
        count: how many, at least 0.
        seed: any integer that is not negative.
        start: number of the first.

    Raises:
        InputError: a negative number, or the extra `chem` is missing.
    """
    return list(stream(count, seed, start=start))


def stream(count: int = COUNT, seed: int = 0, *, start: int = 0) -> Iterator[Molecule]:
    """The molecules of :func:`draw`, one at a time."""
    return (_molecule(seed, index) for index in _numbers(count, seed, start))


def stream_smiles(count: int = COUNT, seed: int = 0, *, start: int = 0) -> Iterator[str]:
    """The canonical SMILES of the molecules of :func:`draw`, without making conformers."""
    return (_smiles(seed, index) for index in _numbers(count, seed, start))


def _numbers(count: int, seed: int, start: int) -> range:
    for name, number in (("count", count), ("seed", seed), ("start", start)):
        if number < 0:
            raise InputError(f"{name} is {number}: expected 0 or more")
    require("rdkit.Chem")
    return range(start, start + count)


def _seed_sequence(seed: int, index: int) -> np.random.SeedSequence:
    return np.random.SeedSequence([seed, index, zlib.crc32(b"fragments")])


def _molecule(seed: int, index: int) -> Molecule:
    own_seed = int(_seed_sequence(seed, index).generate_state(1)[0]) & LARGEST_SEED
    return conform(_smiles(seed, index), own_seed, name=f"fragments/{seed}-{index}")[0]


def _smiles(seed: int, index: int) -> str:
    rng = np.random.Generator(np.random.Philox(_seed_sequence(seed, index)))
    while True:
        try:
            mol = standard(assemble(rng))
        except InputError:  # pieces that may not be bonded
            continue
        if is_drug_like(mol):
            return canonical(_with_stereo(mol, rng))


def assemble(rng: np.random.Generator) -> str:
    """A SMILES of pieces drawn at random, perhaps an invalid one.

    Raises:
        InputError: pieces that may not be bonded.
    """
    whole = Assembly([], {}, {})
    whole.add(_ring(rng))
    for _ in range(_choose_weighted(rng, RINGS) - 1):
        at = whole.free(rng)
        if rng.random() >= DIRECT:
            at = whole.attach(_choose(rng, LINKERS), at, rng)[0]
        whole.attach(_ring(rng), at, rng)
    for _ in range(min(rng.poisson(END_GROUP_RATE), len(whole.open))):
        whole.attach(_choose(rng, END_GROUPS), whole.free(rng), rng)
    return whole.smiles()


def is_drug_like(mol: Mol) -> bool:
    """Whether a standardised molecule passes the rule of five, is stable, and is drug-like."""
    counts = require("rdkit.Chem.rdMolDescriptors")
    return (
        ATOMS[0] <= mol.GetNumAtoms() <= ATOMS[1]
        and counts.CalcExactMolWt(mol) <= 500
        and counts.CalcCrippenDescriptors(mol)[0] <= 5
        and counts.CalcNumLipinskiHBD(mol) <= 5
        and counts.CalcNumLipinskiHBA(mol) <= 10
        and not any(mol.HasSubstructMatch(pattern) for pattern in unwanted_patterns())
        and require("rdkit.Chem.QED").qed(mol) >= LEAST_QED
    )


def _with_stereo(mol: Mol, rng: np.random.Generator) -> Mol:
    """One stereoisomer at random; bridgeheads are left to the geometry, which allows one form only."""
    chem = require("rdkit.Chem")
    rings = mol.GetRingInfo()
    for number, _ in chem.FindMolChiralCenters(mol, includeUnassigned=True, useLegacyImplementation=False):
        atom = mol.GetAtomWithIdx(number)
        tag = chem.ChiralType.CHI_TETRAHEDRAL_CW if rng.random() < 0.5 else chem.ChiralType.CHI_TETRAHEDRAL_CCW
        if rings.NumAtomRings(number) < 2:
            atom.SetChiralTag(tag)
    chem.AssignStereochemistry(mol, cleanIt=True, force=True)
    return mol


def _ring(rng: np.random.Generator) -> str:
    kinds = _choose_weighted(rng, RING_KINDS)
    return _choose(rng, kinds)


def _choose(rng: np.random.Generator, choices: Sequence[Choice]) -> Choice:
    return choices[int(rng.integers(len(choices)))]


def _choose_weighted(rng: np.random.Generator, choices: Sequence[tuple[Choice, float]]) -> Choice:
    bounds = np.cumsum([weight for _, weight in choices])
    return choices[int(np.searchsorted(bounds, rng.random() * bounds[-1], side="right"))][0]


@functools.cache
def unwanted_patterns() -> list[Any]:
    """`UNWANTED`, parsed."""
    return [require("rdkit.Chem").MolFromSmarts(pattern) for pattern in UNWANTED]
