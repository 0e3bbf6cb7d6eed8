"""Sheets of pictures that are decoded from codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from metricvae.core.errors import InputError
from metricvae.plotting.drawing import Floats, figure_of, plain, png_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_plane(
    pictures: npt.ArrayLike,
    *,
    across: Sequence[float],
    down: Sequence[float],
    labels: tuple[str, str] = ("first latent dimension", "second latent dimension"),
) -> bytes:
    """Figure 1.4: the pictures decoded from the points of a grid in a plane of codes.

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
    figure = figure_of(0.72 * columns + 0.8, 0.72 * rows + 0.8)
    axes = figure.add_subplot()
    _sheet(axes, grid)
    axes.set_xticks(np.arange(columns) + 0.5, [f"{value:.1f}" for value in across])
    axes.set_yticks(np.arange(rows) + 0.5, [f"{value:.1f}" for value in down])
    axes.set(xlabel=labels[0], ylabel=labels[1])
    axes.tick_params(length=0)
    plain(axes)
    axes.spines[["left", "bottom"]].set_visible(False)
    return png_of(figure)


def draw_samples(pictures: npt.ArrayLike, *, columns: int = 10) -> bytes:
    """A sheet of shapes decoded from codes.

    Args:
        pictures: (m, H, W) coverage in [0, 1]; what does not fill a last row is left out.
    """
    each = np.asarray(pictures, dtype=np.float64)
    rows = len(each) // columns
    figure = figure_of(0.72 * columns, 0.72 * rows)
    axes = figure.add_subplot()
    _sheet(axes, each[: rows * columns].reshape(rows, columns, *each.shape[1:]))
    axes.set_axis_off()
    return png_of(figure)


def _sheet(axes: Axes, grid: Floats) -> None:
    """Pictures (rows, columns, H, W), black on white, edge to edge: each is one unit wide and high."""
    rows, columns, height, width = grid.shape
    sheet = grid.transpose(0, 2, 1, 3).reshape(rows * height, columns * width)
    axes.imshow(1 - sheet, cmap="gray", vmin=0, vmax=1, interpolation="antialiased", extent=(0, columns, rows, 0))
