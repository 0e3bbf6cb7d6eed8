"""Files of molecules as libraries: records listed once, and read part by part."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from metricvae.core.errors import InputError
from metricvae.core.libraries import Library, LibraryPart, Loader, Map
from metricvae.core.object_sources import OBJECTS_A_PART, Span
from metricvae.kinds.molecule.conformers import LARGEST_SEED, conform, flat_of
from metricvae.kinds.molecule.listing import Record, records
from metricvae.kinds.molecule.properties import Described, describe, described_smiles, property_columns
from metricvae.kinds.molecule.readers import Skipped, molecule_of
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.molecule.standardise import standard
from metricvae.runtime.files import atomic_path, sha256_of
from metricvae.runtime.parquet import REMEDY, read_group
from metricvae.runtime.reading import damaged

RECORD_SCHEMA = pa.schema(
    [
        ("number", pa.int64()),
        ("kind", pa.string()),
        ("name", pa.string()),
        ("text", pa.string()),
        ("fault", pa.string()),
    ]
)


def list_records(source: Path, most: int | None, at_once: int, path: Path) -> int:
    """Write the records of a file, at most so many, evenly spaced, in groups of `at_once`; returns how many.

    Raises:
        InputError: no file of molecules, or one without a record.
    """
    rows = records(source) if most is None else _evenly_spaced(source, most)
    first = next(rows, None)
    if first is None:
        raise InputError(f"{source} holds no molecule: expected at least two")
    rows, count = itertools.chain([first], rows), 0
    with atomic_path(path) as temporary, pq.ParquetWriter(temporary, RECORD_SCHEMA, compression="zstd") as writer:
        while batch := [asdict(record) for record in itertools.islice(rows, at_once)]:
            writer.write_table(pa.Table.from_pylist(batch, RECORD_SCHEMA))
            count += len(batch)
    return count


class RecordReader:
    """Reads the records of a span from the file of `list_records`."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __call__(self, span: Span) -> list[dict[str, Any]]:
        group = span[0] // OBJECTS_A_PART
        found: list[dict[str, Any]] = read_group(self.file, group).to_pylist()
        return found


def _evenly_spaced(source: Path, most: int) -> Iterator[Record]:
    """Some records of a file, at most so many; it is read twice, as they have to be counted."""
    total = sum(1 for _ in records(source))
    wanted = set(np.linspace(0, total - 1, min(most, total)).astype(np.int64).tolist())
    return (row for number, row in enumerate(records(source)) if number in wanted)


def conformer_seed(seed: int, number: int) -> int:
    """The seed of the conformer of a line or record, from that of the whole."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0]) & LARGEST_SEED


RECORDS = "records.parquet"

DISTINCT = 0.5
"""Angstroms between two conformers of a molecule in an index, at least (root mean square deviation)."""


class MoleculeFile(Library):
    """The molecules of a file, with conformers or without.

    Args:
        kind: name of the kind that reads it.
        file: SMILES, a table, mol blocks or mol2.
        work: folder that keeps the records while they are needed.
        conformers: of each molecule that comes as a SMILES, at most; 0 where molecules need no coordinates. They share
            an id.

    Raises:
        InputError: the file holds no molecule.
    """

    portable: ClassVar[bool] = True

    def __init__(self, kind: str, file: Path, work: Path, conformers: int) -> None:
        self.kind, self.file, self.records, self.conformers = kind, Path(file), Path(work) / RECORDS, conformers
        self.facts: dict[str, Any] = {"sha256": sha256_of(self.file), "in_space": conformers > 0}
        if conformers > 1:
            self.facts["conformers"] = conformers
        if not self.records.exists():
            list_records(self.file, None, self.at_once, self.records)
        with damaged(self.records, REMEDY):
            metadata = pq.read_metadata(self.records)
        self.count, self.parts = metadata.num_rows, metadata.num_row_groups

    @property
    def loader(self) -> Loader:
        return functools.partial(read_records, str(self.file), self.conformers)

    def item(self, part: int) -> list[dict[str, Any]]:
        """The records of one part."""
        rows: list[dict[str, Any]] = read_group(self.records, part).to_pylist()
        return [row for row in rows if Record(**row).id_in(self.file.name) not in self.known] if self.known else rows


def read_records(file: str, conformers: int, rows: Sequence[dict[str, Any]], over: Map = map) -> LibraryPart:
    """The molecules of some records of a file with their properties, and notes on those that gave none."""
    found = list(over(functools.partial(_molecules, Path(file).name, conformers), rows))
    good = [
        (row["number"], one, described)
        for row, (several, described) in zip(rows, found, strict=True)
        if not isinstance(several, Skipped)
        for one in several
    ]
    return LibraryPart(
        objects=[one for _, one, _ in good],
        ids=[one.id for _, one, _ in good],
        paths=[f"{file}#{number}" for number, *_ in good],
        skipped=[str(several) for several, _ in found if isinstance(several, Skipped)],
        columns=property_columns([described for *_, described in good]),
    )


def _molecules(stem: str, conformers: int, row: dict[str, Any]) -> tuple[list[Molecule] | Skipped, Described | None]:
    """The conformers of a record, which share an id, or why there are none; and what is known of the molecule."""
    record = Record(**row)
    name, seed = record.id_in(stem), conformer_seed(0, record.number)
    smiles = record.kind == "smiles" and not record.fault
    try:
        if smiles and not conformers:
            parent = standard(record.text)
            return [flat_of(parent, name)], describe(parent)
        if smiles and conformers > 1:
            several = conform(record.text, seed, conformers, distinct=DISTINCT)
            return [replace(one, id=name) for one in several], described_smiles(several[0].smiles)
    except InputError as error:
        return Skipped(record.number, record.unit, record.name, str(error)), None
    found = molecule_of(record, stem, embed=True, seed=seed)
    return (found, None) if isinstance(found, Skipped) else ([found], described_smiles(found.smiles))
