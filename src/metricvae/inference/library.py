"""A library of shapes, encoded once and then searched: an index is a folder with `items.parquet` and `index.json`.

Every item's code is compared with the query's, by the model's own head: a product of a matrix and a vector, which
answers for a million items in less time than it takes to encode the query.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from scipy import special

from metricvae.errors import InputError
from metricvae.files import check_sha256, read_json, require_free_folder, sha256_of, sweep, write_json
from metricvae.inference.predict import Encoded, Predictions, Predictor
from metricvae.objects.images import image_names, read_image
from metricvae.objects.silhouettes import Mask
from metricvae.overlap.edges import Edge
from metricvae.overlap.joins import join
from metricvae.overlap.planar import Prepared, solve
from metricvae.overlap.records import Pose
from metricvae.pairs.dataset import CARD, read_dataset
from metricvae.pairs.parts import write_table

INDEX = "index.json"
ITEMS = "items.parquet"
PARTS = ".parts"
PLAN = "plan.json"

ITEMS_A_PART = 2_048


class Library(Protocol):
    """Shapes with names.

    Attributes:
        names: (n,) unique.
    """

    @property
    def names(self) -> Sequence[str]: ...

    def mask(self, index: int) -> Mask:
        """The (200, 200) mask of one shape."""
        ...

    def place(self, index: int) -> str:
        """Where it is kept: a path."""
        ...


@dataclass(frozen=True)
class ImageFolder:
    """The images in a folder and the folders below it."""

    folder: Path
    names: Sequence[str]
    fit: bool

    def mask(self, index: int) -> Mask:
        return read_image(self.folder / self.names[index], fit=self.fit)

    def place(self, index: int) -> str:
        return str(self.folder / self.names[index])


class DataSetObjects:
    """The objects of a labelled data set."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, read_dataset(folder)

    @property
    def names(self) -> Sequence[str]:
        return self.data.ids

    def mask(self, index: int) -> Mask:
        return self.data.mask(index)

    def place(self, index: int) -> str:
        return f"{self.folder}#{self.data.ids[index]}"


def open_library(folder: Path, *, fit: bool = False) -> Library:
    """A folder of images, or a data set.

    Raises:
        InputError: neither, or an empty one.
    """
    folder = Path(folder)
    return DataSetObjects(folder) if (folder / CARD).is_file() else ImageFolder(folder, image_names(folder), fit)


