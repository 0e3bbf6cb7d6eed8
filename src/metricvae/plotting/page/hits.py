"""The page of a search: its hits as a table that can be sorted, beside a view of those that are chosen.

The page knows nothing of the objects. It is given a picture of each, and a script that shows chosen ones together; see
`Viewer`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from metricvae.core.errors import InputError
from metricvae.core.hits import FoundObject, PageAbout, Value
from metricvae.core.hits_table import column_names, csv_records, value_text


@dataclass(frozen=True)
class ShownObject:
    """What a page shows of the query, or of a hit.

    Attributes:
        picture: of it, small, as HTML of our own making: an SVG in the colour of the text about it.
        view: what the viewer needs of it, as plain values.
        records: its records in the files that the page offers, by ending; that of the query begins the file.
    """

    picture: str
    view: Mapping[str, Any] = field(default_factory=dict)
    records: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Viewer:
    """What shows the query and chosen hits together.

    Attributes:
        script: JavaScript that defines `makeViewer(box, controls, data)`: elements to draw in and to put buttons in,
            and {query, hits}, each with `view` and `records` as `ShownObject` has them. It returns an object with
            `show(chosen)`, told a list of {hit, colour}, the last chosen last.
        libraries: JavaScript of others, each with its licence.
        help: how it is used, in a sentence.
        credits: sentences for the foot of the page.
    """

    script: str
    libraries: Sequence[tuple[str, str]] = ()
    help: str = ""
    credits: Sequence[str] = ()


LONG = 24
"""Letters from which on a text needs a wide column, so that rows do not become high."""


@dataclass(frozen=True)
class Column:
    """A column of the table.

    Attributes:
        name: its title.
        numeric: whether it holds numbers alone.
        cells: of each hit the text that is shown, and what the column is sorted by.
    """

    name: str
    numeric: bool
    cells: Sequence[tuple[str, str]]

    @property
    def style(self) -> str:
        """Classes of its cells in the style sheet."""
        if self.numeric:
            return "number"
        return "text long" if any(len(shown) > LONG for shown, _ in self.cells) else "text"


def hit_page(
    found: Sequence[FoundObject],
    about: PageAbout,
    query: ShownObject,
    hits: Sequence[ShownObject],
    viewer: Viewer,
) -> str:
    """The page as HTML, the same for the same input.

    Args:
        found: the hits, best first.
        about: the search.
        query, hits: what is shown of the query, and of each hit.
        viewer: what shows them together.

    Raises:
        InputError: no hits, or a field of a hit has the name of a column.
    """
    if not found:
        raise InputError("the search found no hit to show: give another query, another library, or fewer filters")
    data = page_data(found, about, query, hits)
    page = _template().render(
        about=about,
        columns=[column_of(name, [hit.columns.get(name) for hit in found]) for name in column_names(found)],
        found=found,
        query=query,
        hits=hits,
        files=list(data["query"]["records"]),
        viewer=viewer,
        data=data,
    )
    return page.encode("utf-8", "replace").decode()


def page_data(
    found: Sequence[FoundObject], about: PageAbout, query: ShownObject, hits: Sequence[ShownObject]
) -> dict[str, Any]:
    """All that the scripts of the page know: {query, hits}, as plain values."""
    shown = [
        {"view": dict(one.view), "records": {**one.records, "csv": line}}
        for one, line in zip((query, *hits), csv_records(found), strict=True)
    ]
    rows = [
        {"id": hit.name, "path": hit.path, "values": {name: _plain(value) for name, value in hit.columns.items()}}
        for hit in found
    ]
    return {
        "query": {"id": about.query, "word": about.words.query, **shown[0]},
        "hits": [row | one for row, one in zip(rows, shown[1:], strict=True)],
    }


def column_of(name: str, values: Sequence[Value | None]) -> Column:
    """A column of values; numbers have as many decimals as their largest leaves worth reading, the same in all rows."""
    texts = [value_text(value) for value in values]
    if not all(value is None or isinstance(value, Real) for value in values):
        return Column(name, False, [(text, text) for text in texts])
    numbers = [float(text) for text in texts if text]
    whole = all(number.is_integer() for number in numbers)
    largest = max(map(abs, numbers), default=0.0)
    decimals = 0 if whole else 3 if largest <= 1 else 2 if largest < 10 else 1 if largest < 1000 else 0
    return Column(name, True, [(f"{float(text):.{decimals}f}" if text else "\u2013", text) for text in texts])


def _plain(value: Value) -> Value | None:
    """A value as JSON has it."""
    if not isinstance(value, Real):
        return str(value)
    if isinstance(value, Integral):
        return int(value)
    return float(value) if math.isfinite(value) else None


def as_json(document: Any) -> Markup:
    """JSON inside a script element: plain ASCII in which nothing can end the element."""
    text = json.dumps(document, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def as_script(source: str) -> Markup:
    """JavaScript inside a script element: what would end the element, or open a comment, stands escaped."""
    return Markup(re.sub(r"<(?=/script|!--)", r"\\x3C", source, flags=re.IGNORECASE))


def _as_comment(text: str) -> Markup:
    return as_script("/*\n" + text.replace("*/", "* /") + "\n*/")


def _template() -> Any:
    environment = Environment(
        loader=PackageLoader("metricvae.plotting.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(in_json=as_json, script=as_script, comment=_as_comment, html=Markup)
    return environment.get_template("hits.html")
