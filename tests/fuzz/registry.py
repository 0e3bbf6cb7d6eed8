"""All targets by name."""

from __future__ import annotations

import contextlib
import functools
from pathlib import Path

from .files import Make, file_targets
from .folders import folder_targets
from .grammars import grammar_targets
from .target import Target


@functools.cache
def targets() -> dict[str, Make]:
    """Makers of all targets; of the HTTP interface where the extra `web` is there."""
    found = {**dict(file_targets()), **dict(folder_targets()), **dict(grammar_targets())}
    with contextlib.suppress(ImportError):
        from .web import web_targets

        found |= dict(web_targets())
    return found


def made(name: str, folder: Path) -> Target:
    """A target, with a folder of its own below another."""
    own = folder / "".join(letter if letter.isalnum() else "-" for letter in name)
    own.mkdir(parents=True, exist_ok=True)
    return targets()[name](own)
