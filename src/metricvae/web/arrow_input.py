"""Arrow streams that clients send: nothing of them is decoded or used before it was checked."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

LONGEST_HEAD = 8 * 2**20
"""Bytes of the description of a message, the schema among them."""

_HEADER_FIELD, _COMPRESSION_FIELD = 2, 3
"""Places in the tables `Message` and `RecordBatch` of the format, see Message.fbs of Arrow."""

Column = npt.NDArray[np.int64]


class ArrowInput:
    """A stream of batches of whole numbers.

    Args:
        file: that holds it, at its beginning.
        names: of the columns that are read.

    Raises:
        ValueError, KeyError, OSError, ArrowException: it is no such stream.
    """

    def __init__(self, file: IO[bytes], names: Sequence[str]) -> None:
        self._messages = pa.ipc.MessageReader.open_stream(_BoundedFile(file))
        self._names = names
        self._schema = pa.ipc.read_schema(self._next("schema"))
        if not all(pa.types.is_integer(self._schema.field(name).type) for name in names):
            raise ValueError("columns of another type")

    @property
    def metadata(self) -> dict[bytes, bytes]:
        """Entries of the schema."""
        return self._schema.metadata or {}

    def batches(self) -> Iterator[list[Column]]:
        """The columns of each batch, of equal lengths and not writable; errors as those of the class."""
        while (message := self._next("record batch", last=True)) is not None:
            batch = pa.ipc.read_record_batch(message, self._schema).select(list(self._names))
            batch.validate(full=True)
            if any(column.null_count for column in batch.columns):
                raise ValueError("a number that is missing")
            yield [np.asarray(column.cast(pa.int64())) for column in batch.columns]

    def _next(self, expected: str, *, last: bool = False) -> Any:
        """The next message; None at the end of the stream where that is allowed."""
        message = next(self._messages, None)
        if message is None and last:
            return None
        if message is None or message.type != expected or message.metadata.size > LONGEST_HEAD:
            raise ValueError(f"another message than a {expected}")
        if message.metadata_version != pa.ipc.MetadataVersion.V5:  # older ones have another place for compression
            raise ValueError("a version of the format before 1.0")
        if expected == "record batch" and is_compressed(message.metadata.to_pybytes()):
            raise ValueError("a compressed batch")
        return message


class _BoundedFile:
    """A file that is never asked for more bytes than it has: memory for them would be taken before they are read."""

    closed = False

    def __init__(self, file: IO[bytes]) -> None:
        self.file, start = file, file.tell()
        self.left = file.seek(0, os.SEEK_END) - start
        file.seek(start)

    def read(self, count: int) -> bytes:
        found = self.file.read(min(count, self.left))
        self.left -= len(found)
        return found


def is_compressed(head: bytes) -> bool:
    """Whether the description of a record batch, which Arrow has verified, says that its body is compressed."""
    (message,) = struct.unpack_from("<I", head)
    place = _field(head, message, _HEADER_FIELD)
    (offset,) = struct.unpack_from("<I", head, place)
    return _field(head, place + offset, _COMPRESSION_FIELD) != 0


def _field(head: bytes, table: int, number: int) -> int:
    """Place of a field of a flatbuffer's table; 0 where it has none."""
    (back,) = struct.unpack_from("<i", head, table)
    (size,) = struct.unpack_from("<H", head, table - back)
    entry = 4 + 2 * number
    (offset,) = struct.unpack_from("<H", head, table - back + entry) if entry < size else (0,)
    return table + offset if offset else 0
