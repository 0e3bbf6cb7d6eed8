"""Make the `molecules` model that ships: conformers, overlays, training, and the model into the package.

    python benchmarks/ship_molecules.py --smiles FILE --work FOLDER [--device auto]

FILE lists SMILES, one a line: what ships was made from the 244,381 of ZINC250k, gzipped, of this SHA-256:
f3f2148e1976ffe079edb3e311f576977c63ae5d6b79eb4401e3cdc71af50936.

Two stages, in blocks of 16 molecules that all meet one another, so that a step encodes 512 molecules and learns from
3,840 pairs. First 3,000,000 pairs of 70,000 molecules: conformers take 40 minutes and overlays 10, on two cores, and
training is for a GPU. Then, from those weights, 2,400,000 pairs of 120,000 molecules, most of them new and all in new
conformers: three quarters of an hour to label, and an hour of training on two cores. A killed run resumes.
"""

from __future__ import annotations

import math

from shipping import Stage, ship

PARTNERS = 15
BLOCK = math.comb(PARTNERS + 1, 2)
BATCH = {"batch_pairs": 32 * BLOCK, "run_length": BLOCK}
FIRST = BATCH | {"steps": 7_500}
THEN = BATCH | {
    "steps": 2_500,
    "learning_rate": 7e-4,
    "matrix_learning_rate": 2e-3,
    "anchor_share": 0.02,
    "evaluate_every": 500,
}
"""What differs from the preset."""


def plan(pairs: int, molecules: int, seed: int) -> list[str]:
    """Arguments of `metricvae label`."""
    words = ["molecules", "--pairs", str(pairs), "--molecules", str(molecules), "--seed", str(seed)]
    return [*words, "--partners", str(PARTNERS)]


STAGES = [
    Stage({"zinc": plan(3_000_000, 70_000, seed=1)}, FIRST, "molecules-first"),
    Stage({"zinc-more": plan(2_400_000, 120_000, seed=2)}, THEN, "molecules"),
]

if __name__ == "__main__":
    ship(__doc__, "molecules", STAGES, sources={"--smiles": "--objects"})
