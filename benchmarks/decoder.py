"""How good the decoder of a model of molecules is. JSON on stdout.

    pip install --no-deps fcd_torch==1.0.7 molsets==0.3.1 && pip install tqdm
    metricvae train INDEX --decoder MODEL
    python benchmarks/decoder.py MODEL --train train.smi --test test.smi [--samples 10000] [--reconstructed 1000]

- `drawn`: molecules decoded from drawn codes, where a text that means none is drawn again up to seven times: how many
  codes gave a molecule that is standardised (valid), how many did at once (first), of the molecules how many are
  different (unique), of the different ones how many are not in `--train` (novel).
- FCD (K. Preuer et al., J. Chem. Inf. Model. 58 (2018) 1736, by `fcd_torch`) against `--test`, and the metrics of MOSES
  (D. Polykovskiy et al., Frontiers in Pharmacology 11 (2020) 565644, by `molsets`): nearest neighbour, fragments,
  scaffolds, internal diversity, filters, and Wasserstein distances of logP, QED, weight; of SA by the package, as MOSES
  reads it from a pickle. Beside them the same of as many molecules of `--train`, and of as many assembled from listed
  fragments. FCD falls with the number of molecules: compare it within one table alone.
- `reconstruction`: molecules of `--test` encoded (in one conformer, or flat where the model reads none), decoded once
  by the likeliest symbols and in DRAWS draws, and encoded again: the cosine of both codes, and how often it is the same
  molecule.
- seconds of the process for 1,000 decoded texts.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rdkit import Chem, rdBase
from torch import Tensor
from torch.nn import functional

from metricvae.core.errors import InputError
from metricvae.core.kind import Object
from metricvae.decoding.decoder import TEMPERATURE, TRIES, ObjectDecoder
from metricvae.generation.screening import editor_of
from metricvae.kinds.molecule.conformers import flat
from metricvae.kinds.molecule.fragments import stream_smiles
from metricvae.kinds.molecule.generation.requirements import described
from metricvae.kinds.molecule.listing import records
from metricvae.kinds.molecule.properties import PROPERTIES
from metricvae.kinds.molecule.records import Molecule
from metricvae.prediction.predictor import Predictor

DRAWS = 8
"""Of which the one that comes nearest to a code is kept, as `generate --around` does."""

FEWEST = 2
"""Molecules from which on sets are compared."""

METRICS = {"fcd": "FCDMetric", "snn": "SNNMetric", "fragments": "FragMetric", "scaffolds": "ScafMetric"}
"""Of MOSES, by the names that they have here."""


def canonical_smiles(texts: Sequence[str]) -> list[str]:
    """The standardised molecules of texts; what means none is left out."""
    found = []
    for text in texts:
        try:
            found.append(flat(text).smiles)
        except InputError:
            continue
    return found


def moses() -> Any:
    """The metrics of MOSES, for a pandas whose frames have no `append`, without the two scores that read pickles."""
    import pandas as pd

    if not hasattr(pd.DataFrame, "append"):
        pd.DataFrame.append = lambda self, other, sort=False: pd.concat([self, other], sort=sort)
    for name in ("SA_Score.sascorer", "NP_Score.npscorer"):
        sys.modules.setdefault(f"moses.metrics.{name}", types.ModuleType(name))
    from moses.metrics import metrics

    return metrics


def sa_of(mol: Any) -> float:
    """Synthetic accessibility by the package."""
    found = described(Chem.MolToSmiles(mol))
    return float("nan") if found is None else float(found.numbers[list(PROPERTIES).index("sa")])


class Compared:
    """Sets of molecules against a reference, of which what MOSES measures is computed once: FCD and the rest.

    Args:
        test: the reference.
    """

    def __init__(self, test: Sequence[str]) -> None:
        self.moses = moses()
        metrics: dict[str, Any] = {name: getattr(self.moses, kind)() for name, kind in METRICS.items()}
        functions = ("logp", self.moses.logP), ("qed", self.moses.QED), ("weight", self.moses.weight), ("sa", sa_of)
        for name, function in functions:
            metrics[f"{name}_distance"] = self.moses.WassersteinMetric(function)
        mols, metrics = _mols(test), metrics if len(test) >= FEWEST else {}
        with rdBase.BlockLogs():
            self.known = {name: (one, one.precalc(test if name == "fcd" else mols)) for name, one in metrics.items()}

    def measure(self, smiles: Sequence[str]) -> dict[str, float]:
        """What MOSES measures of a set; nothing where it or the reference has less than `FEWEST`."""
        if len(smiles) < FEWEST or not self.known:
            return {}
        mols = _mols(smiles)
        with rdBase.BlockLogs():
            found = {
                name: metric(gen=smiles if name == "fcd" else mols, pref=known)
                for name, (metric, known) in self.known.items()
            }
            found["internal_diversity"] = self.moses.internal_diversity(mols)
            found["filters"] = self.moses.fraction_passes_filters(mols)
        return {name: round(float(value), 4) for name, value in found.items()}


def _mols(smiles: Sequence[str]) -> list[Any]:
    return [Chem.MolFromSmiles(one) for one in smiles]


def drawn(decoder: ObjectDecoder, options: argparse.Namespace, train: set[str]) -> tuple[list[str], dict[str, float]]:
    """Different molecules decoded from draws of the prior, and how many there are of each sort."""
    generator = torch.Generator().manual_seed(options.seed)
    codes, start = decoder.drawn_codes(options.samples, generator), time.process_time()
    first = decoder.decode(codes, generator, options.temperature, tries=1)
    seconds = time.process_time() - start
    missing = [row for row, one in enumerate(first) if one is None]
    again = decoder.decode(codes[missing], generator, options.temperature, tries=TRIES - 1)
    valid = [one.smiles for one in (*first, *again) if isinstance(one, Molecule)]
    unique = list(dict.fromkeys(valid))
    counts = {
        "first": 1 - len(missing) / len(codes),
        "valid": len(valid) / len(codes),
        "unique": len(unique) / max(len(valid), 1),
        "novel": sum(one not in train for one in unique) / max(len(unique), 1),
        "seconds_per_1000": 1000 * seconds / len(codes),
    }
    return unique, {name: round(number, 4) for name, number in counts.items()}


def reconstructed(
    predictor: Predictor, decoder: ObjectDecoder, test: Sequence[str], options: argparse.Namespace
) -> dict[str, Any]:
    """How near the codes of what is decoded come to those that were asked for."""
    editor, generator = editor_of(predictor.kind("right")), torch.Generator().manual_seed(options.seed)
    molecules = [flat(one) for one in test[: options.reconstructed]]
    codes = predictor.encode(editor.encodable(molecules), "right").codes
    wanted = {"likeliest": (1, 0.0), f"best_of_{DRAWS}": (DRAWS, options.temperature)}
    return {
        name: _nearness(molecules, codes, decoder.decode(codes.repeat(tries, 1), generator, temperature), predictor)
        for name, (tries, temperature) in wanted.items()
    }


def _nearness(
    molecules: Sequence[Object], codes: Tensor, written: Sequence[Object | None], predictor: Predictor
) -> dict[str, float]:
    """Of `written`, whose length is a multiple of that of the molecules: the nearest to each of these."""
    best, same = np.full(len(molecules), np.nan), np.zeros(len(molecules), bool)
    rows = [row for row, one in enumerate(written) if one is not None]
    if rows:
        objects = editor_of(predictor.kind("right")).encodable([written[row] for row in rows])
        places = np.array(rows) % len(molecules)
        near = functional.cosine_similarity(predictor.encode(objects, "right").codes, codes[places]).cpu().numpy()
        for row, place, cosine in zip(rows, places.tolist(), near.tolist(), strict=True):
            best[place] = np.fmax(best[place], cosine)
            same[place] |= getattr(written[row], "smiles", "") == getattr(molecules[place], "smiles", None)
    decoded = best[~np.isnan(best)]
    found = {"decoded": len(decoded) / len(best), "the_same": float(same.mean())}
    quantiles = {"cosine_median": 0.5, "cosine_tenth": 0.1} if len(decoded) else {}
    found |= {name: float(np.quantile(decoded, share)) for name, share in quantiles.items()}
    return {name: round(number, 4) for name, number in found.items()}


def options_of() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="with a decoder")
    parser.add_argument("--train", type=Path, required=True, help="SMILES from which the decoder learned")
    parser.add_argument("--test", type=Path, required=True, help="SMILES that it never saw")
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--reconstructed", type=int, default=1_000)
    parser.add_argument("--temperature", type=float, default=TEMPERATURE)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    options = options_of()
    predictor = Predictor.load(options.model)
    decoder = ObjectDecoder(predictor)
    train, test = (canonical_smiles([one.text for one in records(path)]) for path in (options.train, options.test))
    reference = Compared(test)
    made, counts = drawn(decoder, options, set(train))
    rng, size = np.random.default_rng(options.seed), len(made)
    real = [train[row] for row in rng.permutation(len(train))[:size]]
    assembled = canonical_smiles(list(stream_smiles(size, options.seed))) if size else []
    document = {
        "model": options.model,
        "train": len(train),
        "test": len(test),
        "temperature": options.temperature,
        "drawn": {"texts": options.samples, "molecules": size, **counts, **reference.measure(made)},
        "training_molecules": reference.measure(real),
        "assembled_from_fragments": reference.measure(assembled),
        "reconstruction": reconstructed(predictor, decoder, test, options),
    }
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
