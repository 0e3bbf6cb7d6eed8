"""Lists of sites as libraries: a text file of names, one a line, or a table with a column of them."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from metricvae.core.errors import InputError, listed
from metricvae.core.libraries import Library, LibraryPart, Loader, Map, ReadOptions
from metricvae.core.pair_list import read_csv_rows
from metricvae.kinds.pocket.prepare import read_pocket
from metricvae.kinds.pocket.records import Pocket
from metricvae.runtime.files import sha256_of
from metricvae.runtime.reading import ReadError, check_named, read_text

if TYPE_CHECKING:
    from metricvae.core.kind import ObjectKind

LIST_ENDINGS = (".txt", ".csv")

COLUMNS, NAMES = ("site", "pocket"), ("name", "id")
"""Columns of a table that hold its sites, and what these are to be called: the first of these that it has."""

AT_ONCE = 64
"""Pockets that are made together, at a tenth of a second each."""


@dataclass(frozen=True)
class ListedSite:
    """A site of a list.

    Attributes:
        number: of its line, or of its row in a table; the first is 1.
        text: `rec.pdb@ligand=LIG`.
        name: what it is called: the text, where a table has no names.
    """

    number: int
    text: str
    name: str


class SiteList(Library):
    """The pockets that a file names, in its order.

    `rec.pdb@ligand=LIG` stands on each line, or in the column `site` of a table, whose column `name` says what they are
    called. Paths are relative to the file. A name that gives no pocket is skipped, and said why.

    Args:
        kind: that locates files.
        file: with one of `LIST_ENDINGS`; blank lines, and those of a text that begin with `#`, are skipped.
        options: of reading.

    Raises:
        InputError: no such file, or one that names no site.
    """

    at_once: ClassVar[int] = AT_ONCE

    def __init__(self, kind: ObjectKind, file: Path, options: ReadOptions) -> None:
        self.reader, self.file, self.options, self.kind = kind, Path(file), options, kind.name
        self.sites = listed_sites(self.file)
        self.count, self.parts = len(self.sites), -(-len(self.sites) // self.at_once)
        self.facts: dict[str, Any] = {"sha256": sha256_of(self.file)}

    @property
    def loader(self) -> Loader:
        return functools.partial(read_sites, self.reader, self.file)

    def item(self, part: int) -> list[ListedSite]:
        """The sites of one part."""
        chosen = self.sites[part * self.at_once : (part + 1) * self.at_once]
        return [site for site in chosen if site.name not in self.known]


def listed_sites(file: Path) -> list[ListedSite]:
    """What a list of sites has.

    Raises:
        InputError: no such file, no text, a table without a column of sites, or none in it.
    """
    found = _of_table(file) if file.suffix.lower() == ".csv" else _of_lines(read_text(file, "a list of sites"))
    if not found:
        raise InputError(f"{file} names no site: expected one a line, as rec.pdb@ligand=LIG")
    return found


def _of_lines(text: str) -> list[ListedSite]:
    lines = ((number, line.strip()) for number, line in enumerate(text.splitlines(), start=1))
    return [ListedSite(number, line, line) for number, line in lines if line and not line.startswith("#")]


def _of_table(file: Path) -> list[ListedSite]:
    columns, rows = read_csv_rows(file, "site")
    site, name = (next((one for one in known if one in columns), None) for known in (COLUMNS, NAMES))
    if site is None:
        raise InputError(f"{file} has the columns {listed(columns)}: expected site")
    found = []
    for number, row in enumerate(rows, start=1):
        text, called = ((row[column] or "").strip() for column in (site, name or site))
        found += [ListedSite(number, text, called or text)] if text else []
    return found


def read_sites(kind: ObjectKind, file: Path, sites: Sequence[ListedSite], over: Map) -> LibraryPart:
    """The pockets of some sites, and notes on those that gave none."""
    found = list(over(functools.partial(_read, kind, file.parent), [one.text for one in sites]))
    good = [(site, one) for site, one in zip(sites, found, strict=True) if isinstance(one, Pocket)]
    return LibraryPart(
        objects=[one for _, one in good],
        ids=[site.name for site, _ in good],
        paths=[f"{file}#{site.number}" for site, _ in good],
        skipped=[f"line {site.number}: {one}" for site, one in zip(sites, found, strict=True) if isinstance(one, str)],
    )


def _read(kind: ObjectKind, folder: Path, text: str) -> Pocket | str:
    """The pocket of a site, or why there is none."""
    try:
        check_named(folder, text)
        path = kind.locate(text, folder)
        return read_pocket(path) if path is not None else f"there is no file of {text} in {folder}"
    except ReadError:
        raise
    except InputError as error:
        return str(error)
