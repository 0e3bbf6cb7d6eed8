"""The conformers in which molecules that are made are measured: always the same ones, of the molecule alone."""

from __future__ import annotations

import functools

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.conformers import conform
from metricvae.kinds.molecule.library import conformer_seed
from metricvae.kinds.molecule.records import Molecule

COUNT, DISTINCT = 4, 0.5
"""Conformers of each molecule, at most, and angstroms by which they differ, at least."""


@functools.lru_cache(maxsize=1024)
def conformers_of(smiles: str) -> tuple[Molecule, ...]:
    """At most `COUNT` distinct conformers of a molecule; none where none can be made."""
    try:
        return tuple(conform(smiles, conformer_seed(0, 0), COUNT, distinct=DISTINCT))
    except InputError:
        return ()


@functools.lru_cache(maxsize=1024)
def conformer_of(smiles: str) -> Molecule | None:
    """One conformer of a molecule, at a third of the cost; None where none can be made."""
    try:
        return conform(smiles, conformer_seed(0, 0))[0]
    except InputError:
        return None
