"""Screens of actives among decoys, with conformers: what `benchmarks/screening.py` ranks.

A screen is a query, actives of its target and decoys. `--dude FOLDER` takes those of DUD-E: `crystal_ligand.mol2`,
`actives_final.mol2.gz` and `decoys_final.mol2.gz` in a folder each; a target without decoys gets matched ones.
`--activity FILE` makes a screen of each target of a table (columns smiles, pK, target: those of MoleculeACE): actives
are molecules of pK >= 7, at most `ACTIVES`, chosen at random; the query is the most potent of those of at most 35
heavy atoms, and is no active. Decoys come from a pool of purchasable molecules: for each active the `DECOYS` nearest in
molecular weight, logP, donors, acceptors, rotatable bonds and charge (each over its standard deviation) whose Morgan
similarity to every active is below 0.35, as DUD-E has it (M. Mysinger et al., J. Med. Chem. 55 (2012) 6582).

Nothing of a screen depends on what is measured on it. Conformers are ETKDG's, made once and kept.
"""

from __future__ import annotations

import csv
import functools
import gzip
import hashlib
import os
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from rdkit import Chem, DataStructs, RDLogger
from rdkit.Chem import rdFingerprintGenerator, rdMolDescriptors

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.conformers import conform
from metricvae.kinds.molecule.mol_blocks import mol_block
from metricvae.kinds.molecule.readers import read, read_one
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.molecule.table import molecule_columns, read_molecules

RDLogger.DisableLog("rdApp.*")  # type: ignore[attr-defined]

SEED = 2026
ACTIVES, DECOYS, POTENT, QUERY_ATOMS, UNLIKE = 40, 25, 7.0, 35, 0.35
MORGAN = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Screen:
    """A query, and what is ranked by it.

    Attributes:
        name: of the target.
        query: one conformer.
        actives, decoys: SMILES.
    """

    name: str
    query: Molecule
    actives: tuple[str, ...]
    decoys: tuple[str, ...]

    @property
    def labels(self) -> npt.NDArray[np.bool_]:
        """Which of the actives, then the decoys, are active."""
        return np.arange(len(self.actives) + len(self.decoys)) < len(self.actives)


def screens(dude: Path | None, activity: Path | None, zinc: Path, pool: int) -> list[Screen]:
    """All screens that the given data make."""
    found: list[Screen] = []
    decoys = Pool(zinc, pool)
    for folder in sorted(dude.iterdir()) if dude is not None else ():
        if folder.is_dir():
            found.append(dude_screen(folder, decoys))
    if activity is not None:
        found += _of_activity(activity, decoys)
    return found


class Pool:
    """Molecules that decoys are taken from."""

    def __init__(self, path: Path, count: int) -> None:
        with gzip.open(path, "rt") as file:
            lines = [line.split()[0] for line in file if line.strip()]
        chosen = np.random.default_rng(SEED).choice(len(lines), min(count, len(lines)), replace=False)
        self.smiles = [Chem.CanonSmiles(lines[row]) for row in sorted(chosen.tolist())]
        mols = [Chem.MolFromSmiles(one) for one in self.smiles]
        self.properties = np.array([properties(mol) for mol in mols])
        self.prints = [MORGAN.GetFingerprint(mol) for mol in mols]

    def matched(self, actives: Sequence[str], others: Iterable[str] = ()) -> tuple[str, ...]:
        """Decoys of some actives; none of `others`, and none twice."""
        mols = [Chem.MolFromSmiles(one) for one in actives]
        scale = self.properties.std(axis=0) + 1e-9
        likeness = np.max([DataStructs.BulkTanimotoSimilarity(MORGAN.GetFingerprint(m), self.prints) for m in mols], 0)
        free = (likeness < UNLIKE) & ~np.isin(self.smiles, list(others))
        chosen: list[str] = []
        for mol in mols:
            apart = (np.abs(self.properties - properties(mol)) / scale).sum(axis=1)
            rows = [row for row in np.argsort(apart, kind="stable").tolist() if free[row]][:DECOYS]
            free[rows] = False
            chosen += [self.smiles[row] for row in rows]
        return tuple(chosen)


