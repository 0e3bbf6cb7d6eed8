"""Make the `molecules-2d` model that ships: atoms and bonds alone, on single conformers first, then on several.

    python benchmarks/ship_molecules_2d.py --smiles FILE --work FOLDER [--device auto]

The first stage learns from the first data of `ship_molecules.py` (give the same FOLDER, and they are made once). The
second continues on 200,000 pairs of 12,000 molecules with five conformers each, seed 2, whose value is that of the
most similar two: conformers take 10 minutes, the overlays of all 15, on two cores. A killed run resumes.
"""

from __future__ import annotations

from ship_molecules import BATCH, BLOCK, STAGES
from shipping import Stage, ship

TRAINING = BATCH | {"steps": 6_500}
"""What differs from the preset."""

SEVERAL = ["molecules", "--pairs", "200000", "--molecules", "12000", "--conformers", "5", "--seed", "2"]
LATER = {
    **{"steps": 500, "batch_pairs": 16 * BLOCK, "run_length": BLOCK, "evaluate_every": 100, "threads": 1},
    **{"warmup_steps": 20, "average_decay": 0.98, "learning_rate": 2e-4, "matrix_learning_rate": 6e-4},
}

if __name__ == "__main__":
    stages = [
        Stage(STAGES[0].data, TRAINING, "flat"),
        Stage({"several": SEVERAL}, LATER, "molecules-2d"),
    ]
    ship(__doc__, "molecules-2d", stages, sources={"--smiles": "--objects"})
