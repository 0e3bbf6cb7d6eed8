"""Pictures of pairs of shapes, superimposed or joined, and of shapes with their reconstructions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from metricvae.core.errors import InputError
from metricvae.core.hits import FoundObject
from metricvae.kinds.silhouette.records import Mask
from metricvae.metrics.overlap.solver.records import Pose
from metricvae.metrics.overlap.solver.search import move_mask
from metricvae.plotting.drawing import INK, Floats, blend, figure_of, png_of, rows_and_columns, show

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class ExamplePair:
    """Two objects, the second also at its optimal pose, with the true and the predicted value.

    Attributes:
        first_id, second_id: their names.
        first, second: (H, W) masks, as they lie in the data set.
        second_moved: (H, W) float in [0, 1]: the second object after `pose`.
        pose: motion that brings the second onto the first.
        value: exact maximum overlap in pixels.
        predicted: the model's answer in pixels; None where there is none.
        low, high: ends of the interval of the prediction; None where there is none.
    """

    first_id: str
    second_id: str
    first: Mask
    second: Mask
    second_moved: npt.NDArray[np.floating[Any]]
    pose: Pose
    value: float
    predicted: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class JoinedPair:
    """Two halves and a caption.

    Attributes:
        first, second: (H, W) masks, as they lie in the data set.
        joined: both, the second at its pose, see `superimpose`; None where they do not.
        caption: a few words.
    """

    first: Mask
    second: Mask
    joined: tuple[Floats, Floats] | None
    caption: str


def superimpose(first: Mask, second: Mask, pose: Pose) -> tuple[Floats, Floats]:
    """Coverage of two masks, the second moved, in a square window with both at its centre.

    Args:
        first, second: (H, W) masks.
        pose: motion of the second.

    Returns:
        two arrays (S, S) in [0, 1], S being at least the longer side of the canvas.
    """
    margin = max(first.shape)
    wide, moved = np.pad(first, margin).astype(np.float64), np.clip(move_mask(np.pad(second, margin), pose), 0, 1)
    rows, columns = np.nonzero(wide + moved > 0.5)
    top, left = int(rows.min()), int(columns.min())
    high, broad = int(rows.max()) + 1 - top, int(columns.max()) + 1 - left
    side = max(margin, high + 8, broad + 8)
    row, column = (
        min(max(0, start - (side - size) // 2), length - side)
        for start, size, length in ((top, high, len(wide)), (left, broad, wide.shape[1]))
    )
    window = slice(row, row + side), slice(column, column + side)
    return wide[window], moved[window]


def overlay_pixels(first: Mask, second: Mask, pose: Pose) -> npt.NDArray[np.uint8]:
    """(S, S, 3) colours of two masks on white, the second moved, see `superimpose`."""
    drawn = blend(*superimpose(first, second, pose))
    on_white = drawn[..., :3] * drawn[..., 3:] + 1 - drawn[..., 3:]
    return np.asarray(np.round(255 * on_white), np.uint8)


def draw_pair(pair: ExamplePair, *, title: str | None = None) -> bytes:
    """Figure 1.3: the first object, the second, and the second moved onto the first, with the figures beneath.

    Returns:
        a PNG.
    """
    figure = figure_of(10.2, 4.1)
    grid = figure.add_gridspec(2, 3, height_ratios=(20, 1.2), hspace=0.02, wspace=0.04)
    empty = np.zeros_like(pair.first)
    panels = (
        (blend(pair.first, empty), f"first: {int(pair.first.sum()):,} px"),
        (blend(empty, pair.second), f"second: {int(pair.second.sum()):,} px"),
        (blend(pair.first, pair.second_moved), _pose_line(pair.pose)),
    )
    for column, (image, caption) in enumerate(panels):
        axes = figure.add_subplot(grid[0, column])
        show(axes, image)
        axes.set_title(caption, fontsize=10, color=INK, pad=7)
    _footer(figure, grid[1, :], pair)
    if title:
        figure.suptitle(title, fontsize=13, color=INK, y=1.06, fontweight="bold")
    return png_of(figure)


def draw_pairs(pairs: Sequence[ExamplePair], *, columns: int = 4) -> bytes:
    """A sheet of pairs, each at its optimal pose, with the predicted value beside the true one.

    Raises:
        InputError: no pairs.
    """
    rows, columns = rows_and_columns(len(pairs), columns)
    figure = figure_of(2.55 * columns, 2.98 * rows)
    for place, pair in enumerate(pairs):
        axes = figure.add_subplot(rows, columns, place + 1)
        show(axes, blend(pair.first, pair.second_moved))
        axes.set_title(f"true {pair.value:,.0f}", fontsize=10, color=INK, loc="left", pad=5)
        axes.set_xlabel(_predicted_line(pair), fontsize=9, color=INK, loc="left", labelpad=5)
    figure.tight_layout(w_pad=1.2, h_pad=1.2)
    return png_of(figure)


def draw_joined(pairs: Sequence[JoinedPair], *, columns: int = 3) -> bytes:
    """A sheet of pairs of halves: each two panels, and a third where the two are joined.

    Raises:
        InputError: no pairs.
    """
    rows, columns = rows_and_columns(len(pairs), columns)
    figure = figure_of(4.2 * columns, 1.75 * rows)
    grid = figure.add_gridspec(rows, columns, wspace=0.08, hspace=0.3)
    for place, pair in enumerate(pairs):
        empty = np.zeros_like(pair.first)
        panels = [blend(pair.first, empty), blend(empty, pair.second)]
        if pair.joined is not None:
            panels.append(blend(*pair.joined))
        inner = grid[place // columns, place % columns].subgridspec(1, 3, wspace=0.05)
        for column, panel in enumerate(panels):
            axes = figure.add_subplot(inner[0, column])
            show(axes, panel)
            if column == 0:
                axes.set_title(pair.caption, fontsize=9, color=INK, loc="left", pad=4)
    return png_of(figure)


def draw_first_hit(query: Mask, hits: Sequence[FoundObject]) -> bytes:
    """Two silhouettes, and the first hit aligned to the query, as a PNG."""
    first = hits[0]
    together = superimpose(query, first.value, first.pose)
    return draw_joined(
        [JoinedPair(query, first.value, together, f"first hit, predicted {first.predicted:.4g}")], columns=1
    )


def draw_reconstructions(
    shapes: Sequence[Mask], decoded: Sequence[Floats], unions: Sequence[float], *, columns: int = 6
) -> bytes:
    """A sheet of shapes with their reconstructions superimposed.

    Args:
        shapes: (H, W) masks.
        decoded: (H, W) coverage in [0, 1], aligned with the shapes.
        unions: intersection over union of each two.

    Raises:
        InputError: no shapes.
    """
    if not shapes:
        raise InputError("got no shapes to draw: give at least one")
    rows = -(-len(shapes) // columns)
    figure = figure_of(1.75 * columns, 2.0 * rows)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, shape, picture, union in zip(panels, shapes, decoded, unions, strict=False):
        show(axes, blend(shape, picture))
        axes.set_title(f"IoU {union:.2f}", fontsize=9, color=INK, loc="left", pad=4)
    for axes in panels[len(shapes) :]:
        axes.set_axis_off()
    return png_of(figure)


def _footer(figure: Figure, place: Any, pair: ExamplePair) -> None:
    axes = figure.add_subplot(place)
    axes.set_axis_off()
    predicted = "" if pair.predicted is None else f"      {_predicted_line(pair)}"
    axes.text(0.5, 0.0, f"true maximum overlap {pair.value:,.0f} px{predicted}", ha="center", fontsize=12.5, color=INK)


def _predicted_line(pair: ExamplePair) -> str:
    if pair.predicted is None:
        return ""
    interval = "" if pair.low is None or pair.high is None else f"  [{pair.low:,.0f} \u2013 {pair.high:,.0f}]"
    return f"predicted {pair.predicted:,.0f}{interval}"


def _pose_line(pose: Pose) -> str:
    return f"rotated {pose.angle_deg:.1f}\u00b0, shifted ({pose.dx:+.1f}, {pose.dy:+.1f}) px"
