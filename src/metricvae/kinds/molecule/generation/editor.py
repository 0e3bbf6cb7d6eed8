"""How molecules are made of others: edits of their graphs by parts of known molecules."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from metricvae.core.editing import ObjectEditor
from metricvae.core.errors import InputError
from metricvae.core.requirements import Requirement
from metricvae.kinds.molecule.conformers import flat, flat_of
from metricvae.kinds.molecule.extra import require
from metricvae.kinds.molecule.fragments import stream_smiles, unwanted_patterns
from metricvae.kinds.molecule.generation.conformers import conformer_of, conformers_of
from metricvae.kinds.molecule.generation.edits import EDITS, grow
from metricvae.kinds.molecule.generation.feasibility import check_together
from metricvae.kinds.molecule.generation.fragment_pool import FragmentPool, bonded, environment
from metricvae.kinds.molecule.generation.requirements import (
    PatternRequirement,
    SimilarityRequirement,
    mol_of,
)
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.molecule.standardise import Mol, canonical, parent_of
from metricvae.kinds.molecule.substructures import SMILES

TRIES = 12
"""Edits that are tried for each molecule that is wanted, at most."""

SOURCE_SIZE = 60
"""Molecules assembled from listed fragments that are always among those whose parts are taken."""

PRESSURE = 2.0
"""The best parents are drawn most: place u ** PRESSURE of all, u uniform in [0, 1)."""

LARGEST = 60
"""Heavy atoms of what is made, at most."""

STRAINED = (
    "[#7,#8]-!@[CX4]-!@[SX2,F,Cl,Br,I]",
    "[NX3;!a]-[NX3;!R]-[NX3]",
    "[F,Cl,Br,I]-[#7,#8,#16]",
    "[Cl,Br,I]-[CX4]",
    "[CX3H1]=O",
    "C=C=[C,O,N]",
    "[#6]1=,#[#6]=,#[#6]1",
    "[r3,r4]=[*;!#8]",
    "[N+]#[C-]",
    "[CX3](=O)[Cl,Br,F,I]",
    "[NX3;!$(N-[C,S]=[O,N,S])]-@[NX3]",
    "[NX3,OX2;!$(N-[C,S]=[O,N,S])]-@[CX4]-@[NX3;!$(N-[C,S]=[O,N,S])]",
    "[NX3,OX2;!a]-@[SX2;!a]",
    "[OX2,SX2;!a]-@[OX2,SX2;!a]",
    "[#7X3;!$(N-[C,S]=[O,N,S])]-[OX2;!a]",
)
"""SMARTS of strained or reactive groups that no answer has unless what is required has them, beside those of
`metricvae.kinds.molecule.fragments`."""


@dataclass
class MoleculeEditor(ObjectEditor):
    """Edits by a pool of parts of known molecules; see `fragment_pool` and `edits`.

    Attributes:
        embeds: whether a model needs coordinates to encode molecules, which cost far more than its code.
        pool: of parts.
    """

    key_column: ClassVar[str] = SMILES
    embeds: bool = False
    pool: FragmentPool = field(default_factory=FragmentPool)

    def __post_init__(self) -> None:
        self.encoded_at_once = 32 if self.embeds else 160
        chem = require("rdkit.Chem")
        self._refused = [*unwanted_patterns(), *map(chem.MolFromSmarts, STRAINED)]

    def check(self, requirements: Sequence[Requirement]) -> None:
        check_together(requirements)

    def learn(self, objects: Sequence[Molecule]) -> None:
        for smiles in [*(one.smiles for one in objects), *([] if self.pool.bonds else _source())]:
            self.pool.learn(mol_of(smiles))

    def starts(self, requirements: Sequence[Requirement], count: int, rng: np.random.Generator) -> list[Molecule]:
        """Molecules assembled from listed fragments, or what grows on a scaffold that is required."""
        cores = [one for one in requirements if isinstance(one, PatternRequirement) and one.core is not None]
        if not cores:
            return [flat(one) for one in stream_smiles(count, int(rng.integers(2**31)))]
        core = max(cores, key=lambda one: (one.fixed, one.pattern.GetNumAtoms()))
        found = [*self._accepted(core.core, requirements)] if not core.open_points else []
        for _ in range(TRIES * count):
            if len(found) >= count:
                break
            found += self._accepted(self._grown(core, found, rng), requirements)
        if not found:
            raise InputError(f"{core}: nothing could be grown on it, give another scaffold")
        return found

    def edit(
        self, parents: Sequence[Molecule], requirements: Sequence[Requirement], count: int, rng: np.random.Generator
    ) -> list[Molecule]:
        found: list[Molecule] = []
        chances = np.cumsum([share for _, share in EDITS])
        for _ in range(TRIES * count):
            if len(found) >= count:
                break
            places = (len(parents) * rng.random(2) ** PRESSURE).astype(int)
            first, second = (mol_of(parents[place].smiles) for place in places.tolist())
            change = EDITS[int(np.searchsorted(chances, rng.random() * chances[-1]))][0]
            found += self._accepted(change(first, second, self.pool, rng), requirements)
        return found

    def allowed(self, objects: Sequence[Molecule], requirements: Sequence[Requirement]) -> list[Molecule]:
        return [found for one in objects for found in self._accepted(mol_of(one.smiles), requirements)]

    def key(self, value: Molecule) -> str:
        return value.smiles

    def given(self, requirements: Sequence[Requirement]) -> set[str]:
        """Of the molecules to be near, to be unlike, and of scaffolds."""
        cores = [one.core for one in requirements if isinstance(one, PatternRequirement) and one.core is not None]
        others = [one.reference for one in requirements if isinstance(one, SimilarityRequirement)]
        found = super().given(requirements) | {one.smiles for one in others}
        return found | {canonical(core) for core in cores}

    def encodable(self, objects: Sequence[Molecule]) -> Sequence[Molecule]:
        return [conformer_of(one.smiles) or one for one in objects] if self.embeds else objects

    def stand(self, value: Molecule) -> Molecule:
        made = conformers_of(value.smiles)
        return made[0] if made else value

    def _grown(self, core: PatternRequirement, found: Sequence[Molecule], rng: np.random.Generator) -> Mol | None:
        """A core with a part at each attachment point, or one that has more parts than another."""
        if not core.open_points:
            base = mol_of(found[int(rng.integers(len(found)))].smiles) if found else core.core
            return grow(base, base, self.pool, rng)
        open_mol = require("rdkit.Chem").Mol(core.core)
        parts = [open_mol]
        for label, atom in enumerate((one for one in open_mol.GetAtoms() if one.GetAtomicNum() == 0), start=1):
            atom.SetIsotope(label)
            part = self.pool.end_for(environment(atom.GetNeighbors()[0]), int(rng.integers(1, 14)), rng)
            if part is None:
                return None
            mol = require("rdkit.Chem").Mol(part.mol)
            next(one for one in mol.GetAtoms() if one.GetAtomicNum() == 0).SetIsotope(label)
            parts.append(mol)
        return bonded(parts)

    def _accepted(self, mol: Mol | None, requirements: Sequence[Requirement]) -> Iterator[Molecule]:
        """The standardised molecule, unless it cannot be an answer and no way to one."""
        if mol is None or mol.GetNumHeavyAtoms() > LARGEST:
            return
        try:
            made = flat_of(parent_of(mol))
        except InputError:
            return
        known, patterns = mol_of(made.smiles), [one for one in requirements if isinstance(one, PatternRequirement)]
        if known is None or any(one.fixed and not known.HasSubstructMatch(one.pattern) for one in patterns):
            return
        wanted = [one.core for one in patterns if one.wanted and one.core is not None]
        refused = [bad for bad in self._refused if known.HasSubstructMatch(bad)]
        if all(any(core.HasSubstructMatch(bad) for core in wanted) for bad in refused):
            yield made


@functools.cache
def _source() -> tuple[str, ...]:
    return tuple(stream_smiles(SOURCE_SIZE))
