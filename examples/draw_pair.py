"""Draw two shapes at their optimal overlap, the prediction beside the truth (the picture the README opens with).

    python examples/draw_pair.py OUT.png [A.png B.png]

Without images two shapes of the `mixed` source are drawn, both of the test split, which no model has seen.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import metricvae as mv
from metricvae.core.splits import split_of
from metricvae.kinds.silhouette.io import read_image
from metricvae.kinds.silhouette.records import Mask
from metricvae.kinds.silhouette.sources.generators import stream
from metricvae.metrics.overlap.drawing import ExamplePair, draw_pair
from metricvae.metrics.overlap.solver.search import move_mask
from metricvae.runtime.files import write_bytes


def unseen(family: str) -> tuple[str, Mask]:
    """The first shape of a family that is a test shape in every data set."""
    shape = next(s for s in stream("mixed", 100_000, seed=7) if s.family == family and split_of(s.group) == "test")
    return shape.id, shape.mask


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("images", type=Path, nargs="*")
    options = parser.parse_args()
    if options.images:
        (a_name, a), (b_name, b) = ((path.name, read_image(path, fit=True)) for path in options.images)
    else:
        (a_name, a), (b_name, b) = unseen("person"), unseen("star")
    exact, predicted = mv.solve(a, b), mv.load("overlap").predict(a, b)
    moved = move_mask(b, exact.pose).clip(0, 1)
    interval = predicted.value, predicted.low, predicted.high
    write_bytes(options.out, draw_pair(ExamplePair(a_name, b_name, a, b, moved, exact.pose, exact.value, *interval)))


if __name__ == "__main__":
    main()
