"""Few pairs of DNA sequences and how many words of six letters they share: what a fit explains. A row of JSON each.

    python benchmarks/shared_words.py --work WORK [--pairs 4000]

500 sequences of 40 to 110 letters, windows of 40 random ones with a twentieth of the letters changed and random ends;
pairs at random, of those that share nothing a fifth. Values: the Jaccard index, and the share of the first's words that
the second has, which is not symmetric. Beside the model: the cosine of hashed counts of words alone, with a parabola
through it fitted to the training pairs.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

import metricvae as mv
from metricvae.core.dataset import PairDataset
from metricvae.evaluation.evaluate import evaluate
from metricvae.prediction.predictor import Predictor

LETTERS = list("ACGT")
Words = set[str]
METRICS: dict[str, Callable[[Words, Words], float]] = {
    "jaccard": lambda a, b: len(a & b) / len(a | b),
    "containment": lambda a, b: len(a & b) / len(a),
}


def sequences(rng: np.random.Generator) -> list[str]:
    """Windows of random parents, with mutations and random ends."""
    parents = ["".join(rng.choice(LETTERS, 200)) for _ in range(40)]
    found = []
    for _ in range(500):
        start, length = rng.integers(0, 120), rng.integers(40, 81)
        window = list(parents[rng.integers(40)][start : start + length])
        window = [rng.choice(LETTERS) if rng.random() < 0.05 else letter for letter in window]
        found.append("".join(window) + "".join(rng.choice(LETTERS, rng.integers(0, 30))))
    return found


def by_counts(predictor: Predictor, data: PairDataset) -> float:
    """R^2 on the test pairs of a parabola through the cosine of the encoder's projected counts."""
    encoder = predictor.tower().encoder
    with torch.no_grad():
        groups = encoder.projected(encoder.prepare(data.left.tensor(np.arange(len(data.left)), "cpu")))
    best = 0.0
    for group in groups:
        unit = torch.nn.functional.normalize(group, dim=1)
        cosine = (unit[data.first] * unit[data.second]).sum(1).numpy()
        train, test = data.rows("train"), data.rows("test")
        fitted = np.polynomial.Polynomial.fit(cosine[train], data.value[train], 2)
        error = np.square(fitted(cosine[test]) - data.value[test]).mean()
        best = max(best, 1 - float(error / data.value[test].var()))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=4_000)
    options = parser.parse_args()
    for name, metric in METRICS.items():
        rng = np.random.default_rng(5)
        made = sequences(rng)
        words = [{one[at : at + 6] for at in range(len(one) - 5)} for one in made]
        rows: list[tuple[str, str, float]] = []
        while len(rows) < options.pairs:
            a, b = rng.integers(len(made), size=2)
            value = metric(words[a], words[b])
            if value or rng.random() < 0.2:
                rows.append((made[a], made[b], round(value, 4)))
        first, second, values = zip(*rows, strict=True)
        data = PairDataset.from_pairs(first, second, values, "sequence")
        began = time.process_time()
        model = mv.fit(data, options.work / name, show_progress=False)
        figures = evaluate(model.predictor, data)
        print(
            json.dumps(
                {
                    "metric": name,
                    "training pairs": len(data.rows("train")),
                    "r2": round(figures.r2, 4),  # type: ignore[union-attr]
                    "coverage": round(figures.interval_coverage, 3),  # type: ignore[union-attr]
                    "counts alone": round(by_counts(model.predictor, data), 4),
                    "cpu seconds": round(time.process_time() - began),
                }
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()
