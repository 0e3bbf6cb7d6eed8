"""What is attacked: a reader, valid contents for it, and what it may answer."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch

from .mutation import mutated


def write_whole(path: Path, content: bytes) -> None:
    """Put content into a file."""
    path.write_bytes(content)


def as_it_is(content: bytes) -> bytes:
    """No change."""
    return content


@dataclass(frozen=True)
class Target:
    """One reader under attack.

    Attributes:
        name: of it.
        path: of the file that it reads.
        seeds: valid contents.
        read: what it makes of the file; raises InputError where it refuses.
        words: dictionary of the format.
        covered: whether checksums cover the content: what is accepted then has the answer of its seed.
        write: puts content into the file.
        seal: makes checksums within mutated content right again, so that what lies behind them is reached.
        weight: share of executions; slow readers have less.
    """

    name: str
    path: Path
    seeds: tuple[bytes, ...]
    read: Callable[[Path], Any]
    words: tuple[bytes, ...] = ()
    covered: bool = False
    write: Callable[[Path, bytes], None] = write_whole
    seal: Callable[[bytes], bytes] = as_it_is
    weight: float = 4.0

    def content(self, seed: int, number: int) -> tuple[int, bytes]:
        """The input of one execution, and the seed that it was made of."""
        chosen, content = mutated(self.seeds, self.words, Random(f"{seed}/{self.name}/{number}"))
        return chosen, self.seal(content)

    def answer(self, content: bytes) -> Any:
        """What the reader makes of content."""
        self.write(self.path, content)
        return self.read(self.path)


def digest(answer: Any) -> str:
    """A hash that equal answers share: arrays, tensors, records, and plain values."""
    return hashlib.sha256(repr(_plain(answer)).encode()).hexdigest()


def _plain(answer: Any) -> Any:
    if isinstance(answer, torch.Tensor):
        return _plain(answer.detach().numpy())
    if isinstance(answer, np.ndarray):
        values = answer.tolist() if answer.dtype.hasobject else answer.tobytes()
        return str(answer.dtype), answer.shape, values
    if dataclasses.is_dataclass(answer):
        return [_plain(getattr(answer, field.name)) for field in dataclasses.fields(answer) if field.compare]
    if isinstance(answer, dict):
        return [(key, _plain(value)) for key, value in answer.items()]
    if isinstance(answer, Sequence) and not isinstance(answer, str | bytes):
        return [_plain(one) for one in answer]
    return answer if isinstance(answer, str | bytes | int | float | None) else repr(answer)
