"""The largest overlap volume of two molecules over all rotations and translations, and of many pairs on all cores.

1. **Score.** Many rotations, spread evenly and seen from the principal axes, centre on centre and with either end
   level; the best of the three is a start.
2. **Local optimisation.** The best starts take damped Newton steps, sixteen poses at once, and the best of these more;
   of poses that lead to the same maximum, one goes on.
3. **Refinement.** The best takes its last Newton steps in float64.

The overlap is that of `volumes`; `dense` is the slow reference. Mirror images are different objects:
only proper rotations are tried.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metricvae.core.errors import InputError
from metricvae.metrics.shape.solver.gaussian_molecule import PreparedMolecule
from metricvae.metrics.shape.solver.initial_rotations import IMAGES, initial_rotations
from metricvae.metrics.shape.solver.records import Overlay, Overlays
from metricvae.metrics.shape.solver.search import PackedMolecules, search_pairs


@dataclass(frozen=True)
class OverlayConfig:
    """The configuration of the search. The defaults lose a few 1e-5 of Tanimoto against `THOROUGH` on average.

    Attributes:
        starts: rotations scored, a multiple of 16.
        optimised: of these, the best take two Newton steps.
        refined: of these, the best and distinct take two more.
        final: of these, the best and distinct take four more.

    Raises:
        InputError: starts that are no multiple of 16, or stages that grow.
    """

    starts: int = 192
    optimised: int = 96
    refined: int = 32
    final: int = 16

    def __post_init__(self) -> None:
        if self.starts % IMAGES or not self.starts >= self.optimised >= self.refined >= self.final >= 1:
            raise InputError(
                f"{self}: expected starts, a multiple of {IMAGES}, no fewer than optimised, these no fewer than "
                "refined, and these no fewer than final, at least 1"
            )


THOROUGH = OverlayConfig(starts=1008, optimised=1008, refined=1008, final=1008)
"""A thousand starts, all of them optimised: the reference for what a faster search loses."""

Pairs = npt.NDArray[np.int64]
Found = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]
"""Overlaps (k,), rotations (k, 3, 3) and translations (k, 3)."""

PAIRS_A_TASK = 64
"""That a thread takes at a time."""


def overlay(a: PreparedMolecule, b: PreparedMolecule, config: OverlayConfig | None = None) -> Overlay:
    """The largest overlap volume of two molecules, and the rigid motion of `b` that reaches it.

    Args:
        a, b: the molecules; `b` moves.
        config: of the search; the default is the measured one.

    >>> from metricvae.metrics.shape.solver.gaussian_molecule import prepare
    >>> a, b = prepare([[0, 0, 0], [0, 0, 1.5]], [1.7, 1.7]), prepare([[5, 0, 0], [5, 1.5, 0]], [1.7, 1.7])
    >>> round(overlay(a, b).tanimoto, 6)
    1.0
    """
    return overlay_many([a, b], np.array([[0, 1]]), config, threads=1)[0]


def overlay_many(
    molecules: Sequence[PreparedMolecule],
    pairs: npt.ArrayLike,
    config: OverlayConfig | None = None,
    threads: int | None = None,
) -> Overlays:
    """The overlays of many pairs, each as :func:`overlay` gives it, whatever the number of threads.

    Args:
        molecules: every molecule that a pair names.
        pairs: (k, 2) rows of `molecules`; the second of each pair moves.
        config: of the search; the default is the measured one.
        threads: at once; default all cores.

    Raises:
        InputError: pairs that are not (k, 2) whole numbers or name no molecule, or fewer than one thread.
    """
    if threads is not None and threads < 1:
        raise InputError(f"threads is {threads}: expected at least 1")
    settings, at_once = config or OverlayConfig(), threads or os.cpu_count() or 1
    return overlay_pairs(molecules, pairs, lambda ordered: _search(molecules, ordered, settings, at_once))


def overlay_pairs(
    molecules: Sequence[PreparedMolecule], pairs: npt.ArrayLike, search: Callable[[Pairs], Found]
) -> Overlays:
    """The overlays that a search finds, the same whichever molecule of a pair stands first.

    Args:
        molecules: every molecule that a pair names.
        pairs: (k, 2) rows of `molecules`; the second of each pair moves.
        search: takes pairs in an order of its choice, and gives poses about the molecules' own axes.

    Raises:
        InputError: pairs that are not (k, 2) whole numbers or name no molecule.
    """
    rows = _check_pairs(pairs, len(molecules))
    keys = [_sort_key(molecule) for molecule in molecules]
    swapped = np.array([keys[a] < keys[b] for a, b in rows], bool)
    ordered = np.where(swapped[:, None], rows[:, ::-1], rows)
    if not len(rows):
        return Overlays(np.empty(0), np.empty(0), np.empty(0), np.empty((0, 3, 3)), np.empty((0, 3)))
    return _as_overlays(molecules, rows, swapped, *_in_own_frames(molecules, ordered, *search(ordered)))


def _check_pairs(pairs: npt.ArrayLike, count: int) -> Pairs:
    rows = np.asarray(pairs)
    if rows.size == 0:
        return np.empty((0, 2), np.int64)
    if rows.ndim != 2 or rows.shape[1] != 2 or rows.dtype.kind not in "iu":
        raise InputError(f"pairs of shape {rows.shape} and type {rows.dtype}: expected whole numbers, (k, 2)")
    if rows.min() < 0 or rows.max() >= count:
        raise InputError(f"pairs name rows {rows.min()} to {rows.max()}: there are molecules 0 to {count - 1}")
    return np.ascontiguousarray(rows, np.int64)


def _sort_key(molecule: PreparedMolecule) -> tuple[int, float, bytes]:
    """A key to sort by: the molecule of the higher key stays, so the search is the same for both keys of a pair."""
    return molecule.count, molecule.volume, molecule.atoms.positions.tobytes()


def _search(molecules: Sequence[PreparedMolecule], pairs: Pairs, config: OverlayConfig, threads: int) -> Found:
    """The search for each pair, about the molecules' own axes, split over threads."""
    used, where = np.unique(pairs, return_inverse=True)
    packed, local = pack_atoms([molecules[i] for i in used]), where.reshape(pairs.shape)
    quaternions = initial_rotations(config.starts // IMAGES).reshape(-1, 4 * IMAGES)
    found = np.empty(len(pairs)), np.empty((len(pairs), 3, 3)), np.empty((len(pairs), 3))

    def work(part: slice) -> None:
        search_pairs(
            packed,
            local[part],
            quaternions,
            config.optimised,
            config.refined,
            config.final,
            *(column[part] for column in found),
        )

    over_tasks(work, len(pairs), threads)
    return found


def over_tasks(work: Callable[[slice], None], count: int, threads: int) -> None:
    """Do compiled work on the rows of `count` pairs, `PAIRS_A_TASK` at a time, split over threads."""
    tasks = [slice(start, start + PAIRS_A_TASK) for start in range(0, count, PAIRS_A_TASK)]
    if threads == 1 or len(tasks) == 1:
        for task in tasks:
            work(task)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, tasks))


