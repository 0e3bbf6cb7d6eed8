"""The kind `image`: grey or colour images of one size."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
import pyarrow as pa

from metricvae.core.coder_config import CoderConfig
from metricvae.core.errors import InputError
from metricvae.core.kind import AS_IT_IS, Object, ObjectKind, Packed, ReadOptions
from metricvae.core.object_picture import ObjectPicture
from metricvae.kinds.image.io import (
    Levels,
    as_levels,
    decode_png,
    encode_png,
    fitted,
    levels_of,
    read_image,
    with_channels,
)
from metricvae.kinds.pictures.columns import PNG_FEATURES, PNG_SCHEMA, png_columns, png_contents
from metricvae.kinds.pictures.files import common_size

if TYPE_CHECKING:
    import torch
    from torch import Tensor


FITTED_SIDE = 64
"""Side of images that are fitted before a size is known."""

Invariance = Literal["none", "shift", "rotation", "both"]


@dataclass(frozen=True)
class ImageKind(ObjectKind):
    """Images (height, width, channels) uint8, of 1 channel (grey) or 3 (red, green, blue).

    Attributes:
        height, width: in pixels; None takes them from the objects, and counts as 28 where there are none.
        channels: 1 or 3; None takes 3 if any object has colours. Grey images become three equal channels, colours
            their luminance, where the other is asked for.
        invariance: motions that do not count: circular `shift`s, `rotation`s about the centre, `both`, or `none`.

    Example:
        >>> kind = ImageKind().adapt([np.zeros((20, 30, 1), np.uint8)])
        >>> kind.height, kind.width, kind.channels
        (20, 30, 1)
    """

    name: ClassVar[str] = "image"
    title: ClassVar[str] = "images"
    suffixes: ClassVar[tuple[str, ...]] = (
        *(".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".pgm", ".ppm"),
        ".npy",
    )
    caveats: ClassVar[str] = (
        "Eight bits a channel; images of more than 48 pixels a side are compared by what remains at 48. Of images that "
        "may be rotated, only the disc between the borders of the shorter side is seen."
    )
    height: int | None = None
    width: int | None = None
    channels: int | None = None
    invariance: Invariance = "none"

    def __post_init__(self) -> None:
        if self.invariance not in ("none", "shift", "rotation", "both"):
            raise InputError(f"invariance is {self.invariance!r}: expected none, shift, rotation or both")
        if self.channels not in (None, 1, 3):
            raise InputError(f"got {self.channels!r} channels: expected 1 for grey or 3 for colour images")
        for side in (self.height, self.width):
            if side is not None and not (isinstance(side, int) and 1 <= side <= 4096):
                raise InputError(f"got images of {self.width!r}x{self.height!r} pixels: expected 1 to 4096 a side")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of every object; 28, 28 and 1 where nothing is known."""
        return self.height or 28, self.width or 28, self.channels or 1

    def read(self, path: Path, options: ReadOptions = AS_IT_IS) -> Levels:
        """The image in a picture file or a NumPy file; see `image.io` for what is read, and the errors."""
        return self._conformed(read_image(Path(path)), str(path), options)

    def convert(self, value: Any, options: ReadOptions = AS_IT_IS) -> Levels:
        """An image from a path, a PIL image, or an array as `image.io.as_levels` takes it."""
        if isinstance(value, str | Path):
            return self.read(Path(value), options)
        if hasattr(value, "convert"):
            return self._conformed(levels_of(value), "the image", options)
        return self._conformed(as_levels(np.asarray(value)), "the array", options)

    def _conformed(self, levels: Levels, name: str, options: ReadOptions) -> Levels:
        """An image with this kind's channels and size, as far as they are known."""
        height, width = self.height, self.width
        levels = 255 - levels if options.invert else levels
        if options.fit:
            levels = fitted(levels, height or width or FITTED_SIDE, width or height or FITTED_SIDE)
        if (height or levels.shape[0], width or levels.shape[1]) != levels.shape[:2]:
            raise InputError(_misfit(name, levels, width or "any", height or "any"))
        return levels if self.channels is None else with_channels(levels, self.channels)

    def adapt(self, objects: Iterable[Object]) -> Self:
        """The kind with the size of the objects, and the channels of the one that has most.

        Raises:
            InputError: they have different sizes.
        """
        shapes = [one.shape for one in objects]
        first = common_size(shapes, self.title)
        if first is None:
            return self
        return replace(
            self,
            height=self.height or first[0],
            width=self.width or first[1],
            channels=self.channels or max(shape[2] for shape in shapes),
        )

    def picture(self, value: Object) -> ObjectPicture:
        """The image itself."""
        return ObjectPicture(encode_png(value), "image/png")

    @property
    def features(self) -> dict[str, Any]:
        return PNG_FEATURES

    @property
    def schema(self) -> pa.Schema:
        """`image`: a PNG, as `datasets.load_dataset` reads images."""
        return PNG_SCHEMA

    def to_columns(self, objects: Sequence[Object]) -> dict[str, pa.Array]:
        return png_columns(map(encode_png, objects))

    def from_table(self, table: pa.Table) -> list[Object]:
        return [decode_png(content) for content in png_contents(table)]

    def pack(self, objects: Sequence[Object]) -> Packed:
        """A byte for each level, the channel fastest.

        Raises:
            InputError: an object of another size.
        """
        height, width, channels = self.shape
        for number, one in enumerate(objects, 1):
            if one.shape[:2] != (height, width):
                raise InputError(_misfit(f"image {number}", one, width, height))
        rows = [with_channels(one, channels).reshape(-1) for one in objects]
        return np.stack(rows) if rows else np.empty((0, height * width * channels), np.uint8)

    def unpack(self, packed: Packed, device: torch.device | str = "cpu") -> Tensor:
        """(m, channels, height, width) float32 in [0, 1]; bytes travel to a device."""
        import torch

        levels = torch.from_numpy(np.array(packed)).to(device).unflatten(1, self.shape)
        return levels.permute(0, 3, 1, 2).float() / 255

    def restore(self, packed: Packed) -> list[Object]:
        return list(packed.reshape(len(packed), *self.shape))

    def move(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Each image under a random motion of the invariance: a rotation about the centre by any angle, then a circular
        shift by up to a quarter of the sides; see `image.transforms`."""
        from metricvae.kinds.image import transforms

        if self.invariance in ("rotation", "both"):
            x = transforms.rotate(x, transforms.random_angles(x, generator))
        if self.invariance in ("shift", "both"):
            x = transforms.shift(x, *transforms.random_shifts(x, generator))
        return x

    @property
    def moves(self) -> bool:
        """Whether the invariance is to any motion."""
        return self.invariance != "none"

    @property
    def encoders(self) -> tuple[type[CoderConfig], ...]:
        from metricvae.kinds.image.encoders.grid import GridEncoderConfig
        from metricvae.kinds.image.encoders.polar import RotationEncoderConfig

        return GridEncoderConfig, RotationEncoderConfig

    @property
    def decoders(self) -> tuple[type[CoderConfig], ...]:
        from metricvae.kinds.image.decoders.grid import GridDecoderConfig
        from metricvae.kinds.image.decoders.polar import RotationDecoderConfig

        return GridDecoderConfig, RotationDecoderConfig

    def default_encoder(self, objects: int | None = None) -> CoderConfig:
        """By the invariance, in the resolution of the images, smaller where there are few of them."""
        from metricvae.kinds.image.encoders.grid import GridEncoderConfig
        from metricvae.kinds.image.encoders.polar import RotationEncoderConfig

        if self.invariance in ("rotation", "both"):
            return RotationEncoderConfig.for_images(self.shape, objects, centred=self.invariance == "both")
        return GridEncoderConfig.for_images(self.shape, objects, centred=self.invariance == "shift")

    def default_decoder(self, objects: int | None = None) -> CoderConfig:
        from metricvae.kinds.image.decoders.grid import GridDecoderConfig
        from metricvae.kinds.image.decoders.polar import RotationDecoderConfig

        encoder: Any = self.default_encoder(objects)
        if self.invariance in ("rotation", "both"):
            return RotationDecoderConfig.of_encoder(encoder)
        return GridDecoderConfig.of_encoder(encoder)


def _misfit(name: str, levels: Levels, width: int | str, height: int | str) -> str:
    got = f"{levels.shape[1]}x{levels.shape[0]}"
    return f"{name} is {got} pixels, expected {width}x{height}: resize it, or use --fit"
