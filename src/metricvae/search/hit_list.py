"""Hits of a search from Python: a list of rows that shows itself in notebooks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from markupsafe import Markup

from metricvae.core.display import ROWS, table_html
from metricvae.core.errors import InputError


class HitList(list[dict[str, Any]]):
    """Rows of hits, best first, with pictures in notebooks where their kind has some.

    Args:
        rows: of the hits.
        thumbnail: HTML of the hit in a place, by which it is drawn when the list is shown.
    """

    def __init__(self, rows: list[dict[str, Any]], thumbnail: Callable[[int], str | None]) -> None:
        super().__init__(rows)
        self._thumbnail = thumbnail

    def _repr_html_(self) -> str:
        rows = [self._picture_of(place) | row for place, row in enumerate(self[:ROWS])]
        return table_html(f"{len(self)} hits", rows, len(self))

    def _picture_of(self, place: int) -> dict[str, Any]:
        """The column of the picture; empty where there is none, or the library is not where it was."""
        try:
            picture = self._thumbnail(place)
        except InputError:
            picture = None
        return {"": "" if picture is None else Markup(picture)}
