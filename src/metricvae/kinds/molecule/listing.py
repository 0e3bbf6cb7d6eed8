"""Splits files of many molecules into records, the text of one molecule each, as a stream, without RDKit.

A record is small and can be sent to another process, which turns it into a molecule with
:func:`~metricvae.kinds.molecule.readers.molecule_of`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.streams import Fault, lines

Kind = Literal["smiles", "sdf", "mol2"]

LARGEST_RECORD = 4 * 2**20
"""Characters in a record of several lines; the rest of a larger one is skipped."""

NAMES = ("id", "name", "title", "chembl_id", "zinc_id", "molecule")
"""Columns of a table that name its molecules: the first of these that it has."""

_COUNTS_LINE = re.compile(r"^[ \d]{6}.*V[23]000\s*$")
_MOL2_START = "@<TRIPOS>MOLECULE"


@dataclass(frozen=True)
class Record:
    """The text of one molecule.

    Attributes:
        number: of its line in a file of SMILES or a table, of the record in other files; the first is 1.
        kind: what the text is: a SMILES, a mol block with what follows it, or a mol2 block.
        name: as the file has it; may be empty.
        text: empty where there is a fault.
        fault: why there is no text; empty where there is one.
    """

    number: int
    kind: Kind
    name: str
    text: str
    fault: str = ""

    def id_in(self, stem: str) -> str:
        """The id of the molecule: its name, or its number after the name of its file."""
        return self.name or f"{stem}:{self.number}".lstrip(":")

    @property
    def unit(self) -> str:
        """What `number` counts."""
        return "line" if self.kind == "smiles" else "record"


def suffix_of(path: Path | str) -> str:
    """The ending of a file's name that tells its format, in lower case, without `.gz`."""
    name = Path(path).name.lower().removesuffix(".gz")
    return Path(name).suffix


def checked_suffix(path: Path | str) -> str:
    """`suffix_of` a file of molecules.

    Raises:
        InputError: another ending than those that can be read.
    """
    ending = suffix_of(path)
    if ending not in READERS:
        raise InputError(f"{path} ends in {ending or 'nothing'!r}: expected one of {', '.join(READERS)}, or one + .gz")
    return ending


def records(path: Path | str) -> Iterator[Record]:
    """The records of a file, in its order, in constant memory; a malformed one does not affect those after it.

    `.smi`, `.smiles` and `.txt`: a SMILES on each line, then perhaps a name; a first line that begins with `smiles`
    is a header; blank lines and those that begin with `#` are skipped. `.csv` and `.tsv`: a table with a column
    `smiles` (commas, semicolons or tabs), named by one of :data:`NAMES`. `.sdf`, `.sd`, `.mol`: mol blocks.
    `.mol2`: Tripos mol2. Any of them may be gzipped.

    Raises:
        InputError: the file cannot be opened, another ending, or a table without a column `smiles`.
    """
    return READERS[checked_suffix(path)](path)


def _smiles_lines(path: Path | str) -> Iterator[Record]:
    for number, line in enumerate(lines(path), start=1):
        if isinstance(line, Fault):
            yield Record(number, "smiles", "", "", line.reason)
            continue
        words = line.split(maxsplit=1)
        header = number == 1 and bool(words) and words[0].lower() in {"smiles", "canonical_smiles"}
        if words and not header and not line.startswith("#"):
            yield Record(number, "smiles", words[1].strip() if len(words) > 1 else "", words[0])


def _table_rows(path: Path | str) -> Iterator[Record]:
    rows = enumerate(lines(path), start=1)
    _, first = next(rows, (0, ""))
    header = "" if isinstance(first, Fault) else first
    delimiter = max(",;\t", key=header.count)
    columns = [column.strip().lower() for column in _cells(header, delimiter) or []]
    if "smiles" not in columns:
        raise InputError(
            f"{path} has no column smiles: expected a first line with the names of its columns, smiles too"
        )
    name = next((columns.index(column) for column in NAMES if column in columns), None)
    for number, line in rows:
        if isinstance(line, Fault):
            yield Record(number, "smiles", "", "", line.reason)
        elif line.strip():
            yield _table_row(number, _cells(line, delimiter), columns.index("smiles"), name)


