"""The compiled search for the largest overlap of one pair of molecules: score, climb, polish."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from metricvae.metrics.shape.solver.gradients import slopes
from metricvae.metrics.shape.solver.groups import (
    DAMPING,
    FIELDS,
    VALUE,
    Atoms,
    Single,
    Vector,
    pair_tables,
    score_seats,
)
from metricvae.metrics.shape.solver.lanes import WIDTH, load, spread, store
from metricvae.metrics.shape.solver.local_optimisation import climb
from metricvae.metrics.shape.solver.volumes import polish
from metricvae.runtime.jit import jit_strict

FIRST_DAMPING = np.float32(0.1)
ROUNDS = 2, 2, 4
"""Newton steps of all climbs, of those kept, and of the last."""

Whole = npt.NDArray[np.int64]
Matrix = npt.NDArray[np.float64]


@jit_strict
def best_of(groups: Single, count: int) -> Whole:
    """The `count` poses of highest value, best first: group * WIDTH + lane, (count,)."""
    found, values = np.empty(count, np.int64), np.empty(count, np.float32)
    held = 0
    for group in range(len(groups)):
        for lane in range(WIDTH):
            value = groups[group, VALUE * WIDTH + lane]
            if held == count and value <= values[count - 1]:
                continue
            at = min(held, count - 1)
            while at > 0 and values[at - 1] < value:
                values[at], found[at] = values[at - 1], found[at - 1]
                at -= 1
            values[at], found[at] = value, group * WIDTH + lane
            held = min(held + 1, count)
    return found[:held]


@jit_strict
def gather(groups: Single, chosen: Whole) -> Single:
    """New groups of the chosen poses with all that is known of them; the last group is filled up with the first."""
    made = np.empty((-(-len(chosen) // WIDTH), groups.shape[1]), np.float32)
    for to in range(len(made) * WIDTH):
        group, lane = divmod(chosen[to if to < len(chosen) else 0], WIDTH)
        for row in range(FIELDS):
            made[to // WIDTH, row * WIDTH + to % WIDTH] = groups[group, row * WIDTH + lane]
    return made


NEAR_TURN, NEAR_SHIFT = 0.1, 0.3
"""Poses that differ by less, in radians and in angstroms, are climbing the same hill."""


@jit_strict
def distinct(groups: Single, count: int) -> Whole:
    """As `best_of`, without poses that lie near a better one."""
    order, held = best_of(groups, len(groups) * WIDTH), 0
    for candidate in order:
        alone = True
        for other in order[:held]:
            if near(groups, candidate, other):
                alone = False
                break
        if alone:
            order[held] = candidate
            held += 1
            if held == count:
                break
    return order[:held]


@jit_strict
def near(groups: Single, one: int, other: int) -> bool:
    """Whether two poses (group * WIDTH + lane) climb the same hill. |cos(angle / 2)| is the product of quaternions."""
    first, second = groups[one // WIDTH, one % WIDTH :: WIDTH], groups[other // WIDTH, other % WIDTH :: WIDTH]
    cos, apart = np.float32(0.0), np.float32(0.0)
    for row in range(4):
        cos += first[row] * second[row]
    for row in range(4, 7):
        apart += (first[row] - second[row]) ** 2
    return bool(abs(cos) > 1.0 - NEAR_TURN**2 / 8.0 and apart < NEAR_SHIFT**2)


@jit_strict
def search(a: Atoms, b: Atoms, turns: Single, climbs: int, kept: int, last: int) -> tuple[float, Matrix, Vector]:
    """The largest overlap found, and the rotation (3, 3) and shift (3,) of B that reach it, about the own origins.

    Args:
        a, b: the molecules; b moves.
        turns: (s, 4 * WIDTH) quaternions w, x, y, z to begin with.
        climbs, kept, last: how many of the best go on to each stage.
    """
    k, c = pair_tables(a.alpha, b.alpha)
    groups = np.zeros((len(turns), FIELDS * WIDTH), np.float32)
    trial, work = np.empty(FIELDS * WIDTH, np.float32), np.empty(27 * WIDTH, np.float32)
    for s in range(len(turns)):
        for row in range(4):
            store(groups[s], row * WIDTH, load(turns[s], row * WIDTH))
        score_seats(a, b, k, c, groups[s], trial)
    for stage in range(len(ROUNDS)):
        if stage == 0:
            groups = gather(groups, best_of(groups, climbs))
        else:
            groups = gather(groups, distinct(groups, kept if stage == 1 else last))
        for s in range(len(groups)):
            if stage == 0:
                store(groups[s], DAMPING * WIDTH, spread(FIRST_DAMPING))
                slopes(a, b, k, c, groups[s])
            climb(a, b, k, c, groups[s], trial, work, ROUNDS[stage])
    turn, shift = pose_of(groups, best_of(groups, 1)[0])
    return polish(a.places, spread_out(a), b.places, spread_out(b), turn, shift)


@jit_strict
def pose_of(groups: Single, index: int) -> tuple[Matrix, Vector]:
    """Rotation (3, 3) and shift (3,) of one pose, in float64."""
    pose = np.empty(7)
    for row in range(7):
        pose[row] = groups[index // WIDTH, row * WIDTH + index % WIDTH]
    length = math.sqrt(pose[0] * pose[0] + pose[1] * pose[1] + pose[2] * pose[2] + pose[3] * pose[3])
    w, x, y, z = pose[0] / length, pose[1] / length, pose[2] / length, pose[3] / length
    turn = np.empty((3, 3))
    turn[0, 0], turn[0, 1], turn[0, 2] = 1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)
    turn[1, 0], turn[1, 1], turn[1, 2] = 2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)
    turn[2, 0], turn[2, 1], turn[2, 2] = 2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)
    return turn, pose[4:]


@jit_strict
def spread_out(atoms: Atoms) -> Vector:
    """(n,) the exponent of each atom."""
    alpha = np.empty(len(atoms.places))
    for run in range(len(atoms.alpha)):
        alpha[atoms.runs[run] : atoms.runs[run + 1]] = atoms.alpha[run]
    return alpha


class Packed(NamedTuple):
    """Many molecules in one piece.

    Attributes:
        rows, places: (N, 10) and (N, 3); the atoms of all, molecule after molecule.
        runs, alpha: as in `Atoms`, molecule after molecule, a last unused number in `alpha` for each.
        atom_starts, run_starts: (M + 1,) int64; where each molecule starts in these.
    """

    rows: Single
    places: Matrix
    runs: Whole
    alpha: Vector
    atom_starts: Whole
    run_starts: Whole


@jit_strict
def unpacked(packed: Packed, index: int) -> Atoms:
    """One of the molecules."""
    start, end = packed.atom_starts[index], packed.atom_starts[index + 1]
    first, last = packed.run_starts[index], packed.run_starts[index + 1]
    return Atoms(
        packed.rows[start:end], packed.runs[first:last], packed.alpha[first : last - 1], packed.places[start:end]
    )


@jit_strict
def search_pairs(
    packed: Packed,
    pairs: Whole,
    turns: Single,
    climbs: int,
    kept: int,
    last: int,
    overlap: Vector,
    rotation: Matrix,
    shift: Matrix,
) -> None:
    """`search` for pairs (k, 2) of rows of `packed`; writes `overlap` (k,), `rotation` (k, 3, 3) and `shift` (k, 3)."""
    for row in range(len(pairs)):
        a, b = unpacked(packed, pairs[row, 0]), unpacked(packed, pairs[row, 1])
        value, turn, move = search(a, b, turns, climbs, kept, last)
        overlap[row] = value
        for axis in range(3):
            shift[row, axis] = move[axis]
            for other in range(3):
                rotation[row, axis, other] = turn[axis, other]
