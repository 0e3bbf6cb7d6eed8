"""Complexes to train on, their clusters of proteins, and congeners that have no pose."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.descriptors import ligand_numbers
from metricvae.kinds.molecule.extra import require
from metricvae.kinds.molecule.scaffolds import scaffold_group
from metricvae.kinds.molecule.standardise import standard
from metricvae.metrics.affinity.features.vector import BLOCKS, NAMES
from metricvae.metrics.affinity.posed_fit import TrainingSet
from metricvae.metrics.affinity.reference import reference_of, words_of
from metricvae.reproduction.affinity.complexes import Computed, rows_of
from metricvae.reproduction.affinity.docked_congeners import DockedTask, OnStep, docked_features

SHARED = 0.5
"""The share of the shorter sequence's words from which two proteins are of one cluster."""


def protein_clusters(data: Computed) -> npt.NDArray[np.int64]:
    """(n,) numbers of clusters of proteins over both tables: rows are linked that share a table's cluster, a PDB code,
    or half of the words of the shorter sequence, in single linkage."""
    names = sorted(set(data.sequences))
    words = [sorted(words_of(one)) for one in names]
    known = {word: number for number, word in enumerate(sorted(set().union(*words)))}
    columns = [known[word] for held in words for word in held]
    rows = np.repeat(np.arange(len(words)), list(map(len, words)))
    table = csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(words), len(known)))
    common = (table @ table.T).tocoo()
    sizes = np.maximum(np.array(list(map(len, words))), 1)
    linked = common.data >= SHARED * np.minimum(sizes[common.coords[0]], sizes[common.coords[1]])
    edges = [(names[a], names[b]) for a, b in zip(common.coords[0][linked], common.coords[1][linked], strict=True)]
    for entry, sequence in zip(data.entries, data.sequences, strict=True):
        edges.append((sequence, f"cluster {entry.cluster}"))
        edges += [(sequence, f"pdb {entry.pdb}")] if entry.pdb else []
    return _components(edges, data.sequences)


def _components(edges: list[tuple[str, str]], names: list[str]) -> npt.NDArray[np.int64]:
    """(n,) numbers of the connected components that names are in."""
    number = {name: at for at, name in enumerate(dict.fromkeys(end for edge in edges for end in edge))}
    first, second = (np.array([number[edge[side]] for edge in edges]) for side in (0, 1))
    graph = csr_array((np.ones(len(first)), (first, second)), shape=(len(number), len(number)))
    found = connected_components(graph, directed=False)[1]
    return found[[number[name] for name in names]].astype(np.int64)


Docked = Callable[[Sequence["Congener"]], list[npt.NDArray[np.float64] | None]]
"""Features of congeners with the poses that docking gives them, None of those without one; see `docking_of`."""


def docking_of(folder: Path, data: Computed, cache: Path, pool: Executor, on_step: OnStep = lambda *_: None) -> Docked:
    """Docks congeners where the reference ligand of their system lies; see `docked_congeners`.

    Args:
        folder: of the tables.
        data: features of their complexes.
        cache: folder in which the features are kept.
        pool: of processes.
        on_step: told how many of how many structures are done.
    """
    chem = require("rdkit.Chem")

    def docked(more: Sequence[Congener]) -> list[npt.NDArray[np.float64] | None]:
        together: dict[int, list[Congener]] = defaultdict(list)
        for one in more:
            together[one.row].append(one)
        tasks = [
            DockedTask(
                data.entries[row],
                tuple(one.name for one in several),
                tuple(chem.MolToSmiles(one.mol) for one in several),
                cache / f"docked-{data.entries[row].id}.npz",
            )
            for row, several in together.items()
        ]
        found = docked_features(folder, tasks, pool, on_step)
        return [found.get((data.entries[one.row].id, one.name)) for one in more]

    return docked