def _table_row(number: int, cells: list[str] | None, smiles: int, name: int | None) -> Record:
    """The record of a row whose SMILES and name stand in columns of these numbers."""
    if cells is None:
        return Record(number, "smiles", "", "", "the row is not CSV: expected cells of less than 131,072 characters")
    title = cells[name].strip() if name is not None and name < len(cells) else ""
    text = cells[smiles].strip() if smiles < len(cells) else ""
    return Record(number, "smiles", title, text, "" if text else "the row has no SMILES")


def _cells(line: str, delimiter: str) -> list[str] | None:
    """The cells of a line of a table; none where it breaks the rules of CSV."""
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return None


def _mol_blocks(path: Path | str) -> Iterator[Record]:
    number = 0
    for block in _split_records(lines(path), lambda line: line.startswith("$$$$"), marker_opens=False):
        for part in _split_mol_blocks(block):
            number += 1
            yield _record(number, "sdf", part, part[0] if part and isinstance(part[0], str) else "")


def _mol2_blocks(path: Path | str) -> Iterator[Record]:
    number = 0
    for block in _split_records(lines(path), lambda line: line.startswith(_MOL2_START), marker_opens=True):
        if isinstance(block[0], str) and not block[0].startswith(_MOL2_START) and not _faults(block):
            continue  # comments before the first molecule
        number += 1
        yield _record(number, "mol2", block, block[1] if len(block) > 1 and isinstance(block[1], str) else "")


def _split_records(
    source: Iterable[str | Fault], is_marker: Callable[[str], bool], *, marker_opens: bool
) -> Iterator[list[str | Fault]]:
    """The lines of each record, which a marker line opens (or closes); records of blank lines only are left out.

    Of a record longer than :data:`LARGEST_RECORD` the first lines and a fault are given.
    """
    block: list[str | Fault] = []
    size = 0
    for line in source:
        if isinstance(line, str) and is_marker(line):
            if _has_text(block):
                yield block
            block, size = [], 0
            if not marker_opens:
                continue
        if size <= LARGEST_RECORD:
            size += len(line) + 1 if isinstance(line, str) else 1
            large = size > LARGEST_RECORD
            block.append(Fault(f"the record has more than {LARGEST_RECORD:,} characters") if large else line)
    if _has_text(block):
        yield block


def _has_text(block: list[str | Fault]) -> bool:
    return any(isinstance(line, Fault) or line.strip() for line in block)


def _faults(block: list[str | Fault]) -> list[Fault]:
    return [line for line in block if isinstance(line, Fault)]


def _split_mol_blocks(block: list[str | Fault]) -> Iterator[list[str | Fault]]:
    """Mol blocks that ran together because a `$$$$` line was lost: each begins three lines before its counts line.

    From the first data field after the end of a block on, what looks like a counts line is data.
    """
    start, counted, ended = 0, False, False
    for place, line in enumerate(block):
        if not isinstance(line, str):
            continue
        if ended and line.startswith(">"):
            break
        ended = ended or line.startswith("M  END")
        if _COUNTS_LINE.match(line):
            if counted and place - 3 > start:
                yield block[start : place - 3]
                start = place - 3
            counted, ended = True, False
    yield block[start:]


def _record(number: int, kind: Kind, block: list[str | Fault], name: str) -> Record:
    faults = _faults(block)
    if faults:
        return Record(number, kind, name.strip(), "", faults[0].reason)
    return Record(number, kind, name.strip(), "\n".join(line for line in block if isinstance(line, str)) + "\n")


READERS: dict[str, Callable[[Path | str], Iterator[Record]]] = {
    **dict.fromkeys((".smi", ".smiles", ".txt"), _smiles_lines),
    **dict.fromkeys((".csv", ".tsv"), _table_rows),
    **dict.fromkeys((".sdf", ".sd", ".mol"), _mol_blocks),
    ".mol2": _mol2_blocks,
}
