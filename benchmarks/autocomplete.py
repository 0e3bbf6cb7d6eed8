"""Candidates for pockets of unseen proteins, judged by an engine that did not lead the search.

    python benchmarks/autocomplete.py --affinity AFFINITY --library INDEX --pool POOL.smi --work FOLDER --pockets 2

AFFINITY holds `complexes.csv` and `posed.csv.gz`, INDEX is made by `pocket-fit`, POOL holds molecules not in it.
Pockets are about crystal ligands of GEMS and GIGN of 18 to 32 heavy atoms and QED >= 0.4, of proteins of which at most
30 % of the words of four residues stand in one sequence that `pocket-fit` or `affinity` was trained on, one a sequence,
in an order drawn at random. Candidates, and molecules of the pool within three heavy atoms of them, are docked by
AutoDock Vina. FOLDER keeps what is done: a killed run goes on.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from metricvae.cli import main as command
from metricvae.kinds.molecule.conformers import flat
from metricvae.kinds.molecule.extra import require
from metricvae.kinds.molecule.properties import PROPERTIES, described_smiles
from metricvae.kinds.pocket.structures import structure_of
from metricvae.metrics.docking.batch import docking_site
from metricvae.metrics.docking.config import DockingConfig
from metricvae.metrics.docking.dock import dock
from metricvae.metrics.docking.size_trend import fit_trend
from metricvae.runtime.files import read_json, write_json

TRAINED = ("plb", "merck", "schrodinger", "unifep_ref")
UNSEEN = ("gems", "gign")
LIKE_SIZE = 3


def rows_of(affinity: Path) -> Iterator[dict[str, str]]:
    for name in ("complexes.csv", "posed.csv.gz"):
        opened = gzip.open if name.endswith(".gz") else open
        with opened(affinity / name, "rb") as file:
            yield from csv.DictReader(io.TextIOWrapper(file, "utf-8"))


def words_of(path: Path) -> frozenset[str]:
    sequence = structure_of(str(path)).sequence
    return frozenset(sequence[place : place + 4] for place in range(len(sequence) - 3))


def pockets(affinity: Path, seed: int) -> list[tuple[str, str]]:
    """Ids and sites, in an order drawn at random."""
    rows = list(rows_of(affinity))
    trained = {words_of(affinity / path) for path in {row["protein"] for row in rows if row["set"] in TRAINED}}
    found: dict[frozenset[str], tuple[str, str]] = {}
    for row in (one for one in rows if one["set"] in UNSEEN and one["smiles"]):
        mol = require("rdkit.Chem").MolFromSmiles(row["smiles"])
        if mol is None or not 18 <= mol.GetNumHeavyAtoms() <= 32 or require("rdkit.Chem.QED").qed(mol) < 0.4:
            continue
        own = words_of(affinity / row["protein"])
        if own and max(len(own & one) for one in trained) / len(own) <= 0.3:
            found.setdefault(own, (row["id"], f"{affinity / row['protein']}@ligand={affinity / row['ligand']}"))
    every = sorted(found.values())
    return [every[place] for place in np.random.default_rng(seed).permutation(len(every))]


def made(site: str, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """The candidates, and what making them cost."""
    if not (folder / "cost.json").exists():
        begun, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_utime
        words = ["autocomplete", site, "--out", str(folder), "-n", str(options.n), "--library", str(options.library)]
        status = command([*words, "--seconds", str(options.seconds), "--seed", str(options.seed)])
        if status:
            raise SystemExit(status)
        used = resource.getrusage(resource.RUSAGE_SELF).ru_utime - before
        write_json(folder / "cost.json", {"minutes": (time.monotonic() - begun) / 60, "processor_minutes": used / 60})
    return {**read_json(folder / "candidates.json"), **read_json(folder / "cost.json")}


class Judged:
    """Vina's scores of molecules in a site, kept on disk."""

    def __init__(self, site: str, path: Path, exhaustiveness: int) -> None:
        self.receptor, self.centre = docking_site(site)
        self.path = path
        self.config = DockingConfig(poses=1, strain=False, engine="vina", exhaustiveness=exhaustiveness)
        self.held: dict[str, float | None] = read_json(path) if path.exists() else {}

    def score(self, smiles: str) -> float | None:
        if smiles not in self.held:
            try:
                self.held[smiles] = dock(self.receptor, self.centre, smiles, self.config)[0].score
            except (ValueError, IndexError):
                self.held[smiles] = None
            write_json(self.path, self.held)
        return self.held[smiles]


