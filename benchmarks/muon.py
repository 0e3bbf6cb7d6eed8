"""How long a step of Muon takes: PyTorch's, always in bfloat16, and ours, in what the machine multiplies natively.

    python benchmarks/muon.py [--rounds 3] [--threads 1]

JSON on stdout: seconds a step over all matrices of a preset, medians, both in turn.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import torch

from metricvae.nn.autoencoder import build
from metricvae.runtime.precision import multiplies_bfloat16, threads_of
from metricvae.training.optimisers import adam_and_muon
from metricvae.training.presets import preset


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    report: dict[str, object] = {"bfloat16 is native": multiplies_bfloat16(torch.device("cpu"))}
    for name in ("overlap", "halves", "molecules"):
        _, ours = adam_and_muon(build(preset(name).model))
        matrices = ours.param_groups[0]["params"]
        theirs = torch.optim.Muon(matrices, weight_decay=0.0, adjust_lr_fn="match_rms_adamw")
        for matrix in matrices:
            matrix.grad = torch.randn_like(matrix)
        seconds: dict[str, list[float]] = {"pytorch": [], "ours": []}
        with threads_of(options.threads):
            for _ in range(options.rounds):
                for which, muon in (("pytorch", theirs), ("ours", ours)):
                    start = time.perf_counter()
                    muon.step()
                    seconds[which].append(time.perf_counter() - start)
        report[name] = {which: statistics.median(taken) for which, taken in seconds.items()}
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
