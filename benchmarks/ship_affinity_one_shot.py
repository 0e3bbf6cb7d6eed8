"""Make the model `affinity-one-shot` that ships: pairs of pockets and ligands, training, the model into the package.

    python benchmarks/ship_affinity_one_shot.py --affinity AFFINITY --work FOLDER

AFFINITY as for `ship_affinity.py`, with the same sets to train on: plb (CC BY 4.0), merck and schrodinger (MIT), and
Uni-FEP (Apache-2.0; values from ChEMBL, CC BY-SA 3.0), whose congeners without poses count too. A pocket is that around
the first ligand of its structure. Ten minutes on one core; a killed run resumes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from affinity_data import SHIPPABLE
from affinity_one_shot import imported
from shipping import install, run


def main() -> None:
    """Import, train, install."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--affinity", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    data = imported(options.affinity, options.work / "shippable", SHIPPABLE, options.workers)
    made = options.work / "affinity-one-shot"
    run(["train", str(data), "--preset", "affinity", "--training.threads", "1", "--out", str(made)])
    install(made, "affinity-one-shot")


if __name__ == "__main__":
    main()
