"""`config.json` of a model folder: one document under one checksum.

It says how the model is built, how it was trained, how its answers are calibrated, and the SHA-256 of every other file
that an answer depends on. `checksum` is the SHA-256 of all the rest of the document, so that nothing in the folder can
change without being noticed: not a weight, not the half-width of an interval. The document is replaced as a whole, so a
kill at any moment leaves a folder whose checksums hold.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from metricvae.core.errors import InputError
from metricvae.runtime.files import check_sha256, read_json, sha256_of, write_json
from metricvae.runtime.reading import inside

CONFIG = "config.json"

CHECKSUM = "checksum"
"""Entry of the document; those of models before 0.2 have none."""

FILES = "files"
"""Entry of the document that has the SHA-256 of files which no other entry names."""

STATUS = ("unfinished", "finished")


def write_document(folder: Path, document: Mapping[str, Any]) -> None:
    """Write `config.json` with its checksum, atomically."""
    rest = {name: value for name, value in document.items() if name != CHECKSUM}
    write_json(Path(folder) / CONFIG, rest | {CHECKSUM: digest_of(rest)})


def read_document(folder: Path) -> dict[str, Any]:
    """The contents of `config.json`, of a model or of a part of one, without its checksum.

    Raises:
        InputError: the file is missing, damaged, or was changed after it was written.
    """
    path = Path(folder) / CONFIG
    document = read_json(path)
    if not isinstance(document, dict):
        raise InputError(f"{path} is not the configuration of a model: restore it or train again")
    expected = document.pop(CHECKSUM, None)
    if expected is not None and digest_of(document) != expected:
        raise InputError(f"{path} was changed after it was written: restore it or train again")
    return document


def read_model_document(folder: Path) -> dict[str, Any]:
    """The contents of a model's `config.json`, see `read_document`.

    Raises:
        InputError: as there, or it is no configuration of a model.
    """
    document = read_document(folder)
    if document.get("status") not in STATUS:
        raise InputError(f"{Path(folder) / CONFIG} is not the configuration of a model: restore it or train again")
    return document


def digests_of(folder: Path, names: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """What the document says of files that no other entry names."""
    return {FILES: {name: sha256_of(Path(folder) / name) for name in names}}


def check_files(folder: Path, document: Mapping[str, Any]) -> None:
    """Raise InputError when a file that the document names by itself is missing or was changed."""
    for name, digest in dict(document.get(FILES, {})).items():
        check_sha256(inside(folder, name), str(digest))


def digest_of(document: Any) -> str:
    """SHA-256 of a JSON document, whatever the order of its keys, and whether a list was a tuple."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
