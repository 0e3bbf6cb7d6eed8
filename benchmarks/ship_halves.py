"""Make the `halves` model that ships: cut shapes, train, and put the model into the package.

    python benchmarks/ship_halves.py --work FOLDER [--device auto]

The data are 800,000 pairs of halves of `mixed` shapes, seed 1, every shape cut eight times along lines of all kinds: a
step encodes some 770 halves and learns from all their pairs. Made for a GPU and a dozen cores, a quarter of an hour;
two cores need a day. Killed, it goes on where it was.
"""

from __future__ import annotations

from shipping import Stage, ship

PAIRS, SEED, TIMES = 800_000, 1, 8
TRAINING = {"batch_pairs": 768, "steps": 8_000, "evaluate_every": 1_000}
"""What differs from the preset."""

PLAN = ["halves", "--objects", "mixed", "--pairs", str(PAIRS), "--times", str(TIMES), "--seed", str(SEED)]
PLAN += ["--cuts", "straight,zigzag,curved"]

if __name__ == "__main__":
    ship(__doc__, "halves", [Stage(PLAN, TRAINING, "halves", "model")])
