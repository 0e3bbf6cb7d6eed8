"""The kind `volume`: density maps on grids in space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa

from metricvae.core.coder_config import CoderConfig
from metricvae.core.errors import InputError
from metricvae.core.kind import AS_IT_IS, Object, ObjectKind, Packed, ReadOptions
from metricvae.kinds.volume.records import ENDINGS, DensityMap
from metricvae.runtime.extras import require

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_SCHEMA = pa.schema(
    [
        ("values", pa.list_(pa.float32())),
        ("shape", pa.list_(pa.int32(), 3)),
        ("spacing", pa.list_(pa.float64(), 3)),
        ("origin", pa.list_(pa.float64(), 3)),
    ]
)


@dataclass(frozen=True)
class VolumeKind(ObjectKind):
    """`DensityMap` records. There is an exact overlay of two, and no encoder yet.

    Attributes:
        side: grid points along each edge of a map in memory.
    """

    name: ClassVar[str] = "volume"
    title: ClassVar[str] = "density maps"
    suffixes: ClassVar[tuple[str, ...]] = tuple(ending + gz for ending in ENDINGS for gz in ("", ".gz"))
    kept_in_index: ClassVar[bool] = False
    side: int = 32

    def read(self, path: Path, options: ReadOptions = AS_IT_IS) -> DensityMap:
        """The map in an MRC, MAP or CCP4 file."""
        if options.fit:
            raise InputError("--fit is for images, got a density map: leave it out")
        require("mrcfile", "maps", "reading density maps")
        from metricvae.kinds.volume.io import read_map

        return read_map(path)

    def convert(self, value: Any, options: ReadOptions = AS_IT_IS) -> DensityMap:
        """A map from a path or a `DensityMap`."""
        if isinstance(value, str | Path):
            return self.read(Path(value), options)
        if not isinstance(value, DensityMap):
            raise InputError(f"got {type(value).__name__}: expected a path or a DensityMap")
        return value

    @property
    def schema(self) -> pa.Schema:
        """Values with the last axis fastest; spacing and origin in angstroms."""
        return _SCHEMA

    def to_columns(self, objects: Sequence[Object]) -> dict[str, pa.Array]:
        rows = [
            {
                "values": one.values.ravel().tolist(),
                "shape": list(one.values.shape),
                "spacing": np.asarray(one.spacing).tolist(),
                "origin": np.asarray(one.origin).tolist(),
            }
            for one in objects
        ]
        return {field.name: pa.array([row[field.name] for row in rows], field.type) for field in _SCHEMA}

    def from_table(self, table: pa.Table) -> list[Object]:
        return [
            DensityMap(
                np.asarray(row["values"], np.float32).reshape(row["shape"]),
                np.asarray(row["spacing"]),
                np.asarray(row["origin"]),
            )
            for row in table.select(_SCHEMA.names).to_pylist()
        ]

    def pack(self, objects: Sequence[Object]) -> Packed:
        """Maps of `side` points along each edge, float16, in bytes."""
        for one in objects:
            if one.values.shape != (self.side,) * 3:
                raise InputError(f"got a map of {one.values.shape} points: expected {(self.side,) * 3}, resample it")
        stacked = np.stack([one.values for one in objects]) if len(objects) else np.empty((0, *(self.side,) * 3))
        return stacked.astype(np.float16).reshape(len(objects), self.side**3).view(np.uint8)

    def unpack(self, packed: Packed, device: torch.device | str = "cpu") -> Tensor:
        """(m, 1, side, side, side) float32."""
        import torch

        values = np.ascontiguousarray(packed).view(np.float16).reshape(-1, 1, *(self.side,) * 3)
        return torch.from_numpy(values).to(device).float()

    @property
    def encoders(self) -> tuple[type[CoderConfig], ...]:
        return ()

    @property
    def decoders(self) -> tuple[type[CoderConfig], ...]:
        return ()
