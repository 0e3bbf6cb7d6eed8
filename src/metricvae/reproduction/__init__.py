"""The paper's tables and figures: the numbers, the tests, the pictures, and the report that shows them."""

FIGURES = ("figure-1.1", "figure-1.2", "figure-1.3", "figure-1.4", "figure-1.5")
"""The figures that can be made anew."""

STEPS = 400
"""Training steps of each variant of an ablation, and of the figures that need a training."""

PAPER_STEPS = 500
"""Training steps of the paper's network in Table 1."""

SEEDS = 3
"""Trainings of each variant of an ablation."""

OVERLAP_MODEL, HALVES_MODEL = "overlap", "halves"
"""The shipped models that the tables and figures show."""
