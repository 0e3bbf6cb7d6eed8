"""Usual metrics of rows of numbers and of pictures from few pairs: what a fit explains. A row of JSON each.

    python benchmarks/usual_metrics.py --work WORK [--pairs 3000] [--only NAME ...] [--minutes 2]

700 objects each, cut into training, validation, calibration and test objects (60, 10, 10 and 20 %), so that test pairs
have no object of the training; 3,000 training pairs, 500, 500 and 800 others. Beside the model: gradient boosting on
plain distances of the two rows (Euclidean, of absolute values and the largest, each of standardised and of plain
numbers, and the cosine), which contain many of these metrics.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.spatial import distance
from sklearn.datasets import load_digits
from sklearn.ensemble import HistGradientBoostingRegressor

import metricvae as mv
from metricvae.core.dataset import PairDataset
from metricvae.evaluation.evaluate import evaluate

OBJECTS = 700
SHARES = {"train": 0.6, "validation": 0.1, "calibration": 0.1, "test": 0.2}
Floats = npt.NDArray[np.float64]
Draw = Callable[[np.random.Generator], Floats]


def clustered(size: int, units: bool = False, mixed: bool = False) -> Draw:
    """Rows around twelve centres, in units of their own or mixed with one another where that is asked for."""

    def draw(random: np.random.Generator) -> Floats:
        centres = random.normal(size=(12, size))
        rows: Floats = centres[random.integers(12, size=OBJECTS)] + 0.5 * random.normal(size=(OBJECTS, size))
        if units:
            rows *= random.uniform(0.1, 30, size)
        return rows @ random.normal(size=(size, size)) if mixed else rows

    return draw


def bits(size: int, threshold: float) -> Draw:
    return lambda random: (clustered(size)(random) > threshold).astype(float)


def histograms(size: int) -> Draw:
    return lambda random: random.dirichlet(np.full(size, 0.5), OBJECTS) + 1e-4


def periodic_series(random: np.random.Generator) -> Floats:
    """Series of 40 numbers: four frequencies with random amplitudes and phases."""
    turn = 2 * np.pi * np.arange(40) / 40
    parts = [
        random.normal(size=(OBJECTS, 1)) * np.cos(k * turn + random.uniform(0, 6, (OBJECTS, 1))) for k in range(1, 5)
    ]
    return np.sum(parts, axis=0)


def places(random: np.random.Generator) -> Floats:
    """Latitudes and longitudes in degrees."""
    return np.degrees(np.stack([np.arcsin(random.uniform(-1, 1, OBJECTS)), random.uniform(-3.14, 3.14, OBJECTS)], 1))


def digits(random: np.random.Generator) -> Floats:
    """Handwritten digits of 8 x 8 pixels."""
    return load_digits().images[random.permutation(1_797)[:OBJECTS]].reshape(OBJECTS, 64)


def great_circle(a: Floats, b: Floats) -> float:
    (north, east), (other_north, other_east) = np.radians(a), np.radians(b)
    along = np.cos(north) * np.cos(other_north) * np.sin((east - other_east) / 2) ** 2
    return float(12_742 * np.arcsin(np.sqrt(np.sin((north - other_north) / 2) ** 2 + along)))


def best_shift(a: Floats, b: Floats) -> float:
    """The largest correlation of two series under circular shifts."""
    a, b = a - a.mean(), b - b.mean()
    return float(np.fft.irfft(np.fft.rfft(a) * np.conj(np.fft.rfft(b))).max() / np.sqrt((a @ a) * (b @ b)))


def centre(a: Floats) -> Floats:
    """Centre of the ink of a picture."""
    return np.array([(grid * a.reshape(8, 8)).sum() / a.sum() for grid in np.indices((8, 8))])


def shared_ink(a: Floats, b: Floats) -> float:
    """Ink of two pictures that lies at the same place, as a share of all."""
    return float(np.minimum(a, b).sum() / np.maximum(a, b).sum())


@dataclass(frozen=True)
class Usual:
    """A metric: its objects and its values."""

    draw: Draw
    value: Callable[[Floats, Floats], float]
    kind: str = "vector"


WEIGHTS = np.random.default_rng(0).exponential(size=16)

METRICS = {
    "euclidean": Usual(clustered(20), distance.euclidean),
    "euclidean, columns of other units": Usual(clustered(10, units=True), distance.euclidean),
    "euclidean, weighted": Usual(clustered(16), lambda a, b: float(np.sqrt((WEIGHTS * (a - b) ** 2).sum()))),
    "manhattan": Usual(clustered(30), distance.cityblock),
    "chebyshev": Usual(clustered(8), distance.chebyshev),
    "cosine": Usual(clustered(50), lambda a, b: 1 - distance.cosine(a, b)),
    "inner product": Usual(clustered(15), lambda a, b: float(a @ b)),
    "gaussian kernel": Usual(clustered(6), lambda a, b: float(np.exp(-((a - b) ** 2).sum() / 6))),
    "mahalanobis": Usual(clustered(12, mixed=True), distance.euclidean),
    "rank correlation": Usual(clustered(25), lambda a, b: float(stats.spearmanr(a, b)[0])),
    "jensen-shannon": Usual(histograms(16), distance.jensenshannon),
    "bray-curtis": Usual(histograms(20), distance.braycurtis),
    "earth mover's": Usual(histograms(24), lambda a, b: stats.wasserstein_distance(range(24), range(24), a, b)),
    "hamming": Usual(bits(64, 0.0), distance.hamming),
    "tanimoto": Usual(bits(128, 0.8), lambda a, b: 1 - distance.jaccard(a > 0, b > 0)),
    "great circle": Usual(places, great_circle),
    "best shift of series": Usual(periodic_series, best_shift),
    "pixels: euclidean": Usual(digits, distance.euclidean, "image"),
    "pixels: cosine": Usual(digits, lambda a, b: 1 - distance.cosine(a, b), "image"),
    "pixels: overlap of ink": Usual(digits, shared_ink, "image"),
    "distance of centres of ink": Usual(digits, lambda a, b: distance.euclidean(centre(a), centre(b)), "image"),
}


def pairs_of(metric: Usual, count: int, random: np.random.Generator) -> PairDataset:
    """The pairs, split by objects."""
    rows = metric.draw(random)
    if metric is METRICS["mahalanobis"]:
        spread = np.linalg.inv(np.cov(rows.T))
        metric = Usual(metric.draw, lambda a, b: distance.mahalanobis(a, b, spread))
    counts = {"train": count, "validation": 500, "calibration": 500, "test": 800}
    first, second, split, begin = list[int](), list[int](), list[str](), 0
    for name, share in SHARES.items():
        end = begin + round(share * OBJECTS)
        a, b = random.integers(begin, end, (2, counts[name]))
        first += a[a != b].tolist()
        second += b[a != b].tolist()
        split += [name] * int((a != b).sum())
        begin = end
    value = [float(metric.value(rows[a], rows[b])) for a, b in zip(first, second, strict=True)]
    shown = rows.reshape(-1, 8, 8).astype(np.uint8) * 15 if metric.kind == "image" else rows
    objects = [shown[one] for one in first], [shown[one] for one in second]
    return PairDataset.from_pairs(*objects, value, metric.kind, split=split)


def boosted(data: PairDataset) -> float:
    """R^2 on the test pairs of gradient boosting on plain distances of two rows."""
    rows = data.left.tensor(np.arange(len(data.left)), "cpu").flatten(1).double().numpy()
    a, b = rows[data.first], rows[data.second]
    centre_of, spread = a.mean(0), a.std(0) + 1e-9
    columns = [(a * b).sum(1) / np.sqrt((a**2).sum(1) * (b**2).sum(1) + 1e-12)]
    for x, y in ((a, b), ((a - centre_of) / spread, (b - centre_of) / spread)):
        columns += [np.sqrt(((x - y) ** 2).sum(1)), np.abs(x - y).sum(1), np.abs(x - y).max(1)]
    table = np.stack(columns, axis=1)
    train, test = data.rows("train"), data.rows("test")
    fitted = HistGradientBoostingRegressor(random_state=0).fit(table[train], data.value[train])
    return 1 - float(np.square(fitted.predict(table[test]) - data.value[test]).mean() / data.value[test].var())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=3_000)
    parser.add_argument("--only", nargs="+", choices=METRICS, default=list(METRICS))
    parser.add_argument("--minutes", type=float, default=2.0)
    options = parser.parse_args()
    for number, name in enumerate(METRICS):
        if name not in options.only:
            continue
        data = pairs_of(METRICS[name], options.pairs, np.random.default_rng(number))
        began = time.process_time()
        model = mv.fit(data, options.work / f"{number}", max_minutes=options.minutes, show_progress=False)
        figures = evaluate(model.predictor, data)
        facts = model.predictor.loaded.facts
        print(
            json.dumps(
                {
                    "metric": name,
                    "r2": round(figures.r2, 3),  # type: ignore[union-attr]
                    "coverage": round(figures.interval_coverage, 3),  # type: ignore[union-attr]
                    "boosting on plain distances": round(boosted(data), 3),
                    "head": model.predictor.model.head.name,
                    "best step": facts["best_step"],
                    "cpu seconds": round(time.process_time() - began),
                }
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()
