"""Where labelled data sets have their molecules from: fragments that are assembled, or the records of a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from metricvae.core.kind import ObjectKind
from metricvae.core.object_sources import OBJECTS_A_PART, GeneratedSource, Span
from metricvae.core.sampling import objects_needed
from metricvae.kinds.molecule.fragments import stream
from metricvae.kinds.molecule.library import RECORDS, RecordReader, conformer_seed, list_records
from metricvae.kinds.molecule.listing import Record
from metricvae.kinds.molecule.readers import Skipped, molecule_of
from metricvae.kinds.molecule.records import Molecule
from metricvae.runtime.parquet import row_count
from metricvae.runtime.parts import Work

Numbered = tuple[int, Molecule | Skipped]
"""The number of a line or record, and what it gave."""


class MoleculePlan(Protocol):
    """What a plan says of its molecules: a source or a file of them, at most how many, and the pairs they are for."""

    @property
    def objects(self) -> str: ...

    @property
    def molecules(self) -> int | None: ...

    @property
    def pairs(self) -> int: ...

    @property
    def partners(self) -> int: ...

    @property
    def source_kind(self) -> ObjectKind: ...


def molecule_source(
    plan: MoleculePlan,
    work: Path,
    settings: tuple[Any, ...],
    stage: str,
    fragments_part: Callable[..., None],
    records_part: Callable[..., None],
) -> GeneratedSource:
    """The molecules of a plan, part by part, with notes on what was skipped.

    Args:
        plan: that names them.
        work: folder for the records of a file.
        settings: of the two functions.
        stage: what is done, in reports of progress.
        fragments_part: writes a span of molecules that are assembled from fragments.
        records_part: writes the molecules of some records of a file.
    """
    if plan.objects in plan.source_kind.sources:
        total = plan.molecules or objects_needed(plan.pairs, plan.partners)
        return GeneratedSource(Work(fragments_part, settings), total, stage, notes=True)
    records = work / RECORDS
    if not records.exists():
        list_records(Path(plan.objects), plan.molecules, OBJECTS_A_PART, records)
    making = Work(records_part, settings, read=RecordReader(records))
    return GeneratedSource(making, row_count(records), stage, endless=False, notes=True)


def fragments_of(seed: int, span: Span) -> Iterator[Numbered]:
    """The molecules of a span that are assembled from fragments."""
    start, count = span
    return enumerate(stream(count, seed, start=start), start)


def molecules_of(seed: int, rows: Sequence[dict[str, Any]]) -> Iterator[Numbered]:
    """The molecules of some records of a file, each with its conformer, and why others gave none."""
    for row in rows:
        record = Record(**row)
        yield record.number, molecule_of(record, embed=True, seed=conformer_seed(seed, record.number))
