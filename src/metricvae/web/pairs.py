"""Pairs of objects as clients name them: by ids, or by the objects themselves."""

from __future__ import annotations

from dataclasses import dataclass

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
