"""The kind `points`: point clouds in the plane and in space."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pyarrow as pa

from metricvae.core.coder_config import CoderConfig
from metricvae.core.errors import InputError
from metricvae.core.kind import AS_IT_IS, Object, ObjectKind, Packed, ReadOptions
from metricvae.kinds.points.io import READERS, read_cloud
from metricvae.kinds.points.packing import concatenated, packed_clouds, restored_clouds, unpacked_clouds
from metricvae.kinds.points.records import DIMENSIONS, PointCloud

if TYPE_CHECKING:
    import torch
    from torch import Tensor

INVARIANCES = ("rigid", "rotation", "shift", "none")
"""Motions to which codes are to be invariant: rotations and shifts, rotations about the origin, shifts, or none."""

GRID_SIDES = {2: 24, 3: 12}
"""Grid points along each edge of the maps that are drawn, by the dimension of space."""

MOST_LABELS = 32
"""Classes of points, at most."""

_SCHEMA = pa.schema(
    [
        ("positions", pa.list_(pa.float32())),
        ("scalars", pa.list_(pa.float32())),
        ("labels", pa.list_(pa.string())),
        ("dimension", pa.int8()),
    ]
)


@dataclass(frozen=True)
class PointsKind(ObjectKind):
    """`PointCloud` records, of any number of points in any order.

    Attributes:
        dimension: of space, 2 or 3; None to learn it from the objects, and 3 until then.
        scalars: further numbers of each point; None to learn it from the objects, and 0 until then.
        labels: names of the classes of points; None to learn them from the objects, and none until then.
        most: points of a cloud in memory; larger ones are thinned evenly by the distance from the centroid.
        invariance: `rigid` (rotations and shifts), `rotation` (about the origin), `shift` or `none`. A mirror image is
            another object.

    Raises:
        InputError: settings that there are not.

    Example:
        >>> kind = PointsKind().adapt([PointCloud.of([[0, 0], [1, 0], [1, 2]])])
        >>> kind.dimension, kind.invariance
        (2, 'rigid')
    """

    name: ClassVar[str] = "points"
    title: ClassVar[str] = "point clouds"
    suffixes: ClassVar[tuple[str, ...]] = tuple(READERS)
    caveats: ClassVar[str] = (
        "Point clouds of at most 1,024 points, unless set otherwise: larger ones are thinned evenly by the distance\n"
        "from their centroid. Normals are left out."
    )
    dimension: int | None = None
    scalars: int | None = None
    labels: tuple[str, ...] | None = None
    most: int = 1024
    invariance: str = "rigid"

    def __post_init__(self) -> None:
        if self.labels is not None:
            object.__setattr__(self, "labels", tuple(self.labels))
        if self.dimension not in (None, *DIMENSIONS):
            raise InputError(f"dimension is {self.dimension!r}: expected 2 or 3")
        if self.invariance not in INVARIANCES:
            raise InputError(f"invariance is {self.invariance!r}: expected one of {', '.join(INVARIANCES)}")
        if self.most < 1 or (self.scalars or 0) < 0:
            raise InputError(f"most is {self.most} and scalars {self.scalars}: expected 1 or more, and 0 or more")
        if len(self.labels or ()) > MOST_LABELS:
            raise InputError(f"got {len(self.labels or ())} classes of points: expected at most {MOST_LABELS}")

    # Reading

    def read(self, path: Path, options: ReadOptions = AS_IT_IS) -> PointCloud:
        """The cloud in a file: xyz, PLY, a table of text or a NumPy array; see `metricvae.kinds.points.io`."""
        options.refuse_images("a model of point clouds")
        return read_cloud(Path(path), self.dimension)

    def convert(self, value: Any, options: ReadOptions = AS_IT_IS) -> PointCloud:
        """A cloud from a path, a `PointCloud`, or rows of numbers (n, 2 or more)."""
        if isinstance(value, str | Path):
            return self.read(Path(value), options)
        return value if isinstance(value, PointCloud) else PointCloud.of(value, self.dimension)

    # Settings

    def adapt(self, objects: Iterable[Object]) -> Self:
        """The kind with the dimension, the number of scalars and the classes of points that objects have.

        Raises:
            InputError: clouds of several dimensions or numbers of scalars, some with classes and some without, or more
                than `MOST_LABELS` classes.
        """
        dimensions, scalars, classes = set(), set(), set[str]()
        with_labels, clouds = 0, 0
        for one in objects:
            dimensions.add(one.dimension)
            scalars.add(one.scalars.shape[1])
            classes.update(one.labels)
            with_labels, clouds = with_labels + bool(one.labels), clouds + 1
        if not clouds:
            return self
        if 0 < with_labels < clouds and self.labels is None:
            raise InputError(f"{with_labels} of {clouds} point clouds have classes of points: expected all or none")
        return replace(
            self,
            dimension=_one(self.dimension, dimensions, "dimensions"),
            scalars=_one(self.scalars, scalars, "numbers of scalars"),
            labels=tuple(sorted(classes)) if self.labels is None else self.labels,
        )

    def takes(self, held: ObjectKind) -> bool:
        """Whatever the largest number of points: an encoder does not see padding."""
        return isinstance(held, PointsKind) and held._layout == self._layout and held.invariance == self.invariance

    @property
    def _layout(self) -> tuple[int, int, tuple[str, ...]]:
        """The dimension, the number of scalars and the classes, as they stand until they are learned."""
        return self.dimension or 3, self.scalars or 0, self.labels or ()

    @property
    def channels(self) -> int:
        """Numbers of each point beside its coordinates, as encoders take them: scalars, and one for each class."""
        _, scalars, labels = self._layout
        return scalars + len(labels)

    # Storing

    @property
    def schema(self) -> pa.Schema:
        """Positions and scalars, those of the first point first; labels, where there are any."""
        return _SCHEMA

    def to_columns(self, objects: Sequence[Object]) -> dict[str, pa.Array]:
        rows = {
            "positions": [one.positions.ravel() for one in objects],
            "scalars": [one.scalars.ravel() for one in objects],
            "labels": [list(one.labels) for one in objects],
            "dimension": [one.dimension for one in objects],
        }
        return {field.name: pa.array(rows[field.name], field.type) for field in _SCHEMA}

    def from_table(self, table: pa.Table) -> list[Object]:
        found = []
        for row in table.select(_SCHEMA.names).to_pylist():
            positions = np.asarray(row["positions"], np.float32).reshape(-1, row["dimension"])
            scalars = np.asarray(row["scalars"], np.float32).reshape(len(positions), -1)
            found.append(PointCloud(positions, scalars, tuple(row["labels"])))
        return found

    # In memory

    def pack(self, objects: Sequence[Object]) -> Packed:
        """As wide as the largest cloud needs; see `metricvae.kinds.points.packing`."""
        return packed_clouds(objects, *self._layout, self.most)

    def unpack(self, packed: Packed, device: torch.device | str = "cpu") -> Tensor:
        """(m, P, 1 + dimension + channels) float32: 1 for a point and 0 for padding, coordinates, scalars, and 1 for
        the class of the point."""
        import torch

        return torch.from_numpy(unpacked_clouds(packed, *self._layout)).to(device)

    def concatenate(self, parts: Sequence[Packed]) -> Packed:
        return concatenated(parts, *self._layout[:2])

    def restore(self, packed: Packed) -> list[Object]:
        return list(restored_clouds(packed, *self._layout))

    # Invariance

    @property
    def assumed(self) -> str:
        motions = {"rigid": "how a cloud lies", "rotation": "how a cloud is turned", "shift": "where a cloud lies"}
        if self.invariance == "none":
            return ""
        return f"values are taken not to depend on {motions[self.invariance]}; --settings.invariance none if they do"

    @property
    def moves(self) -> bool:
        """Whether there is any motion to which codes are to be invariant."""
        return self.invariance != "none"

    def move(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Each cloud under a random motion of its own, of those that `invariance` names."""
        from metricvae.kinds.points.transforms import random_motion

        dimension = self._layout[0]
        rotates, shifts = self.invariance in ("rigid", "rotation"), self.invariance in ("rigid", "shift")
        return random_motion(x, dimension, generator, rotates=rotates, shifts=shifts)

    # Networks

    @property
    def encoders(self) -> tuple[type[CoderConfig], ...]:
        from metricvae.kinds.points.encoders.frames import CloudEncoderConfig

        return (CloudEncoderConfig,)

    @property
    def decoders(self) -> tuple[type[CoderConfig], ...]:
        from metricvae.kinds.points.decoders.occupancy import OccupancyDecoderConfig

        return (OccupancyDecoderConfig,)

    def default_encoder(self, objects: int | None = None) -> CoderConfig:
        from metricvae.kinds.points.encoders.frames import CloudEncoderConfig

        space = self._layout[0]
        return CloudEncoderConfig(space, self.channels, self.invariance, grid_side=GRID_SIDES[space])

    def default_decoder(self, objects: int | None = None) -> CoderConfig:
        from metricvae.kinds.points.decoders.occupancy import OccupancyDecoderConfig

        space, aligned = self._layout[0], self.invariance in ("rigid", "rotation")
        return OccupancyDecoderConfig(space, GRID_SIDES[space], principal=aligned)


def _one(given: int | None, found: set[int], noun: str) -> int:
    """The setting that was given, or the one that all objects have."""
    if given is not None:
        return given
    if len(found) > 1:
        listed = ", ".join(map(str, sorted(found)))
        raise InputError(f"got point clouds of the {noun} {listed}: expected one for all, import them alike")
    return found.pop()
