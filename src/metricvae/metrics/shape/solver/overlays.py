"""The largest overlap volume of two molecules over all rotations and translations, and of many pairs on all cores.

1. **Score.** Many rotations, spread evenly and seen from the principal axes, centre on centre and with either end
   level; the best of the three is a start.
2. **Climb.** The best starts are walked uphill by damped Newton steps, sixteen at once, and the best of these further;
   of those that climb the same hill, one goes on.
3. **Polish.** The winner takes its last steps in float64.

The overlap is that of `volumes`; `dense` is the slow
reference. Mirror images are different objects: only proper rotations are tried.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metricvae.core.errors import InputError
from metricvae.metrics.shape.solver.bodies import Prepared
from metricvae.metrics.shape.solver.records import Overlay, Overlays
from metricvae.metrics.shape.solver.searching import Packed, search_pairs
from metricvae.metrics.shape.solver.starts import IMAGES, starts


@dataclass(frozen=True)
class Effort:
    """How hard to search. The defaults lose a few 1e-5 of Tanimoto against `THOROUGH` on average.

    Attributes:
        starts: rotations scored, a multiple of 16.
        climbs: of these, the best are walked uphill.
        kept: of these, the best are walked further.
        last: of these, the best are walked to the top.
    """

    starts: int = 192
    climbs: int = 96
    kept: int = 32
    last: int = 16

    def __post_init__(self) -> None:
        if self.starts % IMAGES or not self.starts >= self.climbs >= self.kept >= self.last >= 1:
            raise InputError(
                f"{self}: expected starts, a multiple of {IMAGES}, no fewer than climbs, these no fewer than kept, "
                "and these no fewer than last, at least 1"
            )


THOROUGH = Effort(starts=1008, climbs=1008, kept=1008, last=1008)
"""A thousand starts, each walked to its top: the reference for what a faster search loses."""

Pairs = npt.NDArray[np.int64]
PAIRS_A_TASK = 64


def overlay(a: Prepared, b: Prepared, effort: Effort | None = None) -> Overlay:
    """The largest overlap volume of two molecules, and the motion of `b` that reaches it."""
    return overlay_many([a, b], np.array([[0, 1]]), effort, threads=1)[0]


def overlay_many(
    molecules: Sequence[Prepared], pairs: npt.ArrayLike, effort: Effort | None = None, threads: int | None = None
) -> Overlays:
    """The overlays of many pairs, each as :func:`overlay` gives it, whatever the number of threads.

    Args:
        molecules: every molecule that a pair names.
        pairs: (k, 2) rows of `molecules`; the second of each pair moves.
        effort: how hard to search; the default is the measured one.
        threads: at once; default all cores.

    Raises:
        InputError: pairs that are not (k, 2) whole numbers or name no molecule, or fewer than one thread.
    """
    effort, rows = effort or Effort(), _checked(pairs, len(molecules))
    if threads is not None and threads < 1:
        raise InputError(f"threads is {threads}: expected at least 1")
    orders = [_order(molecule) for molecule in molecules]
    swapped = np.array([orders[a] < orders[b] for a, b in rows], bool)
    ordered = np.where(swapped[:, None], rows[:, ::-1], rows)
    if not len(rows):
        return Overlays(np.empty(0), np.empty(0), np.empty(0), np.empty((0, 3, 3)), np.empty((0, 3)))
    found = _searched(molecules, ordered, effort, threads or os.cpu_count() or 1)
    return _reported(molecules, rows, swapped, *_in_place(molecules, ordered, *found))


def _checked(pairs: npt.ArrayLike, count: int) -> Pairs:
    rows = np.asarray(pairs)
    if rows.size == 0:
        return np.empty((0, 2), np.int64)
    if rows.ndim != 2 or rows.shape[1] != 2 or rows.dtype.kind not in "iu":
        raise InputError(f"pairs of shape {rows.shape} and type {rows.dtype}: expected whole numbers, (k, 2)")
    if rows.min() < 0 or rows.max() >= count:
        raise InputError(f"pairs name rows {rows.min()} to {rows.max()}: there are molecules 0 to {count - 1}")
    return np.ascontiguousarray(rows, np.int64)


def _order(molecule: Prepared) -> tuple[int, float, bytes]:
    """The molecule of higher order stays: so the search is the same for both orders of a pair."""
    return molecule.count, molecule.volume, molecule.atoms.places.tobytes()


Found = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]
"""Overlaps (k,), rotations (k, 3, 3) and translations (k, 3)."""


def _searched(molecules: Sequence[Prepared], pairs: Pairs, effort: Effort, threads: int) -> Found:
    """The search for each pair, about the molecules' own axes, split over threads."""
    used, where = np.unique(pairs, return_inverse=True)
    packed, local = _packed([molecules[i] for i in used]), where.reshape(pairs.shape)
    turns = starts(effort.starts // IMAGES).reshape(-1, 4 * IMAGES)
    found = np.empty(len(pairs)), np.empty((len(pairs), 3, 3)), np.empty((len(pairs), 3))

    def work(start: int) -> None:
        part = slice(start, start + PAIRS_A_TASK)
        search_pairs(
            packed, local[part], turns, effort.climbs, effort.kept, effort.last, *(column[part] for column in found)
        )

    tasks = range(0, len(pairs), PAIRS_A_TASK)
    if threads == 1 or len(tasks) == 1:
        for start in tasks:
            work(start)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, tasks))
    return found


def _packed(molecules: list[Prepared]) -> Packed:
    atoms = [molecule.atoms for molecule in molecules]
    return Packed(
        np.concatenate([one.rows for one in atoms]),
        np.concatenate([one.places for one in atoms]),
        np.concatenate([one.runs for one in atoms]),
        np.concatenate([np.append(one.alpha, 0.0) for one in atoms]),
        np.cumsum([0, *(len(one.rows) for one in atoms)]),
        np.cumsum([0, *(len(one.runs) for one in atoms)]),
    )


def _in_place(
    molecules: Sequence[Prepared],
    pairs: Pairs,
    overlap: npt.NDArray[np.float64],
    turn: npt.NDArray[np.float64],
    shift: npt.NDArray[np.float64],
) -> Found:
    """The same motions where the molecules lie: q = centre_a + axes_a (turn axes_b' (p - centre_b) + shift)."""
    axes_a, axes_b = (np.array([molecules[i].axes for i in column]) for column in pairs.T)
    centre_a, centre_b = (np.array([molecules[i].centre for i in column]) for column in pairs.T)
    rotation = axes_a @ turn @ axes_b.transpose(0, 2, 1)
    moved = np.einsum("kij,kj->ki", axes_a, shift) - np.einsum("kij,kj->ki", rotation, centre_b)
    return overlap, rotation, centre_a + moved


def _reported(
    molecules: Sequence[Prepared],
    pairs: Pairs,
    swapped: npt.NDArray[np.bool_],
    overlap: npt.NDArray[np.float64],
    rotation: npt.NDArray[np.float64],
    translation: npt.NDArray[np.float64],
) -> Overlays:
    """The record, with the motions of swapped pairs undone: q = R p + t  <=>  p = R' q - R' t."""
    back = rotation.transpose(0, 2, 1)
    rotation, translation = (
        np.where(swapped[:, None, None], back, rotation),
        np.where(swapped[:, None], -np.einsum("kij,kj->ki", back, translation), translation),
    )
    volumes = np.array([molecule.volume for molecule in molecules])
    return Overlays(overlap, volumes[pairs[:, 0]], volumes[pairs[:, 1]], rotation, translation)
