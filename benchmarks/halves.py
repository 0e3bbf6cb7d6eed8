"""How well a model tells which halves match, on unseen shapes. JSON on stdout.

    python benchmarks/halves.py --work FOLDER [--model halves] [--icons FOLDER] [--leaves FOLDER]

Pairs are cut with a seed that no training used; splits are by group of shapes, the same in every data set. The library
is 500 unseen shapes cut once, 1,000 halves: the partner of each is retrieved, and the first 50 hits of some are
reranked by the fit of their edges.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from metricvae.core.binary_scores import auc, best_threshold
from metricvae.core.dataset import PairDataset
from metricvae.core.dataset_files import read_dataset
from metricvae.evaluation.binary import BinaryEvaluation, measure_binary
from metricvae.evaluation.evaluate import Answers, answer, evaluate
from metricvae.evaluation.retrieval import rerank, retrieve_counterparts, solver_scores
from metricvae.kinds.half.cutting import Cut
from metricvae.kinds.silhouette.records import Mask
from metricvae.labelling.run import label
from metricvae.metrics.match.labelling import MatchPlan
from metricvae.metrics.match.metric import MatchSolver
from metricvae.metrics.match.pairs import shape_of
from metricvae.prediction.predictor import Predictor
from metricvae.reproduction.decoded import complete
from metricvae.reproduction.inputs import masks_of

SEED = 314_159
PAIRS = 50_000
"""A tenth of them are test pairs."""

FOREIGN_PAIRS = 2_000
LIBRARY, LISTED = 1_000, 50
WOUND: tuple[Cut, ...] = ("zigzag", "curved")


def label_data(work: Path, name: str, plan: MatchPlan) -> PairDataset:
    label(plan, work / name)
    return read_dataset(work / name)


def measure_retrieval(predictor: Predictor, data: PairDataset, queries: int) -> dict[str, float]:
    """Rank of each half's partner among the others of a library of test halves, one cut of a shape each."""
    rows = data.rows("test")
    matches = rows[data.value[rows] == 1]
    shapes = np.array([shape_of(data.left.ids[int(place)]) for place in data.first[matches]])
    matches = matches[np.sort(np.unique(shapes, return_index=True)[1])][: LIBRARY // 2]
    halves = masks_of(data.left, np.concatenate([data.first[matches], data.second[matches]]))
    partner = np.roll(np.arange(len(halves)), -len(matches))
    ranking = retrieve_counterparts(predictor, halves, partner, LISTED)
    report = {
        "halves": len(halves),
        "first_percent": 100 * float(np.mean(ranking.rank == 0)),
        "in_first_50_percent": 100 * float(np.mean(ranking.rank < LISTED)),
        "median_rank": float(np.median(ranking.rank)) + 1,
    }
    chosen = np.random.default_rng(SEED).permutation(len(halves))[:queries]
    if len(chosen):
        start = time.perf_counter()
        lists = rerank(MatchSolver(), halves, ranking, chosen)
        by_fit = [max(hits, key=lambda hit: hit.score).place for hits in lists]
        by_both = [hits[0].place for hits in lists]
        report |= {
            "queries_refitted": len(chosen),
            "first_before_fit_percent": 100 * float(np.mean(ranking.rank[chosen] == 0)),
            "first_by_fit_alone_percent": 100 * float(np.mean(by_fit == partner[chosen])),
            "first_after_fit_percent": 100 * float(np.mean(by_both == partner[chosen])),
            "seconds_a_query": (time.perf_counter() - start) / len(chosen),
        }
    completions = complete(predictor, halves[: len(matches)], halves[len(matches) :])
    return report | {
        "made_iou": float(np.mean([one.iou for one in completions])),
        "made_called_matches_percent": 100 * float(np.mean([one.probability >= 0.5 for one in completions])),
    }


def figures(data: PairDataset, answers: Answers) -> BinaryEvaluation:
    return measure_binary(answers.predictions, answers.value == 1, data.columns["grade"][answers.rows])


def by_outlines(data: PairDataset, answers: Answers) -> dict[str, dict[str, float]]:
    """Accuracy and AUC of hard mismatches by outlines, holes counted, of the half of a pair that has more of them."""
    rows, predicted = answers.rows, answers.predictions
    ends = np.stack([data.first[rows], data.second[rows]])
    halves, place = np.unique(ends, return_inverse=True)
    count = np.array([outlines(data.left.object(int(half))) for half in halves])[place.reshape(2, -1)].max(0)
    match, hard = answers.value == 1, data.columns["grade"][rows] == "hard"
    found = {}
    for name, least, most in (("one", 1, 1), ("two or three", 2, 3), ("four or more", 4, math.inf)):
        here = (count >= least) & (count <= most)
        if predicted.match is None or not (here & match).any() or not (here & hard).any():
            continue
        found[name] = {
            "matches": int((here & match).sum()),
            "accuracy_percent": 50
            * float(predicted.match[here & match].mean() + (~predicted.match[here & hard]).mean()),
            "auc": auc(predicted.value[here & (match | hard)], match[here & (match | hard)]),
        }
    return found


def outlines(mask: Mask) -> int:
    """Parts of a shape, corners being contact, and holes in it."""
    parts = ndimage.label(mask, structure=np.ones((3, 3)))[1]
    return int(parts + ndimage.label(np.pad(mask, 1) == 0)[1] - 1)


def measure_edge_fit(data: PairDataset, pairs: int) -> dict[str, Any]:
    """Accuracy of the exact fit of the edges as a classifier; its threshold is chosen on as many training pairs."""
    rows = [data.rows(split)[:pairs] for split in ("train", "test")]
    scores = [solver_scores(data, part) for part in rows]
    matches = [data.value[part] == 1 for part in rows]
    threshold = best_threshold(scores[0], matches[0])
    right = (scores[1] >= threshold) == matches[1]
    grades = {}
    if "grade" in data.columns:
        grade = data.columns["grade"][rows[1]]
        hit = right[matches[1]].mean()
        grades = {g: 50 * float(hit + right[grade == g].mean()) for g in np.unique(grade) if g != "match"}
    return {"pairs": len(rows[1]), "accuracy_percent": 100 * float(right.mean()), "grades_percent": grades}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--model", default="halves")
    parser.add_argument("--icons", type=Path)
    parser.add_argument("--leaves", type=Path)
    parser.add_argument("--queries", type=int, default=200, help="halves whose first hits are fitted")
    parser.add_argument("--fits", type=int, default=600, help="test pairs whose edges are fitted")
    options = parser.parse_args()
    predictor = Predictor.load(options.model)
    plans = {
        "paper": MatchPlan("procedural", PAIRS, SEED, cuts=("straight",), middle=True),
        "mixed wound": MatchPlan("mixed", PAIRS, SEED, cuts=WOUND),
        "mixed straight": MatchPlan("mixed", PAIRS, SEED, cuts=("straight",)),
    }
    report: dict[str, Any] = {}
    for name, plan in plans.items():
        data = label_data(options.work, name.replace(" ", "-"), plan)
        answers = answer(predictor, data, "test")
        report[name] = dataclasses.asdict(figures(data, answers)) | {"baselines": data.card["baselines"]}
        report[f"{name}, hard, by outlines"] = by_outlines(data, answers)
        report[f"{name}, edges fitted"] = measure_edge_fit(data, options.fits)
        report[f"{name}, partner in a library"] = measure_retrieval(
            predictor, data, options.queries if "wound" in name else 0
        )
        print(name, "done", file=sys.stderr)
    for name in ("icons", "leaves"):
        folder = getattr(options, name)
        if folder is not None:
            data = label_data(options.work, name, MatchPlan(str(folder), FOREIGN_PAIRS, SEED, fit=True, cuts=WOUND))
            report[name] = dataclasses.asdict(evaluate(predictor, data, "all"))
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
