"""Sequences in FASTA and text files.

FASTA is read by a few lines of its own: the format is headers that begin with `>` and lines of letters, and a reader
that stops at a stated length of a record is shorter than one around Biopython's.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from metricvae.core.errors import InputError
from metricvae.runtime.reading import check_regular, refuse_unread

LONGEST = 4_096
"""Letters of a sequence, at most."""

FASTA_SUFFIXES = (".fasta", ".fa", ".faa", ".fna")
SUFFIXES = (*FASTA_SUFFIXES, ".txt")

_LINE = 1 << 16
"""Letters that are read of a line at a time."""


def check_sequence(sequence: str, name: str) -> str:
    """A sequence as it is.

    Raises:
        InputError: an empty one, or one that is too long.
    """
    if not sequence:
        raise InputError(f"{name} is empty: expected a sequence of at least one letter")
    if len(sequence) > LONGEST:
        raise InputError(f"{name} has {len(sequence)} letters: expected at most {LONGEST}, cut it")
    if any((letter < " " and letter not in "\t\n") or "\ud800" <= letter <= "\udfff" for letter in sequence):
        raise InputError(f"{name} holds control characters: expected letters alone")
    return sequence


def read_sequence(path: Path) -> str:
    """The sequence in a FASTA file of one record, or in a text file of one line.

    Raises:
        InputError: no such file, another number of records or lines, or one that is empty or too long.
    """
    if path.suffix.lower() in FASTA_SUFFIXES:
        records = read_fasta(path)
        _, sequence = next(records)
        if next(records, None) is not None:
            raise InputError(f"{path} holds several records: give a file of one, or open it as a library")
        return sequence
    lines = [line for _, line in _lines(path) if line.strip()]
    if len(lines) != 1:
        raise InputError(f"{path} holds {len(lines)} lines: expected one, with the sequence")
    return check_sequence(lines[0], str(path))


def read_fasta(path: Path) -> Iterator[tuple[str, str]]:
    """Names and sequences of the records of a FASTA file, one after the other.

    Raises:
        InputError: no such file, no FASTA, no record, or a sequence that is empty or too long.
    """
    name: str | None = None
    parts: list[str] = []
    letters = 0
    for number, line in _lines(path):
        line = line.strip()
        if line.startswith(">"):
            if name is not None:
                yield name, check_sequence("".join(parts), f"the record '{name}' of {path}")
            name, parts, letters = line[1:].split(maxsplit=1)[0] if line[1:].strip() else f"record{number}", [], 0
            continue
        if line and name is None:
            raise InputError(f"{path} line {number} is no header: expected FASTA, which begins with '>'")
        letters += len(line)
        if letters > LONGEST:
            raise InputError(f"the record '{name}' of {path} has more than {LONGEST} letters: cut it")
        parts.append(line.replace(" ", ""))
    if name is None:
        raise InputError(f"{path} holds no record: expected FASTA, which begins with '>'")
    yield name, check_sequence("".join(parts), f"the record '{name}' of {path}")


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines with their numbers, without their ends."""
    check_regular(path, "a FASTA or text file with a sequence")
    try:
        with open(path, encoding="utf-8-sig") as file:
            number = 0
            while line := file.readline(_LINE):
                number += 1
                if len(line) == _LINE and not line.endswith("\n"):
                    raise InputError(f"{path} line {number} has more than {_LINE - 1} letters: cut it")
                yield number, line.rstrip("\r\n")
    except (OSError, ValueError) as error:
        refuse_unread(path, error)
        raise InputError(f"{path} cannot be read as text ({error}): give a FASTA or text file") from None
