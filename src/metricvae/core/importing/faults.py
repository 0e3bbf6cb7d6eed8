"""Rows that cannot be used, counted by what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from metricvae.core.errors import InputError

ROWS_SHOWN = 5
"""Rows that are listed of each sort; all are counted."""


@dataclass
class RowList:
    """How many rows there are of one sort, and the first few of them."""

    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        """Count one, and keep its text if it is among the first."""
        self.count += 1
        if len(self.first) < ROWS_SHOWN:
            self.first.append(text)

    def to_json(self) -> dict[str, Any]:
        """The count, and the texts that are listed."""
        return {"count": self.count, "first": self.first}


class Faults:
    """The rows that were skipped, by reason.

    Args:
        strict: raise InputError for the first one instead.
        source: of the rows, in messages.
    """

    def __init__(self, strict: bool, source: str) -> None:
        self.strict, self.source = strict, source
        self.by_reason: dict[str, RowList] = {}

    def add(self, row: int, reason: str, detail: str) -> None:
        """Skip a row.

        Args:
            row: number, from 1.
            reason: few words that many rows share: `value`.
            detail: what is wrong with this one, as the end of "row 3 ...".
        """
        text = f"row {row} {detail}"
        if self.strict:
            raise InputError(f"{self.source} {text}: correct it, or import without --strict to skip such rows")
        self.by_reason.setdefault(reason, RowList()).add(text)

    @property
    def count(self) -> int:
        """Rows that were skipped."""
        return sum(rows.count for rows in self.by_reason.values())

    def refuse_most(self, usable: int) -> None:
        """Raise InputError if more rows were skipped than can be used: a wrong column, or a wrong kind."""
        if self.count > usable:
            worst = max(self.by_reason.values(), key=lambda rows: rows.count)
            raise InputError(
                f"{self.count} of {self.count + usable} rows of {self.source} cannot be used, of which {worst.count} "
                f"for one reason: {'; '.join(worst.first[:2])}; correct them, or name other columns or another kind"
            )

    def to_json(self) -> dict[str, Any]:
        """The number of rows, and for each reason how many and the first few."""
        return {"count": self.count, "reasons": {name: rows.to_json() for name, rows in self.by_reason.items()}}

    def sentences(self) -> Iterable[str]:
        """What was skipped and why, a sentence a reason."""
        for rows in self.by_reason.values():
            yield f"{counted(rows.count, 'row')} skipped: {listed(rows)}"


def listed(rows: RowList) -> str:
    """The first few of the rows, and how many more there are."""
    more = rows.count - len(rows.first)
    return "; ".join(rows.first) + (f"; and {more} more" if more else "")


def counted(number: int, noun: str) -> str:
    """`1 row`, `2 rows`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
