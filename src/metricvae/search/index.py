"""A library encoded once and then searched: what an index holds, and what answers best to a query.

Every item's code is compared with the query's, by the model's own head: a product of a matrix and a vector. From a
hundred thousand items on, `codes.faiss` finds those worth comparing (`metricvae.search.ann`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch.nn import functional

from metricvae.core.errors import InputError
from metricvae.core.kind import Object, ObjectKind, kind_from_json
from metricvae.nn.autoencoder import Sides
from metricvae.prediction.predictor import Encoded, Predictions, Predictor
from metricvae.runtime.files import check_sha256
from metricvae.runtime.parquet import read_rows
from metricvae.search.ann import FILE as CELLS
from metricvae.search.ann import InvertedFile, query_vector
from metricvae.search.build import INDEX, ITEMS, matrix, read_document

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Index:
    """A library in memory.

    Attributes:
        folder: where it is.
        kind: of the items.
        side: of a pair on which they stand.
        ids, paths: (n,) of the items.
        magnitudes, novelty: (n,) float32, as `Encoded` has them.
        lengths: (n,) float32, of the codes.
        codes: (n, d) float32; None where there are cells.
        cells: finds near codes; None where all are looked at.
        plan: model and library.
    """

    folder: Path
    kind: ObjectKind
    side: Sides
    ids: tuple[str, ...]
    paths: tuple[str, ...]
    magnitudes: torch.Tensor
    novelty: torch.Tensor
    lengths: torch.Tensor
    codes: torch.Tensor | None
    cells: InvertedFile | None
    plan: dict[str, Any]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def query_side(self) -> Sides:
        """The side of a pair on which queries stand."""
        return "left" if self.side == "right" else "right"

    @property
    def library(self) -> Path:
        """Where the library was."""
        return self.folder / str(self.plan["library"])

    def table(self, rows: Rows) -> pa.Table:
        """Some items with all that is kept of them but their codes."""
        columns = [name for name in pq.read_schema(self.folder / ITEMS).names if name != "code"]
        return read_rows(self.folder / ITEMS, rows, columns)

    def encoded(self, rows: Rows | None = None) -> Encoded:
        """Items as the model sees them: those in some rows, or all of an index without cells."""
        if self.cells is None:
            assert self.codes is not None
            whole = Encoded(self.codes, self.magnitudes, self.novelty)
            return whole if rows is None else whole[torch.from_numpy(rows)]
        assert rows is not None
        directions = functional.normalize(torch.from_numpy(self.cells.codes(rows)), dim=1)
        return Encoded(directions * self.lengths[rows, None], self.magnitudes[rows], self.novelty[rows])


def read_index(folder: Path) -> Index:
    """Read and check an index.

    Raises:
        InputError: the folder is no finished index, its items were changed, or another version made it.
    """
    folder = Path(folder)
    if not (folder / INDEX).is_file():
        raise InputError(f"{folder} has no {INDEX}, so it is no finished index: run `metricvae index` (again) for it")
    document = read_document(folder)
    plan, sha256 = document["plan"], document["sha256"]
    for name, digest in sha256.items():
        check_sha256(folder / name, str(digest))
    columns = ["id", "path", "magnitude", "novelty", "length", *([] if CELLS in sha256 else ["code"])]
    table = pq.read_table(folder / ITEMS, columns=columns).combine_chunks()
    ids, paths = (tuple(table[name].to_pylist()) for name in ("id", "path"))
    magnitudes, novelty, lengths = (
        torch.from_numpy(np.array(table[name].to_numpy())) for name in ("magnitude", "novelty", "length")
    )
    return Index(
        folder=folder,
        kind=kind_from_json(plan["kind"]),
        side=cast(Sides, plan["side"]),
        ids=ids,
        paths=paths,
        magnitudes=magnitudes,
        novelty=novelty,
        lengths=lengths,
        codes=torch.from_numpy(matrix(table["code"].combine_chunks()).copy()) if "code" in columns else None,
        cells=InvertedFile.read(folder) if CELLS in sha256 else None,
        plan=plan,
    )


def load_for(index: Index, model: str | None = None, device: str = "cpu") -> Predictor:
    """The model an index was made with, or `model`, which must be the same.

    Raises:
        InputError: the model is not where it was, or is another one.
    """
    name = model or index.plan["model"]["name"]
    predictor = Predictor.load(name, device)
    if predictor.loaded.sha256 != index.plan["model"]["sha256"]:
        raise InputError(f"the model {name} is not the one the index was made with: make the index again")
    return predictor


@dataclass(frozen=True)
class Hits:
    """The best k items for a query, best first.

    Attributes:
        rows: (k,) of the index.
        predictions: the model's answers.
        score: (k,) by which the model orders them, larger for better; see `Metric.retrieval_score`.
        answers: further numbers that follow from the predictions, (k,) each; see `Metric.answers`.
        exact: (k,) scores of the metric's solver; None where it was not asked for.
        poses: k motions that give them, as the solver has them; None where it was not asked for.
    """

    rows: Rows
    predictions: Predictions
    score: Floats
    answers: dict[str, Floats]
    exact: Floats | None = None
    poses: tuple[Any, ...] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, places: npt.NDArray[Any]) -> Hits:
        """Some of the hits, or all in another order."""
        return Hits(
            self.rows[places],
            self.predictions[places],
            self.score[places],
            {name: column[places] for name, column in self.answers.items()},
            None if self.exact is None else self.exact[places],
            None if self.poses is None else tuple(self.poses[place] for place in places.tolist()),
        )


def search(index: Index, predictor: Predictor, query: Object, count: int) -> Hits:
    """The items that the model predicts to answer best to a query.

    Args:
        index: of the library.
        predictor: the model it was made with.
        query: an object as the kind of the other side reads it.
        count: how many.

    Raises:
        InputError: `count` is not positive.
    """
    if count < 1:
        raise InputError(f"k is {count}: expected at least 1")
    asked = predictor.encode([query], index.query_side)
    if index.cells is None:
        rows, items = np.arange(len(index)), index.encoded()
    else:
        largest = predictor.metric.similarity
        rows, _ = index.cells.find(query_vector(predictor.model.head, asked.codes, largest=largest), count)
        items = index.encoded(rows)
    hits = score_items(index, predictor, asked, items, rows)
    return hits[np.argsort(-hits.score, kind="stable")[:count]]


def score_items(index: Index, predictor: Predictor, asked: Encoded, items: Encoded, rows: Rows) -> Hits:
    """What the model says of an encoded query with encoded items, which stand in these rows; in their order."""
    there = Encoded(*(part.to(asked.codes.device) for part in (items.codes, items.magnitudes, items.novelty)))
    query, others = np.zeros(len(rows), np.int64), np.arange(len(rows))
    pairs = (asked, there, query, others) if index.side == "right" else (there, asked, others, query)
    predictions, magnitudes = predictor.predict(*pairs), predictor.magnitudes(*pairs)
    metric = predictor.metric
    score = metric.retrieval_score(predictions.value, *magnitudes)
    return Hits(rows, predictions, score, metric.answers(predictions.value, *magnitudes))
