"""The compiled search for the pose of a molecule that fits a pocket best; see `solver` for what is maximised."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metricvae.metrics.pocket_fit.receptor_cells import ReceptorCells, overlap_with_cells
from metricvae.metrics.shape.solver.coloured_search import TYPICAL, channel_tables, overlaps_at, score_of, slope
from metricvae.metrics.shape.solver.gradients import pose_derivatives
from metricvae.metrics.shape.solver.lanes import WIDTH, broadcast, store
from metricvae.metrics.shape.solver.local_optimisation import optimise
from metricvae.metrics.shape.solver.pose_batch import DAMPING, FIELDS, Atoms, Single, Whole
from metricvae.metrics.shape.solver.search import (
    FIRST_DAMPING,
    PackedMolecules,
    atom_exponents,
    best_poses,
    distinct_poses,
    optimised_poses,
    rotation_and_translation,
    unpack,
)
from metricvae.metrics.shape.solver.volumes import Channels
from metricvae.runtime.jit import jit_strict

Floats = npt.NDArray[np.float64]

SHARE = 0.5
"""Of colour in the mean of both coefficients."""

STEPS = 2
"""Newton steps under the weights of the best pose."""


@jit_strict
def search_fits(
    pocket: Atoms,
    pocket_channels: Whole,
    pocket_starts: Whole,
    pocket_volumes: Floats,
    cells: ReceptorCells,
    packed: PackedMolecules,
    channels: Whole,
    starts: Whole,
    volumes: Floats,
    rows: Whole,
    quaternions: Single,
    optimised: int,
    refined: int,
    final: int,
    overlaps: Floats,
    rotations: Floats,
    translations: Floats,
) -> None:
    """Search for the pose of each of some molecules in one pocket.

    Args:
        pocket, pocket_channels, pocket_starts, pocket_volumes: its image about its own axes: its Gaussians, the channel
            of each run, where each channel starts, and its overlaps with itself (2,), of the atoms and of the features.
        cells: the receptor, about the same axes.
        packed, channels, starts, volumes: the molecules; as in
            `metricvae.metrics.shape.solver.coloured_search.search_coloured_pairs`.
        rows: (k,) molecules by number.
        quaternions, optimised, refined, final: as in `metricvae.metrics.shape.solver.search.search_pairs`.
        overlaps: (k, 3) written: with the image of the atoms and of the features, and of the atoms with the receptor.
        rotations, translations: (k, 3, 3) and (k, 3), written.
    """
    typical = np.array(TYPICAL)
    here = Channels(pocket.positions, atom_exponents(pocket), pocket_starts)
    for place in range(len(rows)):
        number = rows[place]
        b = unpack(packed, number)
        runs = channels[packed.run_starts[number] : packed.run_starts[number + 1] - 1]
        whole = pocket_volumes + volumes[number]
        guess = whole * typical / (1.0 + typical)
        k, c = channel_tables(pocket.alpha, pocket_channels, b.alpha, runs, score_weights(guess, whole, pocket_starts))
        poses = optimised_poses(pocket, b, k, c, quaternions, optimised, refined, final)
        there = Channels(b.positions, atom_exponents(b), starts[number])
        reached = overlaps_at(here, there, *rotation_and_translation(poses, best_poses(poses, 1)[0]))
        k, c = channel_tables(
            pocket.alpha, pocket_channels, b.alpha, runs, score_weights(reached, whole, pocket_starts)
        )
        optimise_further(pocket, b, k, c, poses)
        best = overlaps[place], rotations[place], translations[place]
        best_fit(here, there, cells, whole, volumes[number, 0], poses, *best)


@jit_strict
def score_weights(overlaps: Floats, whole: Floats, starts: Whole) -> Floats:
    """(c,) derivatives of the score by the overlap of each channel, times the atoms' overlaps with themselves.

    Args:
        overlaps, whole: (2,) of the atoms and of the features, as in `best_fit`.
        starts: (c + 1,) of the channels.
    """
    weights = np.empty(len(starts) - 1)
    weights[0] = (1.0 - SHARE) * slope(overlaps[0], whole[0]) * whole[0]
    weights[1:] = SHARE * slope(overlaps[1], whole[1]) * whole[0]
    return weights


@jit_strict
def optimise_further(a: Atoms, b: Atoms, k: Single, c: Single, poses: Single) -> None:
    """Take batches of poses on under other heights of the overlaps, in place."""
    trial, work = np.empty(FIELDS * WIDTH, np.float32), np.empty(27 * WIDTH, np.float32)
    for batch in range(len(poses)):
        store(poses[batch], DAMPING * WIDTH, broadcast(FIRST_DAMPING))
        pose_derivatives(a, b, k, c, poses[batch])
        optimise(a, b, k, c, poses[batch], trial, work, STEPS)


@jit_strict
def best_fit(
    image: Channels,
    molecule: Channels,
    cells: ReceptorCells,
    whole: Floats,
    volume: float,
    poses: Single,
    overlaps: Floats,
    rotation: Floats,
    translation: Floats,
) -> None:
    """The pose of the largest fit among those of a search.

    Args:
        image, molecule: the molecule moves.
        cells: the receptor.
        whole: (2,) sums of both overlaps with themselves, of the atoms and of the features.
        volume: overlap of the molecule's atoms with themselves.
        poses: batches, as `optimised_poses` gives them.
        overlaps, rotation, translation: (3,), (3, 3) and (3,), written as in `search_fits`.
    """
    atoms = molecule.starts[1]
    positions, alpha = molecule.positions[:atoms], molecule.alpha[:atoms]
    best = -np.inf
    for pose in distinct_poses(poses, poses.size):
        turn, shift = rotation_and_translation(poses, pose)
        found, spent = (
            overlaps_at(image, molecule, turn, shift),
            overlap_with_cells(cells, positions, alpha, turn, shift),
        )
        fit = score_of(found, whole, SHARE) - spent / volume
        if fit > best:
            best = fit
            overlaps[:2], overlaps[2], rotation[:], translation[:] = found, spent, turn, shift
