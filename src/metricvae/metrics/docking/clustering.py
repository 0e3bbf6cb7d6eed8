"""Distinct poses of one molecule, by the root mean square deviation of its atoms over its symmetries."""

from __future__ import annotations

from typing import Any

import numpy as np

from metricvae.metrics.docking.records import Floats, Ints

MOST_SYMMETRIES = 256
"""Automorphisms of a molecule that are compared, at most."""


def symmetries(mol: Any) -> Ints:
    """(s, n) permutations of the atoms of an RDKit molecule that leave it as it is; the first changes nothing."""
    found = mol.GetSubstructMatches(mol, uniquify=False, maxMatches=MOST_SYMMETRIES)
    rows = {tuple(range(mol.GetNumAtoms())): None} | dict.fromkeys(found)
    return np.array(list(rows), np.int64)[:MOST_SYMMETRIES]


def deviation(one: Floats, other: Floats, permutations: Ints) -> float:
    """The least root mean square deviation of two poses (n, 3) over permutations (s, n) of the atoms, in angstroms."""
    squares = np.square(one - other[permutations]).sum(axis=(1, 2)) / len(one)
    return float(np.sqrt(squares.min()))


def distinct(poses: Floats, permutations: Ints, apart: float, count: int) -> list[int]:
    """The first poses of (k, n, 3) that are so far apart from all earlier ones, at most `count`; by number.

    Args:
        poses: in the order of preference, angstroms.
        permutations: (s, n) symmetries of the molecule.
        apart: angstroms.
        count: how many, at most.
    """
    chosen: list[int] = []
    for number, pose in enumerate(poses):
        if all(deviation(pose, poses[one], permutations) >= apart for one in chosen):
            chosen.append(number)
            if len(chosen) == count:
                break
    return chosen
