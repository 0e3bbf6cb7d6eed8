"""Make the `halves` model that ships: cut shapes, train five times, and put the model into the package.

    python benchmarks/ship_halves.py --work FOLDER [--device auto]

The data are pairs of halves of `mixed` shapes, every shape cut eight times along lines of all kinds. The first
stage looks at many at a time, a step encodes some 770 halves and learns from all their pairs: made for a GPU and a
dozen cores, a quarter of an hour; two cores need a day. The second goes on in small batches, where more of what a half
is compared with is of its own shape or family; two cores do that in an hour. The third has simple shapes cut straight
through the middle beside them, the paper's setting; another hour. The fourth sees others of both, for longer. The
fifth sees these ten times, again many at a time: a quarter of an hour on a GPU. Killed, it goes on where it was.
"""

from __future__ import annotations

from shipping import Stage, ship

SEED, OTHER_SEED, TIMES = 1, 2, 8
"""Of the shapes and cuts of three stages, and of the others; cuts of a shape."""

FIRST, SECOND, THIRD, FOURTH = 800_000, 600_000, 400_000, 600_000
"""Pairs of each stage."""

SIMPLE, MORE_SIMPLE = 120_000, 180_000
"""Pairs of simple shapes beside them in the third and the fourth."""

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

WITH_SIMPLE = FINER | {"steps": 3_000, "evaluate_every": 1_000, "threads": 2}
"""And then."""

LONGER = WITH_SIMPLE | {"steps": 4_000}
"""For the fourth time."""

LAST = {
    "batch_pairs": 768,
    "steps": 9_000,
    "evaluate_every": 2_000,
    "learning_rate": 1.2e-3,
    "matrix_learning_rate": 4e-3,
    "anchor_share": 0.125,
}
"""At last."""


def plan(pairs: int, seed: int = SEED, objects: str = "mixed", cuts: str = "straight,zigzag,curved") -> list[str]:
    """Arguments of `metricvae label`."""
    numbers = {"--pairs": pairs, "--times": TIMES, "--seed": seed}
    words = [word for name, number in numbers.items() for word in (name, str(number))]
    return ["halves", "--objects", objects, "--cuts", cuts, *words]


def simple(pairs: int, seed: int = SEED) -> list[str]:
    """The same for simple shapes."""
    return [*plan(pairs, seed, "procedural", "straight"), "--middle"]


SIMPLE_HALVES = {"simple-third": simple(SIMPLE)}
OTHERS = {"halves": plan(FOURTH, OTHER_SEED), "simple": simple(MORE_SIMPLE, OTHER_SEED)}
"""Data of several stages."""

STAGES = [
    Stage({"halves-first": plan(FIRST)}, TRAINING, "model-first"),
    Stage({"halves-second": plan(SECOND)}, FINER, "model-second"),
    Stage({"halves-third": plan(THIRD), **SIMPLE_HALVES}, WITH_SIMPLE, "model-third"),
    Stage(OTHERS, LONGER, "model-fourth"),
    Stage(OTHERS | SIMPLE_HALVES, LAST, "model"),
]

if __name__ == "__main__":
    ship(__doc__, "halves", STAGES)
