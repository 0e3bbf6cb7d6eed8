"""Make the model `pocket-fit` that ships: sites, molecules, their exact fits, training, and the model into the package.

    python benchmarks/pocket_sites.py --affinity AFFINITY --out SITES.csv --displaced 10
    python benchmarks/ship_pocket_fit.py --sites SITES.csv --molecules FILE --work FOLDER [--device auto]

FILE holds molecules: SMILES, which get a conformer each (30 a second and core), or an SDF with conformers. The model
that ships saw 12,000 of ZINC250k, drawn at random, with ETKDG's conformers. SITES.csv has 6,278 sites on 483
structures, most of them about points near the ligands: without these, proteins are too few to learn from.

500,000 pairs, in blocks of 16 sites and 16 molecules that all meet; pairs of validation, calibration and test have
sites of proteins that no training saw, by clusters of sequences. On one core that nothing else uses half an hour for
the pairs, a quarter of an hour for the training. A killed run resumes.
"""

from __future__ import annotations

from shipping import Stage, ship

LABELS = ["pocket-fit", "--pairs", "500000", "--partners", "16", "--cold", "left", "--seed", "1"]

TRAINING = {"steps": 1_600, "batch_pairs": 1_024, "threads": 1}
"""What differs from the preset."""

STAGES = [Stage({"sites": LABELS}, TRAINING, "pocket-fit")]

if __name__ == "__main__":
    ship(__doc__, "pocket-fit", STAGES, sources={"--sites": "--objects", "--molecules": "--right-objects"})
