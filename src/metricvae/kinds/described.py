"""A base for kinds that are another kind's objects seen as rows of numbers: descriptors and counts."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from metricvae.core.coder_config import CoderConfig
from metricvae.core.kind import Object, ObjectKind, Packed

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Rows = npt.NDArray[np.float32]


class DescribedKind(ObjectKind):
    """Objects of another kind, of which encoders see numbers that no motion changes.

    A subclass inherits from this class and from the other kind, names it in `same_records`, and gives `numbers`.

    Class attributes:
        count: how many numbers describe an object.
        counts: columns at which blocks of counts of features begin, and that at which the last ends; one number for
            none.
    """

    count: ClassVar[int]
    counts: ClassVar[tuple[int, ...]] = (0,)
    magnitude_name: ClassVar[str] = "magnitude"
    magnitude_unit: ClassVar[str] = ""
    magnitude_exponent: ClassVar[float] = 0.0

    @abc.abstractmethod
    def numbers(self, objects: Sequence[Object]) -> Rows:
        """(m, count) float32, finite.

        Raises:
            InputError: an object that cannot be described.
        """

    def pack(self, objects: Sequence[Object]) -> Packed:
        """The numbers as float32, in bytes."""
        rows = self.numbers(objects) if len(objects) else np.empty((0, self.count), np.float32)
        return np.ascontiguousarray(rows, np.float32).view(np.uint8)

    def unpack(self, packed: Packed, device: torch.device | str = "cpu") -> Tensor:
        """(m, count) float32."""
        import torch

        return torch.from_numpy(np.array(packed).view(np.float32).reshape(len(packed), self.count)).to(device)

    def concatenate(self, parts: Sequence[Packed]) -> Packed:
        return np.concatenate(parts)

    def move(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """As they are: no motion changes them."""
        return x

    def magnitudes(self, x: Tensor) -> Tensor:
        """(m,) ones."""
        return x.new_ones(len(x))

    @property
    def encoders(self) -> tuple[type[CoderConfig], ...]:
        from metricvae.nn.descriptors import DescriptorEncoderConfig

        return (DescriptorEncoderConfig,)

    @property
    def decoders(self) -> tuple[type[CoderConfig], ...]:
        from metricvae.nn.mlp import MlpDecoderConfig

        return (MlpDecoderConfig,)

    def default_encoder(self, objects: int | None = None) -> CoderConfig:
        from metricvae.nn.descriptors import DescriptorEncoderConfig

        return DescriptorEncoderConfig(inputs=self.count, counts=self.counts, known=True)

    def default_decoder(self, objects: int | None = None) -> CoderConfig:
        from metricvae.nn.mlp import MlpDecoderConfig

        return MlpDecoderConfig(inputs=self.count)
