"""Poses predicted in one shot."""

TRIES = 24
"""Proposals that are judged, the best of which is the answer."""

STEPS = 8
"""Steps of local optimisation of each proposal."""
