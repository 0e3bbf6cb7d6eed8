"""The complexes of the folder `affinity` as features: computed once, kept in parts, resumed when killed."""

from __future__ import annotations

import csv
import gzip
import io
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rdkit import Chem
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.descriptors import ligand_numbers
from metricvae.kinds.molecule.scaffolds import scaffold_group
from metricvae.kinds.molecule.standardise import standard
from metricvae.kinds.pocket.sites import of_ligand
from metricvae.metrics.affinity.features.records import posed_complex
from metricvae.metrics.affinity.features.vector import BLOCKS, NAMES, features_of
from metricvae.metrics.affinity.posed_fit import TrainingSet
from metricvae.metrics.affinity.posing import ComplexReader, check_pose
from metricvae.metrics.affinity.reference import reference_of, words_of
from metricvae.runtime.files import read_json, write_bytes, write_json

Floats = npt.NDArray[np.float64]

PART = 200
"""Complexes whose features are kept in one file."""

SHIPPABLE = ("plb", "schrodinger", "merck", "unifep_ref", "unifep")
"""Sets whose licences allow a model that is trained on them to be given away."""

CRYSTAL = ("native", "crystal")


@dataclass(frozen=True)
class Entry:
    """A labelled complex of the tables.

    Attributes:
        id, set, system: of the row; the system is its series of congeners.
        protein, ligand, title: files, and the molecule in the ligand's.
        pk, bound: what was measured; see `units.Measurement`.
        inchikey, pdb: of the ligand, and of the structure.
        crystal: whether the pose is a crystal's.
        cluster: the table's number of the protein, with the table's name.
        casf: whether the protein is one of CASF-2016.
        relative: whether values count within the system alone.
        scores: of other programs, lower is better.
    """

    id: str
    set: str
    system: str
    protein: str
    ligand: str
    title: str
    pk: float
    bound: int
    inchikey: str
    pdb: str
    crystal: bool
    cluster: str
    casf: bool
    relative: bool
    scores: dict[str, float]


def entries(folder: Path) -> list[Entry]:
    """The rows of both tables that may be trained on: no ligand of CASF-2016, and no PDBQT where there is an SDF."""
    return [*_first_table(folder), *_second_table(folder)]


def _rows(path: Path) -> Iterator[dict[str, str]]:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rb") as file:
        yield from csv.DictReader(io.TextIOWrapper(file, "utf-8"))


SCORES = ("glide_dock", "glide_inplace", "mmgbsa", "fep")


def _first_table(folder: Path) -> Iterator[Entry]:
    for row in _rows(folder / "complexes.csv"):
        if row["set"] == "casf2013" or row["casf2016_ligand_overlap"] == "true":
            continue
        yield Entry(
            id=row["id"],
            set=row["set"],
            system=f"{row['set']}/{row['system']}",
            protein=row["protein"],
            ligand=row["ligand"],
            title="",
            pk=float(row["affinity_pK"]),
            bound=-1 if row["system"] == "2fv5" else 0,
            inchikey=row["inchikey"],
            pdb=row["pdb_code"],
            crystal=row["set"] in ("gems", "gign"),
            cluster=f"a{row['protein_cluster']}",
            casf=row["casf2016_same_protein"] == "true",
            relative=row["measured_kind"] == "dG_relative",
            scores={name: float(row[name]) for name in SCORES if row[name]},
        )


def _second_table(folder: Path) -> Iterator[Entry]:
    for row in _rows(folder / "posed.csv.gz"):
        if row["drop_for_casf"] == "True" or row["casf2016_ligand"] == "True":
            continue
        label = row["label"]
        bound = 1 if "<" in label else -1 if ">" in label else 0  # of a constant: below is a pK above
        yield Entry(
            id=row["id"],
            set=row["set"],
            system=f"{row['set']}/{Path(row['protein']).name.split('.')[0]}",
            protein=row["protein"],
            ligand=row["ligand"],
            title=row["ligand_title"],
            pk=float(row["pK"]),
            bound=bound,
            inchikey=row["inchikey"],
            pdb=row["pdb_code"],
            crystal=row["pose"].startswith(CRYSTAL),
            cluster=f"b{row['protein_cluster']}",
            casf=row["casf2016_same_protein"] == "True",
            relative=False,
            scores={},
        )


@dataclass(frozen=True, eq=False)
class Computed:
    """What was computed of entries: n rows.

    Attributes:
        entries: that have features.
        features: (n, len(NAMES)).
        smiles: of the standardised ligands.
        sequences: of the structures, as they were cut out.
        faults: why a pose is refused; empty where it is not.
        failed: entries without features, and why.
    """

    entries: list[Entry]
    features: Floats
    smiles: list[str]
    sequences: list[str]
    faults: list[str]
    failed: dict[str, str]


