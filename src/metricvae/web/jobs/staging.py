"""The folder of a job before it runs: what it reads lies in `inputs`, under names that this server made."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from metricvae.core.errors import InputError
from metricvae.runtime.files import link_or_copy
from metricvae.web.errors import RequestError
from metricvae.web.jobs.records import BEGINNING, INPUTS, UNFINISHED
from metricvae.web.objects.records import PLAIN_FILE, StoredObject
from metricvae.web.objects.store import ObjectStore

TABLES = (".csv", ".tsv", ".txt")
LARGEST_TABLE = 64 * 2**20
LONGEST_SHOWN = 60
"""Letters of a word of a table, in messages."""

_BETWEEN = "\\s,;\"'@=#|"
"""Marks that may separate cells of a table, or parts of one."""

_OUTWARD = re.compile(rf"\.\./|~|file:|/+(?P<top>[^/{_BETWEEN}]*)(?P<below>/?)")
"""What paths that leave a folder begin with, or hold."""

_BEGIN = re.compile(rf"[{_BETWEEN}]?")
"""What may stand before a path."""


class JobStage:
    """Puts files into the folder of a job.

    Args:
        folder: of the job.
        objects: that clients sent.
        find_model: name or folder of a model; raises RequestError.
        find_folder: of a library or of another job's results; raises RequestError.
    """

    def __init__(
        self,
        folder: Path,
        objects: ObjectStore,
        find_model: Callable[[str], str | Path],
        find_folder: Callable[[str], Path],
    ) -> None:
        self.folder, self.objects_sent = folder, objects
        self.find_model, self.find_folder = find_model, find_folder
        self.placed: dict[tuple[str, str], str] = {}
        self.names: set[str] = set()
        (folder / INPUTS).mkdir(parents=True, exist_ok=True)

    def object(self, key: str) -> str:
        """A path of the file of an object, relative to the folder of the job, with its site."""
        about = self.objects_sent.about(key)
        path = self._place(about, "")
        return f"{path}@{about.site}" if about.site else path

    def objects(self, keys: list[str]) -> str:
        """A path of a folder of objects."""
        for key in keys:
            self._place(self.objects_sent.about(key), "library/")
        return f"{INPUTS}/library"

    def pairs(self, pairs: list[Any]) -> str:
        """A path of a table of pairs of objects."""
        rows = [[self.object(end).removeprefix(f"{INPUTS}/") for end in pair] for pair in pairs]
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([["a", "b"], *rows])
        name = self._unique("pairs", ".csv", "")
        (self.folder / INPUTS / name).write_text(text.getvalue(), encoding="utf-8")
        return f"{INPUTS}/{name}"

    def model(self, name: str) -> str:
        """Name or path of a model."""
        return self._relative(self.find_model(name))

    def folder_of(self, name: str) -> str:
        """Path of a library by its name, or of what another job wrote."""
        return self._relative(self.find_folder(name))

    def index_copy(self, name: str) -> str:
        """Path of the results, which begin as a copy of a library, or of the index that another job wrote."""
        from metricvae.search.store import copy_index

        try:
            copy_index(self.find_folder(name), self.folder / BEGINNING)
        except InputError:
            raise RequestError(422, f"{name[:40]!r} is no index: expected what the verb index makes") from None
        except OSError:
            raise RequestError(503, f"{name[:40]!r} is being changed: try again in a moment") from None
        return UNFINISHED

    def lines(self, texts: list[str]) -> str:
        """A path of a file of texts, one a line."""
        name = self._unique("lines", ".txt", "")
        (self.folder / INPUTS / name).write_text("".join(f"{one}\n" for one in texts), encoding="utf-8")
        return f"{INPUTS}/{name}"

    def results(self, name: str) -> str:
        """A path of a file among the results; of the folder itself without a name."""
        return f"{UNFINISHED}/{name}" if name else UNFINISHED

    def _relative(self, found: str | Path) -> str:
        return found if isinstance(found, str) else os.path.abspath(found)

    def _place(self, about: StoredObject, below: str) -> str:
        """Put the file of an object into the inputs, once."""
        known = self.placed.get((about.id, below))
        if known is not None:
            return known
        source = self.objects_sent.file(about.id)
        if about.kind_name == PLAIN_FILE and source.suffix in TABLES:
            check_table(source)
        path = f"{INPUTS}/{below}{self._name(about, source.suffix, below)}"
        (self.folder / path).parent.mkdir(exist_ok=True)
        link_or_copy(source, self.folder / path)
        self.placed[about.id, below] = path
        return path

    def _name(self, about: StoredObject, suffix: str, below: str) -> str:
        """A name for the file of an object."""
        stem = about.name[: -len(suffix)] if about.name.lower().endswith(suffix) else about.name
        return self._unique(stem, suffix, below)

    def _unique(self, stem: str, suffix: str, below: str) -> str:
        """A name that no other input has."""
        found, number = f"{stem}{suffix}", 1
        while f"{below}{found}" in self.names or found == "library":
            number += 1
            found = f"{stem}-{number}{suffix}"
        self.names.add(f"{below}{found}")
        return found


def check_table(path: Path) -> None:
    """Refuse a table that names files outside of its folder, however its cells are told apart and quoted.

    The importer refuses such names itself, where it opens files; this is for what else reads tables.

    Raises:
        RequestError: 422.
    """
    if path.stat().st_size > LARGEST_TABLE:
        raise RequestError(422, f"the table has more than {LARGEST_TABLE:,} bytes: send a smaller one")
    try:
        text = path.read_text(encoding="utf-8-sig").replace("\\", "/")
    except UnicodeDecodeError:
        raise RequestError(422, "the table is not UTF-8 text: save it as UTF-8") from None
    for shown in dict.fromkeys((text, text.replace('"', ""))):
        found = next((match.start() for match in _OUTWARD.finditer(shown) if leads_outside(match)), None)
        if found is not None:
            word = shown[found : found + LONGEST_SHOWN].split()[0]
            raise RequestError(422, f"the table names the file {word!r}: expected names of sent files")


def leads_outside(found: re.Match[str]) -> bool:
    """Whether a path that leaves its folder begins where something like one was found.

    Of SMILES, which hold slashes, none begins with two dots, a tilde, or the name of what lies at the root.
    """
    before, top = found.string[max(0, found.start() - 1) : found.start()], found["top"]
    if top == ".." or (top is None and before == "/"):
        return True
    if not _BEGIN.fullmatch(before):
        return False
    return top is None or os.path.isfile(f"/{top}") or (bool(found["below"]) and os.path.isdir(f"/{top}"))
