"""A small picture of an object, as a page or a notebook shows it."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np


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

    def thumbnail(self, alt: str) -> str:
        """The picture in HTML, small; `alt` is what it shows."""
        if self.suffix == ".svg":
            return f'<div style="width: 180px">{self.content.decode()}</div>'
        from PIL import Image

        from metricvae.core.display import picture_html

        with Image.open(io.BytesIO(self.content)) as picture:
            return picture_html(np.asarray(picture), alt=alt)

    @property
    def data_uri(self) -> str:
        """The picture as an address that holds it.

        Example:
            >>> ObjectPicture(b"a", "image/png").data_uri
            'data:image/png;base64,YQ=='
        """
        return f"data:{self.media_type};base64,{base64.b64encode(self.content).decode()}"
