"""Shapes unlike those of any training: the errors of a model for them, and their novelty. JSON on stdout.

    python benchmarks/novelty.py [--model overlap] [--icons FOLDER] [--leaves FOLDER]

Each unusual shape is paired with 40 unseen `mixed` shapes and solved exactly. For unseen `mixed` shapes, and folders of
images, the share called novel is a share of false alarms as long as the model is right about them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from metricvae.core.splits import split_of
from metricvae.kinds.silhouette.io import read_folder
from metricvae.kinds.silhouette.records import Mask
from metricvae.kinds.silhouette.sources.generators import draw
from metricvae.metrics.overlap.solver.search import PreparedMask, solve
from metricvae.prediction.predictor import Predictor

SEED = 271_828
PARTNERS = 40


def unusual_shapes() -> dict[str, Mask]:
    rng = np.random.default_rng(SEED)
    rows, columns = np.indices((200, 200))
    blank = np.zeros((200, 200), np.uint8)

    def bar(width: int) -> Mask:
        mask = blank.copy()
        mask[100 - width // 2 : 100 - width // 2 + width, 10:190] = 1
        return mask

    far, dots, dot = blank.copy(), blank.copy(), blank.copy()
    far[:30, :30] = far[-30:, -30:] = 1
    for y, x in rng.integers(5, 190, (60, 2)):
        dots[y : y + 6, x : x + 6] = 1
    dot[98:102, 98:102] = 1
    return {
        "bar of 1 pixel": bar(1),
        "bar of 3 pixels": bar(3),
        "cross of 1 pixel": bar(1) | bar(1).T,
        "dot of 4 by 4": dot,
        "speckle, one in ten": (rng.random((200, 200)) < 0.1).astype(np.uint8),
        "noise, every other": (rng.random((200, 200)) < 0.5).astype(np.uint8),
        "checks of 8": ((rows // 8 + columns // 8) % 2).astype(np.uint8),
        "grid of 10": ((rows % 10 == 0) | (columns % 10 == 0)).astype(np.uint8),
        "the canvas but its border": np.pad(blank[1:-1, 1:-1] + 1, 1),
        "two far corners": far,
        "sixty dots": dots,
        "marbled": (ndimage.gaussian_filter(rng.standard_normal((200, 200)), 6) > 0.02).astype(np.uint8),
    }


def unseen(count: int) -> list[Mask]:
    return [shape.mask for shape in draw("mixed", 12 * count, SEED) if split_of(shape.group) == "test"][:count]


def measure_shape(predictor: Predictor, mask: Mask, others: list[Mask]) -> dict[str, Any]:
    predicted = predictor.predict_objects([(mask, other) for other in others])
    value = np.array([solve(PreparedMask(mask), PreparedMask(other)).area for other in others])
    return {
        "area": int(mask.sum()),
        "mean_absolute_error": round(float(np.abs(predicted.value - value).mean()), 1),
        "mean_relative_error_percent": round(100 * float((np.abs(predicted.value - value) / value).mean()), 1),
        "covered_percent": round(100 * float(np.mean((predicted.low <= value) & (value <= predicted.high)))),
        "novelty": round(float(predictor.encode([mask]).novelty[0]), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="overlap")
    parser.add_argument("--icons", type=Path)
    parser.add_argument("--leaves", type=Path)
    options = parser.parse_args()
    predictor = Predictor.load(options.model)
    others = unseen(PARTNERS)
    report: dict[str, Any] = {name: measure_shape(predictor, mask, others) for name, mask in unusual_shapes().items()}
    known = {"unseen mixed": unseen(1_000)}
    for name in ("icons", "leaves"):
        if getattr(options, name) is not None:
            known[name] = [shape.mask for shape in read_folder(getattr(options, name), fit=True)]
    for name, masks in known.items():
        novelty = predictor.encode(masks).novelty.numpy()
        report[f"called novel, {name}, percent"] = round(100 * float(np.mean(novelty > 1)), 2)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