def like_size(pool: list[str], sizes: list[int], count: int, seed: int) -> list[tuple[str, int]]:
    """Drug-like molecules of the pool within three heavy atoms of candidates, as many for each."""
    rng, found, place = np.random.default_rng(seed), [], 0
    order = rng.permutation(len(pool))
    wanted = [sizes[number % len(sizes)] for number in range(count)]
    while wanted and place < len(order):
        smiles, place = flat(pool[order[place]]).smiles, place + 1
        size = require("rdkit.Chem").MolFromSmiles(smiles).GetNumHeavyAtoms()
        near = next((one for one in wanted if abs(one - size) <= LIKE_SIZE), None)
        if near is not None and drug_like(smiles):
            wanted.remove(near)
            found.append((smiles, size))
    return found


def drug_like(smiles: str) -> bool:
    described = described_smiles(smiles)
    numbers = {} if described is None else dict(zip(PROPERTIES, described.numbers, strict=True))
    return bool(numbers and numbers["qed"] >= 0.5 and numbers["sa"] <= 4)


def judged(name: str, site: str, options: argparse.Namespace, pool: list[str]) -> dict[str, Any]:
    folder = options.work / name.replace("/", "-")
    document = made(site, folder / "made", options)
    rows = document["candidates"]
    vina = Judged(site, folder / "vina.json", options.exhaustiveness)
    sizes = [int(row["heavy_atoms"]) for row in rows]
    scored = [(row, vina.score(row["smiles"])) for row in rows]
    random = [
        (size, score)
        for smiles, size in like_size(pool, sizes, options.random, 0)
        if (score := vina.score(smiles)) is not None
    ]
    trend = fit_trend(*zip(*random, strict=True))
    beaten, gains = [], []
    for row, score in scored:
        if score is None:
            continue
        others = [one for size, one in random if abs(size - row["heavy_atoms"]) <= LIKE_SIZE]
        beaten.append(float(np.mean([score < one for one in others])))
        gains.append(trend.gain(score, int(row["heavy_atoms"])))
    library = set(options.library_smiles)
    mols = [require("rdkit.Chem").MolFromSmiles(row["smiles"]) for row in rows]
    best = document["best_retrieved"]
    retrieved = None if best is None else vina.score(best["smiles"])
    return {
        "pocket": name,
        "candidates": len(rows),
        "valid": float(np.mean([mol is not None for mol in mols])),
        "unique": len({row["smiles"] for row in rows}) / len(rows),
        "novel": float(np.mean([row["smiles"] not in library for row in rows])),
        "drug_like": float(np.mean([drug_like(row["smiles"]) for row in rows])),
        "valid_poses": float(np.mean([not row["pose_faults"] for row in rows])),
        "heavy_atoms": float(np.median(sizes)),
        "own_gain": float(np.median([row["gain"] for row in rows])),
        "vina_median": float(np.median([one for _, one in scored if one is not None])),
        "random": len(random),
        "random_median": float(np.median([one for _, one in random])),
        "beaten": float(np.median(beaten)),
        "vina_gain": float(np.median(gains)),
        "vina_gain_interval": bootstrap(gains),
        "retrieved_vina_gain": None if retrieved is None else trend.gain(retrieved, int(best["heavy_atoms"])),
        "docked_quickly": document["evaluations"],
        "pK": float(np.median([row["pK"] for row in rows if "pK" in row] or [np.nan])),
        "similarity": float(np.median([row["similarity"] for row in rows])),
        "minutes": document["minutes"],
        "processor_minutes": document["processor_minutes"],
    }


def bootstrap(values: list[float], draws: int = 500) -> list[float]:
    """A 95 % interval of the median."""
    rng = np.random.default_rng(0)
    medians = [np.median(rng.choice(values, len(values))) for _ in range(draws)]
    low, high = np.quantile(medians, [0.025, 0.975])
    return [float(low), float(high)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("affinity", "library", "pool", "work"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--pockets", type=int, default=2)
    parser.add_argument("-n", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--random", type=int, default=100)
    parser.add_argument("--exhaustiveness", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    from metricvae.search.index import read_index

    options.library_smiles = read_index(options.library).whole(["smiles"])["smiles"].to_pylist()
    pool = [line.split()[0] for line in options.pool.read_text().splitlines() if line.strip()]
    options.work.mkdir(parents=True, exist_ok=True)
    for name, site in pockets(options.affinity.resolve(), options.seed)[: options.pockets]:
        print(json.dumps(judged(name, site, options, pool)), flush=True)


if __name__ == "__main__":
    main()
