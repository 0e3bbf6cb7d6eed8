"""A small picture of an object, as a page or a notebook shows it."""

from __future__ import annotations

import base64
from dataclasses import dataclass


@dataclass(frozen=True)
class ObjectPicture:
    """A picture in one of the formats that browsers show.

    Attributes:
        content: of the file.
        media_type: `image/png` or `image/svg+xml`.
    """

    content: bytes
    media_type: str

    @property
    def suffix(self) -> str:
        """Ending of a file's name."""
        return ".svg" if "svg" in self.media_type else ".png"

    @property
    def data_uri(self) -> str:
        """The picture as an address that holds it.

        Example:
            >>> ObjectPicture(b"a", "image/png").data_uri
            'data:image/png;base64,YQ=='
        """
        return f"data:{self.media_type};base64,{base64.b64encode(self.content).decode()}"
