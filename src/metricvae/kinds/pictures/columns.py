"""The column in which tables keep pictures: PNG files, as `datasets.load_dataset` reads images."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa

_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])

PNG_SCHEMA = pa.schema([("image", _IMAGE)])
"""`image`: a PNG."""

PNG_FEATURES: dict[str, Any] = {"image": {"_type": "Image"}}
"""How `datasets.load_dataset` is to read the column."""


def png_columns(contents: Iterable[bytes]) -> dict[str, pa.Array]:
    """PNG files as the column of `PNG_SCHEMA`."""
    return {"image": pa.array([{"bytes": content, "path": None} for content in contents], _IMAGE)}


def png_contents(table: pa.Table) -> list[bytes]:
    """The inverse of `png_columns`."""
    found: list[bytes] = table["image"].combine_chunks().field("bytes").to_pylist()
    return found
