"""Shapes to ask about, and a checker of answers that shares nothing with the search but `solve` itself."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from scipy import ndimage

from metricvae.core.constraints import Closeness, Constraint, Magnitude, Plausible, ValueWith
from metricvae.kinds.silhouette.records import Mask
from metricvae.kinds.silhouette.sources.generators import draw
from metricvae.metrics.overlap.solver.search import PreparedMask, solve

Area = partial(Magnitude, name="area")
QUERIES = [shape.mask for shape in draw("mixed", 40, seed=4242) if shape.area >= 2_000][:6]


def faults_of(mask: Mask, constraints: Sequence[Constraint], least: int = 300) -> list[str]:
    """What an answer misses, the shapes solved the other way round than the search does."""
    faults = [] if ndimage.label(mask, structure=np.ones((3, 3)))[1] == 1 else ["in pieces"]
    area = float(mask.sum())
    faults += ["too small"] if area < least else []
    for one in constraints:
        if isinstance(one, Magnitude):
            held = one.span.holds(area)
        elif isinstance(one, ValueWith | Closeness):
            value = solve(PreparedMask(one.object), PreparedMask(mask)).area
            union = float(one.object.sum()) + area - value
            held = one.span.holds(value if isinstance(one, ValueWith) else value / union)
        else:
            held = isinstance(one, Plausible)
        faults += [] if held else [f"misses {one}"]
    return faults
