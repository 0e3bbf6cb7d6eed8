"""Make the `halves` model that ships: cut shapes, train in five stages, and put the model into the package.

    python benchmarks/ship_halves.py --work FOLDER [--device auto]

The data are pairs of halves of `mixed` shapes, every shape cut eight times along lines of all kinds. The first
stage has large batches, a step encodes some 770 halves and learns from all their pairs: made for a GPU and a dozen
cores, a quarter of an hour; two cores need a day. The second has small batches, where more of the halves that a half
is compared with are of its own shape or family; an hour on two cores. The third adds simple shapes cut straight
through the centroid, the paper's setting; another hour. The fourth has other shapes of both kinds, for more steps. The
fifth has these ten times over, in large batches again: a quarter of an hour on a GPU. A killed run resumes.
"""

from __future__ import annotations

from shipping import Stage, ship

SEED, OTHER_SEED, TIMES = 1, 2, 8
"""Seeds of the first three stages and of the others; cuts of each shape."""

FIRST, SECOND, THIRD, FOURTH = 800_000, 600_000, 400_000, 600_000
"""Pairs of each stage."""

SIMPLE, MORE_SIMPLE = 120_000, 180_000
"""Pairs of simple shapes that the third and the fourth stage add."""

TRAINING = {"batch_pairs": 768, "steps": 8_000, "evaluate_every": 1_000}
"""Differences from the preset in the first stage."""

FINER = {
    "steps": 2_400,
    "evaluate_every": 1_200,
    "learning_rate": 7e-4,
    "matrix_learning_rate": 2e-3,
    "anchor_share": 0.125,
    "threads": 1,
}
"""In the second."""

WITH_SIMPLE = FINER | {"steps": 3_000, "evaluate_every": 1_000, "threads": 2}
"""In the third."""

LONGER = WITH_SIMPLE | {"steps": 4_000}
"""In the fourth."""

LAST = {
    "batch_pairs": 768,
    "steps": 9_000,
    "evaluate_every": 2_000,
    "learning_rate": 1.2e-3,
    "matrix_learning_rate": 4e-3,
    "anchor_share": 0.125,
}
"""In the fifth."""


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
