"""Which actives a search ranks first, by shape, colour, both and fingerprints, beside other tools. JSON on stdout.

    python benchmarks/screening.py --zinc zinc250k.smi.gz --dude DUDE --activity moleculeace.csv.gz --work WORK
        [--conformers 3] [--pool 8000] [--only NAME ...] [--methods NAME ...]

Screens are those of `benchmarks/screens.py`: each has one conformer of the query and `--conformers` of every other
molecule, of which the best counts. Every method sees the same conformers, and none the labels. Needs RDKit.

Reported for each screen and method: the area under the ROC curve, the enrichment factor among the first 1 % (share of
actives there over that in all), and BEDROC with alpha 20 (J. Truchon and C. Bayly, J. Chem. Inf. Model. 47 (2007) 488);
then means over screens with 95 % intervals by resampling screens.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rdkit import DataStructs
from rdkit.Chem import rdMolDescriptors, rdShapeAlign
from rdkit.ML.Scoring import Scoring
from screens import MORGAN, SEED, Screen, conformers, rdkit_of, screens

from metricvae.kinds.molecule.records import Molecule
from metricvae.metrics.shape.solver.coloured import By, coloured, overlay_coloured

Floats = npt.NDArray[np.float64]
Conformers = Sequence[Sequence[Molecule]]
Method = Callable[[Molecule, Conformers], Floats]
"""Scores (n,) of n molecules for a query, larger for better."""

EARLY, ALPHA = 0.01, 20.0


def overlaid(by: By) -> Method:
    """Our exact overlay."""

    def scores(query: Molecule, library: Conformers) -> Floats:
        flat = [coloured(query), *(coloured(one) for several in library for one in several)]
        pairs = np.column_stack([np.zeros(len(flat) - 1, np.int64), np.arange(1, len(flat))])
        return best_of(overlay_coloured(flat, pairs, by, threads=1).scores(by), library)

    return scores


def rdkit_aligned(share: float) -> Method:
    """RDKit's aligner: shape alone for a share of colour of 0, or both."""

    def scores(query: Molecule, library: Conformers) -> Floats:
        reference, found = rdkit_of(query), []
        for several in library:
            for one in several:
                shape, colour = rdShapeAlign.AlignMol(
                    reference, rdkit_of(one), useColors=share > 0, opt_param=1.0 - share
                )
                found.append((1.0 - share) * shape + share * colour)
        return best_of(np.array(found), library)

    return scores


def usrcat(query: Molecule, library: Conformers) -> Floats:
    """Moments of distances, of all atoms and of those of each type (A. Schreyer, T. Blundell, 2012)."""
    asked = np.array(rdMolDescriptors.GetUSRCAT(rdkit_of(query)))
    moments = [rdMolDescriptors.GetUSRCAT(rdkit_of(one)) for several in library for one in several]
    return best_of(1.0 / (1.0 + np.abs(np.array(moments) - asked).mean(axis=1)), library)


def morgan(query: Molecule, library: Conformers) -> Floats:
    """Tanimoto similarity of Morgan fingerprints."""
    prints = [MORGAN.GetFingerprint(rdkit_of(several[0])) for several in library]
    return np.array(DataStructs.BulkTanimotoSimilarity(MORGAN.GetFingerprint(rdkit_of(query)), prints))


def best_of(scores: Floats, library: Conformers) -> Floats:
    """(n,) the best score of each molecule's conformers."""
    ends = np.cumsum([len(several) for several in library])
    return np.array([part.max() for part in np.split(scores, ends[:-1])])


METHODS: dict[str, Method] = {
    "shape": overlaid("shape"),
    "colour": overlaid("colour"),
    "combo": overlaid("combo"),
    "rdkit shape": rdkit_aligned(0.0),
    "rdkit combo": rdkit_aligned(0.5),
    "usrcat": usrcat,
    "morgan": morgan,
}
FUSIONS = {"combo + morgan": ("combo", "morgan"), "rdkit combo + morgan": ("rdkit combo", "morgan")}
"""Fingerprints with a share of an overlay's score."""

OVERLAY_SHARE = 0.5
"""Of the score of an overlay beside that of fingerprints; chosen on the first ten screens of activity."""


def figures(scores: Floats, active: npt.NDArray[np.bool_]) -> dict[str, float]:
    """The figures of one ranking; ties are broken by chance, alike for all methods."""
    order = np.lexsort((np.random.default_rng(SEED).random(len(scores)), -scores))
    column = [[bool(one)] for one in active[order]]
    return {
        "auc": Scoring.CalcAUC(column, 0),
        "ef1": Scoring.CalcEnrichment(column, 0, [EARLY])[0],
        "bedroc": Scoring.CalcBEDROC(column, 0, ALPHA),
    }


def measure(screen: Screen, made: dict[str, list[Molecule]], methods: Sequence[str]) -> dict[str, Any]:
    """The figures of each method on a screen."""
    there = [smiles in made for smiles in (*screen.actives, *screen.decoys)]
    active = screen.labels[there]
    library = [made[smiles] for smiles in (*screen.actives, *screen.decoys) if smiles in made]
    scores, found = {}, {}
    for name in methods:
        began = time.process_time()
        scores[name] = METHODS[name](screen.query, library)
        found[name] = figures(scores[name], active) | {"seconds": time.process_time() - began}
    for name, parts in FUSIONS.items():
        if all(part in scores for part in parts):
            overlay, prints = (scores[part] for part in parts)
            found[name] = figures(prints + OVERLAY_SHARE * overlay, active)
    return {"screen": screen.name, "actives": int(active.sum()), "molecules": len(active), "figures": found}


def summary(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means over screens, with 95 % intervals by resampling them."""
    rng = np.random.default_rng(SEED)
    drawn = rng.integers(0, len(results), (2_000, len(results)))
    found: dict[str, Any] = {}
    for name in results[0]["figures"]:
        for figure in ("auc", "ef1", "bedroc"):
            values = np.array([one["figures"][name][figure] for one in results])
            low, high = np.quantile(values[drawn].mean(axis=1), [0.025, 0.975])
            found.setdefault(name, {})[figure] = [round(float(x), 3) for x in (values.mean(), low, high)]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--zinc", type=Path, required=True)
    parser.add_argument("--dude", type=Path)
    parser.add_argument("--activity", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--conformers", type=int, default=3)
    parser.add_argument("--pool", type=int, default=8_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--methods", nargs="*", default=list(METHODS))
    options = parser.parse_args()
    chosen = [one for one in screens(options.dude, options.activity, options.zinc, options.pool)]
    chosen = [one for one in chosen if not options.only or one.name in options.only]
    every = [smiles for one in chosen for smiles in (*one.actives, *one.decoys)]
    made = conformers(every, options.conformers, options.work, options.workers)
    results = []
    for one in chosen:
        results.append(measure(one, made, options.methods))
        print(json.dumps(results[-1]), file=sys.stderr, flush=True)
    print(json.dumps({"summary": summary(results), "screens": results}, indent=1))


if __name__ == "__main__":
    main()
