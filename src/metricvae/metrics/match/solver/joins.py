"""The exact solver of the metric `match`: the pose in which two pieces fit best, edge on edge, no overlap and no gap.

1. **Candidate poses.** Where two pieces of a shape touch, the outline of one is that of the other run backwards: every
   arc of one is fitted to every arc of the other by least squares (H. Wolfson, *On curve matching*, 1990), and every
   corner is put on every corner with which it makes a straight line, as the outline of the whole continues at the ends
   of a cut.
2. **Refinement.** Each pose is refined by iterated closest points (P. Besl and N. McKay, *A method for registration of
   3-D shapes*, 1992), and the best by a coordinate search.
3. **Score.** A weighted sum of features of the contact, the weights `SCORE_WEIGHTS`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metricvae.core.errors import InputError
from metricvae.metrics.match.solver.contacts import (
    FEATURES,
    poses_from_arcs,
    poses_from_corners,
    refine_poses,
    score_poses,
)
from metricvae.metrics.match.solver.edges import SPACING, Edge, Floats
from metricvae.metrics.overlap.solver.poses import canvas_pose
from metricvae.metrics.overlap.solver.records import Pose
from metricvae.metrics.overlap.solver.search import move_mask

ARCS = ((4, 0.8), (8, 1.1))
"""Points to both sides of an arc's middle, and pixels by which two arcs may differ as a root mean square."""

CORNER_SLACK = 0.7
"""Radians by which two corners together may differ from a straight line."""

ARC_POSES, CORNER_POSES, SEARCHED_POSES = 100, 100, 12
"""Candidate poses from arcs, those from corners, and the best of both that the coordinate search refines."""

SCORE_WEIGHTS = (-3.0, 0.8, -0.37, -0.03, 1.15, 0.37, -0.2, 3.3, -0.5)
"""Weight of each of `FEATURES`, fitted by benchmarks/joins.py to separate true poses from false ones."""

SELECTION_WEIGHTS = (0.35, 1.0, -0.6, -0.5, 6.0, -2.0, 0.0, 0.0, 0.0)
"""The same for poses that are not refined yet, whose edges do not touch."""

NO_MATCH_SCORE = -1e9
"""Score of two pieces without any candidate pose."""


@dataclass(frozen=True)
class Join:
    """How two pieces fit best.

    Attributes:
        pose: motion of the second piece.
        score: larger for a better fit; compares joins with one another, and has no unit.
        contact: length of the edge that touches, pixels.
    """

    pose: Pose
    score: float
    contact: float


def join(a: Edge, b: Edge) -> Join:
    """The pose of the second piece in which both fit best, and how well.

    Args:
        a: the piece that stays, on a canvas (H, W).
        b: the piece that moves, on a canvas of the same size.

    Returns:
        A score of `NO_MATCH_SCORE` where there is no candidate pose.

    Raises:
        InputError: the canvases differ in size, or a piece is blank.
    """
    if a.mask.shape != b.mask.shape:
        raise InputError(f"canvases of {a.mask.shape} and {b.mask.shape} pixels: both pieces need the same size")
    for piece in (a, b):
        if not piece.mask.any():
            raise InputError("a blank piece fits nowhere: give two masks with at least one pixel set")
    found = candidate_poses(a, b) if len(a.points) and len(b.points) else np.empty((0, 4))
    if not len(found):
        return Join(Pose(0.0, 0.0, 0.0), NO_MATCH_SCORE, 0.0)
    best = found[int(np.argmax(found[:, 0]))]
    contact = SPACING * float(best[4 + FEATURES.index("touching")])
    return Join(canvas_pose(best[1:4]), float(best[0]), contact)


def assemble(a: npt.NDArray[np.uint8], b: npt.NDArray[np.uint8], pose: Pose) -> npt.NDArray[np.uint8]:
    """The shape that two pieces (H, W) make, the second moved by a pose: (H, W) of 0 and 1."""
    return ((a + move_mask(b, pose)) >= 0.5).astype(np.uint8)


def candidate_poses(a: Edge, b: Edge) -> Floats:
    """Candidate poses of two pieces after refinement.

    Returns:
        (k, 4 + features): score; angle (radians counter-clockwise on screen), x and y (pixels), about the canvas
        centre; and the features in the order of `FEATURES`.
    """
    poses = np.concatenate([_poses_by_arcs(a, b), _poses_by_corners(a, b)])
    return refine(a, b, poses, np.asarray(SCORE_WEIGHTS))


def refine(a: Edge, b: Edge, poses: Floats, weights: Floats) -> Floats:
    """Poses (k, 4), whose first column is not read, refined and scored as `candidate_poses` returns them."""
    return refine_poses(a.arrays, b.arrays, poses, np.asarray(SELECTION_WEIGHTS), weights, SEARCHED_POSES)


def _poses_by_arcs(a: Edge, b: Edge) -> Floats:
    """Candidates (k, 4) that fit an arc of one edge to an arc of the other, run backwards.

    With the points of two arcs as complex numbers z_k and w_k about their means, the rotation that minimises
    sum |z_k - e^(i t) w_k|^2 is t = arg(sum z_k conj(w_k)), and the minimum is
    sum |z_k|^2 + sum |w_k|^2 - 2 |sum z_k conj(w_k)|. As y runs down, t is clockwise on screen: the angle is -t.
    """
    similar, angle = np.zeros((len(a.points), len(b.points)), np.bool_), np.zeros((len(a.points), len(b.points)))
    for reach, tolerance in ARCS:
        ours, theirs = a.windows(reach), b.windows(reach, backwards=True)
        product = ours @ theirs.conj().T
        energy = (np.abs(ours) ** 2).sum(1)[:, None] + (np.abs(theirs) ** 2).sum(1)
        here = energy - 2 * np.abs(product) < tolerance**2 * ours.shape[1]
        angle = np.where(here, -np.angle(product), angle)
        similar |= here
    return poses_from_arcs(a.arrays, b.arrays, similar, angle, ARC_POSES)


def _poses_by_corners(a: Edge, b: Edge) -> Floats:
    """The best candidates (k, 4) that put a corner of one edge on a corner of the other."""
    poses = poses_from_corners(a.arrays, b.arrays, CORNER_SLACK)
    score_poses(a.arrays, b.arrays, poses, np.asarray(SELECTION_WEIGHTS))
    return poses[np.argsort(-poses[:, 0])[:CORNER_POSES]]