def training_set(
    folder: Path, data: Computed, sets: tuple[str, ...] | None = None, docked: Docked | None = None
) -> TrainingSet:
    """Complexes to train on: exact values, poses that are not refused, and the congeners of Uni-FEP without poses.

    A row counts by the inverse square root of how many its series has, and one without a pose by half of that.

    Args:
        folder: of the tables.
        data: features of their complexes.
        sets: that may be used; all where it is left out.
        docked: gives features of congeners with poses; without it they have none.
    """
    chem = require("rdkit.Chem")
    clusters = protein_clusters(data)
    kept = [
        row
        for row, entry in enumerate(data.entries)
        if not (data.faults[row] or entry.relative or entry.bound) and (sets is None or entry.set in sets)
    ]
    more = congeners(folder, data, clusters, kept) if sets is None or "unifep" in sets else []
    mols = [chem.MolFromSmiles(data.smiles[row]) for row in kept] + [one.mol for one in more]
    place = [NAMES.index(name) for name in LIGAND]
    added = data.features[[one.row for one in more]].copy()
    if more:
        added[:, place] = [ligand_numbers(one.mol) for one in more]
    laid = docked(more) if docked else [None] * len(more)
    for row, one in enumerate(laid):
        if one is not None:
            added[row] = one
    systems = [data.entries[row].system for row in kept] + [one.system for one in more]
    size = Counter(systems)
    given = np.arange(len(systems)) < len(kept)
    posed = np.array([True] * len(kept) + [one is not None for one in laid])
    weight = np.array([size[one] ** -0.5 for one in systems]) * np.where(posed, 1.0, 0.5)
    sequences = [data.sequences[row] for row in kept] + [data.sequences[one.row] for one in more]
    reference = reference_of(
        mols,
        [data.entries[row].pk for row in kept] + [one.pk for one in more],
        sequences,
        [data.entries[row].id for row in kept] + [one.name for one in more],
    )
    proteins = np.concatenate([clusters[kept], clusters[[one.row for one in more]]]) if more else clusters[kept]
    series = np.unique(systems, return_inverse=True)[1]
    features = np.concatenate([data.features[kept], added])
    return TrainingSet(
        features, NAMES, weight / weight.mean(), posed, given, proteins, scaffolds_of(mols), series, reference
    )


def scaffolds_of(mols: Sequence[Any]) -> npt.NDArray[np.int64]:
    """(n,) numbers of the scaffolds of RDKit molecules, in the order in which they come first."""
    chem = require("rdkit.Chem")
    groups = [scaffold_group(chem.MolToSmiles(mol), "") for mol in mols]
    numbers = {name: at for at, name in enumerate(dict.fromkeys(groups))}
    return np.array([numbers[one] for one in groups], np.int64)


LIGAND = BLOCKS["ligand"]

CONGENERS = Path("posed", "unifep", "ligands.csv.gz")
"""Ligands without poses; a folder need not have them."""


@dataclass(frozen=True)
class Congener:
    """A ligand of Uni-FEP without a pose: name, system, molecule, pK, and the complex whose pocket it binds to."""

    name: str
    system: str
    mol: Any
    pk: float
    row: int


def congeners(folder: Path, data: Computed, clusters: npt.NDArray[np.int64], kept: Sequence[int]) -> list[Congener]:
    """The ligands of Uni-FEP that are not among the rows that are kept: no ligand of CASF-2016, and each once a
    protein."""
    rows = {Path(one.protein).name.split(".")[0]: at for at, one in enumerate(data.entries) if one.set == "unifep_ref"}
    if not (folder / CONGENERS).exists():
        return []
    found, seen = [], {(data.entries[row].inchikey[:14], int(clusters[row])) for row in kept}
    for cells in rows_of(folder / CONGENERS):
        row = rows.get(cells["protein_id"])
        if row is None or cells["casf2016_ligand"] == "True":
            continue
        key = cells["inchikey"][:14], int(clusters[row])
        if key in seen:
            continue
        seen.add(key)
        try:
            mol = standard(cells["smiles"])
        except InputError:
            continue
        found.append(Congener(f"unifep/{cells['name']}", f"unifep/{cells['system']}", mol, float(cells["pK"]), row))
    return found
