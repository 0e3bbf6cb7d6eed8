"""From what a decoder paints to a shape that satisfies its requirements to the pixel.

A decoder paints pixel i with probability p_i. Among all shapes x (x_i = 0 or 1), the likeliest with
sum_i x_i L_ji = w_j for every requirement j maximises sum_i x_i logit p_i under these conditions, L_j being a required
shape as it lies on the picture, or 1 everywhere for the area. With a multiplier l_j each it is

    x_i = 1  where  logit p_i + sum_j l_j L_ji > 0,

so pixels of which the decoder is least sure change first. The multipliers minimise a convex function (its step from 0
to 1 softened by `SOFTNESS`), by Newton's steps. A shape may overlap more in another pose than in that which was
looked at: every pose that was found before stays as a condition, with at most as much.
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
"""Logits are kept within: a pixel of which the decoder is surer is not surer still."""

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
"""Hairs are what this does not fit into."""


def logits_of(picture: npt.NDArray[np.floating]) -> Floats:
    """(H, W) picture in [0, 1] -> logits within `SUREST`, a free border round them."""
    least = special.expit(-SUREST)
    logits: Floats = special.logit(np.clip(picture.astype(np.float64), least, 1 - least))
    edge = np.ones(logits.shape, np.bool_)
    edge[BORDER:-BORDER, BORDER:-BORDER] = False
    logits[edge] = -np.inf
    return logits


def cut_out(logits: Floats) -> Mask:
    """The largest piece above 0 without hairs and pin holes: (H, W) of 0 and 1."""
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


def without(logits: Floats, there: npt.NDArray[np.bool_]) -> Floats:
    """Logits (H, W) of a picture that has nothing there."""
    return np.where(there, -SUREST, logits)


@dataclass(frozen=True)
class Condition:
    """What sum_i x_i L_i must be.

    Attributes:
        weight: (H, W) L, in [0, 1].
        soft: the same, blurred.
        wish: pixels.
        at_most: whether less will do.
    """

    weight: Floats
    soft: Floats
    wish: float
    at_most: bool = False


def condition(weight: Floats, wish: float) -> Condition:
    """That what lies on `weight` is `wish` pixels."""
    return Condition(weight, ndimage.gaussian_filter(weight, BLUR), wish)


def likeliest(logits: Floats, conditions: Sequence[Condition]) -> Floats:
    """Logits (H, W) of the likeliest shape under conditions: those given, with the multipliers' terms added."""
    soft, weight = (np.stack([getattr(one, name) for one in conditions]) for name in ("soft", "weight"))
    wishes, at_most = (np.array([getattr(one, name) for one in conditions]) for name in ("wish", "at_most"))
    inside = np.isfinite(logits) & (soft.max(0) > 0.02)
    base, along, counted = (each.astype(np.float32) for each in (logits[inside], soft[:, inside], weight[:, inside]))
    found = np.zeros(len(wishes))
    for softness in SOFTNESS:
        found = _solved(base, along, counted, wishes, at_most, found, softness)
    result = logits.copy()
    result[inside] = base + found @ along
    return result


def _solved(
    base: npt.NDArray[np.float32],
    along: npt.NDArray[np.float32],
    counted: npt.NDArray[np.float32],
    wishes: Floats,
    at_most: npt.NDArray[np.bool_],
    found: Floats,
    softness: float,
) -> Floats:
    """Multipliers by damped Newton steps from those that were found; of conditions that are upper limits they stay at
    most 0, and those with room to spare are left out."""
    for _ in range(STEPS):
        share = special.expit((base + found.astype(np.float32) @ along) / np.float32(softness))
        missing = wishes - counted @ share
        active = ~at_most | (found < 0) | (missing < 0)
        if np.all(np.abs(missing[active]) < 1.0):
            break
        slope = (counted[active] * (share * (1 - share))) @ along[active].T / softness
        slope += (1e-2 * np.trace(slope) / len(slope) + 1.0) * np.eye(len(slope))
        step = np.linalg.solve(slope, missing[active])
        found = found.copy()
        found[active] += np.clip(step, -LONGEST_STEP, LONGEST_STEP)
        found = np.clip(found, -MOST, np.where(at_most, 0.0, MOST))
    return found
