"""Make the model `affinity` that ships: features of complexes, forests, calibration, and the model into the package.

    python benchmarks/ship_affinity.py --affinity AFFINITY --work FOLDER [--all] [--out FOLDER]

AFFINITY holds `complexes.csv`, `posed.csv.gz` and `posed/unifep`. Trained on are the sets whose licences allow it: plb
(CC BY 4.0), merck and schrodinger (MIT), and Uni-FEP (Apache-2.0; values from ChEMBL, CC BY-SA 3.0). `--all` takes all
sets, for measurements: such a model is not to be given away, and is written to `--out`. The congeners of Uni-FEP are
docked where the reference ligand of their system lies: 45 minutes of a core. A killed run resumes.
"""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path

from metricvae.metrics.affinity.metric import AffinityMetric
from metricvae.metrics.affinity.posed_files import MODEL, TENSORS, write_posed
from metricvae.metrics.affinity.posed_fit import PosedConfig, fit_posed
from metricvae.reproduction.affinity.complexes import SHIPPABLE, computed, entries
from metricvae.reproduction.affinity.training_rows import docking_of, training_set
from metricvae.runtime.files import write_text
from metricvae.runtime.process_pool import worker_pool
from metricvae.runtime.progress import progress
from metricvae.training.checkpoint import SHIPPED, write_metric_model

CARD = """# Binding affinity model

Predicts how strongly a small molecule binds to a pocket, as pK = -log10 of Ki, Kd or IC50 in mol/L, from its pose.

Trained on {complexes} complexes of {proteins} clusters of proteins: the protein-ligand benchmark of Open Force Field
(CC BY 4.0), the FEP benchmarks of Schrodinger and Merck KGaA (MIT), and Uni-FEP (Apache-2.0; values from ChEMBL, CC
BY-SA 3.0). {posed} of them were given with poses, and {docked} were docked where the reference ligand of their system
lies. Ligands of CASF-2016 were left out, its proteins were not.

Tested on the complexes that were given with poses:

| left out | Pearson R | RMSE | 90 % intervals hold |
| --- | --- | --- | --- |
| proteins, in five parts | {new_proteins_pearson:.3f} | {new_proteins_rmse:.2f} | {new_proteins_coverage:.1%} |
| scaffolds, in five parts | {new_scaffolds_pearson:.3f} | {new_scaffolds_rmse:.2f} | {new_scaffolds_coverage:.1%} |

It was not tested on covalent ligands, metals in ligands, peptides of more than 100 heavy atoms or nucleic acids.
Congeners of one pocket are ranked by the column `ranking`. See docs/affinity.md.
"""


def main() -> None:
    """Fit and write the model, and print how it does on what was left out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--affinity", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--out", type=Path, default=SHIPPED / "affinity")
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    if options.all and options.out == SHIPPED / "affinity":
        parser.error("--all needs --out: such a model does not ship")
    sets = None if options.all else SHIPPABLE
    with worker_pool(options.workers) as pool, progress() as step:
        data = computed(options.affinity, entries(options.affinity), options.work, pool)
        docked = docking_of(options.affinity, data, options.work, pool, partial(step, "docking congeners"))
        training = training_set(options.affinity, data, sets, docked)
    model = fit_posed(training, PosedConfig())
    write_posed(options.out, model)
    quality = f"new proteins R {model.facts['new_proteins_pearson']:.3f}"
    write_metric_model(options.out, AffinityMetric(), {"quality": quality}, (MODEL, TENSORS))
    write_text(options.out / "README.md", CARD.format(**model.facts))
    print(json.dumps(model.facts))


if __name__ == "__main__":
    main()