def computed(folder: Path, found: list[Entry], cache: Path, pool: Executor) -> Computed:
    """Features of entries, from the cache where they are there."""
    found = sorted(found, key=lambda one: (one.set, one.protein, one.ligand, one.id))
    parts = [found[start : start + PART] for start in range(0, len(found), PART)]
    paths = [cache / f"{parts[number][0].set}-{number:04d}.npz" for number in range(len(parts))]
    list(pool.map(compute_part, [folder] * len(parts), parts, paths))
    features, documents = [], []
    for path in paths:
        with np.load(path, allow_pickle=False) as file:
            features.append(file["features"])
        documents += read_json(path.with_suffix(".json"))
    done = [one for one in documents if not one["failed"]]
    return Computed(
        [Entry(**one["entry"]) for one in done],
        np.concatenate(features).astype(np.float64),
        [one["smiles"] for one in done],
        [one["sequence"] for one in done],
        [one["fault"] for one in done],
        {one["entry"]["id"]: one["failed"] for one in documents if one["failed"]},
    )


def compute_part(folder: Path, part: list[Entry], path: Path) -> None:
    """Write features of some entries, unless that is done."""
    if path.exists() and path.with_suffix(".json").exists():
        return
    reader, rows, documents = ComplexReader(), [], []
    for entry in part:
        document: dict[str, Any] = {"entry": asdict(entry), "smiles": "", "sequence": "", "fault": "", "failed": ""}
        try:
            structure = reader.receptor_of(str(folder / entry.protein))
            molecule = reader.ligand_of(str(folder / entry.ligand), entry.title)
            posed = posed_complex(of_ligand(structure, molecule.positions).receptor, molecule)
            rows.append(features_of(posed))
            document |= {"smiles": molecule.smiles, "sequence": structure.sequence}
            try:
                check_pose(posed)
            except InputError as error:
                document["fault"] = str(error)
        except InputError as error:
            document["failed"] = str(error)
        documents.append(document)
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, features=np.array(rows, np.float32).reshape(-1, len(NAMES)))
    write_bytes(path, buffer.getvalue())
    write_json(path.with_suffix(".json"), documents)


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


def training_set(folder: Path, data: Computed, sets: tuple[str, ...] | None = None) -> TrainingSet:
    """Complexes to train on: exact values, poses that are not refused, and the congeners of Uni-FEP without poses.

    A row counts by the inverse square root of how many its series has, and one without a pose by half of that.

    Args:
        folder: of the tables.
        data: features of their complexes.
        sets: that may be used; all where it is left out.
    """
    clusters = protein_clusters(data)
    kept = [
        row
        for row, entry in enumerate(data.entries)
        if not (data.faults[row] or entry.relative or entry.bound) and (sets is None or entry.set in sets)
    ]
    held = {(data.entries[row].inchikey[:14], int(clusters[row])) for row in kept}
    more = congeners(folder, data, clusters, held) if sets is None or "unifep" in sets else []
    mols = [Chem.MolFromSmiles(data.smiles[row]) for row in kept] + [one.mol for one in more]
    place = [NAMES.index(name) for name in LIGAND]
    added = data.features[[one.row for one in more]].copy()
    if more:
        added[:, place] = [ligand_numbers(one.mol) for one in more]
    systems = [data.entries[row].system for row in kept] + [one.system for one in more]
    size = Counter(systems)
    posed = np.arange(len(systems)) < len(kept)
    weight = np.array([size[one] ** -0.5 for one in systems]) * np.where(posed, 1.0, 0.5)
    sequences = [data.sequences[row] for row in kept] + [data.sequences[one.row] for one in more]
    reference = reference_of(
        mols,
        [data.entries[row].pk for row in kept] + [one.pk for one in more],
        sequences,
        [data.entries[row].id for row in kept] + [one.name for one in more],
    )
    proteins = np.concatenate([clusters[kept], clusters[[one.row for one in more]]]) if more else clusters[kept]
    scaffolds = {
        name: at for at, name in enumerate(dict.fromkeys(scaffold_group(Chem.MolToSmiles(m), "") for m in mols))
    }
    groups = np.array([scaffolds[scaffold_group(Chem.MolToSmiles(mol), "")] for mol in mols])
    series = np.unique(systems, return_inverse=True)[1]
    features = np.concatenate([data.features[kept], added])
    return TrainingSet(features, NAMES, weight / weight.mean(), posed, proteins, groups, series, reference)


LIGAND = BLOCKS["ligand"]


@dataclass(frozen=True)
class Congener:
    """A ligand of Uni-FEP without a pose: name, system, molecule, pK, and the complex whose pocket it binds to."""

    name: str
    system: str
    mol: Any
    pk: float
    row: int


def congeners(
    folder: Path, data: Computed, clusters: npt.NDArray[np.int64], held: set[tuple[str, int]]
) -> list[Congener]:
    """The ligands of Uni-FEP that are not among the complexes: no ligand of CASF-2016, and each once a protein."""
    rows = {Path(one.protein).name.split(".")[0]: at for at, one in enumerate(data.entries) if one.set == "unifep_ref"}
    found, seen = [], set(held)
    for cells in _rows(folder / "posed" / "unifep" / "ligands.csv.gz"):
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
