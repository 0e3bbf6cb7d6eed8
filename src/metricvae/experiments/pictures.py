"""Every picture the package draws, as PNG bytes. The only module that imports matplotlib, and only when it draws.

Colours are those of Okabe and Ito, told apart by all common kinds of colour vision, and methods also differ in the
shape of their markers. Masks are drawn pixel by pixel, unsmoothed. Nothing here touches the disk or a display.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from metricvae.errors import InputError
from metricvae.objects.silhouettes import Mask
from metricvae.overlap.planar import move_mask
from metricvae.overlap.records import Pose

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]

FIRST_COLOUR = "#56B4E9"  # sky blue: the first object
SECOND_COLOUR = "#E69F00"  # orange: the second object
BOTH_COLOUR = "#12304F"  # navy: where they overlap, darker than either
INK = "#1F2933"
FAINT = "#8A94A0"
METHOD_STYLES = (  # colour, marker
    ("#B4BCC5", "o"),
    ("#6B7580", "X"),
    ("#E69F00", "s"),
    ("#CC79A7", "^"),
    ("#009E73", "D"),
    ("#D55E00", "v"),
    ("#0072B2", "P"),
)


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
    """Two halves and what is said of them.

    Attributes:
        first, second: (H, W) masks, as they lie in the data set.
        joined: both as they lie together, see `laid_together`; None where they do not.
        said: a few words.
    """

    first: Mask
    second: Mask
    joined: tuple[Floats, Floats] | None
    said: str


def laid_together(first: Mask, second: Mask, pose: Pose) -> tuple[Floats, Floats]:
    """Two masks (H, W) and a motion of the second -> coverage of both in [0, 1], in a window that holds them in its
    middle: (S, S) each, S being at least the longer side of the canvas."""
    room = max(first.shape)
    wide, moved = np.pad(first, room).astype(np.float64), np.clip(move_mask(np.pad(second, room), pose), 0, 1)
    rows, columns = np.nonzero(wide + moved > 0.5)
    top, left = int(rows.min()), int(columns.min())
    high, broad = int(rows.max()) + 1 - top, int(columns.max()) + 1 - left
    side = max(room, high + 8, broad + 8)
    row, column = (
        min(max(0, start - (side - size) // 2), length - side)
        for start, size, length in ((top, high, len(wide)), (left, broad, wide.shape[1]))
    )
    window = slice(row, row + side), slice(column, column + side)
    return wide[window], moved[window]


@dataclass(frozen=True)
class Series:
    """One method's error in each batch: what it is called, and (batches,) mean squared errors."""

    name: str
    values: Sequence[float]


@dataclass(frozen=True)
class TradeOff:
    """One method at several settings: seconds a pair, and what it loses on average, in percent."""

    name: str
    seconds: Sequence[float]
    shortfall: Sequence[float]


def blend(first: npt.ArrayLike, second: npt.ArrayLike) -> Floats:
    """Colour two masks laid on one another on a transparent ground.

    Args:
        first, second: (H, W) coverage in [0, 1].

    Returns:
        (H, W, 4) red, green, blue, opacity in [0, 1].
    """
    a = np.clip(np.asarray(first, dtype=np.float64), 0, 1)[..., None]
    b = np.clip(np.asarray(second, dtype=np.float64), 0, 1)[..., None]
    weights = (a * (1 - b), b * (1 - a), a * b)
    covered = sum(weights)
    colour = sum(w * _rgb(c) for w, c in zip(weights, (FIRST_COLOUR, SECOND_COLOUR, BOTH_COLOUR), strict=True))
    return np.concatenate([np.divide(colour, covered, out=np.ones_like(colour), where=covered > 0), covered], axis=-1)


def draw_pair(pair: ExamplePair, *, title: str | None = None) -> bytes:
    """Figure 1.3: the first object, the second, and the second moved onto the first, with the figures beneath.

    Returns:
        a PNG.
    """
    figure = _figure(10.2, 4.1)
    grid = figure.add_gridspec(2, 3, height_ratios=(20, 1.2), hspace=0.02, wspace=0.04)
    empty = np.zeros_like(pair.first)
    panels = (
        (blend(pair.first, empty), f"first: {int(pair.first.sum()):,} px"),
        (blend(empty, pair.second), f"second: {int(pair.second.sum()):,} px"),
        (blend(pair.first, pair.second_moved), _pose_line(pair.pose)),
    )
    for column, (image, caption) in enumerate(panels):
        axes = figure.add_subplot(grid[0, column])
        _show(axes, image)
        axes.set_title(caption, fontsize=10, color=INK, pad=7)
    _footer(figure, grid[1, :], pair)
    if title:
        figure.suptitle(title, fontsize=13, color=INK, y=1.06, fontweight="bold")
    return _png(figure)


