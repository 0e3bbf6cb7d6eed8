"""The kind `silhouette`: filled shapes on a canvas, invariant to rotations and translations of the plane."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from metricvae.core.coder_config import CoderConfig, Networks
from metricvae.core.errors import InputError
from metricvae.core.kind import AS_IT_IS, Object, ObjectKind, Packed, ReadOptions
from metricvae.core.libraries import FolderLibrary, NamedObject
from metricvae.core.object_picture import ObjectPicture
from metricvae.core.registry import record_to_json
from metricvae.kinds.pictures.columns import PNG_FEATURES, PNG_SCHEMA, png_columns, png_contents
from metricvae.kinds.pictures.files import LONGEST_SIDE, common_size
from metricvae.kinds.silhouette.canvas import resized
from metricvae.kinds.silhouette.io import decode_png, encode_png, fit_to_canvas, image_names, read_image
from metricvae.kinds.silhouette.packing import pack_masks, unpack_masks
from metricvae.kinds.silhouette.records import CANVAS, Canvas, as_mask, check_canvas
from metricvae.kinds.silhouette.sources.generators import SOURCES, draw
from metricvae.runtime.process_pool import worker_pool

if TYPE_CHECKING:
    import torch
    from torch import Tensor

AT_ONCE, WORTH_PROCESSES = 1_000, 20_000
"""Images that a process decodes in one go, and from how many on processes are worth starting."""


MANY = 50_000
"""Objects from which on there is enough to learn from for the largest networks."""

RINGS, SECTORS = 32, 64
"""Of the polar pictures of models of fewer objects."""


@dataclass(frozen=True, eq=False)
class SilhouetteKind(ObjectKind):
    """Masks (height, width) uint8 of 0 and 1.

    A kind without a size reads images of any size until objects or a model give it one; it equals that of 200 pixels a
    side, and is written so.

    Attributes:
        height, width: canvas in pixels; None takes them from the objects, and counts as 200.

    Example:
        >>> SilhouetteKind().adapt([np.ones((128, 96), np.uint8)]).canvas
        (128, 96)
    """

    name: ClassVar[str] = "silhouette"
    title: ClassVar[str] = "silhouettes"
    accepts: ClassVar[tuple[str, ...]] = ("half",)
    suffixes: ClassVar[tuple[str, ...]] = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".pgm")
    magnitude_name: ClassVar[str] = "area"
    magnitude_unit: ClassVar[str] = "pixels"
    magnitude_exponent: ClassVar[float] = 2.0
    magnitude_type: ClassVar[pa.DataType] = pa.int32()
    pretrained: ClassVar[str] = "overlap"
    sources: ClassVar[tuple[str, ...]] = SOURCES
    kept_in_index: ClassVar[bool] = False
    caveats: ClassVar[str] = (
        "One white shape on black. Parts further than 60% of the canvas side from the centroid are not seen."
    )
    height: int | None = None
    width: int | None = None

    def __post_init__(self) -> None:
        for side in (self.height, self.width):
            if side is not None and not (isinstance(side, int) and 1 <= side <= LONGEST_SIDE):
                raise InputError(f"got a canvas of {self.width!r}x{self.height!r} pixels: expected 1 to {LONGEST_SIDE}")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and isinstance(other, SilhouetteKind) and self.canvas == other.canvas

    def __hash__(self) -> int:
        return hash((self.name, self.canvas))

    @property
    def canvas(self) -> Canvas:
        """Height and width in pixels."""
        return self.height or CANVAS[0], self.width or CANVAS[1]

    @property
    def sized(self) -> Self:
        """This kind with the size that it counts as."""
        height, width = self.canvas
        return replace(self, height=height, width=width)

    def to_json(self) -> dict[str, Any]:
        return record_to_json(self.sized)

    @property
    def assumed(self) -> str:
        return "values are taken not to depend on how a silhouette lies; --kind image if they do"

    def adapt(self, objects: Iterable[Object]) -> Self:
        """The kind with the size of the objects.

        Raises:
            InputError: they have different sizes.
        """
        first = common_size((mask.shape for mask in objects), self.title)
        return self if first is None else replace(self, height=self.height or first[0], width=self.width or first[1])

    def takes(self, held: ObjectKind) -> bool:
        """Whether they have the same canvas, halves among them."""
        return isinstance(held, SilhouetteKind) and held.canvas == self.canvas

    @property
    def _taken(self) -> Canvas | None:
        """The size that objects must have when they are read; None takes any."""
        return None if self.height is None and self.width is None else self.canvas

    def read(self, path: Path, options: ReadOptions = AS_IT_IS) -> npt.NDArray[np.uint8]:
        """The mask in an image file; see `silhouette.io.read_image` for what is read, and the errors."""
        return read_image(path, fit=options.fit, invert=options.invert, canvas=self._taken)

    def convert(self, value: Any, options: ReadOptions = AS_IT_IS) -> npt.NDArray[np.uint8]:
        """A mask from a path, a PIL image, or an array (height, width) of 0 and 1, of 0 to 255, or of bool."""
        if isinstance(value, str | Path):
            return self.read(Path(value), options)
        array = np.asarray(value.convert("L") if hasattr(value, "convert") else value)
        if options.invert:
            array = 1 - as_mask(array, canvas=None)
        if options.fit:
            array = fit_to_canvas(array, as_mask(array, canvas=None), self.canvas)
        return as_mask(array, canvas=self._taken)

    def open_library(self, path: Path, work: Path, options: ReadOptions = AS_IT_IS) -> FolderLibrary:
        """The images in a folder and the folders below it."""
        return FolderLibrary(self.sized, Path(path), options, image_names(Path(path)))

    def generate(self, source: str, start: int, count: int, seed: int) -> list[NamedObject]:
        """Shapes of `metricvae.kinds.silhouette.sources.generators.draw`."""
        shapes = draw(source, count, seed, start=start)
        return [NamedObject(one.id, one.mask, one.source, one.family, one.group) for one in shapes]

    def picture(self, value: Object) -> ObjectPicture:
        """The mask, white on black."""
        return ObjectPicture(encode_png(np.asarray(value, np.uint8)), "image/png")

    @property
    def features(self) -> dict[str, Any]:
        return PNG_FEATURES

    @property
    def schema(self) -> pa.Schema:
        """`image`: a PNG, white on black, as `datasets.load_dataset` reads images."""
        return PNG_SCHEMA

    def to_columns(self, objects: Sequence[Object]) -> dict[str, pa.Array]:
        return png_columns(map(encode_png, objects))

    def from_table(self, table: pa.Table) -> list[Object]:
        return [decode_png(content, canvas=self.canvas) for content in png_contents(table)]

    def pack(self, objects: Sequence[Object]) -> Packed:
        """A bit a pixel.

        Raises:
            InputError: an object of another size.
        """
        for number, mask in enumerate(objects, 1):
            check_canvas(mask.shape, self.canvas, f"silhouette {number}")
        if not len(objects):
            return np.empty((0, -(-self.canvas[0] * self.canvas[1] // 8)), np.uint8)
        return pack_masks(np.stack([np.asarray(mask, np.uint8) for mask in objects]))

    def unpack(self, packed: Packed, device: torch.device | str = "cpu") -> Tensor:
        """(m, 1, height, width) float32 of 0 and 1; bits travel to a device, not pixels."""
        import torch

        if torch.device(device).type == "cpu":
            return torch.from_numpy(unpack_masks(packed, *self.canvas)).float()[:, None]
        from metricvae.kinds.silhouette.transforms import unpack_bits

        return unpack_bits(torch.from_numpy(packed).to(device), *self.canvas).float()[:, None]

    def restore(self, packed: Packed) -> list[Object]:
        return list(unpack_masks(packed, *self.canvas))

    def pack_table(self, table: pa.Table, workers: int | None = 1) -> Packed:
        contents = png_contents(table)
        if len(contents) < WORTH_PROCESSES or workers == 1:
            return self.pack(self.from_table(table))
        starts = range(0, len(contents), AT_ONCE)
        with worker_pool(workers) as pool:
            work = functools.partial(_packed_pngs, self.canvas)
            parts = pool.map(work, (contents[start : start + AT_ONCE] for start in starts))
            return np.concatenate(list(parts))

    def move(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Each mask under a motion that keeps it inside the canvas, cut at half as its picture would be."""
        from metricvae.kinds.silhouette import transforms

        return (transforms.move(x, transforms.random_motions(x, generator)) > 0.5).float()

    def magnitudes(self, x: Tensor) -> Tensor:
        """(m,) areas in pixels."""
        return x.sum((1, 2, 3))

    def measure(self, objects: Sequence[Object]) -> npt.NDArray[np.int64]:
        """(m,) areas in pixels."""
        return np.array([mask.sum(dtype=np.int64) for mask in objects], np.int64)

    @property
    def encoders(self) -> tuple[type[CoderConfig], ...]:
        from metricvae.kinds.silhouette.encoders.contour import ContourEncoderConfig
        from metricvae.kinds.silhouette.encoders.dense import DenseEncoderConfig
        from metricvae.kinds.silhouette.encoders.polar import PolarEncoderConfig

        return PolarEncoderConfig, ContourEncoderConfig, DenseEncoderConfig

    @property
    def decoders(self) -> tuple[type[CoderConfig], ...]:
        from metricvae.kinds.silhouette.decoders.canonical import CanonicalDecoderConfig
        from metricvae.kinds.silhouette.decoders.dense import DenseDecoderConfig

        return CanonicalDecoderConfig, DenseDecoderConfig

    def default_encoder(self, objects: int | None = None) -> CoderConfig:
        """The first of the encoders, for this canvas; a coarser and narrower one where there are fewer than `MANY`
        objects, which learns from them as well in a third of the time."""
        from metricvae.kinds.silhouette.encoders.polar import PolarEncoderConfig

        if objects is None or objects >= MANY:
            return resized(self.encoders[0](), self.canvas)
        return PolarEncoderConfig((64, 64, 64), rings=RINGS, sectors=SECTORS)

    def default_decoder(self, objects: int | None = None) -> CoderConfig:
        """The first of the decoders, for this canvas; a coarser one where there are fewer than `MANY` objects."""
        from metricvae.kinds.silhouette.decoders.canonical import CanonicalDecoderConfig

        if objects is None or objects >= MANY:
            return resized(self.decoders[0](), self.canvas)
        return CanonicalDecoderConfig((96, 64, 48, 48), rings=RINGS, sectors=SECTORS, side=max(self.canvas))

    def adapt_networks(self, networks: Networks, of: ObjectKind) -> Networks | None:
        """The same for this canvas: pixels of the configuration follow it."""
        if type(of) is not type(self):
            return None
        assert isinstance(of, SilhouetteKind)
        encoder, decoder = networks
        drawn = None if decoder is None else resized(decoder, self.canvas, of.canvas)
        return resized(encoder, self.canvas, of.canvas), drawn


def mask_of(x: Tensor) -> npt.NDArray[np.uint8]:
    """The mask (height, width) of one object (1, height, width)."""
    found: npt.NDArray[np.uint8] = (x[0] > 0.5).byte().cpu().numpy()
    return found


def _packed_pngs(canvas: Canvas, contents: list[bytes]) -> Packed:
    return np.stack([np.packbits(decode_png(content, canvas=canvas)) for content in contents])
