"""Pairs of objects as clients name them: by ids, or by the objects themselves."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metricvae.core.kind import Object, ReadOptions, kind_from_json
from metricvae.web.bodies import DrawnBody, ObjectBody, key_of
from metricvae.web.state import ServerState

if TYPE_CHECKING:
    from metricvae.prediction.records import Encoded

FIRST_ROW = np.zeros(1, np.int64)


@dataclass(frozen=True)
class NamedValue:
    """An object, and what tells it from others.

    Attributes:
        key: equal for equal objects only.
        written: as a command line names it.
        find: gives the name of its kind, and itself; asked once, when either is needed.
    """

    key: str
    written: str
    find: Callable[[], tuple[str, Object]]

    @functools.cached_property
    def found(self) -> tuple[str, Object]:
        """The name of its kind, and itself.

        Raises:
            RequestError: it cannot be read (422).
        """
        return self.find()

    @property
    def kind(self) -> str:
        """Name of its kind."""
        return self.found[0]

    @property
    def value(self) -> Object:
        """Itself."""
        return self.found[1]


def named_value(state: ServerState, given: str | DrawnBody | ObjectBody, kind: str = "") -> NamedValue:
    """The object that a client names, which is not read before it is needed.

    Args:
        state: of the server.
        given: an id, rows of pixels, or an object as it is.
        kind: name of the kind that rows of pixels are, and of an object that names none.

    Raises:
        RequestError: there is none of that id, or it is no object.
    """
    if isinstance(given, str):
        return NamedValue(given, state.objects.about(given).written, functools.partial(state.objects.value, given))
    if isinstance(given, DrawnBody):
        pixels = given.pixels(state.settings.limits.side)
        convert = functools.partial(kind_from_json(kind).convert, pixels, ReadOptions())
        return NamedValue(key_of(pixels), "drawn.png", lambda: (kind, convert()))
    sent = (given if given.kind else given.model_copy(update={"kind": kind})).sent
    return NamedValue(sent.id, sent.text or sent.name, lambda: state.objects.look(sent)[1:])


def encode_named(
    state: ServerState, model: str, side: str, named: Sequence[NamedValue], *, fit: bool = False
) -> Encoded:
    """The codes of some objects as one side of a model sees them; see `ModelShelf.encode` for the errors."""
    by_key = {one.key: one for one in named}
    return state.models.encode(model, side, [one.key for one in named], lambda key: by_key[key].found, fit=fit)
