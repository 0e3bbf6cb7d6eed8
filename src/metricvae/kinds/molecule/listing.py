"""Files of many molecules, cut into the text of one molecule each, as a stream: no chemistry yet.

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
"""Characters in a record of several lines; the rest of a larger one is passed over."""

NAMES = ("id", "name", "title", "chembl_id", "zinc_id", "molecule")
"""Columns of a table that name its molecules: the first of these that it has."""

_COUNTS = re.compile(r"^[ \d]{6}.*V[23]000\s*$")
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

    @property
    def unit(self) -> str:
        """What `number` counts."""
        return "line" if self.kind == "smiles" else "record"


def suffix_of(path: Path | str) -> str:
    """The ending of a file's name that tells its format, in small letters, without `.gz`."""
    name = Path(path).name.lower().removesuffix(".gz")
    return Path(name).suffix


def records(path: Path | str) -> Iterator[Record]:
    """The records of a file, in its order, in constant memory; a broken one does not harm those after it.

    `.smi`, `.smiles` and `.txt`: a SMILES on each line, then perhaps a name; a first line that says `smiles` is a
    heading; blank lines and those that begin with `#` are passed over. `.csv` and `.tsv`: a table with a column
    `smiles` (commas, semicolons or tabs), named by one of :data:`NAMES`. `.sdf`, `.sd`, `.mol`: mol blocks.
    `.mol2`: Tripos mol2. Any of them may be gzipped.

    Raises:
        InputError: the file cannot be opened, another ending, or a table without a column `smiles`.
    """
    ending = suffix_of(path)
    if ending not in READERS:
        raise InputError(f"{path} ends in {ending or 'nothing'!r}: expected one of {', '.join(READERS)}, or one + .gz")
    return READERS[ending](path)


def _smiles_lines(path: Path | str) -> Iterator[Record]:
    for number, line in enumerate(lines(path), start=1):
        if isinstance(line, Fault):
            yield Record(number, "smiles", "", "", line.reason)
            continue
        words = line.split(maxsplit=1)
        heading = number == 1 and bool(words) and words[0].lower() in {"smiles", "canonical_smiles"}
        if words and not heading and not line.startswith("#"):
            yield Record(number, "smiles", words[1].strip() if len(words) > 1 else "", words[0])


def _table_rows(path: Path | str) -> Iterator[Record]:
    rows = enumerate(lines(path), start=1)
    _, first = next(rows, (0, ""))
    heading = "" if isinstance(first, Fault) else first
    mark = max(",;\t", key=heading.count)
    columns = [column.strip().lower() for column in next(csv.reader([heading], delimiter=mark), [])]
    if "smiles" not in columns:
        raise InputError(
            f"{path} has no column smiles: expected a first line with the names of its columns, smiles too"
        )
    name = next((columns.index(column) for column in NAMES if column in columns), None)
    for number, line in rows:
        if isinstance(line, Fault):
            yield Record(number, "smiles", "", "", line.reason)
        elif line.strip():
            cells = dict(enumerate(next(csv.reader([line], delimiter=mark), [])))
            title = cells.get(name, "").strip() if name is not None else ""
            smiles = cells.get(columns.index("smiles"), "").strip()
            yield Record(number, "smiles", title, smiles, "" if smiles else "the row has no SMILES")


def _mol_blocks(path: Path | str) -> Iterator[Record]:
    number = 0
    for chunk in _chunks(lines(path), lambda line: line.startswith("$$$$"), opens=False):
        for part in _apart(chunk):
            number += 1
            yield _record(number, "sdf", part, part[0] if part and isinstance(part[0], str) else "")


def _mol2_blocks(path: Path | str) -> Iterator[Record]:
    number = 0
    for chunk in _chunks(lines(path), lambda line: line.startswith(_MOL2_START), opens=True):
        if isinstance(chunk[0], str) and not chunk[0].startswith(_MOL2_START) and not _faults(chunk):
            continue  # comments before the first molecule
        number += 1
        yield _record(number, "mol2", chunk, chunk[1] if len(chunk) > 1 and isinstance(chunk[1], str) else "")


def _chunks(source: Iterable[str | Fault], marks: Callable[[str], bool], *, opens: bool) -> Iterator[list[str | Fault]]:
    """Lines in bunches, each opened (or closed) by a line that marks; bunches of blank lines only are left out.

    Of a bunch longer than :data:`LARGEST_RECORD` the first lines and a fault are given.
    """
    bunch: list[str | Fault] = []
    size = 0
    for line in source:
        mark = isinstance(line, str) and marks(line)
        if mark:
            if _substance(bunch):
                yield bunch
            bunch, size = [], 0
            if not opens:
                continue
        if size <= LARGEST_RECORD:
            size += len(line) + 1 if isinstance(line, str) else 1
            large = size > LARGEST_RECORD
            bunch.append(Fault(f"the record has more than {LARGEST_RECORD:,} characters") if large else line)
    if _substance(bunch):
        yield bunch


def _substance(bunch: list[str | Fault]) -> bool:
    return any(isinstance(line, Fault) or line.strip() for line in bunch)


def _faults(bunch: list[str | Fault]) -> list[Fault]:
    return [line for line in bunch if isinstance(line, Fault)]


def _apart(chunk: list[str | Fault]) -> Iterator[list[str | Fault]]:
    """Mol blocks that ran together because a closing line was lost: each begins three lines before its counts.

    From the first data field after the end of a block on, what looks like counts is data.
    """
    start, counted, ended = 0, False, False
    for place, line in enumerate(chunk):
        if not isinstance(line, str):
            continue
        if ended and line.startswith(">"):
            break
        ended = ended or line.startswith("M  END")
        if _COUNTS.match(line):
            if counted and place - 3 > start:
                yield chunk[start : place - 3]
                start = place - 3
            counted, ended = True, False
    yield chunk[start:]


def _record(number: int, kind: Kind, bunch: list[str | Fault], name: str) -> Record:
    faults = _faults(bunch)
    if faults:
        return Record(number, kind, name.strip(), "", faults[0].reason)
    return Record(number, kind, name.strip(), "\n".join(line for line in bunch if isinstance(line, str)) + "\n")


READERS: dict[str, Callable[[Path | str], Iterator[Record]]] = {
    **dict.fromkeys((".smi", ".smiles", ".txt"), _smiles_lines),
    **dict.fromkeys((".csv", ".tsv"), _table_rows),
    **dict.fromkeys((".sdf", ".sd", ".mol"), _mol_blocks),
    ".mol2": _mol2_blocks,
}
