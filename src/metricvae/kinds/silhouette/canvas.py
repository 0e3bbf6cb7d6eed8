"""Coders whose configuration follows the canvas."""

from __future__ import annotations

from typing import Protocol, Self, runtime_checkable

from metricvae.core.coder_config import CoderConfig
from metricvae.kinds.silhouette.records import Canvas


@runtime_checkable
class FollowsCanvas(Protocol):
    """A class of configurations, some of whose fields are pixels."""

    @classmethod
    def for_canvas(cls, canvas: Canvas) -> Self:
        """The default configuration for a canvas."""


def for_canvas(config: type[CoderConfig], canvas: Canvas) -> CoderConfig:
    """The default configuration of a coder for a canvas; the same for all where no field is in pixels."""
    if issubclass(config, FollowsCanvas):
        made: CoderConfig = config.for_canvas(canvas)
        return made
    return config()
