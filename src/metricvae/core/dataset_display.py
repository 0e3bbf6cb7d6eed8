"""How a data set shows itself in notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from metricvae.core.display import table_html
from metricvae.core.errors import InputError

if TYPE_CHECKING:
    from metricvae.core.dataset import ObjectTable, PairDataset

SHOWN = 5
"""Pairs that are shown, at most."""


def dataset_html(data: PairDataset) -> str:
    """The metric, the pairs of each split, and the first pairs with pictures where their kinds have some."""
    counts = ", ".join(f"{name} {int((data.split == name).sum()):,}" for name in dict.fromkeys(data.split.tolist()))
    title = f"{len(data):,} pairs: {data.metric.description.predicts} ({counts})"
    rows = [
        {
            "left": _object_html(data.left, int(data.first[row])),
            "right": _object_html(data.right, int(data.second[row])),
            "value": data.value[row],
            "split": data.split[row],
        }
        for row in range(min(SHOWN, len(data)))
    ]
    return table_html(title, rows, len(data))


def _object_html(table: ObjectTable, row: int) -> Any:
    """The picture of an object, or its name."""
    try:
        picture = table.kind.thumbnail(table.object(row))
    except InputError:  # of kinds whose objects cannot be restored
        picture = None
    return table.ids[row] if picture is None else Markup(picture)
