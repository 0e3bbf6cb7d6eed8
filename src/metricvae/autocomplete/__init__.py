"""Molecules made around a binding site: proposed by its code, edited, docked, and said how far each number holds.

This package joins kinds and metrics, as none of the packages before it may: the pocket's code retrieves molecules
(`metricvae.search`), `metricvae.generation` edits them, `metricvae.metrics.docking` places the best, and the model of
affinities says how strongly they may bind.
"""

CANDIDATES_ASKED = 20
"""Candidates that are made."""

SECONDS = 300.0
"""That they may take, about."""
