"""Several metrics on one picture: predicted against true values, a panel each, and how good each method is, as bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metricvae.core.errors import InputError
from metricvae.plotting.charts import METHOD_STYLES
from metricvae.plotting.drawing import FIRST_COLOUR, INK, SECOND_COLOUR, Floats, figure_of, plain, png_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ACROSS = 4
"""Panels in a row."""


@dataclass(frozen=True)
class Panel:
    """One metric.

    Attributes:
        title: its name.
        true, predicted: (n,) values.
        binary: whether the true values are 0 and 1: the distribution of the predictions is drawn for each.
        unit: of the values.
    """

    title: str
    true: Floats
    predicted: Floats
    binary: bool = False
    unit: str = ""


@dataclass(frozen=True)
class MethodBars:
    """One method.

    Attributes:
        name: what it is called.
        means: (metrics,) mean scores; NaN where there is none. What is below 0 is drawn as 0.
        deviations: (metrics,) standard deviations, 0 where there is one score.
    """

    name: str
    means: Sequence[float]
    deviations: Sequence[float]


def draw_metrics(panels: Sequence[Panel], methods: Sequence[MethodBars], score: str) -> bytes:
    """The panels, and below them the bars of all methods for each metric, the last method emphasised.

    Args:
        panels: one for each metric.
        methods: each with a score for each panel.
        score: what the scores are.

    Raises:
        InputError: no panels, or scores of another number.
    """
    if not panels or any(len(one.means) != len(panels) for one in methods):
        raise InputError(f"got {len(panels)} panels, and scores of another number: give one of each method for each")
    rows = -(-len(panels) // ACROSS)
    figure = figure_of(12.5, 3.1 * rows + 4.2)
    grid = figure.add_gridspec(rows + 1, ACROSS, height_ratios=[*[1.0] * rows, 1.15], hspace=0.5, wspace=0.32)
    for place, panel in enumerate(panels):
        axes = figure.add_subplot(grid[place // ACROSS, place % ACROSS])
        (_draw_answers if panel.binary else _draw_values)(axes, panel)
        axes.set_title(panel.title, fontsize=10, color=INK)
        plain(axes)
    _draw_bars(figure.add_subplot(grid[rows, :]), panels, methods, score)
    return png_of(figure)


def _draw_values(axes: Axes, panel: Panel) -> None:
    """Predicted against true values, around the line where they agree."""
    ends = [float(min(panel.true.min(), panel.predicted.min())), float(max(panel.true.max(), panel.predicted.max()))]
    axes.plot(ends, ends, color=INK, lw=0.8, zorder=1)
    axes.scatter(panel.predicted, panel.true, s=3, color="#0072B2", alpha=0.4, lw=0, zorder=2)
    unit = f" ({panel.unit})" if panel.unit else ""
    axes.set(xlabel=f"predicted{unit}", ylabel=f"true{unit}")


def _draw_answers(axes: Axes, panel: Panel) -> None:
    """Histograms of the predictions for pairs with the value 0 and with the value 1."""
    edges = np.linspace(float(panel.predicted.min()), float(panel.predicted.max()), 31).tolist()
    for value, colour in ((0, SECOND_COLOUR), (1, FIRST_COLOUR)):
        axes.hist(panel.predicted[panel.true == value], edges, color=colour, alpha=0.75, label=f"true value {value}")
    axes.set(xlabel="predicted", ylabel="pairs")
    axes.legend(frameon=False, fontsize=8, labelcolor=INK)


def _draw_bars(axes: Axes, panels: Sequence[Panel], methods: Sequence[MethodBars], score: str) -> None:
    places, width = np.arange(len(panels)), 0.84 / max(1, len(methods))
    for number, one in enumerate(methods):
        last = number == len(methods) - 1
        colour = "#0072B2" if last else METHOD_STYLES[number % (len(METHOD_STYLES) - 1)][0]
        offset = (number - (len(methods) - 1) / 2) * width
        heights = np.maximum(np.nan_to_num(np.asarray(one.means, np.float64)), 0)
        axes.bar(places + offset, heights, width, yerr=one.deviations, color=colour, label=one.name, ecolor=INK)
    axes.set_xticks(places, [panel.title for panel in panels], rotation=20, ha="right")
    axes.set(ylabel=score, ylim=(0, 1.02))
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5), labelcolor=INK, fontsize=9)
    plain(axes)
