"""The compiled search for the best overlays of a pair by shape and colour; see `coloured` for what is maximised."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metricvae.kinds.molecule.gaussians import AMPLITUDE_SQUARED
from metricvae.metrics.shape.solver.pose_batch import Single, Vector, Whole
from metricvae.metrics.shape.solver.search import (
    SAME_ROTATION,
    SAME_TRANSLATION,
    PackedMolecules,
    atom_exponents,
    distinct_poses,
    optimised_poses,
    rotation_and_translation,
    unpack,
)
from metricvae.metrics.shape.solver.volumes import Channels, channel_overlap, refine
from metricvae.runtime.jit import jit_strict

Floats = npt.NDArray[np.float64]

TYPICAL = 0.55, 0.27
"""Coefficients of atoms and of features at the best pose of two drug-like molecules. The search maximises the sum of
overlaps under the weights that the derivatives of the score have there."""

CANDIDATES, REFINED = 64, 2
"""Distinct poses at the end of the search whose score is computed, and of these, those that are refined."""

MARGIN = 0.01
"""A pose whose score is so far below a refined one is not refined."""

REWEIGHTINGS = 3
"""Refinements under weights that follow the coefficients, at most."""

LEAST_GAIN = 1e-7
"""Refinements under new weights end where one gains less."""


@jit_strict
def channel_tables(
    alpha_a: Vector, channels_a: Whole, alpha_b: Vector, channels_b: Whole, weights: Vector
) -> tuple[Single, Single]:
    """Exponent and weighted height of the overlap of each pair of runs, (m_a, m_b) float32 each; heights are 0 where
    channels differ."""
    k, c = np.empty((len(alpha_a), len(alpha_b)), np.float32), np.zeros((len(alpha_a), len(alpha_b)), np.float32)
    for p in range(len(alpha_a)):
        for q in range(len(alpha_b)):
            both = alpha_a[p] + alpha_b[q]
            k[p, q] = alpha_a[p] * alpha_b[q] / both
            if channels_a[p] == channels_b[q]:
                c[p, q] = weights[channels_a[p]] * AMPLITUDE_SQUARED * (np.pi / both) ** 1.5
    return k, c


@jit_strict
def overlaps_at(a: Channels, b: Channels, rotation: Floats, translation: Vector) -> Vector:
    """(2,) overlaps of the atoms and of the features at a pose, cubic angstroms."""
    found = np.zeros(2)
    for channel in range(len(a.starts) - 1):
        found[min(channel, 1)] += channel_overlap(a, b, channel, rotation, translation)
    return found


@jit_strict
def coefficient(overlap: float, whole: float) -> float:
    """Tanimoto coefficient of an overlap, from the sum of both overlaps with themselves; 0 where that is 0."""
    return overlap / (whole - overlap) if whole > 0.0 else 0.0


@jit_strict
def overlap_of(tanimoto: float, whole: float) -> float:
    """The inverse of `coefficient`."""
    return whole * tanimoto / (1.0 + tanimoto)


@jit_strict
def slope(overlap: float, whole: float) -> float:
    """Derivative of `coefficient` by the overlap."""
    return whole / (whole - overlap) ** 2 if whole > 0.0 else 0.0


@jit_strict
def best_scores(
    a: Channels,
    b: Channels,
    height: float,
    whole: Vector,
    share: float,
    poses: Single,
    overlaps: Floats,
    rotations: Floats,
    translations: Floats,
) -> None:
    """The poses of the largest scores, of which the best are refined; distinct, best first.

    Args:
        a, b, height, whole, share: as in `refine_score`.
        poses: batches, as `optimised_poses` gives them.
        overlaps: (p, 2) written, of the atoms and of the features; nan where there are fewer than p poses.
        rotations, translations: (p, 3, 3) and (p, 3), written.
    """
    order, kept = distinct_poses(poses, CANDIDATES), len(overlaps)
    scores = np.empty(len(order))
    for place in range(len(order)):
        rotation, translation = rotation_and_translation(poses, order[place])
        scores[place] = score_of(height * overlaps_at(a, b, rotation, translation), whole, share)
    held, best = 0, np.full(kept, -1.0)
    overlaps.fill(np.nan)
    for place in np.argsort(-scores)[: max(REFINED, kept)]:
        if kept == 1 and scores[place] < best[0] - MARGIN:
            break
        rotation, translation = rotation_and_translation(poses, order[place])
        found, rotation, translation = refine_score(a, b, height, whole, share, rotation, translation)
        score = score_of(found, whole, share)
        if held == kept and score <= best[kept - 1]:
            continue
        if kept > 1 and is_near_one(rotation, translation, rotations[:held], translations[:held]):
            continue
        at = min(held, kept - 1)
        while at > 0 and best[at - 1] < score:
            best[at], overlaps[at] = best[at - 1], overlaps[at - 1]
            rotations[at], translations[at] = rotations[at - 1], translations[at - 1]
            at -= 1
        best[at], overlaps[at], rotations[at], translations[at] = score, found, rotation, translation
        held = min(held + 1, kept)
    for place in range(held, kept):
        rotations[place], translations[place] = np.eye(3), np.zeros(3)


@jit_strict
def is_near_one(rotation: Floats, translation: Vector, rotations: Floats, translations: Floats) -> bool:
    """Whether a pose leads to the same maximum as one of (p, 3, 3) and (p, 3) others."""
    for place in range(len(rotations)):
        trace, apart = 0.0, 0.0
        for row in range(3):
            apart += (translation[row] - translations[place, row]) ** 2
            for column in range(3):
                trace += rotation[row, column] * rotations[place, row, column]
        if trace > 3.0 - SAME_ROTATION**2 and apart < SAME_TRANSLATION**2:
            return True
    return False


@jit_strict
def score_of(overlaps: Vector, whole: Vector, share: float) -> float:
    """The coefficients of atoms and of features under the share of colour."""
    return (1.0 - share) * coefficient(overlaps[0], whole[0]) + share * coefficient(overlaps[1], whole[1])


@jit_strict
def refine_score(
    a: Channels, b: Channels, height: float, whole: Vector, share: float, rotation: Floats, translation: Vector
) -> tuple[Vector, Floats, Vector]:
    """The largest score near a pose: refinements of sums of overlaps under weights that follow the coefficients.

    Args:
        a, b: the molecules; b moves.
        height: what overlaps are multiplied by.
        whole: (2,) sums of both molecules' overlaps with themselves, of the atoms and of the features.
        share: of colour.
        rotation, translation: the pose.

    Returns:
        Overlaps (2,), the rotation (3, 3) and the translation (3,) that reach them.
    """
    weights = np.zeros(len(a.starts) - 1)
    overlaps = height * overlaps_at(a, b, rotation, translation)
    best = score_of(overlaps, whole, share)
    for _ in range(REWEIGHTINGS):
        weights[0] = (1.0 - share) * slope(overlaps[0], whole[0]) * whole[0]
        weights[1:] = share * slope(overlaps[1], whole[1]) * whole[0]
        _, other_rotation, other_translation = refine(a, b, weights, rotation, translation)
        other = height * overlaps_at(a, b, other_rotation, other_translation)
        score = score_of(other, whole, share)
        if not score > best:
            break
        gained = score - best
        overlaps, rotation, translation, best = other, other_rotation, other_translation, score
        if gained < LEAST_GAIN:
            break
    return overlaps, rotation, translation


@jit_strict
def search_coloured_pairs(
    packed: PackedMolecules,
    channels: Whole,
    starts: Whole,
    heights: Vector,
    volumes: Floats,
    pairs: Whole,
    share: float,
    quaternions: Single,
    optimised: int,
    refined: int,
    final: int,
    overlaps: Floats,
    rotations: Floats,
    translations: Floats,
) -> None:
    """Search for each of some pairs.

    Args:
        packed: the molecules.
        channels: of all their runs, as `packed.alpha` has them.
        starts: (M, CHANNELS + 1) where each channel starts in each molecule.
        heights: (M,) what the Gaussians of each molecule are multiplied by.
        volumes: (M, 2) overlaps of each molecule with itself, of the atoms and of the features.
        pairs, quaternions, optimised, refined, final: as in `metricvae.metrics.shape.solver.search.search_pairs`.
        share: of colour.
        rotations, translations: (k, p, 3, 3) and (k, p, 3), written.
        overlaps: (k, p, 2) written, of the atoms and of the features at the p best poses; see `best_scores`.
    """
    weights = np.empty(starts.shape[1] - 1)
    for row in range(len(pairs)):
        first, second = pairs[row, 0], pairs[row, 1]
        a, b = unpack(packed, first), unpack(packed, second)
        channels_a = channels[packed.run_starts[first] : packed.run_starts[first + 1] - 1]
        channels_b = channels[packed.run_starts[second] : packed.run_starts[second + 1] - 1]
        whole = volumes[first] + volumes[second]
        weights[0] = (1.0 - share) * slope(overlap_of(TYPICAL[0], whole[0]), whole[0]) * whole[0]
        weights[1:] = share * slope(overlap_of(TYPICAL[1], whole[1]), whole[1]) * whole[0]
        k, c = channel_tables(a.alpha, channels_a, b.alpha, channels_b, weights)
        poses = optimised_poses(a, b, k, c, quaternions, optimised, refined, final)
        here = Channels(a.positions, atom_exponents(a), starts[first])
        there = Channels(b.positions, atom_exponents(b), starts[second])
        height = heights[first] * heights[second]
        best_scores(here, there, height, whole, share, poses, overlaps[row], rotations[row], translations[row])
