"""Usual metrics of molecules' formulas from few pairs: what a fit explains. A row of JSON each.

    python benchmarks/molecule_metrics.py --smiles FILE --work WORK [--kind molecule-fingerprint] [--only NAME ...]

700 molecules of a file of SMILES, drawn at random, cut into training, validation, calibration and test molecules by
their scaffolds (about 60, 10, 10 and 20 %); up to 3,000 training pairs, 500, 500 and 800 others. Values are of RDKit's
fingerprints and descriptors.
"""

from __future__ import annotations

import argparse
import json
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rdkit import Chem, DataStructs, rdBase
from rdkit.Chem import rdFingerprintGenerator as fingerprints
from rdkit.Chem import rdFMCS, rdMolDescriptors

import metricvae as mv
from metricvae.core.dataset import PairDataset
from metricvae.evaluation.evaluate import evaluate
from metricvae.kinds.molecule.listing import records
from metricvae.kinds.molecule.scaffolds import scaffold_group

MOLECULES = 700
SPLITS = {"train": (60, 3_000), "validation": (70, 500), "calibration": (80, 500), "test": (100, 800)}
"""Percentile of scaffolds at which a split ends, and its pairs at most."""

BITS = 2_048
Mol = Any


def largest_common(a: Mol, b: Mol) -> float:
    """Atoms of the maximum common substructure, as a share of those of both together."""
    found = rdFMCS.FindMCS([a, b], timeout=1, ringMatchesRingOnly=True, completeRingsOnly=True).numAtoms
    return float(found / (a.GetNumAtoms() + b.GetNumAtoms() - found))


@dataclass(frozen=True)
class Metric:
    """What is known of each molecule, and how that of two is compared."""

    describe: Callable[[Mol], Any]
    compare: Callable[[Any, Any], float]


MORGAN = fingerprints.GetMorganGenerator(radius=2, fpSize=BITS)
PAIRS = fingerprints.GetAtomPairGenerator(fpSize=BITS)
TORSIONS = fingerprints.GetTopologicalTorsionGenerator(fpSize=BITS)
TANIMOTO = DataStructs.TanimotoSimilarity

METRICS = {
    "ECFP4 Tanimoto": Metric(MORGAN.GetFingerprint, TANIMOTO),
    "ECFP4 Tversky (0.9, 0.1)": Metric(
        MORGAN.GetCountFingerprint, lambda a, b: DataStructs.TverskySimilarity(a, b, 0.9, 0.1)
    ),
    "MACCS Tanimoto": Metric(rdMolDescriptors.GetMACCSKeysFingerprint, TANIMOTO),
    "atom pairs, Dice": Metric(PAIRS.GetCountFingerprint, DataStructs.DiceSimilarity),
    "torsions, Tanimoto": Metric(TORSIONS.GetFingerprint, TANIMOTO),
    "maximum common substructure": Metric(lambda mol: mol, largest_common),
    "difference of logP": Metric(lambda mol: rdMolDescriptors.CalcCrippenDescriptors(mol)[0], lambda a, b: abs(a - b)),
    "signed difference of weight": Metric(rdMolDescriptors._CalcMolWt, lambda a, b: a - b),
}


def pairs_of(smiles: list[str], name: str, kind: str) -> PairDataset:
    """The pairs, split by scaffolds."""
    random, metric = np.random.default_rng(1), METRICS[name]
    described = [metric.describe(Chem.MolFromSmiles(one)) for one in smiles]
    place = np.array([zlib.crc32(scaffold_group(one, one).encode()) % 100 for one in smiles])
    split = np.digitize(place, [end for end, _ in list(SPLITS.values())[:-1]])
    first, second = random.integers(len(smiles), size=(2, 40_000))
    kept = (first != second) & (split[first] == split[second])
    first, second = first[kept], second[kept]
    rows = np.concatenate([np.flatnonzero(split[first] == at)[:most] for at, (_, most) in enumerate(SPLITS.values())])
    ends = [(first[row], second[row]) for row in rows]
    return PairDataset.from_pairs(
        [smiles[a] for a, _ in ends],
        [smiles[b] for _, b in ends],
        [metric.compare(described[a], described[b]) for a, b in ends],
        kind,
        split=[list(SPLITS)[split[a]] for a, _ in ends],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smiles", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--kind", default="molecule-fingerprint")
    parser.add_argument("--only", nargs="*", default=list(METRICS), choices=list(METRICS))
    options = parser.parse_args()
    rdBase.DisableLog("rdApp.*")
    listed = [one.text for one in records(options.smiles)]
    drawn = np.random.default_rng(0).choice(len(listed), min(MOLECULES, len(listed)), replace=False)
    smiles = [listed[row] for row in drawn]
    for name in options.only:
        data, begin = pairs_of(smiles, name, options.kind), time.process_time()
        model = mv.fit(data, options.work / options.kind / str(list(METRICS).index(name)), show_progress=False)
        found = evaluate(model.predictor, data, split="test")
        facts = model.predictor.loaded.facts
        print(
            json.dumps(
                {
                    "metric": name,
                    "kind": options.kind,
                    "r2": round(found.r2, 3),  # type: ignore[union-attr]
                    "coverage": round(found.interval_coverage, 3),  # type: ignore[union-attr]
                    "best step": facts["best_step"],
                    "cpu seconds": round(time.process_time() - begin),
                }
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()
