"""What a model predicts of single items of an index, as columns of it: computed from their codes when they are asked
for, and kept in memory."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from metricvae.prediction.added_metrics import metrics_of
from metricvae.prediction.predictor import Predictor
from metricvae.search.expressions import filterable
from metricvae.search.index import Index
from metricvae.search.store import Rows

AT_ONCE = 2**16
"""Items whose codes are looked at together."""


def predicted_names(index: Index, predictor: Predictor) -> tuple[str, ...]:
    """The metrics of one object that the model of an index answers, but those of which the index has a column.

    Args:
        index: of the items.
        predictor: the model that encoded them, whatever metric it answers.
    """
    metrics = metrics_of(predictor.base).items()
    return tuple(name for name, metric in metrics if metric.anchored and name not in index.schema.names)


def computed_columns(index: Index, predictor: Predictor, rows: Rows) -> dict[str, list[float]]:
    """What was computed of predicted columns, by name, for some items."""
    if not index.columns:
        return {}
    known = [name for name in predicted_names(index, predictor) if name in index.columns]
    return {name: index.columns[name].take(pa.array(rows)).to_pylist() for name in known}


def item_numbers(index: Index, predictor: Predictor, rows: Rows) -> list[dict[str, float]]:
    """The numbers that are known of some items, by name.

    They are what the index keeps of them to filter by, and what was computed of predicted columns.
    """
    computed = computed_columns(index, predictor, rows)
    sorts = filterable(index.schema)
    names = [name for name in index.kind.index_schema.names if sorts.get(name) == "number"]
    kept = index.table(rows, names).to_pylist() if names else [{} for _ in rows]
    return [
        {name: value for name, value in row.items() if value is not None}
        | {name: column[place] for name, column in computed.items()}
        for place, row in enumerate(kept)
    ]


def add_predicted_columns(index: Index, predictor: Predictor, names: Iterable[str]) -> None:
    """Compute what the model predicts of all items, float32, and give the index columns of it in memory.

    Args:
        index: of the items.
        predictor: as for `predicted_names`.
        names: of metrics of one object. Of a binary one the column holds the probability of a 1.

    Raises:
        InputError: one of them was never calibrated.
    """
    for name in names:
        if name not in index.columns:
            found = predictor.answering(name)
            parts = np.array_split(np.arange(len(index.ids)), len(index.ids) // AT_ONCE + 1)
            values = [found.predict_each(index.encoded(rows, stored=True).to(found.device)).value for rows in parts]
            index.columns[name] = pa.chunked_array([pa.array(np.concatenate(values), pa.float32())])
