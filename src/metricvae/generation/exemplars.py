"""Training shapes that a model's folder carries: where to begin when shapes are generated, and what counts as a copy.

A picture of a shape drawn near the code of a real one is clearer than one drawn anywhere. A few thousand shapes are
enough to begin at, and small: their pixels as bits, their codes as bytes, `step` times which is the code. That is as
near as is needed to begin at a code, or to say which shapes one is to be compared with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from metricvae.core.dataset import DataSet, unpacked
from metricvae.core.errors import InputError
from metricvae.kinds.silhouette.records import Mask
from metricvae.prediction.predictor import Predictor
from metricvae.runtime.files import atomic_path, check_sha256, sha256_of
from metricvae.training.checkpoint import annotate, refuse_shipped

FILE = "shapes.parquet"

SHAPES = 2_048
"""That a bank holds, at most."""

LEVEL = 19
"""Of the compression: half a kilobyte a shape."""

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Bank:
    """m shapes with their codes.

    Attributes:
        ids: (m,) names in the data set.
        packed: (m, SIZE * SIZE / 8) uint8, the masks as packed bits.
        codes: (m, d) float32.
        areas: (m,) float32 pixels.
    """

    ids: tuple[str, ...]
    packed: Bytes
    codes: torch.Tensor
    areas: torch.Tensor

    def mask(self, index: int) -> Mask:
        """The (SIZE, SIZE) mask of one shape."""
        return unpacked(self.packed[index])

    def write(self, folder: Path) -> dict[str, Any]:
        """Put it into a model's folder; returns what the model's `config.json` is to say of it."""
        step = float(self.codes.abs().max()) / 127
        codes = (self.codes / step).round().to(torch.int8).cpu().numpy()
        columns = {
            "id": pa.array(self.ids),
            "shape": pa.array([row.tobytes() for row in self.packed], pa.binary()),
            "code": pa.array([row.tobytes() for row in codes], pa.binary()),
        }
        with atomic_path(Path(folder) / FILE) as temporary:
            options = {"compression": "zstd", "compression_level": LEVEL, "use_dictionary": False}
            pq.write_table(pa.table(columns), temporary, **options)
        return {"sha256": sha256_of(Path(folder) / FILE), "shapes": len(self.ids), "step": step}

    @classmethod
    def read(cls, folder: Path, document: dict[str, Any]) -> Bank:
        """The inverse of `write`, but for what rounding the codes loses.

        Raises:
            InputError: the file is missing, or not the one that was written.
        """
        path = Path(folder) / FILE
        check_sha256(path, str(document.get("sha256")))
        try:
            table, step = pq.read_table(path), float(document["step"])
            packed = _rows(table["shape"], np.uint8)
            codes = torch.from_numpy(_rows(table["code"], np.int8)).float() * step
        except (KeyError, TypeError, ValueError, pa.ArrowException) as error:
            raise InputError(f"{path} cannot be read ({error}): restore it or train the model again") from None
        return cls(tuple(table["id"].to_pylist()), packed, codes, _areas(packed))


def bank_of(predictor: Predictor) -> Bank | None:
    """The bank of a model; None where its folder carries none.

    Raises:
        InputError: the bank's file is missing or was changed.
    """
    document = predictor.loaded.calibration.get("bank")
    return None if document is None else Bank.read(predictor.loaded.folder, document)


def make_bank(
    predictor: Predictor,
    data: DataSet,
    count: int | None = SHAPES,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> Bank:
    """Shapes of the training split of a data set, drawn at random and encoded.

    Args:
        predictor: of the model whose bank it is.
        data: that it was trained on.
        count: how many, at most; None for all there are.
        seed: of the draw.
        on_progress: told how many of how many are encoded.
    """
    rows = data.rows("train")
    there = np.unique(np.concatenate([data.first[rows], data.second[rows]]))
    chosen = np.sort(np.random.default_rng(seed).permutation(there)[:count])
    encoded = predictor.encode(lambda i: data.mask(int(chosen[i])), len(chosen), on_progress=on_progress)
    ids = tuple(data.ids[i] for i in chosen.tolist())
    return Bank(ids, data.packed[chosen], encoded.codes.cpu(), encoded.sizes.cpu())


def add_bank(folder: Path, data: DataSet) -> None:
    """Give the finished model in a folder a bank of the data it was trained on.

    Raises:
        InputError: no finished model, or one that ships with the package.
    """
    refuse_shipped(folder)
    bank = make_bank(Predictor.load(folder), data)
    annotate(folder, calibration={"bank": bank.write(Path(folder))})


def _areas(packed: Bytes) -> torch.Tensor:
    """(m,) pixels set; the bits are counted a byte at a time."""
    ones = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(1, dtype=np.uint8)
    return torch.from_numpy(ones[packed].sum(1, dtype=np.int32)).float()


def _rows(column: pa.ChunkedArray, kind: Any) -> Any:
    return np.stack([np.frombuffer(row, kind) for row in column.to_pylist()])
