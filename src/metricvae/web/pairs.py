"""Pairs of objects as clients name them: by ids, or by the objects themselves."""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass
from typing import Any

import numpy as np

from metricvae.core.kind import Object, ReadOptions, kind_from_json
from metricvae.web.bodies import DrawnBody, ObjectBody, key_of
from metricvae.web.state import ServerState

FIRST_ROW = np.zeros(1, np.int64)


@dataclass(frozen=True)
class NamedValue:
    """An object, and what tells it from others.

    Attributes:
        key: equal for equal objects only.
        kind: name of its kind.
        value: itself.
        written: as a command line names it.
    """

    key: str
    kind: str
    value: Object
    written: str


def named_value(state: ServerState, given: str | DrawnBody | ObjectBody, kind: str = "") -> NamedValue:
    """The object that a client names.

    Args:
        state: of the server.
        given: an id, rows of pixels, or an object as it is.
        kind: name of the kind that rows of pixels are, and of an object that names none.

    Raises:
        RequestError: there is none of that id, or it cannot be read.
    """
    if isinstance(given, str):
        about = state.objects.about(given)
        return NamedValue(given, *state.objects.value(given), about.written)
    if isinstance(given, DrawnBody):
        pixels = given.pixels(state.settings.limits.side)
        key = key_of(pixels)
        return NamedValue(key, kind, kind_from_json(kind).convert(pixels, ReadOptions()), "drawn.png")
    sent = (given if given.kind else given.model_copy(update={"kind": kind})).sent
    key, held, value = state.objects.look(sent)
    return NamedValue(key, held, value, sent.text or sent.name)


def command_of(*words: str) -> str:
    """A command line of this program."""
    return shlex.join(["metricvae", *words])


def finite(number: Any) -> float | None:
    """A number as JSON has it; None for those that it does not have."""
    value = float(number)
    return value if math.isfinite(value) else None


def plain(value: Any) -> Any:
    """A record, an array or a number as JSON has them."""
    if hasattr(value, "__dataclass_fields__"):
        return {name: plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, dict):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    return finite(value) if isinstance(value, float) else value
