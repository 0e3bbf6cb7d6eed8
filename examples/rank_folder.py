"""Rank a folder of silhouettes by how much of each would cover a query, then check the best with the exact solver.

    python examples/rank_folder.py QUERY.png FOLDER [-k 10]

Encoding is done once a shape; after that a query against the whole folder is one product of codes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from metricvae.kinds.silhouette.io import read_folder, read_image
from metricvae.metrics.overlap.solver.search import PreparedMask, solve
from metricvae.prediction.predictor import Predictor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("query", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("-k", type=int, default=10)
    options = parser.parse_args()
    query, library = read_image(options.query, fit=True), read_folder(options.folder, fit=True)
    masks = [query, *(shape.mask for shape in library)]
    predictor = Predictor.load("overlap")
    encoded = predictor.encode(masks.__getitem__, len(masks))
    others = np.arange(1, len(masks))
    said = predictor.predict(encoded, np.zeros_like(others), others)
    print(f"{'shape':32} {'predicted':>9} {'interval':>15} {'exact':>8}")
    for place in np.argsort(-said.value)[: options.k]:
        exact = solve(PreparedMask(query), PreparedMask(library[place].mask))
        interval = f"{said.low[place]:.0f} to {said.high[place]:.0f}"
        print(f"{library[place].id:32} {said.value[place]:9.0f} {interval:>15} {exact.area:8.0f}")


if __name__ == "__main__":
    main()
