"""Reads the lines of text files of any length, gzipped or not, in constant memory, and reports what is damaged."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from metricvae.core.errors import InputError
from metricvae.runtime.reading import open_regular, refuse_unread, unreadable

LONGEST_LINE = 2**20
"""Bytes; the rest of a longer line is skipped."""

_GZIP = b"\x1f\x8b"

_BLOCK = 2**16


@dataclass(frozen=True)
class Fault:
    """A line that could not be read, and why."""

    reason: str


class GzipStream(io.RawIOBase):
    """The decompressed bytes of a gzipped file, up to the first damaged one: `gzip.GzipFile` loses the last block."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.compressed, self.member = file, b"", zlib.decompressobj(31)

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self.file.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        """Fill some of a buffer; how much, 0 at the end.

        Raises:
            EOFError: the file ends before its last member does.
            zlib.error: the bytes are no gzip.
        """
        while True:
            if self.member.eof:
                self.compressed = (self.member.unused_data or self.file.read(_BLOCK)).lstrip(b"\0")
                if not self.compressed:
                    return 0
                self.member = zlib.decompressobj(31)
            content = self.member.decompress(self.compressed, len(buffer))
            self.compressed = self.member.unconsumed_tail
            if content:
                buffer[: len(content)] = content
                return len(content)
            if not self.compressed and not self.member.eof:
                self.compressed = self.file.read(_BLOCK)
                if not self.compressed:
                    raise EOFError("it ends in the middle of a gzip member")


def open_bytes(path: Path | str) -> io.BufferedReader:
    """Open a file to read its bytes; gzip, told by its first bytes and not by the name, is decompressed.

    Raises:
        InputError: the file is missing, is a folder, or may not be read.
    """
    file = open_regular(path)
    try:
        compressed = file.peek(2)[:2] == _GZIP
    except OSError as error:
        raise unreadable(path, error) from error
    return io.BufferedReader(GzipStream(file)) if compressed else file


def lines(path: Path | str) -> Iterator[str | Fault]:
    """The lines of a text file without their ends; a `Fault` for one that is too long, or at which the file ends early.

    UTF-8, with a replacement character for what is not; a byte order mark is left out.

    Raises:
        InputError: as :func:`open_bytes`.
    """
    with open_bytes(path) as file:
        first = True
        try:
            while line := file.readline(LONGEST_LINE):
                if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
                    _skip_line(file)
                    yield Fault(f"a line is longer than {LONGEST_LINE:,} bytes")
                else:
                    yield line.decode("utf-8-sig" if first else "utf-8", "replace").rstrip("\r\n")
                first = False
        except (EOFError, OSError, zlib.error) as error:
            refuse_unread(path, error)
            yield Fault(f"the file is damaged or cut short here ({error}): copy it again")


def read_bytes(path: Path | str, most: int) -> bytes:
    """All bytes of a file, decompressed, of which there may be at most `most`.

    Raises:
        InputError: as :func:`open_bytes`, or the file is larger, damaged or cut short.
    """
    with open_bytes(path) as file:
        try:
            content = file.read(most + 1)
        except (EOFError, OSError, zlib.error) as error:
            refuse_unread(path, error)
            raise InputError(f"{path} is damaged or cut short ({error}): copy it again") from error
    if len(content) > most:
        raise InputError(f"{path} has more than {most:,} bytes: give a smaller file")
    return content


def _skip_line(file: BinaryIO) -> None:
    """Read on to the end of the line."""
    while (block := file.readline(LONGEST_LINE)) and not block.endswith(b"\n"):
        pass