def draw_pairs(pairs: Sequence[ExamplePair], *, columns: int = 4) -> bytes:
    """A sheet of pairs, each at its optimal pose, with the predicted value beside the true one.

    Raises:
        InputError: no pairs.
    """
    rows, columns = _sheet_of_pairs(len(pairs), columns)
    figure = _figure(2.55 * columns, 2.98 * rows)
    for place, pair in enumerate(pairs):
        axes = figure.add_subplot(rows, columns, place + 1)
        _show(axes, blend(pair.first, pair.second_moved))
        axes.set_title(f"true {pair.value:,.0f}", fontsize=10, color=INK, loc="left", pad=5)
        axes.set_xlabel(_predicted_line(pair), fontsize=9, color=INK, loc="left", labelpad=5)
    figure.tight_layout(w_pad=1.2, h_pad=1.2)
    return _png(figure)


def _sheet_of_pairs(count: int, columns: int) -> tuple[int, int]:
    """Rows and columns that hold so many pairs; raises InputError for none."""
    if not count:
        raise InputError("got no pairs to draw: give at least one")
    columns = min(columns, count)
    return math.ceil(count / columns), columns


def draw_joined(pairs: Sequence[JoinedPair], *, columns: int = 3) -> bytes:
    """A sheet of pairs of halves: each two panels, and a third where the two are joined.

    Raises:
        InputError: no pairs.
    """
    rows, columns = _sheet_of_pairs(len(pairs), columns)
    figure = _figure(4.2 * columns, 1.75 * rows)
    grid = figure.add_gridspec(rows, columns, wspace=0.08, hspace=0.3)
    for place, pair in enumerate(pairs):
        empty = np.zeros_like(pair.first)
        panels = [blend(pair.first, empty), blend(empty, pair.second)]
        if pair.joined is not None:
            panels.append(blend(*pair.joined))
        inner = grid[place // columns, place % columns].subgridspec(1, 3, wspace=0.05)
        for column, panel in enumerate(panels):
            axes = figure.add_subplot(inner[0, column])
            _show(axes, panel)
            if column == 0:
                axes.set_title(pair.said, fontsize=9, color=INK, loc="left", pad=4)
    return _png(figure)


def draw_reconstructions(
    shapes: Sequence[Mask], decoded: Sequence[Floats], unions: Sequence[float], *, columns: int = 6
) -> bytes:
    """A sheet of shapes with what was decoded from their codes laid over them.

    Args:
        shapes: (H, W) masks.
        decoded: (H, W) coverage in [0, 1], where it lies best.
        unions: intersection over union of each two.

    Raises:
        InputError: no shapes.
    """
    if not shapes:
        raise InputError("got no shapes to draw: give at least one")
    rows = -(-len(shapes) // columns)
    figure = _figure(1.75 * columns, 2.0 * rows)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, shape, picture, union in zip(panels, shapes, decoded, unions, strict=False):
        _show(axes, blend(shape, picture))
        axes.set_title(f"IoU {union:.2f}", fontsize=9, color=INK, loc="left", pad=4)
    for axes in panels[len(shapes) :]:
        axes.set_axis_off()
    return _png(figure)


def draw_scatter(
    true: npt.ArrayLike,
    predicted: npt.ArrayLike,
    *,
    low: npt.ArrayLike | None = None,
    high: npt.ArrayLike | None = None,
    confidence: float = 0.9,
    unit: str = "pixels",
) -> bytes:
    """True against predicted value, one dot a pair, around the line where they agree.

    Args:
        true, predicted: (n,) in `unit`.
        low, high: (n,) ends of the intervals of the predictions; drawn as a band of their running medians.
        confidence: of those intervals.

    Raises:
        InputError: fewer than two pairs or lengths that differ.
    """
    t, p = np.asarray(true, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    if t.ndim != 1 or t.shape != p.shape or t.size < 2:
        raise InputError(f"got {t.shape} true and {p.shape} predicted values: expected two rows of one length")
    figure = _figure(6.2, 6.0)
    axes = figure.add_subplot()
    ends = np.array([min(t.min(), p.min(), 0.0), max(t.max(), p.max()) * 1.03])
    if low is not None and high is not None:
        centres, band = _running_medians(p, np.stack([np.asarray(low), np.asarray(high)]).astype(np.float64))
        label = f"{confidence:.0%} interval"
        axes.fill_between(centres, band[0], band[1], color=FIRST_COLOUR, alpha=0.35, lw=0, label=label, zorder=1)
    axes.plot(ends, ends, color=INK, lw=0.9, label="agreement", zorder=2)
    axes.scatter(p, t, s=_dot_size(t.size), color="#0072B2", alpha=0.55, lw=0, label="one pair", zorder=3)
    axes.set(xlim=ends, ylim=ends, aspect="equal", xlabel=f"predicted ({unit})", ylabel=f"true ({unit})")
    axes.legend(frameon=False, loc="upper left", labelcolor=INK, fontsize=9)
    _plain(axes)
    return _png(figure)


def draw_errors(batches: Sequence[str], series: Sequence[Series], *, unit: str = "pixels\u00b2") -> bytes:
    """Mean squared error of every method in every batch, on a logarithmic scale (they span several powers of ten).

    Markers rather than bars: a bar needs a zero to stand on, and this axis has none.

    Args:
        batches: names of the batches.
        series: one per method, each with a value per batch; NaN where there is none, 0 is drawn on the floor.
    """
    values = np.array([list(one.values) for one in series], dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != len(batches):
        raise InputError(f"got values of shape {values.shape} for {len(batches)} batches: expected one per batch")
    positive = values[np.isfinite(values) & (values > 0)]
    floor = float(positive.min()) / 3 if positive.size else 1e-3
    figure = _figure(8.4, 4.4)
    axes = figure.add_subplot()
    for index, one in enumerate(series):
        colour, marker = METHOD_STYLES[index % len(METHOD_STYLES)]
        heights = np.maximum(values[index], floor)
        axes.plot(range(len(batches)), heights, color=colour, lw=0.8, alpha=0.4, zorder=1)
        axes.scatter(
            range(len(batches)),
            heights,
            s=58,
            color=colour,
            marker=marker,
            ec="white",
            lw=0.6,
            label=one.name,
            zorder=2,
        )
    axes.set_yscale("log")
    axes.set_xticks(range(len(batches)), batches)
    axes.set(xlabel="batch", ylabel=f"mean squared error ({unit})")
    axes.margins(x=0.04)
    axes.grid(axis="y", color="#E3E7EB", lw=0.8, zorder=0)
    axes.set_axisbelow(True)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.01, 0.5), labelcolor=INK, fontsize=9)
    _plain(axes)
    return _png(figure)


def draw_trade_off(curves: Sequence[TradeOff], *, least: float = 1e-4) -> bytes:
    """Shortfall against seconds a pair, both on logarithmic scales: the lower left corner is where one wants to be.

    Args:
        curves: the methods, the one in question first.
        least: shortfalls below it, in percent, are drawn at it.

    Raises:
        InputError: no methods, or more seconds than shortfalls.
    """
    if not curves or any(len(curve.seconds) != len(curve.shortfall) for curve in curves):
        raise InputError("got no methods, or seconds and shortfalls of unequal number: give one of each a setting")
    figure = _figure(7.6, 4.6)
    axes = figure.add_subplot()
    for index, curve in enumerate(curves):
        colour, marker = METHOD_STYLES[(index - 1) % len(METHOD_STYLES)] if index else (BOTH_COLOUR, "*")
        heights = np.maximum(np.asarray(curve.shortfall, dtype=np.float64), least)
        axes.plot(
            curve.seconds,
            heights,
            color=colour,
            marker=marker,
            ms=7 if index else 13,
            mec="white",
            mew=0.6,
            lw=1.4,
            label=curve.name,
            zorder=2 if index else 3,
        )
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.01, 0.5), labelcolor=INK, fontsize=9)
    axes.set(xscale="log", yscale="log", xlabel="CPU seconds a pair", ylabel="mean shortfall (percent)")
    axes.margins(x=0.08, y=0.08)
    axes.grid(color="#E3E7EB", lw=0.8, zorder=0)
    axes.set_axisbelow(True)
    _plain(axes)
    return _png(figure)


