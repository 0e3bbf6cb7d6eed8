"""How well molecules fill a pocket when so many are laid into it, by what chooses them.

python benchmarks/generate_pocket.py rec.pdb@ligand=LIG [--evaluations 96] [--seeds 2]
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np

from metricvae.core.requirements import forms_for, parse_requirement
from metricvae.generation.evolution import EvolutionConfig, evolve
from metricvae.metrics.pocket_fit.requirements import FitRequirement
from metricvae.prediction.predictor import Predictor


class UnscreenedFit(FitRequirement):
    """The exact fit alone."""

    coded = None  # type: ignore[assignment]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("site")
    parser.add_argument("--evaluations", type=int, default=96)
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    predictor = Predictor.load("molecules-2d")
    forms = forms_for(predictor.kind("right"))
    for seed in range(options.seeds):
        for screened in (True, False):
            fit, *others = (
                parse_requirement(text, forms) for text in (f"pocket:{options.site}>=0.2", "qed>=0.5", "sa<=4")
            )
            if not screened:
                fit = UnscreenedFit(**vars(fit))
            config = EvolutionConfig(1e5, options.evaluations, seed, improve=True, spare=1.0)
            begun = time.process_time()
            found = evolve(predictor, [fit, *others], 16, config)
            fits = sorted((one.readings[0].value for one in found.answers), reverse=True)
            row = {"seed": seed, "screened": screened, "best_eight": float(np.mean(fits[:8])), "encoded": found.encoded}
            print(json.dumps(row | {"processor_seconds": time.process_time() - begun}), flush=True)


if __name__ == "__main__":
    main()
