"""Generation: the share of answers that satisfy their constraints, their diversity and novelty. JSON on stdout.

    python benchmarks/generate.py --work FOLDER [--against DATASET] [--parts one,two,area,like,match]

Queries are of `mixed` shapes of the test split, drawn with a seed that nothing else uses. Each can be satisfied, as
another unseen shape satisfies it: `one`, its overlap with a query shape; `two`, its overlaps with two; `area`, one
overlap and its area, plausible as well. `like` asks for a closeness of 0.7 or more, which need not be possible. Answers
are read back from their files and solved again, the other way round; a missing answer counts as a wrong one. With
`--against` the answers of some queries are compared with all training shapes. `match` generates missing halves of
unseen shapes.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import ndimage

from metricvae.core.constraints import Closeness, Constraint, Magnitude, Match, Plausible, Span, ValueWith, near
from metricvae.core.dataset_files import read_dataset
from metricvae.core.errors import InputError
from metricvae.core.splits import split_of
from metricvae.generation.exemplars import Exemplars, make_exemplars
from metricvae.generation.generate import generate
from metricvae.generation.selection import COMPARED_AGAINST, COPY, Generated, nearest
from metricvae.generation.verification import ClosenessMeasure
from metricvae.kinds.half.cutting import cut
from metricvae.kinds.silhouette.io import encode_png, read_image
from metricvae.kinds.silhouette.kind import SilhouetteKind
from metricvae.kinds.silhouette.records import Mask
from metricvae.kinds.silhouette.sources.generators import draw
from metricvae.metrics.overlap.metric import OverlapSolver
from metricvae.metrics.overlap.solver.search import PreparedMask, solve
from metricvae.prediction.predictor import Predictor
from metricvae.runtime.files import read_json, write_bytes, write_json
from metricvae.training.checkpoint import read_tensors, write_tensors

SEED, SHAPES = 5_550_123, 250
ANSWERS = 8
LEAST_AREA = 300

Query = Sequence[Constraint]


def unseen(count: int) -> list[Mask]:
    """Shapes of the test split."""
    found, start = list[Mask](), 0
    while len(found) < count:
        drawn = draw("mixed", 500, SEED, start=start)
        found += [one.mask for one in drawn if split_of(one.group) == "test" and one.area >= LEAST_AREA]
        start += 500
    return found[:count]


def overlap(a: Mask, b: Mask) -> float:
    return solve(PreparedMask(a), PreparedMask(b)).area


def draw_query(kind: str, shapes: Sequence[Mask], rng: np.random.Generator) -> Query:
    """A query that the last of three shapes satisfies."""
    first, second, answer = (shapes[i] for i in rng.choice(len(shapes), 3, replace=False))
    one = ValueWith("A", first, near(overlap(first, answer)))
    match kind:
        case "one":
            return [one]
        case "two":
            return [one, ValueWith("B", second, near(overlap(second, answer)))]
        case "area":
            return [one, Magnitude(near(float(answer.sum())), "area"), Plausible()]
    return [Closeness("A", first, Span(0.7, 1.0))]


def holds(constraint: Constraint, mask: Mask, predictor: Predictor) -> bool:
    """Whether a shape satisfies a constraint, by searches of the benchmark's own."""
    match constraint:
        case ValueWith(_, shape, span):
            return span.holds(overlap(shape, mask))
        case Magnitude(span):
            return span.holds(float(mask.sum()))
        case Closeness(_, shape, span):
            both = overlap(shape, mask)
            return span.holds(both / (shape.sum(dtype=float) + mask.sum(dtype=float) - both))
        case Plausible(span):
            return span.holds(float(predictor.encode([mask]).novelty[0])) and is_connected(mask)
    return False


def is_connected(mask: Mask) -> bool:
    return ndimage.label(mask, structure=np.ones((3, 3)))[1] == 1


def read_back(answers: Sequence[Generated], folder: Path) -> list[Mask]:
    """The answers as their files hold them."""
    files = [folder / f"{place}.png" for place in range(len(answers))]
    for one, file in zip(answers, files, strict=True):
        write_bytes(file, encode_png(one.object))
    return [read_image(file) for file in files]


