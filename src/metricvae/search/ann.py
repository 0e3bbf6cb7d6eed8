"""Which codes of a million are nearest to one, without looking at all: an inverted file of clusters (FAISS).

Codes are sorted into cells about centres found by k-means; a query looks into the cells whose centres are nearest to
it (J. Sivic and A. Zisserman, ICCV 2003; M. Douze et al., *The Faiss library*, 2024). Numbers are kept in half
precision.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from metricvae.core.errors import InputError
from metricvae.nn.heads import CosineDistance, Head, InnerProduct, SignedInverseCosine
from metricvae.runtime.extras import require
from metricvae.runtime.files import atomic_path, sha256_of

FILE = "codes.faiss"

WORTHWHILE = 100_000
"""Items from which on it pays; fewer are all looked at."""

LEARNED_FROM = 100_000
"""Codes that the cells are found on, at most."""

CELLS_LOOKED_AT = 192
"""Of a query, if nothing else is asked for."""

Codes = npt.NDArray[np.float32]


def item_vectors(head: Head, z: Tensor) -> Tensor:
    """(n, d) codes of items as vectors whose inner product with `query_vectors` orders as the head does."""
    if isinstance(head, SignedInverseCosine):
        raise InputError("a metric with a sign has no nearest items: search without an index of cells")
    return z if isinstance(head, InnerProduct) else functional.normalize(z, dim=-1)


def query_vectors(head: Head, z: Tensor) -> Tensor:
    """(n, d) codes of queries as vectors, see `item_vectors`."""
    return item_vectors(head, head.partner(z) if isinstance(head, CosineDistance) else z)


def cells_for(count: int) -> int:
    """How many cells so many items are sorted into: each is found on some forty codes at least."""
    return max(1, min(round(4 * math.sqrt(count)), min(count, LEARNED_FROM) // 40))


@dataclass(frozen=True)
class Nearest:
    """Vectors in cells.

    Attributes:
        index: of FAISS.
    """

    index: Any

    @classmethod
    def build(cls, parts: Iterable[Codes], sample: Codes, count: int, threads: int | None = None) -> Nearest:
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
        index.cp.seed, index.cp.niter = 1, 10
        index.train(sample)
        for part in parts:
            index.add(np.ascontiguousarray(part, np.float32))
        return cls(index)

    def find(self, query: Codes, count: int, cells: int = CELLS_LOOKED_AT) -> tuple[npt.NDArray[np.int64], Codes]:
        """Rows of the `count` vectors with the largest products with a query (d,), largest first, and the products.

        Fewer come back where the cells looked at hold fewer.
        """
        self.index.nprobe = cells
        products, rows = self.index.search(np.ascontiguousarray(query[None], np.float32), count)
        good = rows[0] >= 0
        return rows[0][good], products[0][good]

    def codes(self, rows: npt.NDArray[np.int64]) -> Codes:
        """(k, d) vectors by row."""
        self.index.make_direct_map()
        found: Codes = self.index.reconstruct_batch(rows)
        return found

    def write(self, folder: Path) -> str:
        """Put it into a folder, atomically; returns its SHA-256."""
        faiss = _faiss(None)
        with atomic_path(folder / FILE) as temporary:
            faiss.write_index(self.index, str(temporary))
        return sha256_of(folder / FILE)

    @classmethod
    def read(cls, folder: Path, threads: int | None = None) -> Nearest:
        """The inverse of `write`: the file is mapped into memory, not read.

        Raises:
            InputError: FAISS is not installed, or the file is not one of its.
        """
        faiss = _faiss(threads)
        try:
            return cls(faiss.read_index(str(folder / FILE), faiss.IO_FLAG_MMAP_IFC))
        except RuntimeError:
            raise InputError(f"{folder / FILE} cannot be read: make the index again") from None


def _faiss(threads: int | None) -> Any:
    faiss = require("faiss", "search", "an index of so many items")
    if threads is not None:
        faiss.omp_set_num_threads(threads)
    return faiss


def vectors(head: Head, codes: Codes) -> Codes:
    """`item_vectors` of arrays."""
    found: Codes = item_vectors(head, torch.from_numpy(np.array(codes))).numpy()
    return found
