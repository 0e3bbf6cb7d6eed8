"""Molecules to order: how many answers hold, in what time, beside the best that a library has.

Each query asks for molecules of its shape (Tanimoto at least 0.75) that are another chemistry (Morgan similarity below
0.4), drug-like (QED at least 0.5) and easy to make (SA at most 4), eight of them. The library's best are the eight of
the largest shape Tanimoto, of the same requirements, among the items that the model ranks first and that are then
superposed exactly. Prints one JSON document a query, and one of all.

    metricvae index molecules-2d library.smi --out LIBRARY
    python benchmarks/generate_molecules.py queries.smi --library LIBRARY --queries 10
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from metricvae.core.errors import InputError
from metricvae.core.requirements import Requirement, forms_for, parse_requirement
from metricvae.generation.evolution import EvolutionConfig, evolve
from metricvae.kinds.molecule.generation.requirements import described
from metricvae.kinds.molecule.listing import records
from metricvae.prediction.predictor import Predictor
from metricvae.search.filters import ItemFilter
from metricvae.search.index import Index, read_index
from metricvae.search.search import search

ANSWERS = 8
WANTED = "shape:{0}>=0.75", "similarity:{0}<0.4", "qed>=0.5", "sa<=4"
ATOMS = 15, 32
"""Heavy atoms of queries."""

SUPERPOSED = 200
"""Items of the library that are superposed on a query."""


def queries_of(path: Path, count: int) -> list[str]:
    """SMILES of the first molecules of a file that are as large as drugs are."""
    found = []
    for record in records(path):
        known = described(record.text)
        if known is not None and ATOMS[0] <= known.numbers[9] <= ATOMS[1] and "." not in record.text:
            found.append(record.text)
        if len(found) == count:
            return found
    return found


def means(rows: list[list[float]]) -> dict[str, float]:
    """Means of the numbers of several molecules, by name."""
    names = [text.partition(":")[0].partition(">")[0].partition("<")[0] for text in WANTED]
    return dict(zip(names, np.mean(rows, axis=0).round(3).tolist(), strict=True)) if rows else {}


def retrieved(index: Index, predictor: Predictor, asked: list[Requirement]) -> dict[str, Any]:
    """The best of a library for a query."""
    where = " and ".join(one.where for one in asked if one.where)
    hits = search(index, predictor, asked[0].query, SUPERPOSED, ItemFilter(where))
    rows = [[one.measure(item).value for one in asked] for item in index.kind.from_table(index.table(hits.rows))]
    bounded = zip(asked[1:], range(1, len(asked)), strict=True)
    places = list(bounded)
    good = [row for row in rows if all(one.span.holds(row[place]) for one, place in places)]
    best = sorted(good, key=lambda row: -row[0])[:ANSWERS]
    return {"hold": sum(asked[0].span.holds(row[0]) for row in best), "means": means(best)}


def made(
    predictor: Predictor, asked: list[Requirement], library: Index | None, config: EvolutionConfig
) -> dict[str, Any]:
    """What was made for a query."""
    start = time.perf_counter()
    try:
        found = evolve(predictor, asked, ANSWERS, config, library=library)
    except InputError as error:
        return {"hold": 0, "seconds": time.perf_counter() - start, "fault": str(error), "means": {}}
    rows = [[reading.value for reading in one.readings] for one in found.answers]
    holds = sum(all(each.span.holds(value) for each, value in zip(asked, row, strict=True)) for row in rows)
    seconds = round(time.perf_counter() - start, 1)
    counted = {"evaluations": found.evaluations, "held": found.held, "generations": found.generations}
    return {"hold": holds, "seconds": seconds, "means": means(rows), **counted}


def interval(shares: list[float], seed: int = 0) -> list[float]:
    """95 % of bootstrap means over queries."""
    rng = np.random.default_rng(seed)
    draws = rng.choice(shares, (2000, len(shares))).mean(axis=1)
    return np.quantile(draws, (0.025, 0.975)).round(3).tolist()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("queries_file", type=Path)
    parser.add_argument("--library", type=Path, required=True)
    parser.add_argument("--alone", action="store_true", help="make molecules without the library")
    parser.add_argument("--improve", action="store_true", help="use all of the time")
    parser.add_argument("--model", default="molecules-2d")
    parser.add_argument("--queries", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    predictor, index = Predictor.load(options.model), read_index(options.library)
    config = EvolutionConfig(options.seconds, improve=options.improve)
    forms = forms_for(predictor.kind())
    rows: list[dict[str, Any]] = []
    for smiles in queries_of(options.queries_file, options.queries):
        asked = [parse_requirement(text.format(smiles), forms) for text in WANTED]
        one = made(predictor, asked, None if options.alone else index, config)
        rows.append({"query": smiles, "made": one, "retrieved": retrieved(index, predictor, asked)})
        print(json.dumps(rows[-1]), flush=True)
    shares = [row["made"]["hold"] / ANSWERS for row in rows]
    summary: dict[str, Any] = {
        "queries": len(rows),
        "made": float(np.mean(shares)),
        "interval": interval(shares),
        "retrieved": float(np.mean([row["retrieved"]["hold"] / ANSWERS for row in rows])),
        "seconds": float(np.median([row["made"]["seconds"] for row in rows])),
        "means": {
            who: {
                name: float(np.mean([row[who]["means"][name] for row in rows if row[who]["means"]]))
                for name in rows[0]["made"]["means"]
            }
            for who in ("made", "retrieved")
        },
    }
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
