"""Which items of an index a search may find: by conditions on columns, by patterns, and by how alike hits are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from metricvae.core.errors import InputError
from metricvae.core.item_tests import ItemTest
from metricvae.prediction.predictor import Predictor
from metricvae.search.expressions import filterable, parse_condition
from metricvae.search.index import Index
from metricvae.search.predicted import add_predicted_columns, predicted_names
from metricvae.search.store import Rows, batches

Bools = npt.NDArray[np.bool_]

HIDDEN = ("library", "length")
"""Columns that say nothing of an object."""


@dataclass(frozen=True)
class ItemFilter:
    """What a user asks of hits.

    Attributes:
        where: a condition on the columns of the index, and on what the model predicts of single items, see
            `metricvae.search.expressions`; empty for none.
        contains: patterns that an item must contain, see `ObjectKind.item_test`.
        lacks: patterns that it must not contain.
        diverse: no two hits are more alike than that, from 0 to 1: by the Tanimoto coefficient of their fingerprints
            where the kind has some, else by the cosine of their codes; None where they may be.
    """

    where: str = ""
    contains: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    diverse: float | None = None

    def of_index(self, index: Index, predictor: Predictor | None = None) -> Filter:
        """What it says of the items of an index.

        Args:
            index: of the items.
            predictor: the model that encoded them, where conditions may name what it predicts of single items.

        Raises:
            InputError: a condition or a pattern that cannot be read, a property that the index does not have, patterns
                of a kind that has none, or a similarity outside 0 to 1.
        """
        if self.diverse is not None and not 0 <= self.diverse <= 1:
            raise InputError(f"the similarity of diverse hits is {self.diverse:g}: expected 0 to 1")
        checks = [(index.kind.item_test(pattern), True) for pattern in self.contains]
        checks += [(index.kind.item_test(pattern), False) for pattern in self.lacks]
        possible = index.alive & satisfying(index, self.where, predictor) if self.where else index.alive.copy()
        for test, wanted in checks:
            if wanted:
                possible &= _screened(index, test)
        return Filter(index, possible, tuple(checks))


EVERYTHING = ItemFilter()
"""All items."""


@dataclass(frozen=True)
class Filter:
    """What is asked of the items of one index.

    Attributes:
        index: of the items.
        possible: (n,) which items may satisfy it: deleted ones, and those that fail a condition, may not.
        checks: tests that cost time, and what they are to say.
    """

    index: Index
    possible: Bools
    checks: tuple[tuple[ItemTest, bool], ...]

    def satisfied(self, rows: Rows) -> Bools:
        """(k,) which of some possible items satisfy all of it."""
        good = np.ones(len(rows), bool)
        for test, wanted in self.checks:
            left = np.flatnonzero(good)
            good[left] = _has(self.index, test, rows[left]) == wanted
        return good


def satisfying(index: Index, where: str, predictor: Predictor | None = None) -> Bools:
    """(n,) which items satisfy a condition; deleted ones are looked at too.

    Args:
        index: of the items.
        where: the condition.
        predictor: as for `ItemFilter.of_index`.

    Raises:
        InputError: it cannot be read, or names a property that the index does not have.
    """
    columns = {name: sort for name, sort in filterable(index.schema).items() if name not in HIDDEN}
    predicted = () if predictor is None else predicted_names(index, predictor)
    columns |= dict.fromkeys(predicted, "number")
    named = index.kind.magnitude_name
    condition = parse_condition(where, columns, {} if named in columns else {named: "magnitude"})
    if predictor is not None:
        add_predicted_columns(index, predictor, [name for name in condition.columns if name in predicted])
    found: Bools = condition.holds(index.whole(condition.columns)).to_numpy()
    return found


def _screened(index: Index, test: ItemTest) -> Bools:
    """(n,) which items can have what a test looks for."""
    return np.concatenate([test.possible(table) for table in batches(index.segments, test.screened)])


def _has(index: Index, test: ItemTest, rows: Rows) -> Bools:
    """(k,) which of some items have what a test looks for."""
    good = test.possible(index.table(rows, test.screened))
    good[good] = test.holds(index.table(rows[good], test.checked))
    return good


class DiversePicker:
    """Picks items, best first, of which no two are more alike than a threshold: sphere exclusion (B. D. Hudson et al.,
    Quantitative Structure-Activity Relationships 15 (1996) 285).

    Args:
        index: of the items.
        threshold: similarity of two, at most.
    """

    def __init__(self, index: Index, threshold: float) -> None:
        self.index, self.threshold = index, threshold
        self.chosen, self.sizes = GrowingTensor(), GrowingTensor()

    def pick(self, rows: Rows) -> Rows:
        """Those of some rows, in their order, that are unlike all before them and all that were picked earlier."""
        good = []
        for place, one in enumerate(self._features(rows)):
            if not len(self.chosen) or float(self._similarity(one).max()) <= self.threshold:
                self.chosen.append(one)
                self.sizes.append(one.sum())
                good.append(place)
        return rows[good]

    def _features(self, rows: Rows) -> torch.Tensor:
        """(k, b) float32 that items are compared by: bits 0 and 1, or directions of codes."""
        kind = self.index.kind
        if not kind.fingerprinted:
            return functional.normalize(self.index.encoded(rows).codes, dim=1)
        packed = kind.fingerprints(self.index.table(rows, kind.fingerprinted))
        return torch.from_numpy(np.unpackbits(packed, axis=1)).float()

    def _similarity(self, one: torch.Tensor) -> torch.Tensor:
        """(c,) similarities of the items that were picked with one (b,)."""
        both = self.chosen.rows @ one
        if not self.index.kind.fingerprinted:
            return both
        either = self.sizes.rows + one.sum() - both
        return both / either.clamp(min=1)


class GrowingTensor:
    """A tensor to which rows are appended; it has room for twice as many whenever it is full."""

    def __init__(self) -> None:
        self.room, self.count = torch.empty(0), 0

    def __len__(self) -> int:
        return self.count

    @property
    def rows(self) -> torch.Tensor:
        """(n, ...) the rows, not copied."""
        return self.room[: self.count]

    def append(self, row: torch.Tensor) -> None:
        """Add a row (...) of the shape of all others."""
        if self.count == len(self.room):
            room = row.new_empty(max(1, 2 * self.count), *row.shape)
            if self.count:
                room[: self.count] = self.rows
            self.room = room
        self.room[self.count] = row
        self.count += 1
