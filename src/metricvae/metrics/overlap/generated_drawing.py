"""Generated shapes, with the outlines of required shapes where they overlap them most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from metricvae.kinds.silhouette.records import Mask
from metricvae.metrics.overlap.solver.records import Pose
from metricvae.metrics.overlap.solver.search import move_mask
from metricvae.plotting.drawing import FAINT, INK, Floats, figure_of, png_of, rgb, rows_and_columns

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OUTLINES = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00")
"""Colours of required shapes, again and again if there are more."""

GENERATED = "#B9C3CE"
"""Colour of generated shapes, light enough for outlines to be seen on it."""


@dataclass(frozen=True)
class DrawnAnswer:
    """A generated shape, with required shapes where they overlap it most.

    Attributes:
        mask: (H, W) of it.
        poses: (k,) motions of the required shapes, None for one that is not drawn here.
        lines: what is written beneath, a line each.
    """

    mask: Mask
    poses: Sequence[Pose | None]
    lines: Sequence[str]


def draw_answers(required: Sequence[tuple[str, Mask]], answers: Sequence[DrawnAnswer], *, columns: int = 4) -> bytes:
    """A sheet of generated shapes: the required shapes on top, and their outlines on each, where they overlap most.

    Args:
        required: names and masks (H, W), none where only numbers were required.
        answers: each with a pose for every required shape.

    Raises:
        InputError: no answers.
    """
    rows, columns = rows_and_columns(len(answers), max(columns, len(required)))
    panels = [_outlined(required, answer) for answer in answers]
    side = max([_extent(panel[0]) for panel in panels] + [_extent(mask[None]) for _, mask in required])
    lines = max(len(answer.lines) for answer in answers)
    heights = [2.25] * bool(required) + [2.0 + 0.19 * lines] * rows
    figure = figure_of(2.0 * columns, sum(heights))
    grid = figure.add_gridspec(len(heights), columns, height_ratios=heights, wspace=0.06, hspace=0.0)
    for place, (name, mask) in enumerate(required):
        axes = figure.add_subplot(grid[0, place])
        _draw_outlines(axes, np.zeros_like(mask), mask[None], [OUTLINES[place % len(OUTLINES)]], side, filled=True)
        axes.set_title(name, fontsize=9.5, color=INK, loc="left", pad=4, fontweight="bold")
        axes.set_xlabel(f"{int(mask.sum()):,} px", fontsize=8.5, color=FAINT, loc="left", labelpad=3)
    for place, (answer, (layers, colours)) in enumerate(zip(answers, panels, strict=True)):
        axes = figure.add_subplot(grid[bool(required) + place // columns, place % columns])
        _draw_outlines(axes, layers[0], layers[1:], colours, side)
        axes.set_xlabel("\n".join(answer.lines), fontsize=8, color=INK, loc="left", labelpad=3, linespacing=1.25)
    return png_of(figure)


def _outlined(required: Sequence[tuple[str, Mask]], answer: DrawnAnswer) -> tuple[Floats, list[str]]:
    """The generated shape and the required ones on it, (1 + k, H, W) on a wider canvas, and their colours."""
    room = max(answer.mask.shape) // 2
    layers, colours = [np.pad(answer.mask, room).astype(np.float64)], []
    for place, ((_, mask), pose) in enumerate(zip(required, answer.poses, strict=True)):
        if pose is not None:
            layers.append(move_mask(np.pad(mask, room), pose))
            colours.append(OUTLINES[place % len(OUTLINES)])
    return np.stack(layers), colours


def _extent(layers: npt.ArrayLike) -> int:
    """Pixels of the longer side of all that is drawn."""
    rows, columns = np.nonzero(np.asarray(layers).max(0) > 0.5)
    return int(max(np.ptp(rows), np.ptp(columns))) + 1 if len(rows) else 1


def _draw_outlines(
    axes: Axes, shape: Floats | Mask, shapes: npt.ArrayLike, colours: Sequence[str], side: int, *, filled: bool = False
) -> None:
    """A shape with the outlines of others about it, in the middle of a window of `side` pixels and a margin."""
    layers = np.asarray(shapes, dtype=np.float64)
    everything = np.concatenate([np.asarray(shape, dtype=np.float64)[None], layers])
    rows, columns = np.nonzero(everything.max(0) > 0.5)
    axes.imshow(_tinted(shape, GENERATED), interpolation="antialiased")
    for layer, colour in zip(layers, colours, strict=True):
        if filled:
            axes.imshow(_tinted(0.25 * layer, colour), interpolation="antialiased")
        axes.contour(layer, levels=[0.5], colors=colour, linewidths=1.1)
    middle, half = ((rows.min() + rows.max()) / 2, (columns.min() + columns.max()) / 2), 0.54 * side
    axes.set_xlim(middle[1] - half, middle[1] + half)
    axes.set_ylim(middle[0] + half, middle[0] - half)
    axes.set(xticks=[], yticks=[], aspect="equal")
    for spine in axes.spines.values():
        spine.set_color("#E6EAEE")


def _tinted(coverage: npt.ArrayLike, colour: str) -> Floats:
    """(H, W) coverage -> (H, W, 4) of one colour."""
    share = np.asarray(coverage, dtype=np.float64)
    return np.concatenate([np.broadcast_to(rgb(colour), (*share.shape, 3)), share[..., None]], axis=-1)