def pack_atoms(molecules: Sequence[PreparedMolecule]) -> PackedMolecules:
    """Molecules in one piece, for compiled code."""
    atoms = [molecule.atoms for molecule in molecules]
    return PackedMolecules(
        np.concatenate([one.rows for one in atoms]),
        np.concatenate([one.positions for one in atoms]),
        np.concatenate([one.runs for one in atoms]),
        np.concatenate([np.append(one.alpha, 0.0) for one in atoms]),
        np.cumsum([0, *(len(one.rows) for one in atoms)]),
        np.cumsum([0, *(len(one.runs) for one in atoms)]),
    )


def _in_own_frames(
    molecules: Sequence[PreparedMolecule],
    pairs: Pairs,
    overlap: npt.NDArray[np.float64],
    rotation: npt.NDArray[np.float64],
    translation: npt.NDArray[np.float64],
) -> Found:
    """Poses about the principal axes as poses in the molecules' own coordinates.

    x -> R x + t on the axes is q = centre_a + axes_a (R axes_b' (p - centre_b) + t).
    """
    axes_a, axes_b = (np.array([molecules[i].axes for i in column]) for column in pairs.T)
    centre_a, centre_b = (np.array([molecules[i].centre for i in column]) for column in pairs.T)
    rotation = axes_a @ rotation @ axes_b.transpose(0, 2, 1)
    moved = np.einsum("kij,kj->ki", axes_a, translation) - np.einsum("kij,kj->ki", rotation, centre_b)
    return overlap, rotation, centre_a + moved


def _as_overlays(
    molecules: Sequence[PreparedMolecule],
    pairs: Pairs,
    swapped: npt.NDArray[np.bool_],
    overlap: npt.NDArray[np.float64],
    rotation: npt.NDArray[np.float64],
    translation: npt.NDArray[np.float64],
) -> Overlays:
    """The record, with the poses of swapped pairs inverted: q = R p + t  <=>  p = R' q - R' t."""
    back = rotation.transpose(0, 2, 1)
    rotation, translation = (
        np.where(swapped[:, None, None], back, rotation),
        np.where(swapped[:, None], -np.einsum("kij,kj->ki", back, translation), translation),
    )
    volumes = np.array([molecule.volume for molecule in molecules])
    return Overlays(overlap, volumes[pairs[:, 0]], volumes[pairs[:, 1]], rotation, translation)
