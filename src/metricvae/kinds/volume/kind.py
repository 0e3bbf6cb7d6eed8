"""The kind `volume`: densities on grids in space, compared as they lie or whatever their orientation and grid."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from metricvae.core.coder_config import CoderConfig
from metricvae.core.errors import InputError
from metricvae.core.kind import AS_IT_IS, Object, ObjectKind, Packed, ReadOptions
from metricvae.core.libraries import NamedObject
from metricvae.kinds.volume.arrays import of_array, read_npy
from metricvae.kinds.volume.records import ENDINGS, DensityMap
from metricvae.kinds.volume.resampling import centred_cube, outline_of, whole_cube
from metricvae.runtime.extras import require

if TYPE_CHECKING:
    import torch
    from torch import Tensor

FRAGMENTS = "fragments"
"""The source of maps that needs no file."""

NPY = ".npy"

_SCHEMA = pa.schema(
    [
        ("values", pa.list_(pa.float32())),
        ("shape", pa.list_(pa.int32(), 3)),
        ("spacing", pa.list_(pa.float64(), 3)),
        ("origin", pa.list_(pa.float64(), 3)),
    ]
)

_SCALE_BYTES = 4


@dataclass(frozen=True)
class VolumeKind(ObjectKind):
    """`DensityMap` records of any grid and box, resampled in memory onto one cube.

    Attributes:
        side: points along each edge of the cube; 32 where it is not given, and an import takes as many as its volumes
            resolve, from 8 to 32.
        extent: edge of the cube in the unit of the maps (angstroms; grid steps of arrays); 30 where it is not given,
            and an import takes one that holds its volumes.
        invariance: `rigid`: the cube lies about the centre of the density, and codes are the same for any rotation,
            shift, grid and box; `none`: it lies about the middle of the box, and volumes are compared as they lie.
        keep_scale: whether the unit of density counts; else every map is scaled to a mean square of 1. Maps have no
            common unit, so it does not; the values of an import count.
    """

    name: ClassVar[str] = "volume"
    title: ClassVar[str] = "density maps"
    suffixes: ClassVar[tuple[str, ...]] = (*(ending + gz for ending in ENDINGS for gz in ("", ".gz")), NPY)
    kept_in_index: ClassVar[bool] = False
    sources: ClassVar[tuple[str, ...]] = (FRAGMENTS,)
    caveats: ClassVar[str] = (
        "Objects that fit into the cube about their centre; what lies outside is not seen. Where two\n"
        "principal axes of an object are nearly equal, its code may change under a rotation by more than the others'."
    )

    side: int | None = None
    extent: float | None = None
    invariance: Literal["rigid", "none"] = "rigid"
    keep_scale: bool | None = None

    def __post_init__(self) -> None:
        if self.invariance not in ("rigid", "none"):
            raise InputError(f"invariance is {self.invariance!r}: expected rigid or none")
        if not 4 <= self.points <= 128 or not 0 < self.edge < math.inf:
            raise InputError(
                f"got a cube of {self.points} points and an edge of {self.edge}: expected 4 to 128, and above 0"
            )

    @property
    def points(self) -> int:
        """`side`, or what stands for it."""
        return 32 if self.side is None else self.side

    @property
    def edge(self) -> float:
        """`extent`, or what stands for it."""
        return 30.0 if self.extent is None else self.extent

    def takes(self, held: ObjectKind) -> bool:
        """Whether they agree but for what is not given."""
        return isinstance(held, VolumeKind) and held._settings == self._settings

    @property
    def _settings(self) -> tuple[int, float, str, bool]:
        return self.points, self.edge, self.invariance, bool(self.keep_scale)

    # Reading

    def read(self, path: Path, options: ReadOptions = AS_IT_IS) -> DensityMap:
        """The map in an MRC, MAP or CCP4 file, or the array of three dimensions in an NPY file."""
        options.refuse_images("a density map")
        if Path(path).name.lower().endswith(NPY):
            return read_npy(path)
        require("mrcfile", "maps", "reading density maps")
        from metricvae.kinds.volume.io import read_map

        return read_map(path)

    def convert(self, value: Any, options: ReadOptions = AS_IT_IS) -> DensityMap:
        """A map from a path, a `DensityMap`, or what NumPy takes for an array of three dimensions."""
        if isinstance(value, DensityMap):
            return value
        if isinstance(value, str | Path):
            return self.read(Path(value), options)
        if not hasattr(value, "__array__") and not isinstance(value, Sequence):
            raise InputError(f"got {type(value).__name__}: expected a path, a DensityMap or an array of 3 dimensions")
        return of_array(np.asarray(value))

    def generate(self, source: str, start: int, count: int, seed: int) -> list[NamedObject]:
        """Maps of molecules that are assembled from fragments; see `metricvae.kinds.volume.random_maps`."""
        if source not in self.sources:
            return list(super().generate(source, start, count, seed))
        from metricvae.kinds.molecule.fragments import stream
        from metricvae.kinds.molecule.scaffolds import scaffold_group
        from metricvae.kinds.volume.random_maps import random_map

        return [
            NamedObject(one.id, random_map(one, seed, number).map, source, "", scaffold_group(one.smiles, one.id))
            for number, one in enumerate(stream(count, seed, start=start), start)
        ]

    # Settings

    def adapt(self, objects: Iterable[Object]) -> Self:
        """A cube that holds the objects: all of each but a two-hundredth, of 99 in 100 of them."""
        steps, sizes = [], []
        for one in objects:
            steps.append(float(np.min(one.spacing)))
            boxes = np.asarray(one.spacing) * one.values.shape
            sizes.append(outline_of(one).extent() * 1.1 if self.invariance == "rigid" else float(boxes.max()))
        if not sizes:
            return self
        edge = self.extent or float(f"{np.quantile(sizes, 0.99 if self.invariance == 'rigid' else 1.0):.3g}")
        side = self.side or int(np.clip(4 * math.ceil(edge / float(np.median(steps)) / 4), 8, 32))
        return replace(self, side=side, extent=edge, keep_scale=True if self.keep_scale is None else self.keep_scale)

    # Storing

    @property
    def schema(self) -> pa.Schema:
        """Values with the last axis fastest; spacing and origin in angstroms."""
        return _SCHEMA

    def to_columns(self, objects: Sequence[Object]) -> dict[str, pa.Array]:
        flat = [np.asarray(one.values, np.float32).ravel() for one in objects]
        ends = np.cumsum([0, *map(len, flat)]).astype(np.int32)
        threes = {
            name: [np.asarray(getattr(one, name), np.float64).tolist() for one in objects]
            for name in ("spacing", "origin")
        }
        return {
            "values": pa.ListArray.from_arrays(
                pa.array(ends), pa.array(np.concatenate([np.empty(0, np.float32), *flat]))
            ),
            "shape": pa.array([list(one.values.shape) for one in objects], _SCHEMA.field("shape").type),
            **{name: pa.array(rows, _SCHEMA.field(name).type) for name, rows in threes.items()},
        }

    def from_table(self, table: pa.Table) -> list[Object]:
        found: list[Object] = []
        for batch in table.select(_SCHEMA.names).to_batches():
            values, ends = np.asarray(batch["values"].values), np.asarray(batch["values"].offsets)
            threes = (np.asarray(batch[name].to_pylist()) for name in _SCHEMA.names[1:])
            for row, (shape, spacing, origin) in enumerate(zip(*threes, strict=True)):
                found.append(DensityMap(values[ends[row] : ends[row + 1]].reshape(shape), spacing, origin))
        return found

    # In memory

    def pack(self, objects: Sequence[Object]) -> Packed:
        """Cubes of `side` points along each edge, float16 of mean square 1, after the scale of each; in bytes."""
        resample = centred_cube if self.invariance == "rigid" else whole_cube
        found = np.empty((len(objects), _SCALE_BYTES + 2 * self.points**3), np.uint8)
        for row, one in zip(found, objects, strict=True):
            cube = resample(one, self.points, self.edge)
            scale = float(np.sqrt(np.square(cube, dtype=np.float64).mean())) or 1.0
            row[:_SCALE_BYTES] = np.array([scale], np.float32).view(np.uint8)
            row[_SCALE_BYTES:] = (cube / scale).astype(np.float16).ravel().view(np.uint8)
        return found

    def unpack(self, packed: Packed, device: torch.device | str = "cpu") -> Tensor:
        """(m, 1, side, side, side) float32; of mean square 1 unless the scale is kept."""
        import torch

        values = np.ascontiguousarray(packed[:, _SCALE_BYTES:]).view(np.float16).reshape(-1, 1, *(self.points,) * 3)
        x = torch.from_numpy(values).to(device).float()
        if not self.keep_scale:
            return x
        scale = np.ascontiguousarray(packed[:, :_SCALE_BYTES]).view(np.float32)
        return x * torch.from_numpy(scale).to(device)[..., None, None, None]

    def measure(self, objects: Sequence[Object]) -> npt.NDArray[Any]:
        """Ones."""
        return np.ones(len(objects))

    def move(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Each map under a rotation and a shift of up to a grid step; as it lies where nothing is invariant."""
        if self.invariance == "none":
            return x
        from metricvae.kinds.volume import transforms

        return transforms.move(x, generator, shift=2.0 / self.points)

    @property
    def assumed(self) -> str:
        if self.invariance == "none":
            return ""
        return "values are taken not to depend on how a map lies; --settings.invariance none if they do"

    @property
    def moves(self) -> bool:
        """Whether codes are to be invariant to anything."""
        return self.invariance == "rigid"

    # Networks

    @property
    def encoders(self) -> tuple[type[CoderConfig], ...]:
        from metricvae.kinds.volume.encoders.grid import VolumeGridEncoderConfig
        from metricvae.kinds.volume.encoders.principal import PrincipalEncoderConfig

        both: tuple[type[CoderConfig], ...] = (PrincipalEncoderConfig, VolumeGridEncoderConfig)
        return both if self.invariance == "rigid" else both[::-1]

    @property
    def decoders(self) -> tuple[type[CoderConfig], ...]:
        from metricvae.nn.density import DensityDecoderConfig

        return (DensityDecoderConfig,)

    def default_encoder(self, objects: int | None = None) -> CoderConfig:
        from metricvae.kinds.volume.encoders.grid import VolumeGridEncoderConfig
        from metricvae.kinds.volume.encoders.principal import PrincipalEncoderConfig

        spacing = self.edge / _PICTURE
        if self.invariance == "none":
            return VolumeGridEncoderConfig(side=self.points, grid_side=_PICTURE, grid_spacing=spacing)
        return PrincipalEncoderConfig(grid_side=_PICTURE, grid_spacing=spacing)

    def default_decoder(self, objects: int | None = None) -> CoderConfig:
        from metricvae.nn.density import DensityDecoderConfig

        return DensityDecoderConfig(
            widths=(48, 24, 12), grid_side=_PICTURE, grid_spacing=self.edge / _PICTURE, flips=self.invariance == "rigid"
        )


_PICTURE = 16
"""Points along each edge of what is decoded."""
