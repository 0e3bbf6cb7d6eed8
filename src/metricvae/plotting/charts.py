"""Charts: predicted against true, errors of methods, time against loss, the course of a training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metricvae.core.errors import InputError
from metricvae.plotting.drawing import BOTH_COLOUR, FIRST_COLOUR, INK, Floats, figure_of, plain, plain_numbers, png_of

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
class Series:
    """One method's error in each batch: what it is called, and (batches,) mean squared errors."""

    name: str
    values: Sequence[float]


@dataclass(frozen=True)
class TradeOff:
    """One method at several settings: seconds a pair, and its mean shortfall, in percent."""

    name: str
    seconds: Sequence[float]
    shortfall: Sequence[float]


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
    figure = figure_of(6.2, 6.0)
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
    plain(axes)
    return png_of(figure)


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
    figure = figure_of(8.4, 4.4)
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
    plain(axes)
    return png_of(figure)


def draw_trade_off(curves: Sequence[TradeOff], *, least: float = 1e-4) -> bytes:
    """Shortfall against seconds a pair, both on logarithmic scales: the lower left corner is best.

    Args:
        curves: the methods, the one in question first.
        least: shortfalls below it, in percent, are drawn at it.

    Raises:
        InputError: no methods, or more seconds than shortfalls.
    """
    if not curves or any(len(curve.seconds) != len(curve.shortfall) for curve in curves):
        raise InputError("got no methods, or seconds and shortfalls of unequal number: give one of each a setting")
    figure = figure_of(7.6, 4.6)
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
    plain(axes)
    return png_of(figure)


def draw_curve(steps: Sequence[int], values: Sequence[float], *, label: str) -> bytes:
    """Figure 1.5: a loss against the step of the training, both on logarithmic scales, and its running median.

    Raises:
        InputError: fewer than two steps, or not a value each.
    """
    if len(steps) < 2 or len(steps) != len(values):
        raise InputError(f"got {len(steps)} steps and {len(values)} values: expected a value each for two or more")
    figure = figure_of(7.2, 4.2)
    axes = figure.add_subplot()
    axes.plot(steps, values, color="#B4BCC5", lw=0.8)
    centres, medians = _running_medians(np.asarray(steps, np.float64), np.asarray(values, np.float64)[None])
    axes.plot(centres, medians[0], color=BOTH_COLOUR, lw=2)
    axes.set(xscale="log", yscale="log", xlabel="step", ylabel=label)
    plain_numbers(axes)
    axes.grid(color="#E3E7EB", lw=0.8)
    axes.set_axisbelow(True)
    plain(axes)
    return png_of(figure)


def _dot_size(count: int) -> float:
    return float(np.clip(4000 / count, 4, 22))


def _running_medians(position: Floats, values: Floats, groups: int = 40) -> tuple[Floats, Floats]:
    """Medians of (k, n) `values` in up to `groups` equal shares of pairs ordered by (n,) `position`."""
    shares = np.array_split(np.argsort(position, kind="stable"), min(groups, position.size))
    centres = np.array([np.median(position[share]) for share in shares])
    return centres, np.stack([np.median(values[:, share], axis=1) for share in shares], axis=1)


def draw_bars(groups: Sequence[str], series: Sequence[Series], *, label: str) -> bytes:
    """Bars of every method side by side in every group, the last method emphasised; NaN draws none.

    Args:
        groups: names of the groups.
        series: one per method, each with a value per group; the values may be negative.
        label: of the axis of the values.

    Raises:
        InputError: no groups, or values of another number.
    """
    if not groups or any(len(one.values) != len(groups) for one in series):
        raise InputError(f"got values of another number for {len(groups)} groups: expected one per group")
    figure = figure_of(11.0, 4.6)
    axes = figure.add_subplot()
    width = 0.84 / max(1, len(series))
    for number, one in enumerate(series):
        last = number == len(series) - 1
        colour = "#0072B2" if last else METHOD_STYLES[number % (len(METHOD_STYLES) - 1)][0]
        places = np.arange(len(groups)) + (number - (len(series) - 1) / 2) * width
        hatch = "//" if number >= len(METHOD_STYLES) - 1 and not last else None
        axes.bar(places, np.asarray(one.values, np.float64), width, color=colour, hatch=hatch, label=one.name)
    axes.axhline(0.0, color=INK, lw=0.8)
    axes.set_xticks(range(len(groups)), groups, rotation=20, ha="right")
    axes.set(ylabel=label)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5), labelcolor=INK, fontsize=9)
    plain(axes)
    return png_of(figure)


def draw_lines(places: Sequence[float], series: Sequence[Series], *, across: str, label: str) -> bytes:
    """A line of every method over numbers, evenly spaced, the first method emphasised; NaN breaks a line.

    Args:
        places: the numbers, each with a tick.
        series: one per method, each with a value per place.
        across, label: of the two axes.

    Raises:
        InputError: values of another number.
    """
    if any(len(one.values) != len(places) for one in series):
        raise InputError(f"got values of another number for {len(places)} places: expected one per place")
    figure = figure_of(8.4, 4.4)
    axes = figure.add_subplot()
    for number, one in enumerate(series):
        colour, marker = METHOD_STYLES[(number - 1) % len(METHOD_STYLES)] if number else (BOTH_COLOUR, "*")
        axes.plot(range(len(places)), one.values, color=colour, marker=marker, ms=6 if number else 12, label=one.name)
    axes.set_xticks(range(len(places)), [f"{place:g}" for place in places])
    axes.set(xlabel=across, ylabel=label)
    axes.grid(axis="y", color="#E3E7EB", lw=0.8)
    axes.set_axisbelow(True)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.01, 0.5), labelcolor=INK, fontsize=9)
    plain(axes)
    return png_of(figure)
