"""Screens of DUD-E by docking: do actives have better scores than decoys? A row of JSON a molecule, then the figures.

    python benchmarks/docking_screens.py DUDE/fabp4 --out own.jsonl --decoys 10
    python benchmarks/docking_screens.py DUDE/fabp4 --out vina.jsonl --decoys 10 --engine vina --exhaustiveness 1
    python benchmarks/docking_screens.py DUDE/xiap --zinc zinc250k.smi.gz --out xiap.jsonl --decoys 10

The folder holds `receptor.pdb`, `crystal_ligand.mol2`, `actives_final.mol2.gz` and `decoys_final.mol2.gz`; a target
without decoys gets matched ones of `--zinc` (`benchmarks/screens.py`). All actives are docked from SMILES, and
`--decoys` for each, drawn at random, into a cube about the centre of the crystal ligand; a molecule that cannot be
docked counts as the last, and one that is there in several states once. `--quick` docks as `generate` does in its
search. Ranked by the score; by the score less a line through the scores of all molecules of the
screen by their heavy atoms, actives and decoys alike (`gain`); by heavy atoms; and, where the file of another run is
given by `--beside`, by its score. AUC and enrichment in the first 1 % and 5 %, with 95 % intervals by resampling
molecules. A killed run goes on.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from dude import enrichment, read_target
from rdkit import Chem
from screens import Pool, dude_screen

from metricvae.core.binary_scores import auc
from metricvae.core.errors import InputError
from metricvae.kinds.molecule.readers import read_one
from metricvae.kinds.pocket.structures import structure_of
from metricvae.metrics.docking.config import DockingConfig
from metricvae.metrics.docking.dock import dock
from metricvae.metrics.docking.engines.engine import ENGINES, OWN
from metricvae.metrics.docking.requirements import QUICK
from metricvae.metrics.docking.size_trend import fit_trend

SEED, DRAWS = 2026, 500
POOL = 8_000
"""Molecules of `--zinc` that decoys are taken from."""
SHARES = (0.01, 0.05)
Floats = npt.NDArray[np.float64]


def read_rows(path: Path) -> dict[str, dict[str, Any]]:
    lines = path.read_text().splitlines() if path.exists() else []
    return {row["smiles"]: row for row in map(json.loads, lines)}


def read_screen(folder: Path, zinc: Path | None) -> tuple[Path, Floats, list[str], npt.NDArray[np.bool_]]:
    """The receptor; the centre of the crystal ligand in A; SMILES of actives and decoys, and which are active."""
    receptor, ligand = next(folder.glob("receptor*.pdb")), next(folder.glob("crystal_ligand.*"))
    if zinc is None:
        (_, *molecules), active = read_target(folder)
        smiles = [one.smiles for one in molecules]
    else:
        screen = dude_screen(folder, Pool(zinc, POOL))
        smiles, active = [*screen.actives, *screen.decoys], screen.labels
    return receptor, read_one(ligand).positions.mean(0), smiles, active


def docked(
    folder: Path, zinc: Path | None, out: Path, decoys: int, most: int | None, config: DockingConfig
) -> list[dict[str, Any]]:
    """A row a molecule, of `most` in a random order: SMILES, whether it is active, score in kcal/mol or None, heavy
    atoms, processor seconds."""
    path, centre, molecules, active = read_screen(folder, zinc)
    receptor, inactive = structure_of(str(path)).receptor, np.flatnonzero(~active)
    drawn = np.random.default_rng(SEED).permutation(inactive)[: decoys * int(active.sum())]
    known, rows = read_rows(out), dict[str, dict[str, Any]]()
    with out.open("a") as file:
        for place in np.random.default_rng(SEED).permutation([*np.flatnonzero(active), *drawn])[:most]:
            smiles = molecules[place]
            if smiles not in known:
                begin = time.process_time()
                try:
                    score: float | None = dock(receptor, centre, smiles, config)[0].score
                except InputError:
                    score = None
                seconds = round(time.process_time() - begin, 3)
                row = {"smiles": smiles, "active": bool(active[place]), "score": score, "seconds": seconds}
                known[smiles] = row | {"heavy_atoms": Chem.MolFromSmiles(smiles).GetNumHeavyAtoms()}
                file.write(json.dumps(known[smiles]) + "\n")
                file.flush()
            rows[smiles] = known[smiles]
    return list(rows.values())


def figures(scores: Floats, active: npt.NDArray[np.bool_]) -> dict[str, str]:
    """AUC and enrichments with their intervals."""
    random, found = np.random.default_rng(SEED), {}
    measures = {"auc": auc} | {f"ef{share:.0%}": partial(enrichment, share=share) for share in SHARES}
    rows = [random.integers(len(active), size=len(active)) for _ in range(DRAWS)]
    for name, measure in measures.items():
        low, high = np.quantile(
            [measure(scores[row], active[row]) for row in rows if active[row].any()], [0.025, 0.975]
        )
        found[name] = f"{measure(scores, active):.2f} ({low:.2f} to {high:.2f})"
    return found


def ranked(rows: list[dict[str, Any]], beside: dict[str, dict[str, Any]]) -> dict[str, Any]:
    active, heavy = (np.array([row[name] for row in rows]) for name in ("active", "heavy_atoms"))
    scores = np.array([np.nan if row["score"] is None else -row["score"] for row in rows])
    there = np.isfinite(scores)
    trend = fit_trend(heavy[there].tolist(), (-scores[there]).tolist())
    gains = np.array([trend.gain(-score, size) for score, size in zip(scores, heavy, strict=True)])
    columns = {"score": scores, "gain": gains, "heavy atoms": heavy.astype(float)}
    if beside:
        other = [beside.get(row["smiles"], {}).get("score") for row in rows]
        columns["score of the other run"] = np.array([np.nan if one is None else -one for one in other])
    seconds = [row["seconds"] for row in rows]
    return {
        "actives": int(active.sum()),
        "decoys": int((~active).sum()),
        "failed": int((~there).sum()),
        "slope": round(trend.slope, 3),
        "seconds": [round(float(np.mean(seconds)), 2), round(float(np.median(seconds)), 2)],
        **{name: figures(np.nan_to_num(column, nan=-1e9), active) for name, column in columns.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--zinc", type=Path, help="SMILES to take decoys from, of a target that has none")
    parser.add_argument("--decoys", type=int, default=10)
    parser.add_argument("--most", type=int, help="so many of these molecules, in a random order")
    parser.add_argument("--engine", default=OWN, choices=[OWN, *ENGINES])
    parser.add_argument("--exhaustiveness", type=int, default=8)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--beside", type=Path)
    options = parser.parse_args()
    base = QUICK if options.quick else DockingConfig(poses=1, strain=False)
    config = replace(base, engine=options.engine, exhaustiveness=options.exhaustiveness)
    rows = docked(options.folder, options.zinc, options.out, options.decoys, options.most, config)
    print(json.dumps(ranked(rows, read_rows(options.beside) if options.beside else {}), indent=1))


if __name__ == "__main__":
    main()
