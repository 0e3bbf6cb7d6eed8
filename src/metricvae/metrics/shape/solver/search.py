"""The compiled search for the largest overlap of a pair: initial poses, local optimisation, refinement."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from metricvae.metrics.shape.solver.gradients import pose_derivatives
from metricvae.metrics.shape.solver.lanes import WIDTH, broadcast, load, store
from metricvae.metrics.shape.solver.local_optimisation import optimise
from metricvae.metrics.shape.solver.pose_batch import (
    DAMPING,
    FIELDS,
    VALUE,
    Atoms,
    Single,
    Vector,
    pair_tables,
    score_initial_translations,
)
from metricvae.metrics.shape.solver.quaternions import rotation_rows
from metricvae.metrics.shape.solver.volumes import Channels, refine
from metricvae.runtime.jit import jit_strict

FIRST_DAMPING = np.float32(0.1)
NEWTON_STEPS = 2, 2, 4
"""Of all optimised poses, of those refined, and of the final ones."""

Whole = npt.NDArray[np.int64]
Matrix = npt.NDArray[np.float64]


@jit_strict
def best_poses(batches: Single, count: int) -> Whole:
    """The `count` poses of highest value, best first: batch * WIDTH + lane, (count,)."""
    found, values = np.empty(count, np.int64), np.empty(count, np.float32)
    held = 0
    for batch in range(len(batches)):
        for lane in range(WIDTH):
            value = batches[batch, VALUE * WIDTH + lane]
            if held == count and value <= values[count - 1]:
                continue
            at = min(held, count - 1)
            while at > 0 and values[at - 1] < value:
                values[at], found[at] = values[at - 1], found[at - 1]
                at -= 1
            values[at], found[at] = value, batch * WIDTH + lane
            held = min(held + 1, count)
    return found[:held]


@jit_strict
def gather_poses(batches: Single, chosen: Whole) -> Single:
    """New batches of the chosen poses with all that is known of them; the last is filled up with the first pose."""
    made = np.empty((-(-len(chosen) // WIDTH), batches.shape[1]), np.float32)
    for to in range(len(made) * WIDTH):
        batch, lane = divmod(chosen[to if to < len(chosen) else 0], WIDTH)
        for row in range(FIELDS):
            made[to // WIDTH, row * WIDTH + to % WIDTH] = batches[batch, row * WIDTH + lane]
    return made


SAME_ROTATION, SAME_TRANSLATION = 0.1, 0.3
"""Poses that differ by less, in radians and in angstroms, lead to the same maximum."""


@jit_strict
def distinct_poses(batches: Single, count: int) -> Whole:
    """As `best_poses`, without poses that lead to the same maximum as a better one."""
    order, held = best_poses(batches, len(batches) * WIDTH), 0
    for candidate in order:
        alone = True
        for other in order[:held]:
            if same_basin(batches, candidate, other):
                alone = False
                break
        if alone:
            order[held] = candidate
            held += 1
            if held == count:
                break
    return order[:held]


@jit_strict
def same_basin(batches: Single, one: int, other: int) -> bool:
    """Whether two poses (batch * WIDTH + lane) are so near that they lead to the same maximum.

    The scalar product of two unit quaternions is, up to sign, cos(angle / 2) of the rotation between them.
    """
    first, second = batches[one // WIDTH, one % WIDTH :: WIDTH], batches[other // WIDTH, other % WIDTH :: WIDTH]
    cos, apart = np.float32(0.0), np.float32(0.0)
    for row in range(4):
        cos += first[row] * second[row]
    for row in range(4, 7):
        apart += (first[row] - second[row]) ** 2
    return bool(abs(cos) > 1.0 - SAME_ROTATION**2 / 8.0 and apart < SAME_TRANSLATION**2)


@jit_strict
def optimised_poses(
    a: Atoms, b: Atoms, k: Single, c: Single, quaternions: Single, optimised: int, refined: int, final: int
) -> Single:
    """Batches of the poses that went through all stages of the search, to the precision of float32.

    Args:
        a, b, quaternions, optimised, refined, final: as in `search`.
        k, c: exponent and height of the overlap of each pair of runs, as `pair_tables` gives them.
    """
    batches = np.zeros((len(quaternions), FIELDS * WIDTH), np.float32)
    trial, work = np.empty(FIELDS * WIDTH, np.float32), np.empty(27 * WIDTH, np.float32)
    for s in range(len(quaternions)):
        for row in range(4):
            store(batches[s], row * WIDTH, load(quaternions[s], row * WIDTH))
        score_initial_translations(a, b, k, c, batches[s], trial)
    for stage in range(len(NEWTON_STEPS)):
        if stage == 0:
            batches = gather_poses(batches, best_poses(batches, optimised))
        else:
            batches = gather_poses(batches, distinct_poses(batches, refined if stage == 1 else final))
        for s in range(len(batches)):
            if stage == 0:
                store(batches[s], DAMPING * WIDTH, broadcast(FIRST_DAMPING))
                pose_derivatives(a, b, k, c, batches[s])
            optimise(a, b, k, c, batches[s], trial, work, NEWTON_STEPS[stage])
    return batches


@jit_strict
def best_pose(
    a: Atoms, b: Atoms, k: Single, c: Single, quaternions: Single, optimised: int, refined: int, final: int
) -> tuple[Matrix, Vector]:
    """The rotation (3, 3) and translation (3,) of B of the largest overlap found; arguments of `optimised_poses`."""
    batches = optimised_poses(a, b, k, c, quaternions, optimised, refined, final)
    return rotation_and_translation(batches, best_poses(batches, 1)[0])


@jit_strict
def search(
    a: Atoms, b: Atoms, quaternions: Single, optimised: int, refined: int, final: int
) -> tuple[float, Matrix, Vector]:
    """The largest overlap found, and the rotation (3, 3) and translation (3,) of B that reach it.

    Args:
        a, b: the molecules, each about its own origin; b moves.
        quaternions: (s, 4 * WIDTH) float32; the initial rotations w, x, y, z, `WIDTH` in a row.
        optimised, refined, final: how many of the best poses go on to each stage of local optimisation.

    Returns:
        The overlap in cubic angstroms, R, and t in angstroms: x -> R x + t.
    """
    k, c = pair_tables(a.alpha, b.alpha)
    rotation, translation = best_pose(a, b, k, c, quaternions, optimised, refined, final)
    starts_a, starts_b = np.array([0, len(a.positions)]), np.array([0, len(b.positions)])
    first = Channels(a.positions, atom_exponents(a), starts_a)
    second = Channels(b.positions, atom_exponents(b), starts_b)
    return refine(first, second, np.ones(1), rotation, translation)


@jit_strict
def rotation_and_translation(batches: Single, index: int) -> tuple[Matrix, Vector]:
    """Rotation (3, 3) and translation (3,) of one pose, in float64."""
    pose = np.empty(7)
    for row in range(7):
        pose[row] = batches[index // WIDTH, row * WIDTH + index % WIDTH]
    length = math.sqrt(pose[0] * pose[0] + pose[1] * pose[1] + pose[2] * pose[2] + pose[3] * pose[3])
    rows = rotation_rows(pose[0] / length, pose[1] / length, pose[2] / length, pose[3] / length)
    rotation = np.empty((3, 3))
    for axis in range(3):
        rotation[axis, 0], rotation[axis, 1], rotation[axis, 2] = rows[axis]
    return rotation, pose[4:]


@jit_strict
def atom_exponents(atoms: Atoms) -> Vector:
    """(n,) the exponent of each atom."""
    alpha = np.empty(len(atoms.positions))
    for run in range(len(atoms.alpha)):
        alpha[atoms.runs[run] : atoms.runs[run + 1]] = atoms.alpha[run]
    return alpha


class PackedMolecules(NamedTuple):
    """Many molecules in one piece.

    Attributes:
        rows, positions: (N, 10) and (N, 3); the atoms of all, molecule after molecule.
        runs, alpha: as in `Atoms`, molecule after molecule, a last unused number in `alpha` for each.
        atom_starts, run_starts: (M + 1,) int64; where each molecule starts in these.
    """

    rows: Single
    positions: Matrix
    runs: Whole
    alpha: Vector
    atom_starts: Whole
    run_starts: Whole


@jit_strict
def unpack(packed: PackedMolecules, index: int) -> Atoms:
    """One of the molecules."""
    start, end = packed.atom_starts[index], packed.atom_starts[index + 1]
    first, last = packed.run_starts[index], packed.run_starts[index + 1]
    return Atoms(
        packed.rows[start:end], packed.runs[first:last], packed.alpha[first : last - 1], packed.positions[start:end]
    )


@jit_strict
def search_pairs(
    packed: PackedMolecules,
    pairs: Whole,
    quaternions: Single,
    optimised: int,
    refined: int,
    final: int,
    overlaps: Vector,
    rotations: Matrix,
    translations: Matrix,
) -> None:
    """Run `search` for each of some pairs.

    Args:
        packed: the molecules.
        pairs: (k, 2) molecules by number; the second of each moves.
        quaternions, optimised, refined, final: as in `search`.
        overlaps, rotations, translations: (k,), (k, 3, 3) and (k, 3), written.
    """
    for row in range(len(pairs)):
        a, b = unpack(packed, pairs[row, 0]), unpack(packed, pairs[row, 1])
        value, rotation, translation = search(a, b, quaternions, optimised, refined, final)
        overlaps[row] = value
        for axis in range(3):
            translations[row, axis] = translation[axis]
            for other in range(3):
                rotations[row, axis, other] = rotation[axis, other]
