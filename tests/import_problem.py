"""Kinds and tables for tests of the import: points on a line by their numbers, and arrays whose length is learned."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from metricvae.core.errors import InputError
from metricvae.core.kind import KINDS, ReadOptions
from metricvae.kinds.arrays import ArrayKind


@dataclass(frozen=True)
class PlaceKind(ArrayKind):
    """A place on a line: a number in a text, an array of one number, or a file .place."""

    name: ClassVar[str] = "test-place"
    title: ClassVar[str] = "places"
    suffixes: ClassVar[tuple[str, ...]] = (".place",)

    def read(self, path: Path, options: ReadOptions = ReadOptions()) -> np.ndarray:  # noqa: B008
        return self.convert(path.read_text())

    def convert(self, value: Any, options: Any = None) -> np.ndarray:
        if isinstance(value, Path):
            return self.read(value)
        if not isinstance(value, str):
            return super().convert(value)
        try:
            return np.array([float(value)], np.float32)
        except ValueError:
            raise InputError(f"'{value}' is no place: write a number") from None

    def group(self, value: np.ndarray, name: str) -> str:
        """Places of one whole number go together."""
        return str(int(value[0]))


@dataclass(frozen=True)
class RowKind(ArrayKind):
    """Rows of numbers, all as long as one another; how long is learned from them."""

    name: ClassVar[str] = "test-row"
    title: ClassVar[str] = "rows"
    shape: tuple[int, ...] = ()

    def checked(self, array: np.ndarray, name: str) -> np.ndarray:
        return array.astype(np.float32)

    def adapt(self, objects: Iterable[np.ndarray]) -> Self:
        shapes = {one.shape for one in objects}
        if len(shapes) > 1:
            raise InputError(f"the rows are of the lengths {sorted(shapes)}: expected one length")
        return replace(self, shape=shapes.pop())


def register() -> None:
    """Make the kinds known by name in this process."""
    KINDS.register("test-place", PlaceKind)
    KINDS.register("test-row", RowKind)


def random_rows(count: int, places: int = 60, seed: int = 0) -> list[tuple[str, str, str]]:
    """Rows of pairs of distinct places in random order of the pairs, with their distance."""
    random = np.random.default_rng(seed)
    low, high = np.triu_indices(places, 1)
    chosen = random.permutation(len(low))[:count]
    return [(str(a), str(b), str(b - a)) for a, b in zip(low[chosen].tolist(), high[chosen].tolist(), strict=True)]


def write_csv(path: Path, rows: Sequence[Sequence[Any]], header: Sequence[str] = ("a", "b", "value")) -> Path:
    """A CSV of rows whose cells need no quotes."""
    lines = [",".join(map(str, row)) for row in (header, *rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
