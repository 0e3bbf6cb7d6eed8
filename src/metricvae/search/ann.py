"""An approximate index: which of a million codes answer best to one, without looking at all (FAISS, inverted file).

Codes are sorted into cells about centres found by k-means; a query looks into the cells whose centres are nearest to
it (J. Sivic and A. Zisserman, ICCV 2003; M. Douze et al., *The Faiss library*, 2024). Numbers are kept in half
precision.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from metricvae.core.errors import InputError
from metricvae.nn.heads import Head
from metricvae.runtime.extras import require
from metricvae.runtime.files import atomic_path, sha256_of
from metricvae.runtime.reading import check_regular

WORTHWHILE = 100_000
"""Items from which on it pays; fewer are all looked at."""

LEARNED_FROM = 100_000
"""Codes that the cells are found on, at most."""

CELLS_LOOKED_AT = 192
"""Of a query, if nothing else is asked for. Where only some items are wanted, so many times more as fewer are."""

Codes = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]


def item_vectors(head: Head, codes: Codes) -> Codes:
    """`Head.item_vectors` of codes (n, d)."""
    found: Codes = head.item_vectors(torch.from_numpy(np.array(codes))).numpy()
    return found


def query_vector(head: Head, z: Tensor, *, largest: bool = True) -> Codes:
    """The vector (d,) whose products with `item_vectors` are largest for the best items.

    Args:
        head: of the model.
        z: (1, d) code of the query.
        largest: whether the best items are those of the largest values of the metric: not so for a distance.
    """
    found: Codes = head.query_vectors(z.cpu().float())[0].numpy()
    return found if largest else -found


def cells_for(count: int) -> int:
    """How many cells so many items are sorted into: each is found on some forty codes at least."""
    return max(1, min(round(4 * math.sqrt(count)), min(count, LEARNED_FROM) // 40))


@dataclass(frozen=True)
class InvertedFile:
    """Vectors in cells about centres.

    Attributes:
        index: of FAISS.
    """

    index: Any

    @classmethod
    def build(cls, parts: Iterable[Codes], sample: Codes, count: int, threads: int | None = None) -> InvertedFile:
        """Sort vectors into cells.

        Args:
            parts: (k, d) vectors, in order.
            sample: (m, d) of them, which the cells are found on.
            count: of all vectors.
            threads: at once; default all cores.
        """
        faiss = _faiss(threads)
        width = sample.shape[1]
        centres = faiss.IndexFlatIP(width)
        index = faiss.IndexIVFScalarQuantizer(
            centres, width, cells_for(count), faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
        )
        index.cp.seed, index.cp.niter, index.cp.min_points_per_centroid = 1, 10, 1
        index.train(sample)
        for part in parts:
            index.add(np.ascontiguousarray(part, np.float32))
        return cls(index)

    def find(
        self, query: Codes, count: int, wanted: Bools | None = None, *, cells: int = CELLS_LOOKED_AT
    ) -> tuple[npt.NDArray[np.int64], Codes]:
        """Rows of the vectors with the largest products with a query (d,), largest first, and the products.

        So many come back as are asked for, where so many are wanted: cells are looked into until there are.

        Args:
            query: (d,).
            count: how many.
            wanted: (n,) which vectors may be among them; default all.
            cells: looked into where all are wanted. Of the fewer vectors that are wanted in a cell, those nearest to
                the query lie in proportionally more cells; where a twentieth is wanted, that is all of them, and the
                answer exact.
        """
        there = self.index.ntotal if wanted is None else int(wanted.sum())
        if not there:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        count = min(count, there)
        looked_at = min(self.index.nlist, math.ceil(cells * self.index.ntotal / there))
        rows, products = self._find(query, count, wanted, looked_at)
        if len(rows) < count and looked_at < self.index.nlist:
            return self._find(query, count, wanted, self.index.nlist)
        return rows, products

    def _find(self, query: Codes, count: int, wanted: Bools | None, cells: int) -> tuple[npt.NDArray[np.int64], Codes]:
        faiss = _faiss(None)
        bits = None if wanted is None else np.packbits(wanted, bitorder="little")
        chosen = {} if bits is None else {"sel": faiss.IDSelectorBitmap(bits)}
        settings = faiss.SearchParametersIVF(nprobe=cells, **chosen)
        products, rows = self.index.search(np.ascontiguousarray(query[None], np.float32), count, params=settings)
        good = rows[0] >= 0
        return rows[0][good], products[0][good]

    def extended(self, parts: Iterable[Codes]) -> InvertedFile:
        """The same with more vectors, sorted into the cells that there are; this one must have been read to change."""
        for part in parts:
            self.index.add(np.ascontiguousarray(part, np.float32))
        return self

    def codes(self, rows: npt.NDArray[np.int64]) -> Codes:
        """(k, d) vectors by row."""
        self.index.make_direct_map()
        found: Codes = self.index.reconstruct_batch(rows)
        return found

    def write(self, path: Path) -> str:
        """Write a file, atomically; returns its SHA-256."""
        faiss = _faiss(None)
        with atomic_path(path) as temporary, open(temporary, "wb") as file:
            faiss.write_index(self.index, faiss.PyCallbackIOWriter(file.write))  # FAISS's own misses a full disk
        return sha256_of(path)

    @classmethod
    def read(cls, path: Path, threads: int | None = None, *, to_change: bool = False) -> InvertedFile:
        """The inverse of `write`: the file is mapped into memory, and read only where it is to be changed.

        Raises:
            InputError: FAISS is not installed, or the file is not one of its.
        """
        faiss = _faiss(threads)
        try:
            with _bounded(faiss, check_regular(path, "an inverted file")):
                index = faiss.read_index(str(path), *(() if to_change else (faiss.IO_FLAG_MMAP_IFC,)))
        except (RuntimeError, MemoryError):
            raise InputError(f"{path} cannot be read: make the index again") from None
        if not isinstance(index, faiss.IndexIVF) or not index.is_trained:
            raise InputError(f"{path} is another sort of index than an inverted file: make the index again")
        return cls(index)


@contextlib.contextmanager
def _bounded(faiss: Any, size: int) -> Iterator[None]:
    """Let FAISS allocate for no list more bytes than the file has, whatever its header declares.

    Versions before 1.13 cannot be told.
    """
    names = [name for name in ("vector_byte", "loop") if hasattr(faiss, f"set_deserialization_{name}_limit")]
    before = {name: getattr(faiss, f"get_deserialization_{name}_limit")() for name in names}
    try:
        for name in names:
            getattr(faiss, f"set_deserialization_{name}_limit")(size)
        yield
    finally:
        for name, limit in before.items():
            getattr(faiss, f"set_deserialization_{name}_limit")(limit)


def _faiss(threads: int | None) -> Any:
    faiss = require("faiss", "search", "an index of so many items")
    if threads is not None:
        faiss.omp_set_num_threads(threads)
    return faiss
