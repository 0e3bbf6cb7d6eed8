"""The complexes of a folder of affinities as features: computed once, kept in parts, resumed when killed."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from metricvae.core.array_files import ArrayFiles
from metricvae.core.errors import InputError
from metricvae.kinds.pocket.sites import of_ligand
from metricvae.metrics.affinity.features.records import posed_complex
from metricvae.metrics.affinity.features.vector import NAMES, features_of
from metricvae.metrics.affinity.posing import ComplexReader, check_pose
from metricvae.runtime.files import read_json, write_bytes, write_json

Floats = npt.NDArray[np.float64]

TABLES = ("complexes.csv", "posed.csv.gz")
"""Files of a folder of affinities that name complexes."""

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


def check_complexes(folder: Path) -> None:
    """Refuse a folder without the tables of complexes.

    Raises:
        InputError: naming what is not there.
    """
    for name in TABLES:
        if not (folder / name).is_file():
            raise InputError(
                f"{folder} has no {name}: expected a folder of affinities with {' and '.join(TABLES)} and the files "
                "that they name, and dta/davis.csv.gz and dta/kiba.csv.gz for the section dta"
            )


def entries(folder: Path) -> list[Entry]:
    """The rows of both tables that may be trained on: no ligand of CASF-2016, and no PDBQT where there is an SDF."""
    return [*_first_table(folder), *_second_table(folder)]


def rows_of(path: Path) -> Iterator[dict[str, str]]:
    """Rows of a CSV file, compressed or not."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rb") as file, io.TextIOWrapper(file, "utf-8") as text:
        yield from csv.DictReader(text)


SCORES = ("glide_dock", "glide_inplace", "mmgbsa", "fep")


def _first_table(folder: Path) -> Iterator[Entry]:
    for row in rows_of(folder / "complexes.csv"):
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
    for row in rows_of(folder / "posed.csv.gz"):
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
    parts = parts_of(found, PART)
    paths = [cache / f"{parts[number][0].set}-{number:04d}.npz" for number in range(len(parts))]
    list(pool.map(compute_part, [folder] * len(parts), parts, paths))
    features, documents = [], []
    for path in paths:
        features.append(ArrayFiles().read(path, "features"))
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


def parts_of(entries: Sequence[Entry], size: int) -> list[list[Entry]]:
    """Entries in parts of a size, those of one protein beside each other, so that it is read once."""
    ordered = sorted(entries, key=lambda one: (one.set, one.protein, one.ligand, one.id))
    return [ordered[start : start + size] for start in range(0, len(ordered), size)]


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
