"""The compiled search for the largest overlap of one pair of molecules: score, climb, polish."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from metricvae.overlap.spatial.climbing import (
    DAMPING,
    FIELDS,
    VALUE,
    Atoms,
    Single,
    Vector,
    climb,
    compiled,
    pair_tables,
    score,
    slopes,
)
from metricvae.overlap.spatial.lanes import WIDTH
from metricvae.overlap.spatial.volumes import polish

FIRST_DAMPING = np.float32(0.1)
ROUNDS = 2, 3, 5
"""Newton steps of all climbs, of those kept, and of the last."""

Whole = npt.NDArray[np.int64]
Matrix = npt.NDArray[np.float64]


@compiled
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


@compiled
def gather(groups: Single, chosen: Whole) -> Single:
    """New groups of the chosen poses with all that is known of them; the last group is filled up with the first."""
    made = np.empty((-(-len(chosen) // WIDTH), groups.shape[1]), np.float32)
    for to in range(len(made) * WIDTH):
        group, lane = divmod(chosen[to if to < len(chosen) else 0], WIDTH)
        for row in range(FIELDS):
            made[to // WIDTH, row * WIDTH + to % WIDTH] = groups[group, row * WIDTH + lane]
    return made


@compiled
def search(a: Atoms, b: Atoms, turns: Single, climbs: int, kept: int, last: int) -> tuple[float, Matrix, Vector]:
    """The largest overlap found, and the rotation (3, 3) and shift (3,) of B that reach it, about the own origins.

    Args:
        a, b: the molecules; b moves.
        turns: (s, 4, WIDTH) quaternions to score.
        climbs, kept, last: how many of the best go on to each stage.
    """
    k, c = pair_tables(a.alpha, b.alpha)
    groups = np.zeros((len(turns), FIELDS * WIDTH), np.float32)
    trial, work = np.empty(FIELDS * WIDTH, np.float32), np.empty(27 * WIDTH, np.float32)
    for s in range(len(turns)):
        groups[s, : 4 * WIDTH] = turns[s].ravel()
        score(a, b, k, c, groups[s])
    groups = gather(groups, best_of(groups, climbs))
    for group in groups:
        group[DAMPING * WIDTH : VALUE * WIDTH] = FIRST_DAMPING
        slopes(a, b, k, c, group)
        climb(a, b, k, c, group, trial, work, ROUNDS[0])
    groups = gather(groups, best_of(groups, kept))
    for group in groups:
        climb(a, b, k, c, group, trial, work, ROUNDS[1])
    groups = gather(groups, best_of(groups, last))
    for group in groups:
        climb(a, b, k, c, group, trial, work, ROUNDS[2])
    turn, shift = pose_of(groups, best_of(groups, 1)[0])
    return polish(a.places, spread_out(a), b.places, spread_out(b), turn, shift)


@compiled
def pose_of(groups: Single, index: int) -> tuple[Matrix, Vector]:
    """Rotation (3, 3) and shift (3,) of one pose, in float64."""
    pose = np.empty(7)
    for row in range(7):
        pose[row] = groups[index // WIDTH, row * WIDTH + index % WIDTH]
    pose[:4] /= math.sqrt(np.sum(pose[:4] ** 2))
    w, x, y, z = pose[:4]
    turn = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    return turn, pose[4:]


@compiled
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


@compiled
def unpacked(packed: Packed, index: int) -> Atoms:
    """One of the molecules."""
    start, end = packed.atom_starts[index], packed.atom_starts[index + 1]
    first, last = packed.run_starts[index], packed.run_starts[index + 1]
    return Atoms(
        packed.rows[start:end], packed.runs[first:last], packed.alpha[first : last - 1], packed.places[start:end]
    )


@compiled
def search_pairs(
    packed: Packed,
    pairs: Whole,
    turns: Single,
    effort: tuple[int, int, int],
    overlap: Vector,
    rotation: Matrix,
    shift: Matrix,
) -> None:
    """`search` for pairs (k, 2) of rows of `packed`; writes `overlap` (k,), `rotation` (k, 3, 3) and `shift` (k, 3)."""
    for row in range(len(pairs)):
        a, b = unpacked(packed, pairs[row, 0]), unpacked(packed, pairs[row, 1])
        overlap[row], rotation[row], shift[row] = search(a, b, turns, effort[0], effort[1], effort[2])
