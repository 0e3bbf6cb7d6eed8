"""Common parts of all pictures: colours, figures without a display, PNG bytes.

Colours are those of Okabe and Ito, told apart by all common kinds of colour vision, and methods also differ in the
shape of their markers. Masks are drawn pixel by pixel, unsmoothed. Nothing here touches the disk or a display, and
matplotlib is imported only when something is drawn.
"""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from metricvae.core.errors import InputError
from metricvae.runtime.extras import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]

FIRST_COLOUR = "#56B4E9"  # sky blue: the first object
SECOND_COLOUR = "#E69F00"  # orange: the second object
BOTH_COLOUR = "#12304F"  # navy: where they overlap, darker than either
INK = "#1F2933"
FAINT = "#8A94A0"


def blend(first: npt.ArrayLike, second: npt.ArrayLike) -> Floats:
    """Colour two superimposed masks on a transparent ground.

    Args:
        first, second: (H, W) coverage in [0, 1].

    Returns:
        (H, W, 4) red, green, blue, opacity in [0, 1].
    """
    a = np.clip(np.asarray(first, dtype=np.float64), 0, 1)[..., None]
    b = np.clip(np.asarray(second, dtype=np.float64), 0, 1)[..., None]
    weights = (a * (1 - b), b * (1 - a), a * b)
    covered = sum(weights)
    colour = sum(w * rgb(c) for w, c in zip(weights, (FIRST_COLOUR, SECOND_COLOUR, BOTH_COLOUR), strict=True))
    return np.concatenate([np.divide(colour, covered, out=np.ones_like(colour), where=covered > 0), covered], axis=-1)


def rows_and_columns(count: int, columns: int) -> tuple[int, int]:
    """Rows and columns that hold so many pairs; raises InputError for none."""
    if not count:
        raise InputError("got no pairs to draw: give at least one")
    columns = min(columns, count)
    return math.ceil(count / columns), columns


def require_drawing() -> None:
    """Raise InputError unless matplotlib is there; worth asking before long work that ends in a picture."""
    require("matplotlib", "plot", "drawing")


def figure_of(width: float, height: float) -> Figure:
    """A figure of its own in inches, drawn by Agg: no pyplot, no global state, no display."""
    require_drawing()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def png_of(figure: Figure) -> bytes:
    """The figure, cut to what is drawn, as a PNG that is the same for the same figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=200, bbox_inches="tight", pad_inches=0.12, metadata={"Software": None})
    return buffer.getvalue()


def show(axes: Axes, image: Floats) -> None:
    """An image (H, W, 4), pixel by pixel, in a frame without ticks."""
    axes.imshow(image, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_color("#D5DAE0")


def plain(axes: Axes) -> None:
    """Two axes instead of a frame, in quiet colours."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.tick_params(which="both", colors=INK, labelsize=9)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)


def plain_numbers(axes: Axes) -> None:
    """Logarithmic scales with 2 and 100 beside them, and not 2 x 10^0 and 10^2."""
    from matplotlib.ticker import LogFormatter

    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(LogFormatter())
        axis.set_minor_formatter(LogFormatter())


def rgb(colour: str) -> Floats:
    """Red, green and blue in [0, 1] of `#RRGGBB`, (3,)."""
    return np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
