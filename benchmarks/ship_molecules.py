"""Make the `molecules` model that ships: conformers, overlays, training, and the model into the package.

    python benchmarks/ship_molecules.py --smiles FILE --work FOLDER [--device auto]

FILE lists SMILES, one a line: what ships was made from the 244,381 of ZINC250k, gzipped, of this SHA-256:
f3f2148e1976ffe079edb3e311f576977c63ae5d6b79eb4401e3cdc71af50936. The
data are 3,000,000 pairs of 70,000 of them, evenly spaced, seed 1, in blocks of 16 that all meet one another: a
step encodes 512 molecules and learns from 3,840 pairs. Conformers take 40 minutes and overlays 10, on two cores.
Training is for a GPU. Killed, it goes on where it was.
"""

from __future__ import annotations

import math

from shipping import Stage, ship

PAIRS, MOLECULES, SEED, PARTNERS = 3_000_000, 70_000, 1, 15
BLOCK = math.comb(PARTNERS + 1, 2)
TRAINING = {"steps": 7_500, "batch_pairs": 32 * BLOCK, "run_length": BLOCK}
"""What differs from the preset."""

PLAN = ["molecules", "--pairs", str(PAIRS), "--molecules", str(MOLECULES), "--seed", str(SEED)]
PLAN += ["--partners", str(PARTNERS), "--check", "300"]

if __name__ == "__main__":
    ship(__doc__, "molecules", [Stage(PLAN, TRAINING, "zinc", "molecules")], source="--smiles")
