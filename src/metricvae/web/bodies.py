"""What clients send, as JSON; every number is finite and every text has a limit."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from metricvae.web.errors import RequestError
from metricvae.web.objects.store import Sent

ShortText = Annotated[str, Field(max_length=200)]
Name = Annotated[str, Field(min_length=1, max_length=120)]
LongText = Annotated[str, Field(max_length=20_000)]


class Body(BaseModel):
    """A request. Fields that are not known are refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, str_max_length=100_000_000)


class ObjectBody(Body):
    """An object as JSON: the base64 of its file, or a text."""

    kind: Annotated[str, Field(max_length=60)] = ""
    data: str | None = None
    png: str | None = None
    text: LongText = ""
    smiles: LongText = ""
    name: ShortText = ""
    site: ShortText = ""
    fit: bool = False

    @property
    def sent(self) -> Sent:
        """As the store takes it.

        Raises:
            RequestError: not base64, or nothing, or more than one of them (422).
        """
        data, text = self.data if self.data is not None else self.png, self.text or self.smiles
        if not self.kind:
            raise RequestError(422, "the object has no kind: see /api/v1/kinds", "kind")
        if (data is None) == (not text):
            raise RequestError(422, "expected one of data (base64) and text", "data")
        if data is None:
            return Sent(self.kind, None, text.strip(), self.name, self.site, self.fit)
        name = self.name or ("drawn.png" if self.png is not None else "")
        return Sent(self.kind, decode_base64(data), "", name, self.site, self.fit)


class DrawnBody(Body):
    """A picture as rows of pixels: texts of 0 and 1, or lists of them."""

    rows: list[str] | list[list[int]]

    def pixels(self, longest: int) -> npt.NDArray[np.uint8]:
        """The rows as an array (height, width) of 0 and 1.

        Raises:
            RequestError: rows of different lengths, too many, or of something else (422).
        """
        rows = self.rows
        if not 1 <= len(rows) <= longest or not 1 <= len(rows[0]) <= longest:
            raise RequestError(422, f"got {len(rows)} rows: expected 1 to {longest} rows of as many pixels", "rows")
        if len({len(row) for row in rows}) != 1:
            raise RequestError(422, "rows of different lengths: expected as many pixels in each", "rows")
        whole = "".join(rows) if isinstance(rows[0], str) else None  # type: ignore[arg-type]
        found = np.array(rows) if whole is None else np.frombuffer(whole.encode("utf-8"), np.uint8) - np.uint8(48)
        if found.size != len(rows) * len(rows[0]) or found.min() < 0 or found.max() > 1:
            raise RequestError(422, "expected 0 and 1 in rows", "rows")
        return found.reshape(len(rows), len(rows[0])).astype(np.uint8)


def decode_base64(text: str) -> bytes:
    """The bytes of a base64 text, with or without the head of a data URI.

    Raises:
        RequestError: it is none (422).
    """
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise RequestError(422, "data is not base64", "data") from None


def key_of(pixels: npt.NDArray[np.uint8]) -> str:
    """Equal for equal pictures."""
    return hashlib.sha256(f"{pixels.shape}".encode() + np.packbits(pixels).tobytes()).hexdigest()[:32]


Identifier = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$", examples=["0123456789abcdef0123456789abcdef"])]
AnyObject = Identifier | DrawnBody | ObjectBody
Document = dict[str, Any]
