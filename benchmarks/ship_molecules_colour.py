"""Make the `molecules-colour` model that ships: conformers, overlays by shape and colour, training, and the model into
the package.

    python benchmarks/larger_molecules.py --smiles FILE --out FOLDER/larger.smi --molecules 40000
    python benchmarks/ship_molecules_colour.py --smiles FILE --work FOLDER [--device auto]

FILE lists SMILES, one a line: the 244,381 of ZINC250k, gzipped, have this SHA-256:
f3f2148e1976ffe079edb3e311f576977c63ae5d6b79eb4401e3cdc71af50936.

Three stages, of pairs in blocks of 16 molecules that all meet one another: 900,000 of 30,000 molecules, then of 60,000
from the weights of the first, then also 450,000 of 30,000 molecules of 28 to 48 heavy atoms that are joined from parts
of those of FILE. On two cores half an hour for the conformers and overlays of the first, 45 minutes for those of the
second, half an hour for those of the third; two hours and a quarter of training on one core that nothing else uses. A
killed run resumes.
"""

from __future__ import annotations

import math

from shipping import Stage, ship

PARTNERS = 15
BLOCK = math.comb(PARTNERS + 1, 2)
TRAINING = {"steps": 4_000, "batch_pairs": 16 * BLOCK, "run_length": BLOCK, "evaluate_every": 500, "threads": 1}
"""What differs from the preset."""

FURTHER = TRAINING | {"steps": 2_500}


def labels(molecules: int, seed: int) -> list[str]:
    """Arguments of `metricvae label`."""
    return ["molecules-colour", "--pairs", "900000", "--molecules", str(molecules), "--seed", str(seed)]


LARGER = [
    *("molecules-colour", "--pairs", "450000", "--molecules", "30000", "--seed", "3"),
    *("--objects", "{work}/larger.smi"),
]

STAGES = [
    Stage({"zinc": labels(30_000, 1)}, TRAINING, "first"),
    Stage({"more": labels(60_000, 2)}, FURTHER, "second"),
    Stage({"more": labels(60_000, 2), "larger": LARGER}, FURTHER, "molecules-colour"),
]

if __name__ == "__main__":
    ship(__doc__, "molecules-colour", STAGES, sources={"--smiles": "--objects"})
