"""A file that is written on one side and taken, a piece at a time, on the other."""

from __future__ import annotations

import io
from typing import Any


class BytePipe(io.RawIOBase):
    """What is written is held until it is taken; nothing can be read again or sought."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[bytes] = []
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, part: Any) -> int:
        content = bytes(part)
        self.parts.append(content)
        self.size += len(content)
        return len(content)

    def tell(self) -> int:
        return self.size

    def taken(self) -> bytes:
        """What was written since the last time."""
        found, self.parts = b"".join(self.parts), []
        return found
