"""The kind `half`: pieces of silhouettes that were cut in two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from metricvae.core.coder_config import CoderConfig
from metricvae.kinds.silhouette.kind import SilhouetteKind


@dataclass(frozen=True, eq=False)
class HalfKind(SilhouetteKind):
    """Masks of pieces, read and stored as silhouettes are; encoded along their contour by default."""

    name: ClassVar[str] = "half"
    title: ClassVar[str] = "halves"
    pretrained: ClassVar[str] = "halves"
    accepts: ClassVar[tuple[str, ...]] = ()
    sources: ClassVar[tuple[str, ...]] = ()

    @property
    def encoders(self) -> tuple[type[CoderConfig], ...]:
        polar, contour, dense = super().encoders
        return contour, polar, dense

    def default_encoder(self, objects: int | None = None) -> CoderConfig:
        """The first of the encoders, for this canvas, however few objects there are: details of a contour count."""
        return super().default_encoder(None)

    def default_decoder(self, objects: int | None = None) -> CoderConfig:
        """The first of the decoders, for this canvas."""
        return super().default_decoder(None)
