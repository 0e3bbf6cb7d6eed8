"""An extension of Griffe: examples and formulae in docstrings become blocks of Markdown."""

from __future__ import annotations

import re
from typing import Any

import griffe

EXAMPLE = re.compile(r"^(?P<indent>[ ]*)>>> .*\n?(?:(?P=indent)[^\s].*\n?)*", re.MULTILINE)
"""Lines from a prompt to the next empty line."""

FORMULA = re.compile(r"^(?P<indent>[ ]*)\.\. math:: (?P<formula>.*)$", re.MULTILINE)

SEVERAL = re.compile(
    r"^(?P<indent>[ ]+)(?P<names>\w+(?:, \w+)+): (?P<text>.*(?:\n(?P=indent)[ ]+\S.*)*)$", re.MULTILINE
)
"""Parameters or attributes that share one description."""


class MarkdownDocstrings(griffe.Extension):
    """Wraps examples (`>>>`) and formulae (`.. math::`) in fences, and separates names that share a description."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of one object before it is parsed."""
        if obj.docstring:
            text = EXAMPLE.sub(_fenced_example, obj.docstring.value)
            text = FORMULA.sub(_fenced_formula, text)
            obj.docstring.value = SEVERAL.sub(_described_each, text)


def _fenced_example(found: re.Match[str]) -> str:
    indent = found["indent"]
    return f"{indent}```pycon\n{found[0].rstrip()}\n{indent}```\n"


def _fenced_formula(found: re.Match[str]) -> str:
    indent = found["indent"]
    return f"{indent}```math\n{indent}{found['formula']}\n{indent}```"


def _described_each(found: re.Match[str]) -> str:
    """One entry for each of the names, as Griffe reads one name an entry."""
    return "\n".join(f"{found['indent']}{name}: {found['text']}" for name in found["names"].split(", "))
