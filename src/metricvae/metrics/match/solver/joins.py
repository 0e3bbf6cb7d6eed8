"""The exact answer for halves: the pose in which two pieces fit best, edge on edge, without overlap and without gap.

1. **Poses.** Where two pieces of a shape touch, the outline of one is that of the other run backwards: every stretch
   of one is laid on every stretch of the other (least squares; Wolfson 1990, *On curve matching*), and every corner on
   every corner with which it makes a straight line, for at the ends of a cut the outline of the whole goes on.
2. **Closer.** Each pose is drawn closer by iterated closest points (Besl & McKay 1992) and the best by small steps.
3. **Evidence.** A pose is judged by what speaks for it and against it (`Join`), weighed as `EVIDENCE` says.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metricvae.core.errors import InputError
from metricvae.metrics.match.solver.contacts import FEATURES, closer, cornered, laid, rate
from metricvae.metrics.match.solver.edges import SPACING, Edge, Floats
from metricvae.metrics.overlap.solver.records import Pose
from metricvae.metrics.overlap.solver.search import move_mask

STRETCHES = ((4, 0.8), (8, 1.1))
"""Points to both sides of a stretch's middle, and pixels by which two stretches may differ as a root mean square."""

SLACK = 0.7
"""Radians by which two corners may miss a straight line together."""

KEPT, JOINED, CLIMBED = 100, 100, 12
"""Poses by stretches that are drawn closer, poses by corners that are, and the best of both that make small steps."""

EVIDENCE = (-3.0, 0.8, -0.37, -0.03, 1.15, 0.37, -0.2, 3.3, -0.5)
"""Weight of each of `FEATURES`, fitted by benchmarks/joins.py to tell true poses from false ones of training shapes."""

PROMISE = (0.35, 1.0, -0.6, -0.5, 6.0, -2.0, 0.0, 0.0, 0.0)
"""The same for poses that are not yet drawn close, whose edges do not touch."""

NEVER = -1e9
"""Score of two pieces that no pose joins."""


@dataclass(frozen=True)
class Join:
    """How two pieces fit best.

    Attributes:
        pose: motion of the second piece.
        score: evidence for it; compares joins with one another, and has no unit.
        contact: pixels of edge that touch.
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
        A score of `NEVER` where no pose is worth a look.

    Raises:
        InputError: the canvases differ in size, or a piece is blank.
    """
    if a.mask.shape != b.mask.shape:
        raise InputError(f"canvases of {a.mask.shape} and {b.mask.shape} pixels: both pieces need the same size")
    for piece in (a, b):
        if not piece.mask.any():
            raise InputError("a blank piece fits nowhere: give two masks with at least one pixel set")
    found = candidates(a, b) if len(a.points) and len(b.points) else np.empty((0, 4))
    if not len(found):
        return Join(Pose(0.0, 0.0, 0.0), NEVER, 0.0)
    score, angle, x, y, *features = found[int(np.argmax(found[:, 0]))].tolist()
    return Join(Pose(-math.degrees(angle), x, y), score, SPACING * features[FEATURES.index("touching")])


def joined(a: npt.NDArray[np.uint8], b: npt.NDArray[np.uint8], pose: Pose) -> npt.NDArray[np.uint8]:
    """The shape that two pieces make: (H, W) of 0 and 1."""
    return ((a + move_mask(b, pose)) >= 0.5).astype(np.uint8)


def candidates(a: Edge, b: Edge) -> Floats:
    """The poses that are worth a look, drawn closer, (k, 4 + features): score, angle (radians, clockwise), x, y, ..."""
    return drawn_closer(a, b, np.concatenate([_by_stretches(a, b), _by_corners(a, b)]), np.asarray(EVIDENCE))


def drawn_closer(a: Edge, b: Edge, poses: Floats, evidence: Floats) -> Floats:
    """Poses (k, 4), of which the first column is not read, drawn closer and judged, as `candidates` gives them."""
    return closer(a.side, b.side, poses, np.asarray(PROMISE), evidence, CLIMBED)


def _by_stretches(a: Edge, b: Edge) -> Floats:
    alike, angle = np.zeros((len(a.points), len(b.points)), np.bool_), np.zeros((len(a.points), len(b.points)))
    for reach, off in STRETCHES:
        ours, theirs = a.windows(reach), b.windows(reach, backwards=True)
        product = ours @ theirs.conj().T
        energy = (np.abs(ours) ** 2).sum(1)[:, None] + (np.abs(theirs) ** 2).sum(1)
        here = energy - 2 * np.abs(product) < off**2 * ours.shape[1]
        angle = np.where(here, np.angle(product), angle)
        alike |= here
    return laid(a.side, b.side, alike, angle, KEPT)


def _by_corners(a: Edge, b: Edge) -> Floats:
    poses = cornered(a.side, b.side, SLACK)
    rate(a.side, b.side, poses, np.asarray(PROMISE))
    return poses[np.argsort(-poses[:, 0])[:JOINED]]
