"""Make the `overlap` model that ships: label, train, and put it into the package.

    python benchmarks/ship_overlap.py --work FOLDER [--device auto]

The data are 1,500,000 `mixed` pairs, seed 1, in blocks of 16 shapes that all meet one another: a step encodes 96 shapes
and learns from 720 pairs. Labelling takes 45 minutes and training 70, on two free cores. The aligner
learns from 150,000 of the pairs for half an hour more, on one.
A killed run resumes.
"""

from __future__ import annotations

import math

from shipping import Stage, ship

PAIRS, SEED, PARTNERS = 1_500_000, 1, 15
BLOCK = math.comb(PARTNERS + 1, 2)
TRAINING = {"steps": 26_000, "batch_pairs": 6 * BLOCK, "run_length": BLOCK, "evaluate_every": 1_000, "threads": 2}
"""What differs from the preset."""

ALIGNER = ["--aligning.steps", "4000", "--aligning.threads", "1"]

PLAN = ["overlap", "--objects", "mixed", "--pairs", str(PAIRS), "--partners", str(PARTNERS), "--seed", str(SEED)]

if __name__ == "__main__":
    ship(__doc__, "overlap", [Stage({"mixed": PLAN}, TRAINING, "overlap")], aligner=ALIGNER)
