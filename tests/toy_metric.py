"""Two kinds and two metrics of a third party, as small as they can be: numbers and words in text files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import torch

from metricvae.core.errors import InputError
from metricvae.core.kind import ObjectKind, ReadOptions
from metricvae.core.metric import Description, Metric, Solution
from metricvae.nn.heads import InnerProduct


@dataclass(frozen=True)
class NumberKind(ObjectKind):
    """A number in a file that ends in .num."""

    name: ClassVar[str] = "number"
    title: ClassVar[str] = "numbers"
    suffixes: ClassVar[tuple[str, ...]] = (".num",)
    encoders = decoders = ()

    def read(self, path: Path, options: ReadOptions = ReadOptions()) -> float:  # noqa: B008
        try:
            return float(path.read_text())
        except ValueError:
            raise InputError(f"{path} holds no number: write one") from None

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([("number", pa.float64())])

    def to_columns(self, objects: Sequence[Any]) -> dict[str, pa.Array]:
        return {"number": pa.array(objects, pa.float64())}

    def from_table(self, table: pa.Table) -> list[Any]:
        return list(table["number"].to_pylist())

    def pack(self, objects: Sequence[Any]) -> np.ndarray:
        return np.array(objects, np.float32).reshape(-1, 1).view(np.uint8)

    def unpack(self, packed: np.ndarray, device: Any = "cpu") -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(packed).view(np.float32)).to(device)


@dataclass(frozen=True)
class WordKind(NumberKind):
    """A word in a file that ends in .word, of which the length counts."""

    name: ClassVar[str] = "word"
    title: ClassVar[str] = "words"
    suffixes: ClassVar[tuple[str, ...]] = (".word",)

    def read(self, path: Path, options: ReadOptions = ReadOptions()) -> float:  # noqa: B008
        return float(len(path.read_text()))


@dataclass(frozen=True)
class Shift:
    """What is to be added to the right object; none of it where the two are equal."""

    by: float
    steps: int


class DifferenceSolver:
    """How far two numbers lie apart."""

    score_name = "closeness"

    def prepare(self, value: float) -> float:
        return value

    def solve(self, left: float, right: float) -> Solution:
        gap = abs(left - right)
        return Solution(gap, -gap, Shift(left - right, int(gap)) if gap else None)


@dataclass(frozen=True)
class DifferenceMetric(Metric):
    """The distance of two numbers."""

    name: ClassVar[str] = "difference"
    unit = "steps"
    left = "number"
    right = "number"
    similarity = False
    solver = DifferenceSolver()

    @property
    def description(self) -> Description:
        return Description("how far numbers lie apart", "difference", "labels by subtraction")

    def default_head(self, values: Any) -> InnerProduct:
        return InnerProduct()


@dataclass(frozen=True)
class LengthMetric(DifferenceMetric):
    """The distance of a number and the length of a word."""

    name: ClassVar[str] = "length"
    right = "word"
    symmetric = False


def files_of(folder: Path, suffix: str, values: Sequence[Any]) -> Path:
    """A folder with a file for each value."""
    folder.mkdir()
    for number, value in enumerate(values):
        (folder / f"{number:03d}{suffix}").write_text(str(value))
    return folder
