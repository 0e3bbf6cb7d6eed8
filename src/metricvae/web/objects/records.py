"""What is known of an object that a client sent, and how it is read back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from metricvae.core.kind import KINDS, Object, ObjectKind, ReadOptions, kind_from_json

TABLE, ABOUT = "object.arrow", "about.json"

PLAIN_FILE = "file"
"""Kind of a file that is not one object: a table, a library."""

ID = re.compile(r"[0-9a-f]{32}")
"""How ids are written, of objects and of jobs."""


@dataclass(frozen=True)
class StoredObject:
    """An object that a client sent.

    Attributes:
        id: from its content.
        kind: what `ObjectKind.to_json` gives; None of a file that is not one object.
        name: of its file, as the client called it.
        file: name of its file in its folder; empty of one without.
        text: the object itself, of one that was sent as a text.
        site: part of the file that it is, as `ligand=LIG`.
        facts: numbers and texts by name.
        picture: name of its picture; empty of one without.
        bytes: of its file.
    """

    id: str
    kind: Mapping[str, Any] | None
    name: str
    file: str
    text: str
    site: str
    facts: Mapping[str, Any]
    picture: str
    bytes: int

    @property
    def kind_name(self) -> str:
        """Name of the kind."""
        return PLAIN_FILE if self.kind is None else str(self.kind["name"])

    @property
    def document(self) -> dict[str, Any]:
        """What clients are told."""
        shown = {name: getattr(self, name) for name in ("id", "name", "text", "site", "facts", "bytes")}
        return shown | {"kind": self.kind_name, "picture": bool(self.picture)}

    @property
    def written(self) -> str:
        """How a command line names it."""
        return self.text or (f"{self.name}@{self.site}" if self.site else self.name)

    def to_json(self) -> dict[str, Any]:
        """As it is kept."""
        return asdict(self)


def write_table(path: Path, kind: ObjectKind, value: Object) -> None:
    """Write one object as its kind stores it."""
    table = pa.table(kind.to_columns([value]), schema=kind.schema)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def read_table(path: Path, kind: Mapping[str, Any]) -> Object:
    """The inverse of `write_table`."""
    with pa.OSFile(str(path), "rb") as file:
        return kind_from_json(kind).from_table(pa.ipc.open_file(file).read_all())[0]


def as_kind(value: Object, held: str, wanted: ObjectKind, *, fit: bool = False) -> Object:
    """An object of one kind as another one takes it.

    Raises:
        InputError: it does not.
    """
    kind = KINDS.get(held)()
    if held not in (*wanted.family, *wanted.same_records) and wanted.name not in kind.same_records:
        from metricvae.core.errors import InputError

        raise InputError(f"got {kind.title}, and the model takes {wanted.title}: send those, or choose another model")
    return wanted.convert(value, ReadOptions(fit=fit))
