"""Reports: one record, written as a folder of JSON, Markdown, PNG and HTML."""

from __future__ import annotations

import base64
import math
import os
import platform
import re
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metricvae.core.errors import InputError
from metricvae.runtime.extras import require
from metricvae.runtime.files import read_json, require_free_folder, write_bytes, write_json
from metricvae.runtime.folders import renewed_folder

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

MARKER = "report.json"
"""The file that marks a folder as a report."""

PAGE = "index.html"
"""The page to open."""

Cell = str | int | float | None
"""One entry of a table: a text, a number, or None where there is no value."""

_REPORTED_PACKAGES = ("metricvae", "torch", "numpy", "scipy", "numba", "pillow", "matplotlib")


@dataclass(frozen=True)
class Figure:
    """A picture.

    Attributes:
        name: file name without `.png`; letters, digits, `-` and `_`; unique within the report.
        caption: one or two sentences under it.
        alt: a description of it, for those who cannot see it.
        png: its bytes.
    """

    name: str
    caption: str
    alt: str
    png: bytes


@dataclass(frozen=True)
class Table:
    """Rows under named columns.

    Attributes:
        caption: one or two sentences above it.
        columns: names of the columns; the first names the rows.
        rows: one entry per column each; numbers stay numbers in the JSON.
        strong_columns: indices of columns to emphasise (the method the report is about).
        strong_rows: indices of rows to emphasise (sums, means).
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    strong_columns: tuple[int, ...] = ()
    strong_rows: tuple[int, ...] = ()


@dataclass(frozen=True)
class Section:
    """A heading with paragraphs (parted by blank lines; `code` in backticks), then tables, then figures."""

    title: str
    text: str = ""
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()


@dataclass(frozen=True)
class Fact:
    """A fact needed to repeat the result: a seed, a version, a command, a cost."""

    name: str
    value: Cell


@dataclass(frozen=True)
class Report:
    """The content of a report.

    Attributes:
        title: what was done.
        summary: the result in a sentence or two.
        sections: the body.
        facts: seeds, versions, command, cost.
        assumptions: what was assumed where the paper does not specify something.
        deviations: differences from the paper, and why.
    """

    title: str
    summary: str
    sections: tuple[Section, ...]
    facts: tuple[Fact, ...] = ()
    assumptions: tuple[str, ...] = ()
    deviations: tuple[str, ...] = ()

    @property
    def figures(self) -> tuple[Figure, ...]:
        """All figures in reading order."""
        return tuple(figure for section in self.sections for figure in section.figures)


def environment_facts() -> tuple[Fact, ...]:
    """Versions of Python and of the packages that results depend on, and the machine."""
    versions = [Fact(f"{name} version", _version(name)) for name in _REPORTED_PACKAGES]
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} logical processors"
    return (Fact("Python version", platform.python_version()), *versions, Fact("machine", machine))


def write_report(report: Report, folder: Path) -> Path:
    """Write `report.json`, `report.md`, one PNG per figure and `index.html` (one self-contained page) into `folder`.

    All files are made beside `folder` first, so a fault leaves what was there untouched. An earlier report is
    replaced, file by file; a folder that holds anything else is refused.

    Args:
        report: what to write.
        folder: absent, empty, or an earlier report.

    Returns:
        path of the page.

    Raises:
        InputError: `folder` holds something else, the disk is full or read-only, or two figures share a name.
    """
    folder = Path(folder)
    require_free_folder(folder, MARKER, "report")
    _check(report)
    with renewed_folder(folder, "report", MARKER, sorted(_earlier_figures(folder))) as target:
        for name, content in _contents(report):
            write_bytes(target / name, content)
        write_json(target / MARKER, as_document(report))
    return folder / PAGE


def as_document(report: Report) -> dict[str, Any]:
    """The report as one JSON document: numbers as numbers, NaN and infinities as null, figures as file names."""
    return {
        "title": report.title,
        "summary": report.summary,
        "sections": [_section_document(section) for section in report.sections],
        "facts": [{"name": fact.name, "value": _finite(fact.value)} for fact in report.facts],
        "assumptions": list(report.assumptions),
        "deviations": list(report.deviations),
    }


def as_markdown(report: Report) -> str:
    """The report as Markdown; figures are files beside it."""
    text = _templates().get_template("report.md.jinja").render(report=report)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def as_html(report: Report) -> str:
    """The report as one HTML page with style and pictures inside; it loads nothing from a network."""
    return _templates().get_template("report.html.jinja").render(report=report)


def format_cell(value: Cell) -> str:
    """A number as people write it, to about four figures: 6,390,000 as 6.39e6, 0.04897, 1,783; None as a dash."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "\u2013"
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return f"{value:,}"
    return _format_float(value)


