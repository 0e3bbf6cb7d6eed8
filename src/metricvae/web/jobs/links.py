"""Further names of files that are replaced and never changed: copies that cost nothing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def link_folder(source: Path, target: Path) -> None:
    """Make a folder of the same files as another, but for hidden ones (locks, unfinished work).

    Files of results are replaced and never changed, so that a further name of one is as good as a copy.

    Raises:
        OSError: a file of it is gone meanwhile, or the disk is full (or shutil.Error, of several).
    """
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(".*"), copy_function=link_file)


def link_file(source: str | Path, target: str | Path) -> None:
    """Give a file a further name; copy it where the disk has no such names, or it lies on another one."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
