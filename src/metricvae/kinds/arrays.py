"""Bases for kinds whose objects are arrays of one shape: reading `.npy`, storing, packing and a dense encoder."""

from __future__ import annotations

import abc
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from metricvae.core.array_files import check_header, npy_header, read_whole_array
from metricvae.core.coder_config import CoderConfig
from metricvae.core.errors import InputError, shortened
from metricvae.core.kind import AS_IT_IS, Object, ObjectKind, Packed, ReadOptions
from metricvae.runtime.reading import reading

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Array = npt.NDArray[np.float32]

MOST_NUMBERS = 2**26
"""Numbers of an array in a file, at most."""


class NumbersKind(ObjectKind):
    """Objects are float32 arrays of one shape. A subclass gives `name`, `shape`, and what it takes for an object."""

    suffixes: ClassVar[tuple[str, ...]] = (".npy",)

    @property
    @abc.abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Of every object."""

    @abc.abstractmethod
    def checked(self, array: npt.NDArray[Any], name: str) -> Array:
        """An array as one of the objects; `name` is what messages call it.

        Raises:
            InputError: it is none.
        """

    def read(self, path: Path, options: ReadOptions = AS_IT_IS) -> Array:
        """The array in a NumPy file; never unpickled."""
        return self.checked(read_npy(Path(path), MOST_NUMBERS), str(path))

    def convert(self, value: Any, options: ReadOptions = AS_IT_IS) -> Array:
        """An array from a path, or from what NumPy takes for one."""
        if isinstance(value, str | Path):
            return self.read(Path(value), options)
        return self.checked(np.asarray(value), "the array")

    @property
    def schema(self) -> pa.Schema:
        """`values`: the numbers, the last axis fastest."""
        return pa.schema([("values", pa.list_(pa.float32()))])

    def to_columns(self, objects: Sequence[Object]) -> dict[str, pa.Array]:
        rows = [np.ravel(one) for one in objects]
        ends = np.cumsum([0, *(len(row) for row in rows)], dtype=np.int32)
        values = np.concatenate([np.empty(0, np.float32), *rows]).astype(np.float32)
        return {"values": pa.ListArray.from_arrays(pa.array(ends), pa.array(values))}

    def from_table(self, table: pa.Table) -> list[Object]:
        return [np.asarray(row, np.float32).reshape(self.shape) for row in table["values"].to_pylist()]

    def pack(self, objects: Sequence[Object]) -> Packed:
        """float32, in bytes."""
        if not len(objects):
            return np.empty((0, 4 * math.prod(self.shape)), np.uint8)
        sizes = {np.size(one) for one in objects}
        if sizes != {math.prod(self.shape)}:
            raise InputError(
                f"got {self.title} of {', '.join(map(str, sorted(sizes)))} numbers: expected {math.prod(self.shape)}"
            )
        rows = np.asarray(objects, np.float32).reshape(len(objects), -1)
        return np.ascontiguousarray(rows).view(np.uint8)

    def unpack(self, packed: Packed, device: torch.device | str = "cpu") -> Tensor:
        """(m, *shape) float32."""
        import torch

        return torch.from_numpy(np.array(packed).view(np.float32).reshape(len(packed), *self.shape)).to(device)

    def restore(self, packed: Packed) -> list[Object]:
        return list(np.array(packed).view(np.float32).reshape(len(packed), *self.shape))

    @property
    def encoders(self) -> tuple[type[CoderConfig], ...]:
        from metricvae.nn.mlp import MlpEncoderConfig

        return (MlpEncoderConfig,)

    @property
    def decoders(self) -> tuple[type[CoderConfig], ...]:
        return ()

    def default_encoder(self, objects: int | None = None) -> CoderConfig:
        """A perceptron, with convolutions where a row is long enough for its order to mean something."""
        from metricvae.nn.mlp import MlpEncoderConfig

        return MlpEncoderConfig.for_shape(self.shape, objects)


@dataclass(frozen=True)
class ArrayKind(NumbersKind):
    """Objects are float32 arrays of one shape, finite. A subclass gives `name`, and whatever it knows better.

    Attributes:
        shape: of every object.

    Example:
        >>> class Spectrum(ArrayKind):
        ...     name, title = "spectrum", "spectra"
        >>> Spectrum((3,)).convert([1, 2, 3]).dtype
        dtype('float32')
    """

    shape: tuple[int, ...] = (1,)

    def checked(self, array: npt.NDArray[Any], name: str) -> Array:
        if array.shape != tuple(self.shape):
            raise InputError(f"{name} has the shape {array.shape}: expected {tuple(self.shape)}, as the others have")
        if array.dtype.kind not in "fiub" or not np.isfinite(array).all():
            raise InputError(f"{name} holds something other than finite numbers: mend it")
        return array.astype(np.float32)


def read_npy(path: Path, most: int) -> npt.NDArray[Any]:
    """The array in a NumPy file of at most `most` numbers; never unpickled.

    Raises:
        InputError: no such file, or not such an array.
    """
    with reading(path, "an array") as file:
        return _array_in(file, path, most)


def _array_in(file: BinaryIO, path: Path, most: int) -> npt.NDArray[Any]:
    try:
        shape, _ = npy_header(file)
        if math.prod(shape) > most:
            raise InputError(f"{path} holds an array of {shape}: expected at most {most} numbers")
        file.seek(0)
        check_header(file, path.stat().st_size)
        file.seek(0)
        return read_whole_array(file)
    except InputError:
        raise
    except (ValueError, EOFError) as error:
        raise InputError(
            f"{path} cannot be read as an array ({shortened(error, 160)}): save it with numpy.save"
        ) from None