def draw_plane(
    pictures: npt.ArrayLike,
    *,
    across: Sequence[float],
    down: Sequence[float],
    labels: tuple[str, str] = ("first latent dimension", "second latent dimension"),
) -> bytes:
    """Figure 1.4: what is decoded from the points of a grid in a plane of codes.

    Args:
        pictures: (rows, columns, H, W) coverage in [0, 1].
        across, down: the codes of the columns and of the rows, first to last.
        labels: what is across and what is down.

    Raises:
        InputError: not as many pictures as points.
    """
    grid = np.asarray(pictures, dtype=np.float64)
    if grid.ndim != 4 or grid.shape[:2] != (len(down), len(across)):
        raise InputError(f"got pictures of shape {grid.shape}: expected {len(down)} rows of {len(across)} pictures")
    rows, columns = grid.shape[:2]
    figure = _figure(0.72 * columns + 0.8, 0.72 * rows + 0.8)
    axes = figure.add_subplot()
    _sheet(axes, grid)
    axes.set_xticks(np.arange(columns) + 0.5, [f"{value:.1f}" for value in across])
    axes.set_yticks(np.arange(rows) + 0.5, [f"{value:.1f}" for value in down])
    axes.set(xlabel=labels[0], ylabel=labels[1])
    axes.tick_params(length=0)
    _plain(axes)
    axes.spines[["left", "bottom"]].set_visible(False)
    return _png(figure)