def _format_float(value: float) -> str:
    if math.isinf(value):
        return "\u221e" if value > 0 else "-\u221e"
    size = abs(value)
    if value == 0:
        return "0"
    if size < 1e-3 or size >= 1e6:
        mantissa, exponent = f"{value:.3e}".split("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    return f"{value:,.{max(0, 3 - math.floor(math.log10(size)))}f}"


def _check(report: Report) -> None:
    names = [figure.name for figure in report.figures]
    for name in names:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
            raise InputError(f"figure name {name!r} cannot be a file name: use letters, digits, - and _")
        if names.count(name) > 1:
            raise InputError(f"two figures are called {name!r}: give each its own name")
    for table in (table for section in report.sections for table in section.tables):
        if any(len(row) != len(table.columns) for row in table.rows):
            raise InputError(f"table {table.caption!r} has rows that do not fit its {len(table.columns)} columns")


def _contents(report: Report) -> list[tuple[str, bytes]]:
    texts = [("report.md", as_markdown(report).encode()), (PAGE, as_html(report).encode())]
    return texts + [(f"{figure.name}.png", figure.png) for figure in report.figures]


def _section_document(section: Section) -> dict[str, Any]:
    return {
        "title": section.title,
        "text": section.text,
        "tables": [
            {
                "caption": table.caption,
                "columns": list(table.columns),
                "rows": [[_finite(cell) for cell in row] for row in table.rows],
            }
            for table in section.tables
        ],
        "figures": [
            {"file": f"{figure.name}.png", "caption": figure.caption, "alt": figure.alt} for figure in section.figures
        ],
    }


def _finite(value: Cell) -> Cell:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _earlier_figures(folder: Path) -> set[str]:
    """File names of the figures of the report that is already in `folder`."""
    if not (folder / MARKER).exists():
        return set()
    try:
        sections = read_json(folder / MARKER)["sections"]
        names = {str(figure["file"]) for section in sections for figure in section["figures"]}
    except (KeyError, TypeError):
        raise InputError(f"{folder / MARKER} was not written by metricvae: choose an empty or new folder") from None
    return {name for name in names if re.fullmatch(r"[A-Za-z0-9_-]+\.png", name)}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def require_reporting() -> None:
    """Raise InputError unless the packages that write reports are installed; to be called before the work."""
    require("matplotlib", "reproduce", "a report")


def _templates() -> Environment:
    require_reporting()
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("metricvae.reproduction"),
        autoescape=lambda name: bool(name and ".html" in name),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        alignment=alignment,
        cell=format_cell,
        paragraphs=_paragraphs,
        code=_code,
        data_uri=_data_uri,
        pipes=_pipes,
        width=_shown_width,
    )
    return environment


def alignment(table: Table, column: int) -> str:
    """`number` for a column of a table that holds numbers alone, with deviations or without; else `text`."""
    values = [row[column] for row in table.rows]
    return "text" if any(isinstance(value, str) and not _NUMBER.fullmatch(value) for value in values) else "number"


_NUMBER = re.compile(r"[-+\u2212]?[\d.,e]+( ?%)?( ?\u00b1 ?[\d.,e]+)?|\u2013|")
"""A number with its standard deviation, or a dash for none."""


def _paragraphs(text: str) -> list[str]:
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", text) if part.strip()]


def _code(text: str) -> Markup:
    """Escape `text` for HTML and set what stands in backticks as code."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _shown_width(png: bytes) -> int:
    """Width at which to show a PNG, in CSS pixels: half its own (bytes 16 to 19), so that it is sharp on any screen."""
    return max(1, int.from_bytes(png[16:20]) // 2)


def _pipes(text: str) -> str:
    """Keep a table cell from ending early in Markdown."""
    return " ".join(text.replace("|", r"\|").split())
