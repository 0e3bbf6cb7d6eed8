"""What a user asks of an import: which columns of the table mean what, and how values are taken."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypedDict, Unpack

from metricvae.core.errors import InputError, shortened
from metricvae.core.kind import ObjectKind, kind_from_json
from metricvae.core.metric import IMPORTED, Metric, metric_from_json

KindLike = str | Mapping[str, Any] | ObjectKind
"""A kind, or its name, or its JSON document."""

Report = Callable[[str, int, int], None]
"""Told how far a stage is: its name, what is done, and how much there is."""


class ImportKeywords(TypedDict, total=False):
    """What may be said of an import.

    Attributes:
        split, group, weight, error, censored: names of columns; see `Columns`.
        symmetric, strict, seed, workers, fit: see `ImportRequest`.
    """

    split: str | None
    group: str | None
    weight: str | None
    error: str | None
    censored: str | None
    symmetric: bool | None
    strict: bool
    seed: int
    workers: int | None
    fit: bool


@dataclass(frozen=True)
class Columns:
    """Names of the columns of a table of pairs.

    Attributes:
        left, right: the two objects: paths relative to the table, or what the kind converts (SMILES).
        value: of the metric.
        split: of the user's own splits; None to make leak-free ones.
        group: within which the values of a ranking metric are comparable.
        weight: how much a pair counts, above 0.
        error: standard error of the value.
        censored: `<` or -1 where the true value is at most the given one, `>` or 1 where it is at least that.
    """

    left: str = "a"
    right: str = "b"
    value: str = "value"
    split: str | None = None
    group: str | None = None
    weight: str | None = None
    error: str | None = None
    censored: str | None = None

    def completed(self, known: Columns | None) -> Columns:
        """These, with what a table knows of its optional columns where nothing was said of them."""
        names = ("split", "group", "weight", "error", "censored")
        found = {name: getattr(known, name) for name in names if getattr(self, name) is None} if known else {}
        return replace(self, **found)

    @property
    def needed(self) -> tuple[str, ...]:
        """All that are named, each once."""
        optional = (self.split, self.group, self.weight, self.error, self.censored)
        named = (self.left, self.right, self.value, *(name for name in optional if name is not None))
        return tuple(dict.fromkeys(named))


@dataclass(frozen=True)
class ImportRequest:
    """What becomes of a table.

    Attributes:
        metric: what the values are.
        kinds: of the left and of the right objects; equal ones share one table of objects.
        columns: of the table.
        similarity: whether larger values mean more similar objects; None to decide it from the values and the title.
        symmetric: whether (a, b) and (b, a) are one pair; None to decide it from the values.
        strict: refuse bad rows and contradictions instead of skipping and averaging them.
        seed: of the splits.
        workers: processes that read objects where that takes long; None takes all cores. One by default, as a script
            that starts processes needs a guard around its main part.
        fit: scale images of other sizes.
    """

    metric: Metric
    kinds: tuple[ObjectKind, ObjectKind]
    columns: Columns = Columns()
    similarity: bool | None = None
    symmetric: bool | None = None
    strict: bool = False
    seed: int = 0
    workers: int | None = 1
    fit: bool = False

    @property
    def shared(self) -> bool:
        """Whether both ends of pairs come from one table of objects."""
        return self.kinds[0] == self.kinds[1]


def as_kind(kind: KindLike) -> ObjectKind:
    """A kind from its name, its JSON document, or itself.

    Raises:
        InputError: no such kind, or not its fields.
    """
    if isinstance(kind, str) and kind.lstrip().startswith("{"):
        try:
            document = json.loads(kind)
        except (ValueError, RecursionError) as error:  # no JSON, or a number of thousands of digits
            shown = f"'{shortened(kind)}' is no JSON document ({shortened(error)})"
            raise InputError(f"the kind {shown}: give its name or a document") from None
        return kind_from_json(document)
    return kind if isinstance(kind, ObjectKind) else kind_from_json(kind)


def request_of(
    kind: KindLike,
    value: str,
    metric: Metric | None,
    *,
    right: KindLike | None = None,
    columns: tuple[str, str] = ("a", "b"),
    similarity: bool | None = None,
    **others: Unpack[ImportKeywords],
) -> ImportRequest:
    """The request of a user who names columns.

    Args:
        kind: of the left objects, and of the right ones where `right` is not given.
        value: column of the values.
        metric: what they are; by default a regression without unit or bounds, and a similarity or a distance by what
            the values say.
        right: kind of the right objects.
        columns: of the two objects.
        similarity: whether larger values mean more similar objects; as the metric says where one is given.
        others: see `ImportKeywords`.

    Raises:
        InputError: no such kind.
    """
    kinds = as_kind(kind), as_kind(kind if right is None else right)
    known = metric_from_json({"name": IMPORTED, "title": value}) if metric is None else metric
    names = {name: others.get(name) for name in ("split", "group", "weight", "error", "censored")}
    return ImportRequest(
        known.of_kinds(kinds[0].name, kinds[1].name),
        kinds,
        Columns(*columns, value, **names),  # type: ignore[arg-type]
        similarity=known.similarity if similarity is None and metric is not None else similarity,
        symmetric=others.get("symmetric"),
        strict=others.get("strict", False),
        seed=others.get("seed", 0),
        workers=others.get("workers", 1),
        fit=others.get("fit", False),
    )
