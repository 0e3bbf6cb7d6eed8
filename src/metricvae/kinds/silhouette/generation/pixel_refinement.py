"""From a decoded picture to a mask that satisfies linear conditions to the pixel.

A decoder paints pixel i with probability p_i. Among all masks x (x_i = 0 or 1), the most likely with
sum_i x_i L_ji = w_j for every condition j maximises sum_i x_i logit p_i under these conditions, L_j being a required
shape where it lies on the picture, or 1 everywhere for the area. With a multiplier l_j each it is

    x_i = 1  where  logit p_i + sum_j l_j L_ji > 0,

so pixels of which the decoder is least sure change first. The multipliers minimise a convex function (its step from 0
to 1 softened by `SOFTNESS`), by Newton's method. A shape may overlap more in another pose than in that which was
considered: every pose that was found before stays as a condition, with at most as much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage, special

from metricvae.kinds.silhouette.records import Mask

Floats = npt.NDArray[np.float64]

SOFTNESS = (0.5, 0.1)
"""Logits over which a pixel goes from out to in, at first and at last."""

SUREST = 7.0
"""Logits are kept within: a pixel of which the decoder is surer counts as this sure."""

STEPS = 12
LONGEST_STEP, MOST = 2.0, 20.0
"""Logits by which a multiplier may change in a step, and in all."""

BLUR = 1.5
"""Pixels by which required shapes are blurred, so that what they add has no stairs."""

BORDER = 2
"""Pixels along the edge of the canvas that stay free."""

HOLE = 12
"""Pixels of a hole that is filled, at most."""

_TOUCHING = np.ones((3, 3))
_CROSS = ndimage.generate_binary_structure(2, 1)
"""Lines into which this does not fit are removed."""


def logits_of(picture: npt.NDArray[np.floating]) -> Floats:
    """(H, W) picture in [0, 1] -> logits within `SUREST`, a free border round them."""
    least = special.expit(-SUREST)
    logits: Floats = special.logit(np.clip(picture.astype(np.float64), least, 1 - least))
    edge = np.ones(logits.shape, np.bool_)
    edge[BORDER:-BORDER, BORDER:-BORDER] = False
    logits[edge] = -np.inf
    return logits


def largest_piece(logits: Floats) -> Mask:
    """The mask (H, W) of the largest piece above 0, without lines one pixel wide and pin holes."""
    mask = ndimage.binary_opening(logits > 0, _CROSS)
    pieces, count = ndimage.label(mask, structure=_TOUCHING)
    if count > 1:
        areas = np.bincount(pieces.ravel())
        areas[0] = 0
        mask = pieces == areas.argmax()
    holes, count = ndimage.label(~mask)
    if count > 1:
        small = np.bincount(holes.ravel()) <= HOLE
        mask |= small[holes] & (holes > 0)
    return mask.astype(np.uint8)


def erase(logits: Floats, there: npt.NDArray[np.bool_]) -> Floats:
    """Logits (H, W) of a picture that has nothing there."""
    return np.where(there, -SUREST, logits)


@dataclass(frozen=True)
class Condition:
    """What sum_i x_i L_i must be.

    Attributes:
        weight: (H, W) L, in [0, 1].
        soft: the same, blurred.
        target: pixels.
        at_most: whether less will do.
    """

    weight: Floats
    soft: Floats
    target: float
    at_most: bool = False


def condition(weight: Floats, target: float) -> Condition:
    """That what lies on `weight` is `target` pixels."""
    return Condition(weight, ndimage.gaussian_filter(weight, BLUR), target)


def most_likely(logits: Floats, conditions: Sequence[Condition]) -> Floats:
    """Logits (H, W) of the most likely shape under conditions: those given, with the multipliers' terms added."""
    soft, weight = (np.stack([getattr(one, name) for one in conditions]) for name in ("soft", "weight"))
    targets, at_most = (np.array([getattr(one, name) for one in conditions]) for name in ("target", "at_most"))
    inside = np.isfinite(logits) & (soft.max(0) > 0.02)
    base, along, counted = (each.astype(np.float32) for each in (logits[inside], soft[:, inside], weight[:, inside]))
    found = np.zeros(len(targets))
    for softness in SOFTNESS:
        found = _multipliers(base, along, counted, targets, at_most, found, softness)
    result = logits.copy()
    result[inside] = base + found @ along
    return result


def _multipliers(
    base: npt.NDArray[np.float32],
    along: npt.NDArray[np.float32],
    counted: npt.NDArray[np.float32],
    targets: Floats,
    at_most: npt.NDArray[np.bool_],
    found: Floats,
    softness: float,
) -> Floats:
    """Multipliers by damped Newton steps from those that were found; of conditions that are upper limits they stay at
    most 0, and those with room to spare are left out."""
    for _ in range(STEPS):
        share = special.expit((base + found.astype(np.float32) @ along) / np.float32(softness))
        lacking = targets - counted @ share
        active = ~at_most | (found < 0) | (lacking < 0)
        if np.all(np.abs(lacking[active]) < 1.0):
            break
        jacobian = (counted[active] * (share * (1 - share))) @ along[active].T / softness
        jacobian += (1e-2 * np.trace(jacobian) / len(jacobian) + 1.0) * np.eye(len(jacobian))
        step = np.linalg.solve(jacobian, lacking[active])
        found = found.copy()
        found[active] += np.clip(step, -LONGEST_STEP, LONGEST_STEP)
        found = np.clip(found, -MOST, np.where(at_most, 0.0, MOST))
    return found
