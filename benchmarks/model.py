"""How good a model is on shapes it never saw. JSON on stdout.

    python benchmarks/model.py [--model overlap] [--icons FOLDER] [--leaves FOLDER] [--work FOLDER] [--plot PICTURE]

Unseen `mixed` shapes: the test split of pairs labelled with a seed that no training used (splits are by group of
shapes, the same in every data set). Icons and leaves: all pairs of data sets made of the folders of images. Labelled
pairs are kept in the work folder.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import scipy.ndimage
import torch

from metricvae.core.dataset import PairDataset
from metricvae.core.dataset_files import read_dataset
from metricvae.core.splits import split_of
from metricvae.evaluation.evaluate import answer, measure
from metricvae.evaluation.invariance import motion_change
from metricvae.kinds.silhouette.kind import mask_of
from metricvae.kinds.silhouette.sources.generators import draw
from metricvae.labelling.run import label
from metricvae.metrics.overlap.drawing import draw_pairs, draw_reconstructions
from metricvae.metrics.overlap.labelling import OverlapPlan
from metricvae.metrics.overlap.solver.search import PreparedMask, solve
from metricvae.plotting.codes import draw_samples
from metricvae.prediction.predictor import Predictor
from metricvae.reproduction.decoded import decode_samples, reconstruct
from metricvae.reproduction.inputs import masks_of
from metricvae.reproduction.table_1_run import example_pairs
from metricvae.runtime.files import write_bytes

SEED = 314_159
MIXED_PAIRS = 50_000
"""A tenth of them are test pairs."""

FOREIGN_PAIRS = 1_000
MOVED_PAIRS = 10_000


def labelled(work: Path, name: str, plan: OverlapPlan) -> PairDataset:
    label(plan, work / name)
    return read_dataset(work / name)


def with_size_classes(predictor: Predictor, data: PairDataset, split: str, worst: Path | None = None) -> dict[str, Any]:
    """Errors and coverage of intervals, by size of the true value too; the pairs predicted worst as a picture."""
    answers = answer(predictor, data, split)
    predicted, value = answers.predictions, answers.value
    if worst is not None:
        order = np.argsort(-np.abs(predicted.value - value))
        write_bytes(worst, draw_pairs(example_pairs(data, answers, order[:25]), columns=5))
    inside = (predicted.low <= value) & (value <= predicted.high)
    edges = np.quantile(value, [0.25, 0.5, 0.75])
    classes = np.searchsorted(edges, value)
    figures = dataclasses.asdict(measure(data, answers, split))
    figures["mse_percent_of_naive"] = 100 * figures["mse"] / figures["naive_mse"]
    figures["coverage_by_quarter_of_true_value"] = [round(float(inside[classes == k].mean()), 3) for k in range(4)]
    return figures


def motion(predictor: Predictor, data: PairDataset, count: int = 2000) -> dict[str, float]:
    """Changes by random motions that stay on the canvas, moved shapes thresholded at half, percent."""
    rows = data.rows("test")
    objects = np.unique([data.first[rows], data.second[rows]])[:count]
    change = motion_change(predictor, masks_of(data.left, objects), MOVED_PAIRS, SEED)
    return {
        "shapes": len(change.codes),
        "codes_median_percent": 100 * float(np.median(change.codes)),
        "codes_p95_percent": 100 * float(np.quantile(change.codes, 0.95)),
        "pairs": len(change.predictions),
        "predictions_median_percent": 100 * float(np.median(change.predictions)),
        "predictions_p95_percent": 100 * float(np.quantile(change.predictions, 0.95)),
        "predictions_worst_percent": 100 * float(change.predictions.max()),
    }


def near_copies(predictor: Predictor, data: PairDataset, count: int = 100) -> dict[str, float]:
    """Predicted against true overlap of unseen shapes with copies grown by so many pixels all round and moved, mean
    relative error in percent; 0 is a moved copy."""
    rows = data.rows("test")
    objects = np.unique([data.first[rows], data.second[rows]])[:count]
    generator = torch.Generator().manual_seed(SEED)
    found = {}
    masks = masks_of(data.left, objects)
    for growth in (-2, -1, 0, 1, 2):
        pairs = []
        for mask in masks:
            step = scipy.ndimage.binary_dilation if growth > 0 else scipy.ndimage.binary_erosion
            grown = step(mask, iterations=abs(growth)) if growth else mask
            if grown.any():
                copy = predictor.kind().move(torch.from_numpy(grown.astype(np.float32))[None, None], generator)[0]
                pairs.append((mask, mask_of(copy)))
        value = np.array([solve(PreparedMask(a), PreparedMask(b)).area for a, b in pairs])
        error = predictor.predict_objects(pairs).value / value - 1
        found[f"{growth:+d} pixels"] = round(100 * float(error.mean()), 2)
    return found


def reconstruction(predictor: Predictor, source: str, count: int = 200, plot: Path | None = None) -> dict[str, float]:
    """Intersection over union of unseen shapes and what is decoded from their codes, aligned with them by `solve`."""
    unseen = [shape.mask for shape in draw(source, 16 * count, SEED) if split_of(shape.group) == "test"][:count]
    back = reconstruct(predictor, unseen)
    if plot is not None:
        write_bytes(plot, draw_reconstructions(unseen[:30], [b.picture for b in back[:30]], [b.iou for b in back[:30]]))
    union = np.array([b.iou for b in back])
    return {
        "shapes": len(union),
        "mean_iou": float(union.mean()),
        "p5_iou": float(np.quantile(union, 0.05)),
        "median_iou": float(np.median(union)),
    }


def samples(predictor: Predictor, count: int = 500, plots: Path | None = None) -> dict[str, Any]:
    """Shapes decoded from codes drawn from two distributions: the normal one fitted to the training shapes' codes, and
    the prior N(0, I) of the latent loss."""
    if predictor.latent_prior is None:
        return {}
    generator = torch.Generator().manual_seed(SEED)
    fitted = predictor.latent_prior.draw(count, generator)
    codes = {"fitted normal": fitted, "prior": torch.randn(fitted.shape, generator=generator)}
    report = {}
    for name, drawn in codes.items():
        found = decode_samples(predictor, drawn)
        if plots is not None:
            plots.mkdir(parents=True, exist_ok=True)
            write_bytes(plots / f"samples-{name.replace(' ', '-')}.png", draw_samples(found.pictures[:80, ::2, ::2]))
        report[name] = {
            "share_black_of_inked": float(found.sharp.mean()),
            "share_in_largest_piece": float(found.whole.mean()),
            "connected_percent": 100 * float(np.mean(found.whole > 0.98)),
            "like_training_shapes_percent": 100 * float(np.mean(found.novelty <= 1)),
        }
    return report


def speeds(predictor: Predictor, data: PairDataset) -> dict[str, float]:
    """Shapes encoded and pairs of codes in memory answered, a second."""
    start = time.perf_counter()
    encoded = predictor.encode_rows(data.left, np.arange(1024))
    encoding = 1024 / (time.perf_counter() - start)
    codes = encoded.codes.repeat(16, 1)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        predictor.model.head.value(codes @ codes.T / codes.shape[1], encoded.magnitudes, encoded.magnitudes)
        times.append(time.perf_counter() - start)
    return {"shapes_encoded_per_second": encoding, "pairs_per_second": len(codes) ** 2 / float(np.median(times))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="overlap")
    parser.add_argument("--icons", type=Path)
    parser.add_argument("--leaves", type=Path)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--plot", type=Path, help="of thirty reconstructions")
    parser.add_argument("--samples", type=Path, help="folder for pictures of decoded samples")
    parser.add_argument("--worst", type=Path, help="picture of the 25 test pairs predicted worst")
    options = parser.parse_args()
    predictor = Predictor.load(options.model)
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or Path(temporary)
        mixed = labelled(work, "mixed", OverlapPlan("mixed", MIXED_PAIRS, SEED))
        report: dict[str, Any] = {
            "model": options.model,
            "unseen mixed": with_size_classes(predictor, mixed, "test", options.worst),
            "near copies": near_copies(predictor, mixed),
            "motion": motion(predictor, mixed),
            "reconstruction, mixed": reconstruction(predictor, "mixed", plot=options.plot),
            "reconstruction, procedural": reconstruction(predictor, "procedural"),
            "samples": samples(predictor, plots=options.samples),
            "speed": speeds(predictor, mixed),
        }
        for name in ("icons", "leaves"):
            folder = getattr(options, name)
            if folder is not None:
                foreign = labelled(work, name, OverlapPlan(str(folder), FOREIGN_PAIRS, SEED, partners=3))
                report[f"{name} (areas regression and naive guess fitted on these pairs)"] = with_size_classes(
                    predictor, foreign, "all"
                )
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
