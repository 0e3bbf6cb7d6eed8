"""The folder of a job before it runs: what it reads lies in `inputs`, under names that this server made."""

from __future__ import annotations

import contextlib
import csv
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from metricvae.core.errors import InputError, shortened
from metricvae.runtime.files import link_or_copy
from metricvae.web.errors import RequestError
from metricvae.web.jobs.records import BEGINNING, INPUTS, UNFINISHED
from metricvae.web.objects.records import PLAIN_FILE, StoredObject
from metricvae.web.objects.store import ObjectStore

TABLES = (".csv", ".tsv", ".txt")
LARGEST_TABLE = 64 * 2**20


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
    """Refuse a table that names files outside of its folder.

    Raises:
        RequestError: 422.
    """
    if path.stat().st_size > LARGEST_TABLE:
        raise RequestError(422, f"the table has more than {LARGEST_TABLE:,} bytes: send a smaller one")
    with contextlib.suppress(csv.Error, UnicodeDecodeError), open(path, encoding="utf-8", newline="") as file:
        for row in csv.reader(file, delimiter="\t" if path.suffix == ".tsv" else ","):
            for cell in row:
                if leads_outside(cell):
                    raise RequestError(
                        422, f"the table names the file {shortened(cell)!r}: expected names of sent files"
                    )


def leads_outside(cell: str) -> bool:
    """Whether a cell, or a word of it, is a path that leaves a folder.

    Of SMILES, which hold slashes, none begins with two dots, a tilde, or the name of a folder that there is.
    """
    for word in (cell.strip(), *cell.split()):
        plain = word.replace("\\", "/")
        if plain.startswith(("../", "~", "file:")) or "/../" in plain:
            return True
        if plain.startswith("/") and os.path.isdir(f"/{plain[1:].partition('/')[0]}") and "/" in plain[1:]:
            return True
    return False