def draw_samples(pictures: npt.ArrayLike, *, columns: int = 10) -> bytes:
    """A sheet of shapes decoded from codes.

    Args:
        pictures: (m, H, W) coverage in [0, 1]; what does not fill a last row is left out.
    """
    each = np.asarray(pictures, dtype=np.float64)
    rows = len(each) // columns
    figure = _figure(0.72 * columns, 0.72 * rows)
    axes = figure.add_subplot()
    _sheet(axes, each[: rows * columns].reshape(rows, columns, *each.shape[1:]))
    axes.set_axis_off()
    return _png(figure)


@dataclass(frozen=True)
class Laid:
    """A shape that was made, with required shapes as they lie on it.

    Attributes:
        mask: (H, W) of the shape.
        poses: (k,) motions of the required shapes, None for one that is not drawn here.
        lines: what is written beneath, a line each.
    """

    mask: Mask
    poses: Sequence[Pose | None]
    lines: Sequence[str]


OUTLINES = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00")
"""Colours of required shapes, again and again if there are more."""

MADE = "#B9C3CE"
"""Colour of what was made, light enough for outlines to be seen on it."""


def draw_answers(required: Sequence[tuple[str, Mask]], answers: Sequence[Laid], *, columns: int = 4) -> bytes:
    """A sheet of shapes that were made: the required shapes on top, and their outlines on each, where they lie best.

    Args:
        required: names and masks (H, W), none where only numbers were required.
        answers: each with a pose for every required shape.

    Raises:
        InputError: no answers.
    """
    rows, columns = _sheet_of_pairs(len(answers), max(columns, len(required)))
    panels = [_outlined(required, answer) for answer in answers]
    side = max([_extent(panel[0]) for panel in panels] + [_extent(mask[None]) for _, mask in required])
    lines = max(len(answer.lines) for answer in answers)
    heights = [2.25] * bool(required) + [2.0 + 0.19 * lines] * rows
    figure = _figure(2.0 * columns, sum(heights))
    grid = figure.add_gridspec(len(heights), columns, height_ratios=heights, wspace=0.06, hspace=0.0)
    for place, (name, mask) in enumerate(required):
        axes = figure.add_subplot(grid[0, place])
        _lay(axes, np.zeros_like(mask), mask[None], [OUTLINES[place % len(OUTLINES)]], side, filled=True)
        axes.set_title(name, fontsize=9.5, color=INK, loc="left", pad=4, fontweight="bold")
        axes.set_xlabel(f"{int(mask.sum()):,} px", fontsize=8.5, color=FAINT, loc="left", labelpad=3)
    for place, (answer, (layers, colours)) in enumerate(zip(answers, panels, strict=True)):
        axes = figure.add_subplot(grid[bool(required) + place // columns, place % columns])
        _lay(axes, layers[0], layers[1:], colours, side)
        axes.set_xlabel("\n".join(answer.lines), fontsize=8, color=INK, loc="left", labelpad=3, linespacing=1.25)
    return _png(figure)


def _outlined(required: Sequence[tuple[str, Mask]], answer: Laid) -> tuple[Floats, list[str]]:
    """What was made and the required shapes as they lie on it, (1 + k, H, W) on a wider canvas, and their colours."""
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


def _lay(
    axes: Axes, made: Floats | Mask, shapes: npt.ArrayLike, colours: Sequence[str], side: int, *, filled: bool = False
) -> None:
    """A shape with the outlines of others about it, in the middle of a window of `side` pixels and a margin."""
    layers = np.asarray(shapes, dtype=np.float64)
    everything = np.concatenate([np.asarray(made, dtype=np.float64)[None], layers])
    rows, columns = np.nonzero(everything.max(0) > 0.5)
    axes.imshow(_tinted(made, MADE), interpolation="antialiased")
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
    return np.concatenate([np.broadcast_to(_rgb(colour), (*share.shape, 3)), share[..., None]], axis=-1)


def _sheet(axes: Axes, grid: Floats) -> None:
    """Pictures (rows, columns, H, W), black on white, edge to edge: each is one unit wide and high."""
    rows, columns, height, width = grid.shape
    sheet = grid.transpose(0, 2, 1, 3).reshape(rows * height, columns * width)
    axes.imshow(1 - sheet, cmap="gray", vmin=0, vmax=1, interpolation="antialiased", extent=(0, columns, rows, 0))


def draw_curve(steps: Sequence[int], values: Sequence[float], *, label: str) -> bytes:
    """Figure 1.5: a loss against the step of the training, both on logarithmic scales, and its running median.

    Raises:
        InputError: fewer than two steps, or not a value each.
    """
    if len(steps) < 2 or len(steps) != len(values):
        raise InputError(f"got {len(steps)} steps and {len(values)} values: expected a value each for two or more")
    figure = _figure(7.2, 4.2)
    axes = figure.add_subplot()
    axes.plot(steps, values, color="#B4BCC5", lw=0.8)
    centres, medians = _running_medians(np.asarray(steps, np.float64), np.asarray(values, np.float64)[None])
    axes.plot(centres, medians[0], color=BOTH_COLOUR, lw=2)
    axes.set(xscale="log", yscale="log", xlabel="step", ylabel=label)
    axes.grid(color="#E3E7EB", lw=0.8)
    axes.set_axisbelow(True)
    _plain(axes)
    return _png(figure)


@dataclass(frozen=True)
class Layer:
    """A part of a network as it is drawn: its name, the shape of what leaves it, and the numbers it learns."""

    name: str
    shape: tuple[int, ...]
    parameters: int


def draw_network(encoder: Sequence[Layer], code: int, decoder: Sequence[Layer]) -> bytes:
    """Figure 1.2: the layers of an encoder and a decoder around the code, and where the four losses look.

    Args:
        encoder, decoder: layers in the order in which they work.
        code: latent dimensions.
    """
    columns = max(len(encoder), len(decoder))
    figure = _figure(1.75 * columns + 5.0, 4.6)
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
    return _png(figure)


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


def _figure(width: float, height: float) -> Figure:
    """A figure of its own in inches, drawn by Agg: no pyplot, no global state, no display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=200, bbox_inches="tight", pad_inches=0.12, metadata={"Software": None})
    return buffer.getvalue()


def _show(axes: Axes, image: Floats) -> None:
    axes.imshow(image, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_color("#D5DAE0")


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.tick_params(colors=INK, labelsize=9)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)


def _footer(figure: Figure, place: Any, pair: ExamplePair) -> None:
    axes = figure.add_subplot(place)
    axes.set_axis_off()
    middle = "" if pair.predicted is None else f"      {_predicted_line(pair)}"
    axes.text(0.5, 0.0, f"true maximum overlap {pair.value:,.0f} px{middle}", ha="center", fontsize=12.5, color=INK)


def _predicted_line(pair: ExamplePair) -> str:
    if pair.predicted is None:
        return ""
    interval = "" if pair.low is None or pair.high is None else f"  [{pair.low:,.0f} \u2013 {pair.high:,.0f}]"
    return f"predicted {pair.predicted:,.0f}{interval}"


def _pose_line(pose: Pose) -> str:
    return f"turned {pose.angle_deg:.1f}\u00b0, shifted ({pose.dx:+.1f}, {pose.dy:+.1f}) px"


def _rgb(colour: str) -> Floats:
    return np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])


def _dot_size(count: int) -> float:
    return float(np.clip(4000 / count, 4, 22))


def _running_medians(position: Floats, values: Floats, groups: int = 40) -> tuple[Floats, Floats]:
    """Medians of (k, n) `values` in up to `groups` equal shares of pairs ordered by (n,) `position`."""
    shares = np.array_split(np.argsort(position, kind="stable"), min(groups, position.size))
    centres = np.array([np.median(position[share]) for share in shares])
    return centres, np.stack([np.median(values[:, share], axis=1) for share in shares], axis=1)
