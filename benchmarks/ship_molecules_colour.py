"""Make the `molecules-colour` model that ships: conformers, overlays by shape and colour, training, and the model into
the package.

    python benchmarks/ship_molecules_colour.py --smiles FILE --work FOLDER [--device auto]

FILE lists SMILES, one a line: the 244,381 of ZINC250k, gzipped, have this SHA-256:
f3f2148e1976ffe079edb3e311f576977c63ae5d6b79eb4401e3cdc71af50936.

900,000 pairs of 30,000 molecules, in blocks of 16 that all meet one another: a quarter of an hour for conformers and
another for overlays on two cores, and an hour of training on one that nothing else uses. A killed run resumes.
"""

from __future__ import annotations

import math

from shipping import Stage, ship

PARTNERS = 15
BLOCK = math.comb(PARTNERS + 1, 2)
TRAINING = {"steps": 4_000, "batch_pairs": 16 * BLOCK, "run_length": BLOCK, "evaluate_every": 500, "threads": 1}
"""What differs from the preset."""

LABELS = ["molecules-colour", "--pairs", "900000", "--molecules", "30000", "--seed", "1"]

STAGES = [Stage({"zinc": LABELS}, TRAINING, "molecules-colour")]

if __name__ == "__main__":
    ship(__doc__, "molecules-colour", STAGES, sources={"--smiles": "--objects"})
