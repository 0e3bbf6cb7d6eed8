"""A FASTA file of many records as a library."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from metricvae.core.errors import InputError
from metricvae.core.libraries import Library, LibraryPart, Loader, Map
from metricvae.kinds.sequence.io import read_fasta

if TYPE_CHECKING:
    from metricvae.kinds.sequence.kind import SequenceKind

Records = list[tuple[str, str]]
"""Names and sequences."""


class FastaLibrary(Library):
    """The records of a FASTA file, in order. Names that occur again have the number of their record behind them.

    Args:
        kind: of the sequences.
        path: of the file.

    Raises:
        InputError: no such file, no FASTA, or a sequence that is empty or too long.
    """

    portable = True

    def __init__(self, kind: SequenceKind, path: Path) -> None:
        self.path, self.kind, self.reader = path, kind.name, kind
        self.records: Records = []
        seen: set[str] = set()
        digest = hashlib.sha256()
        for number, (name, sequence) in enumerate(read_fasta(path), 1):
            unique = f"{name}_{number}" if name in seen else name
            seen.add(unique)
            self.records.append((unique, sequence))
            digest.update(f"{unique}\n{sequence}\n".encode())
        self.count, self.parts = len(self.records), -(-len(self.records) // self.at_once)
        self.facts = {"records_sha256": digest.hexdigest()}

    @property
    def loader(self) -> Loader:
        return functools.partial(read_records, self.reader, str(self.path))

    def item(self, part: int) -> Records:
        return self.records[part * self.at_once : (part + 1) * self.at_once]


def read_records(kind: SequenceKind, path: str, records: Records, over: Map) -> LibraryPart:
    """Records of a FASTA file as objects; those that the kind refuses are skipped."""
    kept: list[tuple[str, str]] = []
    skipped: list[str] = []
    for name, sequence in records:
        try:
            kept.append((name, kind.written(sequence, f"the record '{name}' of {path}")))
        except InputError as error:
            skipped.append(str(error))
    return LibraryPart([one for _, one in kept], [name for name, _ in kept], [path] * len(kept), skipped)
