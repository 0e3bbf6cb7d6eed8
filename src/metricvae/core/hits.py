"""Objects that were found for a query, as they are drawn and written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from metricvae.core.kind import Object

Value = float | str
"""One entry of a table of hits: a number or a text."""


@dataclass(frozen=True)
class FoundObject:
    """A hit to be drawn or written.

    Attributes:
        name: its id.
        value: the object.
        pose: motion that lays it on the query, as the metric's solver has it.
        score_name: what `exact` is.
        exact: score of the exact search.
        predicted: the model's prediction.
        path: where it comes from.
        fields: what else is known of it, by name: properties, parts of the score.
    """

    name: str
    value: Object
    pose: Any
    score_name: str
    exact: float
    predicted: float
    path: str = ""
    fields: Mapping[str, Value] = field(default_factory=dict)

    @property
    def columns(self) -> dict[str, Value]:
        """All its values by name: `predicted`, the exact score, and the further fields."""
        return {"predicted": self.predicted, self.score_name: self.exact, **self.fields}


@dataclass(frozen=True)
class PageWords:
    """What a page calls things.

    Attributes:
        one, many: what was found, in the singular and the plural.
        query: what it was found for.
        index, model: where it was found, and by what; titles of facts.
    """

    one: str = "hit"
    many: str = "hits"
    query: str = "query"
    index: str = "Index"
    model: str = "Model"


@dataclass(frozen=True)
class PageAbout:
    """What a page of hits says of the search that gave them.

    Attributes:
        query: name of the query.
        index: the index that was searched.
        model: the model that predicted.
        command: the command line that gives the page again.
        facts: what else is to be said, by name, in a few words each.
        words: what the page calls things.
        notes: how the columns are to be read, and how far they hold, a sentence or two each.
    """

    query: str
    index: str
    model: str
    command: str
    facts: Mapping[str, str] = field(default_factory=dict)
    words: PageWords = field(default_factory=PageWords)
    notes: Sequence[str] = ()


HitDrawer = Callable[[Object, Sequence[FoundObject]], bytes]
"""A query and its hits, best first and at least one, as a PNG."""

HitPage = Callable[[Object, Sequence[FoundObject], PageAbout], str]
"""A query and its hits, best first and at least one, as an HTML page that needs no other file and no network."""