def properties(mol: Any) -> list[float]:
    """What decoys are matched by."""
    return [
        rdMolDescriptors.CalcExactMolWt(mol),
        rdMolDescriptors.CalcCrippenDescriptors(mol)[0],
        rdMolDescriptors.CalcNumHBD(mol),
        rdMolDescriptors.CalcNumHBA(mol),
        rdMolDescriptors.CalcNumRotatableBonds(mol),
        Chem.GetFormalCharge(mol),
    ]


def dude_screen(folder: Path, pool: Pool) -> Screen:
    """A target of DUD-E, with matched decoys where it has none."""
    query = read_one(next(folder.glob("crystal_ligand.*")))
    actives = _smiles_of(next(iter(sorted(folder.glob("actives_final*")) or sorted(folder.glob("actives*.smi")))))
    there = sorted(folder.glob("decoys_final*"))
    decoys = _smiles_of(there[0]) if there else pool.matched(actives)
    return Screen(folder.name, replace(query, id="query"), actives, tuple(one for one in decoys if one not in actives))


def _smiles_of(path: Path) -> tuple[str, ...]:
    if path.suffix == ".smi":
        lines = [line.split() for line in path.read_text().splitlines()]
        return tuple(dict.fromkeys(Chem.CanonSmiles(line[0]) for line in lines if line))
    return tuple(dict.fromkeys(one.smiles for one in read(path) if isinstance(one, Molecule)))


def _of_activity(path: Path, pool: Pool) -> list[Screen]:
    potent: dict[str, dict[str, float]] = defaultdict(dict)
    with gzip.open(path, "rt") as file:
        for row in csv.DictReader(file):
            mol = Chem.MolFromSmiles(row["smiles"])
            if mol is not None and float(row["y [pEC50/pKi]"]) >= POTENT:
                potent[row["dataset"]][Chem.MolToSmiles(mol)] = float(row["y [pEC50/pKi]"])
    found = []
    for name, values in sorted(potent.items()):
        small = [one for one in values if Chem.MolFromSmiles(one).GetNumHeavyAtoms() <= QUERY_ATOMS]
        query = min(small, key=lambda one: (-values[one], one))
        others = sorted(set(values) - {query})
        chosen = np.random.default_rng(SEED).choice(len(others), min(ACTIVES, len(others)), replace=False)
        actives = tuple(others[row] for row in chosen.tolist())
        found.append(Screen(name, conform(query, SEED, name="query")[0], actives, pool.matched(actives, values)))
    return found


def conformers(smiles: Sequence[str], count: int, work: Path, workers: int) -> dict[str, list[Molecule]]:
    """Conformers of each SMILES, made once and kept in `work`; those that do not embed are left out."""
    work.mkdir(parents=True, exist_ok=True)
    unique = sorted(set(smiles))
    found: dict[str, list[Molecule]] = {}
    with ProcessPoolExecutor(workers) as pool:
        for start in range(0, len(unique), 512):
            part = unique[start : start + 512]
            digest = hashlib.sha256("\n".join(part).encode()).hexdigest()[:16]
            path = work / f"conformers-{count}-{digest}.parquet"
            if not path.exists():
                made = list(pool.map(functools.partial(_conform, count), part, chunksize=8))
                _write(path, part, made)
            for one in read_molecules(pq.read_table(path)):
                found.setdefault(one.id, []).append(one)
            print(f"conformers {min(start + 512, len(unique))} of {len(unique)}", file=sys.stderr, flush=True)
    return found


def _conform(count: int, smiles: str) -> list[Molecule]:
    try:
        return conform(smiles, SEED, count)
    except InputError:
        return []


def _write(path: Path, part: Sequence[str], made: Sequence[list[Molecule]]) -> None:
    flat = [(smiles, one) for smiles, several in zip(part, made, strict=True) for one in several]
    ids = pa.array([smiles for smiles, _ in flat])
    temporary = path.with_suffix(".part")
    pq.write_table(pa.table({"id": ids, **molecule_columns([one for _, one in flat])}), temporary)
    os.replace(temporary, path)


def rdkit_of(molecule: Molecule) -> Any:
    """The RDKit molecule of a conformer, as other aligners take it."""
    return Chem.MolFromMolBlock(mol_block(molecule))
