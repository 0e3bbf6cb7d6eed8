"""Monte Carlo with minimisation: perturb a pose, minimise, accept by Metropolis; compiled.

Z. Li and H. A. Scheraga, Proc. Natl. Acad. Sci. 84 (1987) 6611; in docking R. Abagyan, M. Totrov, D. Kuznetsov, J.
Comput. Chem. 15 (1994) 488, and O. Trott, A. J. Olson, J. Comput. Chem. 31 (2010) 455. A chain starts from the best of
given poses and of random ones in the free space of the site, and keeps the distinct minima of least energy.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from metricvae.metrics.docking.energy import Field, Frames, frames_of, place_atoms
from metricvae.metrics.docking.minimise import minimise, moved
from metricvae.metrics.docking.records import Floats, LigandArrays
from metricvae.runtime.jit import jit_strict

SAME = 1.0
"""Angstroms of root mean square deviation within which two minima are one."""


class Effort(NamedTuple):
    """How much a chain does.

    Attributes:
        starts: random poses, each minimised, of which the best is the first.
        soft_steps: of the minimisation of a random pose below a low ceiling, at most.
        rounds: perturbations.
        steps: of each minimisation, at most.
        last_steps: of the minimisation of a pose that is kept, at most.
        temperature: of Metropolis' criterion, kcal/mol.
    """

    starts: int
    soft_steps: int
    rounds: int
    steps: int
    last_steps: int
    temperature: float


class Pool(NamedTuple):
    """Distinct minima of a chain, in no order.

    Attributes:
        energies: (k,) kcal/mol; infinite where there is none yet.
        poses: (k, 7 + torsions).
        positions: (k, n, 3) angstroms.
    """

    energies: Floats
    poses: Floats
    positions: Floats


@jit_strict
def random_pose(pose: Floats, points: Floats, rng: np.random.Generator) -> None:
    """Write a random pose: the root near one of (m, 3) points, any rotation, any torsions."""
    place = int(rng.random() * len(points))
    for r in range(3):
        pose[r] = points[place, r] + rng.normal() * 0.5
    norm = 0.0
    for r in range(3, 7):
        pose[r] = rng.normal()
        norm += pose[r] ** 2
    for r in range(3, 7):
        pose[r] /= np.sqrt(norm)
    for r in range(7, len(pose)):
        pose[r] = (2.0 * rng.random() - 1.0) * np.pi


@jit_strict
def perturb(pose: Floats, ligand: LigandArrays, trial: Floats, step: Floats, rng: np.random.Generator) -> None:
    """Write to `trial` a pose with its place, its rotation or one torsion changed at random.

    Shifts are up to two angstroms, rotations move the atoms as far on average, and a torsion takes any value.
    """
    step[:] = 0.0
    choice = int(rng.random() * (len(pose) - 5))
    if choice < 2:
        x, y, z, norm = 1.0, 1.0, 1.0, 3.0
        while norm > 1.0:
            x, y, z = 2.0 * rng.random() - 1.0, 2.0 * rng.random() - 1.0, 2.0 * rng.random() - 1.0
            norm = x * x + y * y + z * z
        size = 2.0 if choice == 0 else 2.0 / np.sqrt(1.5 * ligand.inertia[3] / len(ligand.types))
        first = 3 * choice
        step[first], step[first + 1], step[first + 2] = size * x, size * y, size * z
        moved(pose, step, 1.0, trial)
    else:
        trial[:] = pose
        trial[5 + choice] = (2.0 * rng.random() - 1.0) * np.pi


@jit_strict
def add(pool: Pool, pose: Floats, energy: float, positions: Floats) -> None:
    """Keep a minimum where it is distinct and better than the worst, or better than the one that it equals."""
    worst, same = 0, -1
    n = len(positions)
    for k in range(len(pool.energies)):
        if pool.energies[k] > pool.energies[worst]:
            worst = k
        if same < 0 and np.isfinite(pool.energies[k]):
            total = 0.0
            for i in range(n):
                for r in range(3):
                    total += (pool.positions[k, i, r] - positions[i, r]) ** 2
            if total < SAME * SAME * n:
                same = k
    place = same if same >= 0 else worst
    if energy < pool.energies[place]:
        pool.energies[place] = energy
        pool.poses[place] = pose
        pool.positions[place] = positions


@jit_strict
def run_chain(
    ligand: LigandArrays,
    field: Field,
    soft: Field,
    points: Floats,
    given: Floats,
    effort: Effort,
    pool: Pool,
    rng: np.random.Generator,
) -> None:
    """Search from one start.

    Args:
        ligand, field: what the energy is of.
        soft: the same with a low ceiling, in which poses are minimised at first.
        points: (m, 3) free places of random poses, angstroms.
        given: (g, 7 + torsions) poses that are tried as starts before random ones; what they lead to is kept.
        effort: how much to do.
        pool: minima, added to.
        rng: where the randomness comes from.
    """
    frames = frames_of(ligand)
    size = len(ligand.parents) + 6
    pose, trial, best = np.empty(size), np.empty(size), np.empty(size)
    step = np.empty(size - 1)
    energy = np.inf
    for number in range(len(given) + effort.starts):
        if number < len(given):
            trial[:] = given[number]
        else:
            random_pose(trial, points, rng)
        minimise(trial, ligand, soft, frames, effort.soft_steps)
        found = minimise(trial, ligand, field, frames, effort.steps)
        if number < len(given):
            place_atoms(trial, ligand, frames)
            add(pool, trial, found, frames.positions)
        if found < energy:
            energy = found
            pose[:] = trial
    lowest = np.inf
    for _ in range(effort.rounds):
        perturb(pose, ligand, trial, step, rng)
        found = minimise(trial, ligand, field, frames, effort.steps)
        if found < energy or rng.random() < np.exp((energy - found) / effort.temperature):
            energy = found
            pose[:] = trial
            if found < lowest + 2.0 or found < worst_of(pool):
                best[:] = pose
                refined = minimise(best, ligand, field, frames, effort.last_steps) if found < lowest else found
                place_atoms(best, ligand, frames)
                add(pool, best, refined, frames.positions)
                if refined < lowest:
                    lowest = refined
                    energy = refined
                    pose[:] = best


@jit_strict
def worst_of(pool: Pool) -> float:
    """The highest energy of a pool, kcal/mol."""
    return float(pool.energies.max())


__all__ = ["Effort", "Frames", "Pool", "run_chain"]