def measure_queries(
    kind: str, queries: int, shapes: Sequence[Mask], predictor: Predictor, known: Exemplars | None, options: Any
) -> dict[str, Any]:
    rng, seconds, right, clean, close = np.random.default_rng(SEED + len(kind)), [], 0, [], []
    empty, copies = 0, list[bool]()
    closeness = ClosenessMeasure(SilhouetteKind(), OverlapSolver())
    for number in range(queries):
        query, start = draw_query(kind, shapes, rng), time.perf_counter()
        try:
            generator = torch.Generator().manual_seed(SEED + number)
            answers = generate(predictor, query, ANSWERS, generator=generator, seconds=options.seconds)
        except InputError as error:
            answers, empty = [], empty + 1
            print(kind, number, error, file=sys.stderr)
        seconds.append(time.perf_counter() - start)
        masks = read_back(answers, options.work / kind)
        right += sum(all(holds(one, mask, predictor) for one in query) for mask in masks)
        clean += [is_connected(mask) and int(mask.sum()) >= LEAST_AREA for mask in masks]
        close += [] if len(masks) < 2 else [closeness.mean(masks)]
        if known is not None and masks and number < options.copies:
            encoded = predictor.encode(masks)
            found = nearest(predictor, encoded, masks, known, COMPARED_AGAINST)
            copies += [one.closeness >= COPY for one in found]
    report = {
        "queries": queries,
        "without_an_answer": empty,
        "asked_for_and_verified_percent": 100 * right / (queries * ANSWERS),
        "made_and_verified_percent": 100 * right / max(1, len(clean)),
        "seconds_median": float(np.median(seconds)),
        "seconds_95th": float(np.percentile(seconds, 95)),
        "whole_and_large_enough_percent": 100 * float(np.mean(clean)),
        "mean_iou_of_answers": float(np.mean([one for one in close if one is not None])),
    }
    if copies:
        report |= {"compared_with_training": len(copies), "no_copy_percent": 100 * (1 - float(np.mean(copies)))}
    return report


def measure_missing_halves(queries: int, shapes: Sequence[Mask], predictor: Predictor, options: Any) -> dict[str, Any]:
    """Generated missing halves, compared with the true ones."""
    partner, seconds = Predictor.load("halves"), []
    best, first, called, made = [], [], [], 0
    for number, shape in enumerate(shapes):
        rng = np.random.default_rng(SEED + number)
        try:
            half, true = cut(shape, ("zigzag", "curved")[number % 2], rng)
        except InputError:
            continue  # too small to cut, or never in two useful pieces
        start, query = time.perf_counter(), [Match("H", half)]
        try:
            generator = torch.Generator().manual_seed(SEED + number)
            options_of = {"generator": generator, "seconds": options.seconds, "partner": partner}
            answers = generate(predictor, query, ANSWERS, **options_of)
        except InputError as error:
            answers = []
            print("match", number, error, file=sys.stderr)
        seconds.append(time.perf_counter() - start)
        masks = read_back(answers, options.work / "match")
        ious = [both / (true.sum() + mask.sum() - both) for mask in masks if (both := overlap(true, mask)) >= 0]
        best.append(max(ious, default=0.0))
        first.append(ious[0] if ious else 0.0)
        match = partner.predict_objects([(half, mask) for mask in masks]).match if masks else None
        called.append(0.0 if match is None else float(match.sum()) / ANSWERS)
        made += len(masks)
        if len(best) == queries:
            break
    return {
        "halves": len(best),
        "iou_of_first": float(np.mean(first)),
        "iou_of_best_of_8": float(np.mean(best)),
        "halves_with_an_answer_percent": 100 * float(np.mean(np.array(first) > 0)),
        "asked_for_and_called_matches_percent": 100 * float(np.mean(called)),
        "answers_a_half": made / len(best),
        "seconds_median": float(np.median(seconds)),
    }


def training_shapes(predictor: Predictor, folder: Path, work: Path) -> Exemplars:
    """All training shapes of a data set; their codes are stored in the work folder."""
    tensors, names = work / "known.safetensors", work / "known.json"
    if not names.is_file():
        known = make_exemplars(predictor, read_dataset(folder), None)
        packed = torch.from_numpy(known.packed)
        write_tensors(tensors, {"packed": packed, "codes": known.codes, "magnitudes": known.magnitudes}, {})
        write_json(names, list(known.ids))
    stored, ids = read_tensors(tensors).tensors, tuple(read_json(names))
    return Exemplars(predictor.kind(), ids, stored["packed"].numpy(), stored["codes"], stored["magnitudes"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--model", default="overlap")
    parser.add_argument("--against", type=Path)
    parser.add_argument("--parts", default="one,two,area,like,match")
    parser.add_argument("--queries", type=int, help="of each kind; 200 of one, 100 of two and area, 50 of like")
    parser.add_argument("--halves", type=int, default=100)
    parser.add_argument("--copies", type=int, default=25, help="queries of each kind compared with --against")
    parser.add_argument("--seconds", type=float, default=20.0, help="that a query may take")
    options = parser.parse_args()
    predictor, shapes = Predictor.load(options.model), unseen(SHAPES)
    known = None if options.against is None else training_shapes(predictor, options.against, options.work)
    overlap(shapes[0], shapes[1])  # compiles
    counts = {"one": 200, "two": 100, "area": 100, "like": 50}
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        kind: functools.partial(measure_queries, kind, options.queries or count, shapes, predictor, known, options)
        for kind, count in counts.items()
    }
    parts["match"] = functools.partial(measure_missing_halves, options.halves, shapes, predictor, options)
    report = {}
    for name in options.parts.split(","):
        report[name] = parts[name]()
        print(name, "done", file=sys.stderr)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
