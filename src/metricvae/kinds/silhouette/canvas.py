"""Coders whose configuration follows the canvas."""

from __future__ import annotations

from typing import Protocol, Self, TypeVar, runtime_checkable

from metricvae.core.coder_config import CoderConfig
from metricvae.kinds.silhouette.records import CANVAS, Canvas

C = TypeVar("C", bound=CoderConfig)


@runtime_checkable
class FollowsCanvas(Protocol):
    """A configuration, some of whose fields are pixels."""

    def resized(self, canvas: Canvas, of: Canvas) -> Self:
        """This for a canvas, where it is for the canvas `of`."""


def resized(config: C, canvas: Canvas, of: Canvas = CANVAS) -> C:
    """The configuration of a coder for a canvas, from that for the canvas `of`; itself where no field is in pixels."""
    if not isinstance(config, FollowsCanvas):
        return config
    made: C = config.resized(canvas, of)
    return made
