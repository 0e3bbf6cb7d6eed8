"""The gain of a free function of two codes over their product. JSON on stdout.

    python benchmarks/pair_head.py --data FOLDER [--model overlap] [--pairs 400000] [--steps 4000]

The codes of a finished model are fixed. A fully connected network of the products and the distances of their numbers,
pair by pair, is trained on the overlap that the product of the codes leaves unexplained. It predicts a pair at a time,
where products predict all pairs of a library at once: it is here for comparison only.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import torch
from torch import Tensor, nn

from metricvae.core.dataset import PairDataset
from metricvae.core.dataset_files import read_dataset
from metricvae.prediction.predictor import Predictor

HIDDEN = 512
AT_ONCE = 4096


def coded(predictor: Predictor, data: PairDataset, split: str, most: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Codes of both ends, the product's prediction and the true value of at most so many pairs of a split."""
    rows = data.rows(split)[:most]
    left, right, first, second = predictor.encode_pairs(data, rows).arguments
    product = torch.from_numpy(predictor.values(left, right, first, second)).float()
    return left.codes[first], right.codes[second], product, torch.from_numpy(data.value[rows]).float()


def features(a: Tensor, b: Tensor, product: Tensor) -> Tensor:
    """Input of the network: symmetric in the two codes."""
    return torch.cat([a * b, (a - b).abs(), product[:, None] / 5000], dim=1)


def r2(predicted: Tensor, value: Tensor) -> float:
    return 1 - float((predicted - value).square().mean() / value.var(unbiased=False))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="overlap")
    parser.add_argument("--pairs", type=int, default=400_000)
    parser.add_argument("--steps", type=int, default=4_000)
    options = parser.parse_args()
    predictor, data = Predictor.load(options.model), read_dataset(options.data)
    a, b, product, value = coded(predictor, data, "train", options.pairs)
    test = coded(predictor, data, "test", options.pairs)
    torch.manual_seed(0)
    width = 2 * a.shape[1] + 1
    network = nn.Sequential(
        *(nn.Linear(width, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, 1))
    )
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
    start = time.perf_counter()
    for step in range(options.steps):
        optimiser.param_groups[0]["lr"] = 1e-3 * 0.5 * (1 + math.cos(math.pi * step / options.steps))
        rows = torch.randint(len(value), (AT_ONCE,))
        residual = (value[rows] - product[rows]) / 5000
        loss = (network(features(a[rows], b[rows], product[rows]))[:, 0] - residual).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    seconds = time.perf_counter() - start
    with torch.inference_mode():
        parts = [features(*part) for part in zip(*(x.split(AT_ONCE) for x in test[:3]), strict=True)]
        better = test[2] + 5000 * torch.cat([network(part)[:, 0] for part in parts])
        begun = time.perf_counter()
        network(parts[0])
        pairs_per_second = len(parts[0]) / (time.perf_counter() - begun)
    document = {
        "pairs": len(value),
        "test_pairs": len(test[3]),
        "product_r2": r2(test[2], test[3]),
        "pair_head_r2": r2(better, test[3]),
        "pair_head_pairs_per_second": round(pairs_per_second),
        "seconds": round(seconds),
    }
    print(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
