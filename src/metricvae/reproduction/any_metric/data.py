"""Labelled pairs as a user would have them, a table and a folder of files, and their import."""

from __future__ import annotations

import csv
import io
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from metricvae.core.dataset import PairDataset
from metricvae.core.errors import InputError
from metricvae.core.kind import kind_from_json
from metricvae.reproduction.any_metric.labels.writers import read_array, write_array
from metricvae.reproduction.any_metric.records import Floats, MadeObjects, MetricExample, Rows
from metricvae.reproduction.any_metric.sampling import DrawnPairs, draw_pairs
from metricvae.runtime.extras import require
from metricvae.runtime.files import read_json, write_json, write_text

TABLE, CARD, NAMES, FILES = "pairs.csv", "labels.json", "objects.txt", "files"
"""The table of pairs, the file that says that labelling is done, the objects in order, and the folder of files."""

MAGNITUDES, EMBEDDING = "magnitudes.npy", "embedding.npy"
"""What the baselines know of the objects."""

LABELLED_AT_ONCE = 250
"""Pairs that are labelled between two reports of progress."""

OnLabelled = Callable[[int, int], None]
"""Told how many pairs of how many are labelled."""


@dataclass(frozen=True)
class LabelledExample:
    """Labelled pairs of an example: imported, and with what the baselines may know.

    Attributes:
        data: as the package imported it.
        magnitudes, embedding: (m, k), (m, d) of the objects, in the order of the data's table.
        seconds: that labelling took.
    """

    data: PairDataset
    magnitudes: Floats
    embedding: Floats
    seconds: float


def label_example(
    example: MetricExample, folder: Path, pairs: int, seed: int, on_labelled: OnLabelled | None = None
) -> None:
    """Make the objects of an example, label pairs of them, and write the table and the files; once.

    Args:
        example: what to label.
        folder: for the table, the files and what the baselines know; a finished one is left as it is.
        pairs: how many; with fewer than 20,000 there are fewer objects too.
        seed: of the objects and the pairs.
        on_labelled: told how far it is.

    Raises:
        InputError: an optional package is missing, labels of other pairs are there, or the disk is full.
    """
    if (folder / CARD).exists():
        _check_card(folder, example, pairs, seed)
        return
    for package in example.packages:
        require(package, "any-metric", f"the metric {example.name}")
    began = time.monotonic()
    made = example.make(object_count(example, pairs), seed)
    drawn = draw_pairs(made, pairs, example.design, example.metric.symmetric, seed)
    values = _label(example, made, drawn, on_labelled)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    names = _write_objects(example, made, folder / FILES)
    write_text(folder / NAMES, "\n".join(names))
    write_text(folder / TABLE, _table(names, drawn, values))
    write_array(folder / MAGNITUDES, made.magnitudes)
    write_array(folder / EMBEDDING, made.embedding)
    seconds = round(time.monotonic() - began, 1)
    write_json(folder / CARD, {"name": example.name, "pairs": pairs, "seed": seed, "seconds": seconds})


def object_count(example: MetricExample, pairs: int, full: int = 20_000) -> int:
    """Objects for so many pairs: the example's own number for 20,000 and more, and in proportion for fewer,
    but at least 400."""
    return min(example.objects, max(400, round(example.objects * pairs / full)))


def read_example(example: MetricExample, folder: Path) -> LabelledExample:
    """Import the pairs as a user does, and read what the baselines know beside them.

    Raises:
        InputError: the table or a file of an object is missing or damaged.
    """
    kind = kind_from_json(example.kind)
    data = PairDataset.from_csv(folder / TABLE, kind=kind, metric=example.metric, split="split")
    rows, card = _object_rows(data, folder), read_json(folder / CARD)
    magnitudes, embedding = read_array(folder / MAGNITUDES)[rows], read_array(folder / EMBEDDING)[rows]
    return LabelledExample(data, magnitudes, embedding, float(card["seconds"]))


def _object_rows(data: PairDataset, folder: Path) -> Rows:
    """(m,) row of each object of an imported table among the objects as they were made.

    Pairs keep their order in an import. Names are not gone by: those of long texts are cut short.

    Raises:
        InputError: the table is not the one that was imported.
    """
    names = {name: row for row, name in enumerate((folder / NAMES).read_text(encoding="utf-8").split("\n"))}
    with open(folder / TABLE, encoding="utf-8", newline="") as file:
        pairs = list(csv.DictReader(file))
    if not np.array_equal([float(pair["value"]) for pair in pairs], data.value):
        raise InputError(f"{folder / TABLE} was imported in part: delete {folder}, and label again")
    rows = np.empty(len(data.left), np.int64)
    for column, ends in (("a", data.first), ("b", data.second)):
        rows[ends] = [names[pair[column]] for pair in pairs]
    return rows


def _check_card(folder: Path, example: MetricExample, pairs: int, seed: int) -> None:
    card = read_json(folder / CARD)
    if (card.get("name"), card.get("pairs"), card.get("seed")) != (example.name, pairs, seed):
        raise InputError(
            f"{folder} holds {card.get('pairs')} pairs of seed {card.get('seed')}, expected {pairs} of seed {seed}: "
            "choose another folder for the report"
        )


def _label(example: MetricExample, made: MadeObjects, drawn: DrawnPairs, on_labelled: OnLabelled | None) -> Floats:
    measure = example.measure(made.values)
    parts = []
    for start in range(0, len(drawn.first), LABELLED_AT_ONCE):
        rows = slice(start, start + LABELLED_AT_ONCE)
        parts.append(measure(drawn.first[rows], drawn.second[rows]))
        if on_labelled is not None:
            on_labelled(min(rows.stop, len(drawn.first)), len(drawn.first))
    return np.concatenate(parts)


def _write_objects(example: MetricExample, made: MadeObjects, folder: Path) -> list[str]:
    """The objects as the table names them: paths of the files that are written, or the objects themselves."""
    if example.write is None:
        return [str(value) for value in made.values]
    folder.mkdir()
    paths = [example.write(folder / f"{row:05d}", value) for row, value in enumerate(made.values)]
    return [f"{folder.name}/{path.name}" for path in paths]


def _table(names: list[str], drawn: DrawnPairs, values: Floats) -> str:
    """Columns a, b, value and split; values to as many digits as tell them apart."""
    rows = zip(drawn.first.tolist(), drawn.second.tolist(), values.tolist(), drawn.split.tolist(), strict=True)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["a", "b", "value", "split"])
    writer.writerows([names[a], names[b], repr(value), split] for a, b, value, split in rows)
    return text.getvalue()
