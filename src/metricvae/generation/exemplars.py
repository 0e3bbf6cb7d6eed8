"""Exemplars: training objects that a model's folder carries, where generation begins, and what counts as a copy.

A picture of a shape drawn near the code of a real one is clearer than one drawn anywhere. A few thousand shapes are
enough to begin at, and small: their pixels as bits, their codes as bytes, `step` times which is the code. That is as
near as is needed to begin at a code, or to say which shapes one is to be compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from metricvae.core.dataset import PairDataset
from metricvae.core.kind import Object, ObjectKind
from metricvae.prediction.predictor import Predictor
from metricvae.runtime.files import atomic_path, check_sha256, sha256_of
from metricvae.runtime.parquet import read_table
from metricvae.runtime.reading import damaged
from metricvae.training.checkpoint import annotate, refuse_shipped

FILE = "shapes.parquet"

LEVEL = 19
"""Of the compression: half a kilobyte a shape."""

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Exemplars:
    """m objects with their codes.

    Attributes:
        kind: of the objects.
        ids: (m,) names in the data set.
        packed: (m, b) uint8, the objects as the kind packs them.
        codes: (m, d) float32.
        magnitudes: (m,) float32.
    """

    kind: ObjectKind
    ids: tuple[str, ...]
    packed: Bytes
    codes: torch.Tensor
    magnitudes: torch.Tensor

    def __len__(self) -> int:
        return len(self.ids)

    def tensor(self, rows: Any) -> torch.Tensor:
        """Some of the objects as encoders take them."""
        return self.kind.unpack(self.packed[rows])

    def objects(self, rows: Sequence[int]) -> list[Object]:
        """Some of the objects as their kind reads them."""
        return self.kind.restore(self.packed[list(rows)])

    def write(self, folder: Path) -> dict[str, Any]:
        """Put it into a model's folder; returns what the model's `config.json` is to say of it."""
        step = float(self.codes.abs().max()) / 127
        codes = (self.codes / step).round().to(torch.int8).cpu().numpy()
        columns = {
            "id": pa.array(self.ids),
            "object": pa.array([row.tobytes() for row in self.packed], pa.binary()),
            "code": pa.array([row.tobytes() for row in codes], pa.binary()),
        }
        with atomic_path(Path(folder) / FILE) as temporary:
            options = {"compression": "zstd", "compression_level": LEVEL, "use_dictionary": False}
            pq.write_table(pa.table(columns), temporary, **options)
        return {"sha256": sha256_of(Path(folder) / FILE), "shapes": len(self.ids), "step": step}

    @classmethod
    def read(cls, folder: Path, document: dict[str, Any], kind: ObjectKind) -> Exemplars:
        """The inverse of `write`, but for what rounding the codes loses.

        Raises:
            InputError: the file is missing, or not the one that was written.
        """
        path = Path(folder) / FILE
        check_sha256(path, str(document.get("sha256")))
        with damaged(path, "restore it or train the model again"):
            table, step = read_table(path), float(document["step"])
            packed = _rows(table[table.column_names[1]], np.uint8)  # `object`; in files of 0.1 by another name
            codes = torch.from_numpy(_rows(table["code"], np.int8)).float() * step
        magnitudes = torch.from_numpy(kind.measure(kind.restore(packed))).float()
        return cls(kind, tuple(table["id"].to_pylist()), packed, codes, magnitudes)


def exemplars_of(predictor: Predictor) -> Exemplars | None:
    """The exemplars of a model; None where its folder carries none.

    Raises:
        InputError: their file is missing or was changed.
    """
    calibration = predictor.loaded.calibration
    document = calibration.get("exemplars", calibration.get("bank"))  # 0.1 called them a bank
    return None if document is None else Exemplars.read(predictor.loaded.folder, document, predictor.kind("left"))


def exemplar_count(predictor: Predictor) -> int:
    """How many exemplars a model's folder carries."""
    calibration = predictor.loaded.calibration
    return int(calibration.get("exemplars", calibration.get("bank", {})).get("shapes", 0))


def make_exemplars(
    predictor: Predictor,
    data: PairDataset,
    count: int | None,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> Exemplars:
    """Left objects of the training split of a data set, drawn at random and encoded.

    Args:
        predictor: of the model whose exemplars they are.
        data: that it was trained on.
        count: how many, at most; None for all there are.
        seed: of the draw.
        on_progress: told how many of how many are encoded.
    """
    rows = data.rows("train")
    there = np.unique(np.concatenate([data.first[rows], data.second[rows]] if data.shared else [data.first[rows]]))
    chosen = np.sort(np.random.default_rng(seed).permutation(there)[:count])
    encoded = predictor.encode_rows(data.left, chosen, on_progress=on_progress)
    ids = tuple(data.left.ids[i] for i in chosen.tolist())
    return Exemplars(data.left.kind, ids, data.left.packed[chosen], encoded.codes.cpu(), encoded.magnitudes.cpu())


def add_exemplars(folder: Path, data: PairDataset, count: int) -> None:
    """Give the finished model in a folder exemplars of the data it was trained on.

    Raises:
        InputError: no finished model, or one that ships with the package.
    """
    refuse_shipped(folder)
    exemplars = make_exemplars(Predictor.load(folder), data, count)
    annotate(folder, calibration={"exemplars": exemplars.write(Path(folder))})


def _rows(column: pa.ChunkedArray, kind: Any) -> Any:
    return np.stack([np.frombuffer(row, kind) for row in column.to_pylist()])
