"""Make the `halves` model that ships: cut shapes, train three times, and put the model into the package.

    python benchmarks/ship_halves.py --work FOLDER [--device auto]

The data are pairs of halves of `mixed` shapes, seed 1, every shape cut eight times along lines of all kinds. The first
stage looks at many at a time, a step encodes some 770 halves and learns from all their pairs: made for a GPU and a
dozen cores, a quarter of an hour; two cores need a day. The second goes on in small batches, where more of what a half
is compared with is of its own shape or family; two cores do that in an hour. The third has simple shapes cut straight
through the middle beside them, the paper's setting; another hour. Killed, it goes on where it was.
"""

from __future__ import annotations

from shipping import Stage, ship

SEED, TIMES = 1, 8

FIRST, SECOND, THIRD, SIMPLE = 800_000, 600_000, 400_000, 120_000
"""Pairs of each stage, and of simple shapes in the third."""

TRAINING = {"batch_pairs": 768, "steps": 8_000, "evaluate_every": 1_000}
"""What differs from the preset at first."""

FINER = {
    "steps": 2_400,
    "evaluate_every": 1_200,
    "learning_rate": 7e-4,
    "matrix_learning_rate": 2e-3,
    "anchor_share": 0.125,
    "threads": 1,
}
"""Then."""

LAST = FINER | {"steps": 3_000, "evaluate_every": 1_000, "threads": 2}
"""And then."""


def plan(pairs: int, objects: str = "mixed", cuts: str = "straight,zigzag,curved") -> list[str]:
    """Arguments of `metricvae label`."""
    seed, times = str(SEED), str(TIMES)
    return ["halves", *("--objects", objects, "--pairs", str(pairs), "--times", times, "--seed", seed, "--cuts", cuts)]


STAGES = [
    Stage({"halves-first": plan(FIRST)}, TRAINING, "model-first"),
    Stage({"halves-second": plan(SECOND)}, FINER, "model-second"),
    Stage({"halves": plan(THIRD), "simple": [*plan(SIMPLE, "procedural", "straight"), "--middle"]}, LAST, "model"),
]

if __name__ == "__main__":
    ship(__doc__, "halves", STAGES)
