"""A drawing of a network: its layers, the code, and the losses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metricvae.plotting.drawing import (
    BOTH_COLOUR,
    FAINT,
    FIRST_COLOUR,
    INK,
    SECOND_COLOUR,
    figure_of,
    png_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Layer:
    """A layer of a network as it is drawn: its name, the shape of its output, and its number of weights."""

    name: str
    shape: tuple[int, ...]
    parameters: int


def draw_network(encoder: Sequence[Layer], code: int, decoder: Sequence[Layer]) -> bytes:
    """Figure 1.2: the layers of an encoder and a decoder around the code, and where the four losses apply.

    Args:
        encoder, decoder: layers in the order of computation.
        code: latent dimensions.
    """
    columns = max(len(encoder), len(decoder))
    figure = figure_of(1.75 * columns + 5.0, 4.6)
    axes = figure.add_subplot()
    axes.set(xlim=(-0.6, columns + 2.6), ylim=(-1.9, 1.9))
    axes.set_axis_off()
    for layers, y, colour, title in (
        (encoder, 1.0, FIRST_COLOUR, "encoder"),
        (decoder, -1.0, SECOND_COLOUR, "decoder"),
    ):
        places = np.arange(len(layers)) if y > 0 else np.arange(len(layers))[::-1] + columns - len(layers)
        axes.text(places.min() - 0.42, 1.55 if y > 0 else -1.65, title, fontsize=11, color=INK, fontweight="bold")
        for place, layer in zip(places, layers, strict=True):
            _box(axes, place, y, colour, layer.name, " \u00d7 ".join(map(str, layer.shape)), layer.parameters)
        for left in range(int(places.min()), int(places.max())):
            ends = (left + 0.44, left + 0.56) if y > 0 else (left + 0.56, left + 0.44)
            _arrow(axes, (ends[0], y), (ends[1], y))
    middle = columns + 0.1
    _box(axes, middle, 0.0, BOTH_COLOUR, f"code z, {code} numbers", "", 0, ink="white")
    _arrow(axes, (len(encoder) - 0.56, 1.0), (middle, 0.45))
    _arrow(axes, (middle, -0.45), (columns - 0.56, -1.0))
    end = float(columns - len(decoder))
    _loss(axes, end, 0.0, "reconstruction loss", "what is decoded,\nagainst the object")
    _arrow(axes, (0.0, 0.56), (end - 0.25, 0.3) if end else (0.0, 0.36))
    _arrow(axes, (end, -0.56), (end, -0.36))
    for height, name, words in (
        (1.1, "latent loss", "q(z | x), against\nthe prior N(0, I)"),
        (0.0, "deformation loss", "z, against that of\na moved copy"),
        (-1.1, "metric loss", "z, and that of another\nobject, against the metric"),
    ):
        _loss(axes, columns + 1.75, height, name, words)
        _arrow(axes, (middle + 0.44, 0.25 * height), (columns + 1.1, height))
    return png_of(figure)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": FAINT})


def _loss(axes: Axes, x: float, y: float, name: str, words: str) -> None:
    axes.text(x, y + 0.14, name, fontsize=9.5, color=INK, ha="center", va="center", fontweight="bold")
    axes.text(x, y - 0.16, words, fontsize=8, color=INK, ha="center", va="center")


def _box(axes: Axes, x: float, y: float, colour: str, name: str, shape: str, parameters: int, ink: str = INK) -> None:
    from matplotlib.patches import FancyBboxPatch

    style = "round,pad=0.02,rounding_size=0.06"
    axes.add_patch(FancyBboxPatch((x - 0.42, y - 0.42), 0.84, 0.84, boxstyle=style, fc=colour, ec="white"))
    lines = [name, shape, f"{parameters:,} weights" if parameters else ""]
    axes.text(x, y, "\n".join(filter(None, lines)), ha="center", va="center", fontsize=7.5, color=ink)
