"""The kind `vector`: rows of numbers of one length, as descriptors, histograms, spectra and series."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from metricvae.core.coder_config import CoderConfig
from metricvae.core.errors import InputError
from metricvae.core.kind import AS_IT_IS, Object, ReadOptions
from metricvae.kinds.arrays import Array, NumbersKind
from metricvae.kinds.vector.io import LONGEST, SUFFIXES, parse_numbers, read_numbers

LARGEST = 1e30
"""Numbers farther from zero are refused: sums of their products leave float32."""

MISSING = ("refuse", "mean")
"""What is done with numbers that are missing."""


@dataclass(frozen=True)
class VectorKind(NumbersKind):
    """Objects are (n,) float32 arrays: from `.npy`, a text file of one row, a list, an array, or text as "1.0 2.5 3".

    Attributes:
        length: numbers n of every object; None until objects tell it (`adapt`), 1 then.
        missing: `refuse` objects with missing numbers (NaN), or take the `mean` of the training objects for them.

    Raises:
        InputError: a length or a rule for missing numbers that there is not.

    Example:
        >>> VectorKind().convert("1.0 2.5 3").tolist()
        [1.0, 2.5, 3.0]
    """

    name: ClassVar[str] = "vector"
    title: ClassVar[str] = "vectors"
    inline: ClassVar[bool] = True
    suffixes: ClassVar[tuple[str, ...]] = SUFFIXES
    length: int | None = None
    missing: str = "refuse"

    def __post_init__(self) -> None:
        if self.length is not None and not (isinstance(self.length, int) and 1 <= self.length <= LONGEST):
            raise InputError(f"the length of vectors is {self.length}: expected 1 to {LONGEST}")
        if self.missing not in MISSING:
            raise InputError(f"missing is {self.missing!r}: expected one of {', '.join(MISSING)}")

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.length or 1,)

    def read(self, path: Path, options: ReadOptions = AS_IT_IS) -> Array:
        """The numbers in a file; see `metricvae.kinds.vector.io.read_numbers`."""
        options.refuse_images("a vector")
        return self.checked(read_numbers(Path(path)), str(path))

    def convert(self, value: Any, options: ReadOptions = AS_IT_IS) -> Array:
        """A vector from a path, from numbers in text, or from what NumPy takes for one.

        Text that ends as a file of numbers does is a path.
        """
        if isinstance(value, Path) or (isinstance(value, str) and value.lower().endswith(self.suffixes)):
            return self.read(Path(value), options)
        if isinstance(value, str):
            return self.checked(parse_numbers(value, f"the vector '{value[:40]}'"), f"the vector '{value[:40]}'")
        try:
            array = np.asarray(value)
        except ValueError as error:
            raise InputError(f"got {type(value).__name__}, which is no row of numbers ({error}): give a list") from None
        return self.checked(array, "the vector")

    def checked(self, array: Any, name: str) -> Array:
        """An array as one of the objects.

        Raises:
            InputError: of another shape, or with something other than numbers.
        """
        row = np.squeeze(array) if array.ndim > 1 and array.size == max(array.shape) else array
        if row.ndim == 0:
            row = row.reshape(1)
        if row.ndim != 1 or not 1 <= len(row) <= LONGEST:
            raise InputError(f"{name} has the shape {array.shape}: expected one row of 1 to {LONGEST} numbers")
        if self.length is not None and len(row) != self.length:
            raise InputError(f"{name} has {len(row)} numbers: expected {self.length}, as the others have")
        if row.dtype == object:
            row = _floats(row, name)
        if row.dtype.kind not in "fiub":
            raise InputError(f"{name} holds something other than numbers: give numbers alone")
        absent = np.isnan(row) if row.dtype.kind == "f" else np.zeros(len(row), bool)
        if absent.any() and self.missing == "refuse":
            raise InputError(
                f"{name} has no number in place {int(absent.argmax()) + 1}: fill it in, or set missing to mean"
            )
        if not (np.abs(row[~absent].astype(np.float64)) <= LARGEST).all():
            raise InputError(f"{name} holds a number beyond {LARGEST:g}: expected finite ones of reasonable size")
        return row.astype(np.float32)

    def adapt(self, objects: Iterable[Object]) -> Self:
        """With the length of the objects.

        Raises:
            InputError: they are of different lengths.
        """
        length = self.length
        for number, one in enumerate(objects, 1):
            length = length or len(one)
            if len(one) != length:
                raise InputError(f"vector {number} has {len(one)} numbers, those before it {length}: expected as many")
        return replace(self, length=length)

    @property
    def decoders(self) -> tuple[type[CoderConfig], ...]:
        from metricvae.nn.mlp import MlpDecoderConfig

        return (MlpDecoderConfig,)

    def default_decoder(self, objects: int | None = None) -> CoderConfig:
        from metricvae.nn.mlp import MlpDecoderConfig

        return MlpDecoderConfig(inputs=self.length or 1)


def _floats(row: Any, name: str) -> Array:
    """Numbers that NumPy holds as objects, None for a missing one."""
    try:
        return np.array([np.nan if one is None else float(one) for one in row])
    except (TypeError, ValueError):
        raise InputError(f"{name} holds something other than numbers: give numbers alone") from None
