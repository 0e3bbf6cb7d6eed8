"""Rank a folder of silhouettes by how much of each would cover a query, then check the best with the exact solver.

    python examples/rank_folder.py QUERY.png FOLDER [-k 10]

Encoding is done once a shape; after that a query against the whole folder is one product of codes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import metricvae as mv


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("query", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("-k", type=int, default=10)
    options = parser.parse_args()
    index = mv.load("overlap").index(options.folder, fit=True)
    print(f"{'shape':32} {'predicted':>9} {'interval':>15} {'exact':>8}")
    for hit in index.search(options.query, k=options.k, fit=True):
        exact = mv.solve(options.query, Path(hit["path"]), fit=True)
        interval = f"{hit['low']:.0f} to {hit['high']:.0f}"
        print(f"{hit['id']:32} {hit['value']:9.0f} {interval:>15} {exact.value:8.0f}")


if __name__ == "__main__":
    main()
