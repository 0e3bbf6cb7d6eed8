"""Predictions of all pairs of two sets of codes, pairs a second, by metric head. JSON on stdout.

    python benchmarks/all_pairs.py [--left 4096] [--right 24576] [--latent 128] [--threads 2] [--repeats 5]

Products of matrices, tile by tile, as `PairModel.similarity` computes them from codes, with the link function and the
limits of the metric. Beside it, what a user would write: the score of every pair of rows, one pair a row.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import torch

from metricvae.nn.heads import HEADS, Head
from metricvae.prediction.predictor import TILE


def tiled(head: Head, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """All values, (n, m)."""
    found = torch.empty(len(left), len(right))
    sizes = torch.ones(len(left), 1), torch.ones(1, len(right))
    for row in range(0, len(left), TILE[0]):
        rows = slice(row, row + TILE[0])
        for column in range(0, len(right), TILE[1]):
            columns = slice(column, column + TILE[1])
            score = head.score_matrix(left[rows], right[columns])
            value = head.value(score, sizes[0][rows], sizes[1][:, columns])
            found[rows, columns] = value.clamp_(-1e9, 1e9)
    return found


def row_by_row(head: Head, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """All values, one left code at a time."""
    one = torch.ones(len(right))
    return torch.stack([head.value(head.score(z.expand_as(right), right), one, one) for z in left])


def rate(compute: Callable[[], torch.Tensor], repeats: int) -> float:
    """Pairs a second, the best of some runs."""
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        pairs = compute().numel()
        best = min(best, time.perf_counter() - start)
    return pairs / best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("left", 4_096), ("right", 24_576), ("latent", 128), ("threads", 2), ("repeats", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.randn(n, options.latent, generator=generator) for n in (options.left, options.right))
    document = {}
    with torch.inference_mode():
        for name, kind in HEADS.items():
            head = kind()
            document[name] = {
                "all_pairs": rate(lambda head=head: tiled(head, left, right), options.repeats),  # type: ignore[misc]
                "row_by_row": rate(lambda head=head: row_by_row(head, left[:64], right), options.repeats),  # type: ignore[misc]
            }
    print(json.dumps({"threads": options.threads, "latent": options.latent, "pairs_per_second": document}, indent=2))


if __name__ == "__main__":
    main()
