"""A base for kinds whose objects are arrays of one shape: reading `.npy`, storing, packing and a dense encoder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from metricvae.core.coder_config import CoderConfig
from metricvae.core.errors import InputError
from metricvae.core.kind import AS_IT_IS, Object, ObjectKind, Packed, ReadOptions

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ArrayKind(ObjectKind):
    """Objects are float32 arrays of one shape, finite. A subclass gives `name`, and whatever it knows better.

    Attributes:
        shape: of every object.

    Example:
        >>> class Spectrum(ArrayKind):
        ...     name, title = "spectrum", "spectra"
        >>> Spectrum((3,)).convert([1, 2, 3]).dtype
        dtype('float32')
    """

    suffixes: ClassVar[tuple[str, ...]] = (".npy",)
    shape: tuple[int, ...] = (1,)

    def read(self, path: Path, options: ReadOptions = AS_IT_IS) -> Array:
        """The array in a NumPy file; never unpickled."""
        try:
            with open(path, "rb") as file:
                array = np.lib.format.read_array(file, allow_pickle=False)
        except FileNotFoundError:
            raise InputError(f"{path} does not exist: give the path of an array") from None
        except (OSError, ValueError, EOFError) as error:
            raise InputError(f"{path} cannot be read as an array ({error}): save it with numpy.save") from None
        return self._checked(array, str(path))

    def convert(self, value: Any, options: ReadOptions = AS_IT_IS) -> Array:
        """An array from a path, or from what NumPy takes for one."""
        if isinstance(value, str | Path):
            return self.read(Path(value), options)
        return self._checked(np.asarray(value), "the array")

    def _checked(self, array: npt.NDArray[Any], name: str) -> Array:
        if array.shape != tuple(self.shape):
            raise InputError(f"{name} has the shape {array.shape}: expected {tuple(self.shape)}, as the others have")
        if array.dtype.kind not in "fiub" or not np.isfinite(array).all():
            raise InputError(f"{name} holds something other than finite numbers: mend it")
        return array.astype(np.float32)

    @property
    def schema(self) -> pa.Schema:
        """`values`: the numbers, the last axis fastest."""
        return pa.schema([("values", pa.list_(pa.float32()))])

    def to_columns(self, objects: Sequence[Object]) -> dict[str, pa.Array]:
        return {"values": pa.array([np.ravel(one).tolist() for one in objects], self.schema.field("values").type)}

    def from_table(self, table: pa.Table) -> list[Object]:
        return [np.asarray(row, np.float32).reshape(self.shape) for row in table["values"].to_pylist()]

    def pack(self, objects: Sequence[Object]) -> Packed:
        """float32, in bytes."""
        rows = np.asarray(objects, np.float32).reshape(len(objects), math.prod(self.shape))
        return np.ascontiguousarray(rows).view(np.uint8)

    def unpack(self, packed: Packed, device: torch.device | str = "cpu") -> Tensor:
        """(m, *shape) float32."""
        import torch

        return torch.from_numpy(np.array(packed).view(np.float32).reshape(len(packed), *self.shape)).to(device)

    @property
    def encoders(self) -> tuple[type[CoderConfig], ...]:
        from metricvae.nn.mlp import MlpEncoderConfig

        return (MlpEncoderConfig,)

    @property
    def decoders(self) -> tuple[type[CoderConfig], ...]:
        return ()

    def default_encoder(self, objects: int | None = None) -> CoderConfig:
        from metricvae.nn.mlp import MlpEncoderConfig

        return MlpEncoderConfig(inputs=math.prod(self.shape))
