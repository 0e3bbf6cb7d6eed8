"""Command lines of this program, for pages, answers and messages that repeat one."""

from __future__ import annotations

import shlex


def command_of(*words: str) -> str:
    """A command line of this program, quoted for a shell.

    Example:
        >>> command_of("solve", "my shape.png", "b.png")
        "metricvae solve 'my shape.png' b.png"
    """
    return shlex.join(["metricvae", *words])
