"""Make the `molecules` model that ships: conformers, overlays, training, and the model into the package.

    python benchmarks/larger_molecules.py --smiles FILE --out FOLDER/larger.smi --molecules 40000
    python benchmarks/ship_molecules.py --smiles FILE --work FOLDER [--device auto]

FILE lists SMILES, one a line: what ships was made from the 244,381 of ZINC250k, gzipped, of this SHA-256:
f3f2148e1976ffe079edb3e311f576977c63ae5d6b79eb4401e3cdc71af50936.

Three stages, in blocks of 16 molecules that all meet one another. First 3,000,000 pairs of 70,000 molecules, 512 and
3,840 pairs a step: conformers take 40 minutes and overlays 10, on two cores, and training is for a GPU. Then, from
those weights, 2,400,000 pairs of 120,000 molecules, most of them new and all in new conformers: three quarters of an
hour to label, and an hour of training on two cores. Then 450,000 pairs of 30,000 molecules of 28 to 48 heavy atoms,
joined from parts of those of FILE, beside 900,000 of 60,000: an hour and a quarter to label, and as much training on
one core. A killed run resumes.
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
LARGER = THEN | {"steps": 3_000, "batch_pairs": 16 * BLOCK, "threads": 1}
"""What differs from the preset."""


def plan(pairs: int, molecules: int, seed: int) -> list[str]:
    """Arguments of `metricvae label`."""
    words = ["molecules", "--pairs", str(pairs), "--molecules", str(molecules), "--seed", str(seed)]
    return [*words, "--partners", str(PARTNERS)]


STAGES = [
    Stage({"zinc": plan(3_000_000, 70_000, seed=1)}, FIRST, "molecules-first"),
    Stage({"zinc-more": plan(2_400_000, 120_000, seed=2)}, THEN, "molecules-second"),
    Stage(
        {
            "zinc-again": plan(900_000, 60_000, seed=2),
            "larger": [*plan(450_000, 30_000, seed=3), "--objects", "{work}/larger.smi"],
        },
        LARGER,
        "molecules",
    ),
]

if __name__ == "__main__":
    ship(__doc__, "molecules", STAGES, sources={"--smiles": "--objects"})
