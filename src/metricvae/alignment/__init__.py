"""Poses predicted in one shot."""

TRIES = 24
"""Offers that are applied, the best of which is told."""

STEPS = 8
"""Steps uphill of each offer."""