def build_index(
    predictor: Predictor,
    library_folder: Path,
    folder: Path,
    *,
    fit: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Encode a library into `folder`, going on where an interrupted run stopped; returns `index.json`.

    Args:
        predictor: the model.
        library_folder: images, or a data set.
        folder: absent, empty, or an index of the same library by the same model, finished or not.
        fit: scale and centre images of other sizes.
        on_progress: told how many items of how many are encoded.

    Raises:
        InputError: no library, an image that cannot be read, a folder that holds something else, a full disk.
    """
    library, folder, report = open_library(library_folder, fit=fit), Path(folder), on_progress or (lambda *_: None)
    plan = {
        "model": {"name": str(predictor.loaded.folder), "sha256": predictor.loaded.sha256},
        "library": os.path.relpath(library_folder, folder),
        "items": len(library.names),
        "names_sha256": hashlib.sha256("\n".join(library.names).encode()).hexdigest(),
        "fit": fit,
    }
    if (folder / INDEX).is_file():
        document: dict[str, Any] = read_json(folder / INDEX)
        if document.get("plan") != plan:
            raise InputError(f"{folder} holds an index of another library or model: choose another folder")
        return document
    require_free_folder(folder, PARTS, "index")
    parts = folder / PARTS
    if (parts / PLAN).is_file() and read_json(parts / PLAN) != plan:
        raise InputError(f"{folder} holds an unfinished index of another library or model: choose another folder")
    write_json(parts / PLAN, plan)
    paths = []
    for start in range(0, len(library.names), ITEMS_A_PART):
        end = min(start + ITEMS_A_PART, len(library.names))
        paths.append(parts / f"items-{start:09d}.parquet")
        if not paths[-1].exists():
            part = _encoded_part(predictor, library, range(start, end))
            write_table(paths[-1], [part], part.schema)
        report(end, len(library.names))
    write_table(folder / ITEMS, map(pq.read_table, paths), pq.read_schema(paths[0]))
    document = {"plan": plan, "sha256": sha256_of(folder / ITEMS)}
    write_json(folder / INDEX, document)
    shutil.rmtree(parts)
    sweep(folder, (INDEX, ITEMS))
    return document


def _encoded_part(predictor: Predictor, library: Library, rows: range) -> pa.Table:
    encoded = predictor.encode(lambda i: library.mask(rows[i]), len(rows))
    codes = encoded.codes.cpu().numpy()
    flat = pa.array(codes.ravel(), pa.float32())
    return pa.table(
        {
            "id": [library.names[row] for row in rows],
            "path": [library.place(row) for row in rows],
            "area": pa.array(encoded.sizes.cpu().numpy(), pa.float32()),
            "novelty": pa.array(encoded.novelty.cpu().numpy(), pa.float32()),
            "code": pa.FixedSizeListArray.from_arrays(flat, codes.shape[1]),
        }
    )


@dataclass(frozen=True)
class Index:
    """A library in memory.

    Attributes:
        ids, paths: (n,) of the items.
        encoded: their codes.
        plan: model and library.
    """

    ids: tuple[str, ...]
    paths: tuple[str, ...]
    encoded: Encoded
    plan: dict[str, Any]


def read_index(folder: Path) -> Index:
    """Read and check an index.

    Raises:
        InputError: the folder is no finished index, or its items were changed.
    """
    folder = Path(folder)
    if not (folder / INDEX).is_file():
        raise InputError(f"{folder} has no {INDEX}, so it is no finished index: run `metricvae index` (again) for it")
    document = read_json(folder / INDEX)
    try:
        plan, sha256 = dict(document["plan"]), str(document["sha256"])
        plan["model"]["sha256"]
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{folder / INDEX} is damaged: make the index again") from None
    check_sha256(folder / ITEMS, sha256)
    table = pq.read_table(folder / ITEMS).combine_chunks()
    width = table["code"].type.list_size
    codes = table["code"].combine_chunks().flatten().to_numpy().reshape(-1, width)
    area, novelty = (table[name].to_numpy() for name in ("area", "novelty"))
    encoded = Encoded(*(torch.from_numpy(np.array(part)) for part in (codes, area, novelty)))
    return Index(tuple(table["id"].to_pylist()), tuple(table["path"].to_pylist()), encoded, plan)


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
        said: the model's answers.
        exact: (k,) answers of the exact search; None where it was not asked for.
        poses: k motions of the items that give them.
    """

    rows: npt.NDArray[np.int64]
    said: Predictions
    exact: npt.NDArray[np.float64] | None = None
    poses: tuple[Pose, ...] | None = None


def search(index: Index, predictor: Predictor, query: Mask, count: int) -> Hits:
    """The items with the largest predicted metric to a query.

    Args:
        index: of the library.
        predictor: the model it was made with.
        query: (200, 200) mask.
        count: how many.

    Raises:
        InputError: `count` is not positive.
    """
    if count < 1:
        raise InputError(f"k is {count}: expected at least 1")
    asked, items = predictor.encode(lambda _: query, 1), index.encoded
    device = predictor.device
    both = Encoded(
        *(
            torch.cat([getattr(one, name).to(device) for one in (asked, items)])
            for name in ("codes", "sizes", "novelty")
        )
    )
    others = np.arange(1, len(index.ids) + 1)
    said = predictor.predict(both, np.zeros_like(others), others)
    best = np.argsort(-said.value, kind="stable")[:count]
    return Hits(best, _chosen(said, best))


Exact = Callable[[Mask], tuple[float, Pose]]
"""The exact answer of a query and an item: how much, and the motion of the item that gives it."""


def exact_search(task: str, query: Mask) -> Exact:
    """What a model's answers for a query are checked by: the overlap in pixels, or the evidence that two halves fit.

    Args:
        task: that the model was trained for.
        query: (200, 200) mask.

    Raises:
        InputError: there is no exact search for that task.
    """
    match task:
        case "overlap":
            return functools.partial(_overlap, Prepared(query))
        case "halves":
            return functools.partial(_fit, Edge(query))
    raise InputError(f"there is no exact search for models of {task}: leave it out")


def _overlap(query: Prepared, item: Mask) -> tuple[float, Pose]:
    found = solve(query, Prepared(item))
    return found.area, found.pose


def _fit(query: Edge, item: Mask) -> tuple[float, Pose]:
    found = join(query, Edge(item))
    return found.score, found.pose


def rerank(
    hits: Hits,
    exact: Exact,
    mask_of: Callable[[int], Mask],
    on_progress: Callable[[int, int], None] | None = None,
) -> Hits:
    """The same hits in the order of their exact answers; for a binary metric, of all that speaks for a match: the
    evidence of the exact fit and the logarithm of the model's odds together.

    Args:
        hits: as `search` gives them.
        exact: of the query.
        mask_of: the mask of an item by its row in the index.
        on_progress: told how many hits of how many are done.
    """
    found: list[tuple[float, Pose]] = []
    for row in hits.rows.tolist():
        found.append(exact(mask_of(row)))
        if on_progress is not None:
            on_progress(len(found), len(hits.rows))
    values = np.array([value for value, _ in found])
    odds = 0.0 if hits.said.match is None else special.logit(np.clip(hits.said.value, 1e-9, 1 - 1e-9))
    order = np.argsort(-(values + odds), kind="stable")
    poses = tuple(found[place][1] for place in order.tolist())
    return Hits(hits.rows[order], _chosen(hits.said, order), values[order], poses)


def _chosen(said: Predictions, rows: npt.NDArray[np.int64]) -> Predictions:
    match = None if said.match is None else said.match[rows]
    return Predictions(said.value[rows], said.low[rows], said.high[rows], said.level, said.novelty[rows], match)
