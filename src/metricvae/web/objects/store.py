"""Objects on disk, a folder each, of which the least recently used ones go; and those in memory."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
import shutil
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metricvae.core.kind import KINDS, Object, ObjectKind
from metricvae.core.object_picture import ObjectPicture
from metricvae.runtime.files import read_json
from metricvae.web.errors import RequestError
from metricvae.web.objects.process import facts_of
from metricvae.web.objects.readers import ReaderPool
from metricvae.web.objects.records import ABOUT, ID, PLAIN_FILE, TABLE, StoredObject, read_table, write_table
from metricvae.web.settings import Limits

IN_MEMORY = 512
"""Objects that are held in memory."""

FILES = {".csv", ".tsv", ".txt", ".smi", ".sdf", ".mol", ".mol2", ".pdb", ".cif", ".ent", ".parquet"}
"""Endings of files that are not one object."""

SITE = re.compile(r"(ligand|point|residues|auto)(=[A-Za-z0-9 ,.:_+-]{1,200})?")
"""How a part of a file is named."""

MEDIA = {".png": "image/png", ".svg": "image/svg+xml"}
"""Types of pictures by their endings."""

_UNSAFE = re.compile(r"[^A-Za-z0-9._+()-]+")


@dataclass(frozen=True)
class Sent:
    """What a client sent as an object.

    Attributes:
        kind: name of its kind, or `file`.
        content: of its file; None of a text.
        text: the object itself.
        name: of its file.
        site: part of the file.
        fit: scale and centre an image.
    """

    kind: str
    content: bytes | None = None
    text: str = ""
    name: str = ""
    site: str = ""
    fit: bool = False

    @functools.cached_property
    def id(self) -> str:
        """Equal for equal contents; computed once, as a file may have 64 MB."""
        digest = hashlib.sha256()
        for part in (self.kind, self.text, self.name, self.site, str(self.fit)):
            digest.update(f"{len(part)}:{part}".encode())
        digest.update(self.content or b"")
        return digest.hexdigest()[:32]


class ObjectStore:
    """Objects that clients sent.

    Args:
        folder: to keep them in.
        readers: that read them.
        limits: of their number and size.
    """

    def __init__(self, folder: Path, readers: ReaderPool, limits: Limits) -> None:
        self.folder, self.readers, self.limits = folder, readers, limits
        folder.mkdir(parents=True, exist_ok=True)
        self.lock = threading.Lock()
        self.known: OrderedDict[str, StoredObject] = OrderedDict()
        self.values: OrderedDict[str, tuple[str, Object]] = OrderedDict()
        self.bytes = 0
        self._find()

    def _find(self) -> None:
        """Read what an earlier server kept, and remove what it left unfinished."""
        found = []
        for path in self.folder.iterdir():
            if not ID.fullmatch(path.name):
                shutil.rmtree(path, ignore_errors=True)
                continue
            found.append((path.stat().st_mtime, path))
        for _, path in sorted(found):
            try:
                self._remember(StoredObject(**read_json(path / ABOUT)))
            except (ValueError, TypeError):
                shutil.rmtree(path, ignore_errors=True)

    def put(self, sent: Sent) -> StoredObject:
        """Read and keep an object; one that is there already is only named.

        Raises:
            RequestError: it is no such object, or too large.
        """
        known = self._touched(sent.id)
        if known is not None:
            return known
        name, file = self._names(sent)
        work = Path(tempfile.mkdtemp(prefix="new-", dir=self.folder))
        try:
            if sent.content is not None:
                (work / file).write_bytes(sent.content)
            found = self._read(sent, work, file)
            about = StoredObject(
                *(sent.id, found["kind"], name, found["file"], sent.text, sent.site, found["facts"], found["picture"]),
                sum(path.stat().st_size for path in work.iterdir()),
            )
            return self._keep(about, work)
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def put_value(self, kind: ObjectKind, value: Object, name: str) -> StoredObject:
        """Keep an object of this machine's own: a hit of a search, an answer of a generation."""
        kind = kind.adapt([value])
        key = hashlib.sha256(kind.pack([value]).tobytes() + name.encode()).hexdigest()[:32]
        known = self._touched(key)
        if known is not None:
            return known
        picture = kind.picture(value)
        work = Path(tempfile.mkdtemp(prefix="new-", dir=self.folder))
        try:
            write_table(work / TABLE, kind, value)
            shown = "" if picture is None else f"picture{picture.suffix}"
            if picture is not None:
                (work / shown).write_bytes(picture.content)
            file = shown if shown.endswith(kind.suffixes or ("\0",)) else ""
            if not file and ".sdf" in kind.posed_suffixes:
                file = "object.sdf"
                kind.write_posed(work / file, [value], [None])
            name = self._safe(name or "object", Path(file).suffix)
            size = sum(path.stat().st_size for path in work.iterdir())
            about = StoredObject(*(key, kind.to_json(), name, file, "", "", facts_of(kind, value), shown), size)
            return self._keep(about, work)
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def look(self, sent: Sent) -> tuple[str, str, Object]:
        """Read an object without keeping it on disk: its id, the name of its kind, and itself."""
        held = self._held(sent.id)
        if held is not None:
            return sent.id, *held
        _, file = self._names(sent)
        work = Path(tempfile.mkdtemp(prefix="metricvae-look-"))
        try:
            if sent.content is not None:
                (work / file).write_bytes(sent.content)
            found = self.readers.read(_request(sent, work, file, keep=False))
            return sent.id, *self.hold(sent.id, str(found["kind"]["name"]), read_table(work / TABLE, found["kind"]))
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def hold(self, key: str, kind: str, value: Object) -> tuple[str, Object]:
        """Hold an object in memory for a while."""
        with self.lock:
            self.values[key] = kind, value
            self.values.move_to_end(key)
            while len(self.values) > IN_MEMORY:
                self.values.popitem(last=False)
        return kind, value

    def about(self, key: str) -> StoredObject:
        """What is known of an object.

        Raises:
            RequestError: there is none of that id (404).
        """
        found = self._touched(key) if ID.fullmatch(key) else None
        if found is None:
            raise RequestError(404, f"there is no object {key[:40]!r}: send it again")
        return found

    def touch(self, keys: Iterable[str]) -> None:
        """Note that objects are used; those that there are not are passed over."""
        with self.lock:
            for key in keys:
                if key in self.known:
                    self.known.move_to_end(key)

    def value(self, key: str) -> tuple[str, Object]:
        """The name of an object's kind, and itself.

        Raises:
            RequestError: there is none of that id (404), or it is a file that is not one object (422).
        """
        held = self._held(key)
        if held is not None:
            return held
        about = self.about(key)
        if about.kind is None:
            raise RequestError(422, f"{about.name} is a file that was sent as it is: send it as an object of a kind")
        return self.hold(key, about.kind_name, read_table(self.path(key) / TABLE, about.kind))

    def path(self, key: str) -> Path:
        """Folder of an object that is known."""
        return self.folder / key

    def file(self, key: str) -> Path:
        """File of an object.

        Raises:
            RequestError: there is none (404).
        """
        about = self.about(key)
        if not about.file:
            raise RequestError(404, f"{about.name} has no file")
        return self.path(key) / about.file

    def picture(self, about: StoredObject) -> ObjectPicture | None:
        """The picture of an object, as it was drawn when the object was kept; None of one without, or one that went."""
        path = self.path(about.id) / about.picture
        try:
            return ObjectPicture(path.read_bytes(), MEDIA[path.suffix]) if about.picture else None
        except FileNotFoundError:
            return None

    def _names(self, sent: Sent) -> tuple[str, str]:
        """The name that is shown, and that of the file."""
        if sent.site and not SITE.fullmatch(sent.site):
            raise RequestError(422, "expected a site as ligand=LIG, point=x,y,z, residues=A:45,A:78 or auto", "site")
        if sent.content is None:
            return self._safe(sent.name or "object", ""), ""
        suffix = Path(sent.name.replace("\\", "/")).suffix.lower()
        known = FILES if sent.kind == PLAIN_FILE else set(_kind(sent.kind).suffixes)
        if suffix not in known:
            expected = ", ".join(sorted(known))
            raise RequestError(422, f"got a file that ends in {suffix[:20]!r}: expected one of {expected}", "name")
        name = self._safe(sent.name, suffix)
        return name, f"file{suffix}"

    def _safe(self, name: str, suffix: str) -> str:
        """A name of letters that mean nothing to a file system or a shell."""
        plain = _UNSAFE.sub("-", name.replace("\\", "/").rpartition("/")[2]).strip(".-")
        stem = plain[: -len(suffix)] if suffix and plain.lower().endswith(suffix) else plain
        return f"{stem[: self.limits.name].strip('.-') or 'object'}{suffix}"

    def _read(self, sent: Sent, work: Path, file: str) -> dict[str, Any]:
        if sent.kind == PLAIN_FILE:
            return {"kind": None, "file": file, "facts": {}, "picture": ""}
        return self.readers.read(_request(sent, work, file, keep=True))

    def _keep(self, about: StoredObject, work: Path) -> StoredObject:
        """Give a finished folder its name, unless another request was first."""
        (work / ABOUT).write_text(json.dumps(about.to_json()), encoding="utf-8")
        os.chmod(work, 0o700)
        with self.lock:
            if about.id not in self.known:
                shutil.rmtree(self.path(about.id), ignore_errors=True)
                os.rename(work, self.path(about.id))
                self._remember(about)
                self._drop()
        return about

    def _remember(self, about: StoredObject) -> None:
        self.known[about.id] = about
        self.bytes += about.bytes

    def _drop(self) -> None:
        """Remove the least recently used objects beyond the limits."""
        while len(self.known) > max(1, self.limits.objects) or (
            self.bytes > self.limits.objects_bytes and len(self.known) > 1
        ):
            key, about = self.known.popitem(last=False)
            self.bytes -= about.bytes
            self.values.pop(key, None)
            shutil.rmtree(self.path(key), ignore_errors=True)

    def _touched(self, key: str) -> StoredObject | None:
        with self.lock:
            found = self.known.get(key)
            if found is not None:
                self.known.move_to_end(key)
        return found

    def _held(self, key: str) -> tuple[str, Object] | None:
        with self.lock:
            found = self.values.get(key)
            if found is not None:
                self.values.move_to_end(key)
        return found


def _kind(name: str) -> ObjectKind:
    if name not in KINDS.names():
        raise RequestError(422, f"got the kind {name[:40]!r}: expected one of {', '.join(KINDS.names())}", "kind")
    return KINDS.get(name)()


def _request(sent: Sent, work: Path, file: str, *, keep: bool) -> Mapping[str, Any]:
    _kind(sent.kind)
    asked = {"kind": sent.kind, "folder": str(work), "file": file, "text": sent.text, "site": sent.site}
    return asked | {"fit": sent.fit, "keep": keep}
