"""Small HTML tables and pictures by which results show themselves in notebooks.

Texts are escaped; what is HTML already is `Markup`. Pictures are part of the HTML, so nothing is loaded.
"""

from __future__ import annotations

import base64
import dataclasses
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup, escape
from PIL import Image

ROWS = 10
"""Rows of a table that are shown, at most."""

THUMBNAIL = 72
"""Longer side of a thumbnail in pixels."""


def table_html(title: str, rows: Sequence[Mapping[str, Any]], total: int | None = None) -> str:
    """A table with the names of its columns above.

    Args:
        title: a few words above it.
        rows: the cells by column; those of the first row name the columns.
        total: how many rows there are, of which these are the first; None where these are all.

    >>> print(table_html("hits", [{"id": "<a>", "value": 0.123456}]))
    <table><caption>hits</caption><tr><th>id</th><th>value</th></tr><tr><td>&lt;a&gt;</td><td>0.1235</td></tr></table>
    """
    columns = list(rows[0]) if rows else []
    head = _row("th", columns) if columns else Markup()
    body = Markup().join(_row("td", [cell_of(row.get(name, "")) for name in columns]) for row in rows)
    left_out = 0 if total is None else total - len(rows)
    note = Markup("<p>and {:,} more</p>").format(left_out) if left_out > 0 else Markup()
    return str(Markup("<table><caption>{}</caption>{}{}</table>{}").format(title, head, body, note))


def facts_html(title: str, facts: Mapping[str, Any]) -> str:
    """A table of two columns, names and values."""
    rows = Markup().join(Markup("<tr><th>{}</th><td>{}</td></tr>").format(k, cell_of(v)) for k, v in facts.items())
    return str(Markup("<table><caption>{}</caption>{}</table>").format(title, rows))


def columns_html(title: str, columns: Mapping[str, npt.ArrayLike | None]) -> str:
    """The first rows of a table of arrays (n,), by name; those that are None are left out."""
    arrays = {name: np.asarray(column) for name, column in columns.items() if column is not None}
    total = len(next(iter(arrays.values())))
    rows = [{name: column[row] for name, column in arrays.items()} for row in range(min(total, ROWS))]
    return table_html(f"{total:,} {title}", rows, total)


def cell_of(value: Any) -> Markup:
    """A cell: numbers with four digits, HTML as it is, a record by its fields, everything else escaped."""
    if isinstance(value, np.generic):
        value = value.item()
    match value:
        case Markup():
            return value
        case bool():
            return Markup("yes" if value else "no")
        case float():
            return Markup(f"{value:,.0f}" if 1_000 <= abs(value) < 1e15 else f"{value:.4g}")
        case int():
            return Markup(f"{value:,}")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
        return Markup(", ").join(Markup("{} {}").format(name, cell_of(part)) for name, part in fields)
    if isinstance(value, np.ndarray):
        return escape(np.array2string(value, precision=3, threshold=16))
    return escape(value)


def picture_html(pixels: npt.NDArray[np.uint8], side: int | None = THUMBNAIL, alt: str = "") -> Markup:
    """A picture as an `img` element with its data in it.

    Args:
        pixels: (H, W) grey or (H, W, 3) colours.
        side: longer side of what is shown; None shows all pixels.
        alt: what it is, in words.
    """
    image = Image.fromarray(pixels)
    if side is not None:
        image.thumbnail((side, side))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return Markup('<img src="data:image/png;base64,{}" alt="{}">').format(data, alt)


def _row(tag: str, cells: Iterable[Any]) -> Markup:
    element = Markup(f"<{tag}>{{}}</{tag}>")
    return Markup("<tr>{}</tr>").format(Markup().join(element.format(cell) for cell in cells))
