"""A small server in this process, and shapes to send to it."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

HOST = "127.0.0.1:8000"
TOKEN = "a-token-of-the-tests"


def disc(radius: float = 60, side: int = 200) -> np.ndarray:
    """A disc of 0 and 1."""
    y, x = np.indices((side, side)) - (side - 1) / 2
    return (x**2 + y**2 <= radius**2).astype(np.uint8)


def bar() -> np.ndarray:
    """A bar of 0 and 1."""
    y, x = np.indices((200, 200)) - 99.5
    return ((abs(x) < 80) & (abs(y) < 20)).astype(np.uint8)


def png(mask: np.ndarray) -> bytes:
    """A mask as a picture."""
    buffer = io.BytesIO()
    Image.fromarray(mask * np.uint8(255)).save(buffer, "PNG")
    return buffer.getvalue()


def rows(mask: np.ndarray) -> list[str]:
    """A mask as rows of texts."""
    return ["".join(map(str, row)) for row in mask.tolist()]


def silhouette(mask: np.ndarray, name: str = "shape.png", **more: Any) -> dict[str, Any]:
    """A mask as the body of a request."""
    return {"kind": "silhouette", "data": base64.b64encode(png(mask)).decode(), "name": name, **more}


def make_app(folder: Path, **settings: Any) -> Any:
    """The application of a server in a folder."""
    from metricvae.web.app import create_app
    from metricvae.web.settings import ServerSettings

    return create_app(ServerSettings(folder, **settings))
