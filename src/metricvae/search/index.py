"""A library encoded once and then searched: what an index holds, and what is nearest to a query.

Every item's code is compared with the query's, by the model's own head: a product of a matrix and a vector. From a
hundred thousand items on, `codes.faiss` finds those worth comparing (`metricvae.search.ann`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from scipy import special
from torch.nn import functional

from metricvae.core.dataset import CARD, read_dataset, read_molecules
from metricvae.core.errors import InputError
from metricvae.kinds.molecule.conformers import conform
from metricvae.kinds.molecule.library import conformer_seed
from metricvae.kinds.molecule.packing import Atoms, Packable, atoms_of
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.silhouette.io import read_image
from metricvae.kinds.silhouette.records import Mask
from metricvae.metrics.match.solver.edges import Edge
from metricvae.metrics.match.solver.joins import join
from metricvae.metrics.overlap.solver.records import Pose
from metricvae.metrics.overlap.solver.search import PreparedMask, solve
from metricvae.metrics.shape.solver.gaussian_molecule import PreparedMolecule, prepare
from metricvae.metrics.shape.solver.overlays import overlay
from metricvae.metrics.shape.solver.records import Overlay
from metricvae.prediction.predictor import Encoded, Predictions, Predictor, tanimoto
from metricvae.runtime.files import check_sha256, read_json
from metricvae.search.ann import FILE as CELLS
from metricvae.search.ann import Nearest, query_vectors
from metricvae.search.build import INDEX, ITEMS, matrix


@dataclass(frozen=True)
class Index:
    """A library in memory.

    Attributes:
        folder: where it is.
        ids, paths: (n,) of the items.
        sizes, novelty: (n,) float32, as `Encoded` has them.
        lengths: (n,) float32, of the codes.
        codes: (n, d) float32; None where there are cells.
        cells: finds near codes; None where all are looked at.
        plan: model and library.
    """

    folder: Path
    ids: tuple[str, ...]
    paths: tuple[str, ...]
    sizes: torch.Tensor
    novelty: torch.Tensor
    lengths: torch.Tensor
    codes: torch.Tensor | None
    cells: Nearest | None
    plan: dict[str, Any]

    def rows_of(self, rows: npt.NDArray[np.int64]) -> pa.Table:
        """Some items with all that is kept of them but their codes."""
        return pq.read_table(self.folder / ITEMS, columns=self._columns).take(rows)

    @property
    def keeps_molecules(self) -> bool:
        """Whether the items hold what an overlay needs."""
        return "positions" in self._columns

    @property
    def _columns(self) -> list[str]:
        return [name for name in pq.read_schema(self.folder / ITEMS).names if name != "code"]


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
        plan, sha256 = dict(document["plan"]), dict(document["sha256"])
        plan["model"]["sha256"]
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{folder / INDEX} is damaged: make the index again") from None
    for name, digest in sha256.items():
        check_sha256(folder / name, str(digest))
    if "length" not in pq.read_schema(folder / ITEMS).names:
        raise InputError(f"the index in {folder} was made by an older version: make it again, in another folder")
    columns = ["id", "path", "area", "novelty", "length", *([] if CELLS in sha256 else ["code"])]
    table = pq.read_table(folder / ITEMS, columns=columns).combine_chunks()
    codes = torch.from_numpy(matrix(table["code"].combine_chunks()).copy()) if "code" in columns else None
    sizes, novelty, lengths = (
        torch.from_numpy(np.array(table[name].to_numpy())) for name in ("area", "novelty", "length")
    )
    ids, paths = (tuple(table[name].to_pylist()) for name in ("id", "path"))
    cells = Nearest.read(folder) if CELLS in sha256 else None
    return Index(folder, ids, paths, sizes, novelty, lengths, codes, cells, plan)


def item_reader(index: Index, hits: Hits) -> Callable[[int], Packable]:
    """What gives a hit as a model takes it, by its row: from the library, or from the index where that keeps molecules.

    Molecules that were indexed without a shape in space get a conformer.

    Raises:
        InputError: the library is not where it was.
    """
    if index.keeps_molecules:
        molecules = dict(zip(hits.rows.tolist(), read_molecules(index.rows_of(hits.rows)), strict=True))
        return lambda row: atoms_of(in_space(molecules[row]))
    path = index.folder / index.plan["library"]
    if (path / CARD).is_file():
        data = read_dataset(path)
        return data.object
    return lambda row: read_image(path / index.ids[row], fit=bool(index.plan.get("fit")))


def in_space(molecule: Molecule) -> Molecule:
    """The molecule, with a conformer where it has none."""
    if molecule.positions.any() or len(molecule.elements) < 2:
        return molecule
    return conform(molecule.smiles, conformer_seed(0, 0), name=molecule.id)[0]


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


Motion = Pose | Overlay


@dataclass(frozen=True)
class Hits:
    """The best k items for a query, best first.

    Attributes:
        rows: (k,) of the index.
        said: the model's answers.
        tanimoto: (k,) predicted Tanimoto coefficients, which molecules are ordered by; None for others.
        exact: (k,) answers of the exact search; None where it was not asked for.
        poses: k motions of the items that give them.
    """

    rows: npt.NDArray[np.int64]
    said: Predictions
    tanimoto: npt.NDArray[np.float64] | None = None
    exact: npt.NDArray[np.float64] | None = None
    poses: tuple[Motion, ...] | None = None


def search(index: Index, predictor: Predictor, query: Packable, count: int) -> Hits:
    """The items with the largest predicted metric to a query; of molecules, with the largest Tanimoto coefficient.

    Args:
        index: of the library.
        predictor: the model it was made with.
        query: (200, 200) mask, or array of a molecule.
        count: how many.

    Raises:
        InputError: `count` is not positive.
    """
    if count < 1:
        raise InputError(f"k is {count}: expected at least 1")
    asked = predictor.encode(lambda _: query, 1)
    if index.cells is None:
        assert index.codes is not None
        rows, codes = np.arange(len(index.ids)), index.codes
    else:
        wanted = query_vectors(predictor.model.head, asked.codes.cpu())[0].numpy()
        rows, _ = index.cells.find(wanted, count)
        codes = functional.normalize(torch.from_numpy(index.cells.codes(rows)), dim=1) * index.lengths[rows, None]
    parts = zip(
        (asked.codes, asked.sizes, asked.novelty),
        (codes, index.sizes[rows], index.novelty[rows]),
        strict=True,
    )
    both = Encoded(*(torch.cat([one, items.to(one)]) for one, items in parts))
    first, others = np.zeros(len(rows), np.int64), np.arange(1, len(rows) + 1)
    said = predictor.predict(both, first, others)
    alike = None
    if predictor.loaded.config.form == "molecules":
        alike = tanimoto(said.value, both, first, others)
    best = np.argsort(-(said.value if alike is None else alike), kind="stable")[:count]
    return Hits(rows[best], said[best], None if alike is None else alike[best])


Exact = Callable[[Packable], tuple[float, Motion]]
"""The exact answer of a query and an item: how much, and the motion of the item that gives it."""


def exact_search(task: str, query: Packable) -> Exact:
    """What a model's answers for a query are checked by: the overlap in pixels, the evidence that two halves fit, or
    the Tanimoto coefficient of two molecules.

    Args:
        task: that the model was trained for.
        query: as `search` takes it.

    Raises:
        InputError: there is no exact search for that task.
    """
    match task:
        case "overlap":
            return functools.partial(_overlap, PreparedMask(cast(Mask, query)))
        case "halves":
            return functools.partial(_fit, Edge(cast(Mask, query)))
        case "molecules":
            return functools.partial(_overlay, _body(cast(Atoms, query)))
    raise InputError(f"there is no exact search for models of {task}: leave it out")


def _overlap(query: PreparedMask, item: Packable) -> tuple[float, Pose]:
    found = solve(query, PreparedMask(cast(Mask, item)))
    return found.area, found.pose


def _fit(query: Edge, item: Packable) -> tuple[float, Pose]:
    found = join(query, Edge(cast(Mask, item)))
    return found.score, found.pose


def _overlay(query: PreparedMolecule, item: Packable) -> tuple[float, Overlay]:
    found = overlay(query, _body(cast(Atoms, item)))
    return found.tanimoto, found


def _body(molecule: Atoms) -> PreparedMolecule:
    return prepare(molecule[:, :3], molecule[:, 3])


def rerank(
    hits: Hits,
    exact: Exact,
    object_of: Callable[[int], Packable],
    on_progress: Callable[[int, int], None] | None = None,
) -> Hits:
    """The same hits in the order of their exact answers; for a binary metric, of all that speaks for a match: the
    evidence of the exact fit and the logarithm of the model's odds together.

    Args:
        hits: as `search` gives them.
        exact: of the query.
        object_of: an item by its row in the index.
        on_progress: told how many hits of how many are done.
    """
    found: list[tuple[float, Motion]] = []
    for row in hits.rows.tolist():
        found.append(exact(object_of(row)))
        if on_progress is not None:
            on_progress(len(found), len(hits.rows))
    values = np.array([value for value, _ in found])
    odds = 0.0 if hits.said.match is None else special.logit(np.clip(hits.said.value, 1e-9, 1 - 1e-9))
    order = np.argsort(-(values + odds), kind="stable")
    poses = tuple(found[place][1] for place in order.tolist())
    alike = None if hits.tanimoto is None else hits.tanimoto[order]
    return Hits(hits.rows[order], hits.said[order], alike, values[order], poses)
