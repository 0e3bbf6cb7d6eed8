"""Alignment targets: what a pose model learns of many pairs, as the exact solver's scan sees them, kept in a file."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from metricvae.core.dataset import PairDataset
from metricvae.core.errors import InputError
from metricvae.core.kind import ObjectKind, Packed
from metricvae.core.pose import PoseModel
from metricvae.runtime.process_pool import worker_pool
from metricvae.training.batching import graph_of
from metricvae.training.checkpoint import read_tensors, write_tensors

PAIRS_A_TASK = 480

Rows = npt.NDArray[np.int64]

_ROWS = "rows"


@dataclass(frozen=True)
class AlignmentTargets:
    """Targets of k pairs.

    Attributes:
        rows: (k,) int64, which pairs of the data.
        arrays: (k, ...) each, by the names of the pose model.
    """

    rows: Tensor
    arrays: Mapping[str, Tensor]

    def __len__(self) -> int:
        return len(self.rows)

    def of(self, places: Rows, device: torch.device) -> dict[str, Tensor]:
        """Those of some pairs, float32."""
        here = torch.from_numpy(places.copy())
        return {name: array[here].to(device).float() for name, array in self.arrays.items()}


def scan_targets(
    pose_model: PoseModel,
    network: Any,
    data: PairDataset,
    rows: Rows,
    path: Path,
    begun: dict[str, Any],
    *,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> AlignmentTargets:
    """Scan pairs on all cores, or read what `path` keeps of it.

    Args:
        pose_model: that says what is learned of a pair.
        network: its hyperparameters.
        data: whose pairs they are.
        rows: (k,) of them.
        path: file that the targets are kept in.
        begun: what they depend on, compared with what the file says.
        workers: processes; default all cores.
        on_progress: told how many pairs of how many are scanned.

    Raises:
        InputError: the file is of other data, or damaged.
    """
    if path.exists():
        return _read(path, begun)
    parts = [rows[start : start + PAIRS_A_TASK] for start in range(0, len(rows), PAIRS_A_TASK)]
    scan = functools.partial(_scan, pose_model, network, data.left.kind)
    found: list[dict[str, npt.NDArray[Any]]] = []
    with worker_pool(workers) as pool:
        for part in pool.map(scan, (_task(data, rows) for rows in parts)):
            found.append(part)
            if on_progress is not None:
                on_progress(min(len(found) * PAIRS_A_TASK, len(rows)), len(rows))
    arrays = {name: torch.from_numpy(np.concatenate([part[name] for part in found])) for name in found[0]}
    targets = AlignmentTargets(torch.from_numpy(rows), arrays)
    write_tensors(path, {_ROWS: targets.rows, **arrays}, {"begun": begun})
    return targets


def _read(path: Path, begun: dict[str, Any]) -> AlignmentTargets:
    checkpoint = read_tensors(path)
    if checkpoint.numbers.get("begun") != begun or _ROWS not in checkpoint.tensors:
        raise InputError(f"{path} is of a training with other settings or data: give the same again, or delete it")
    arrays = {name: tensor for name, tensor in checkpoint.tensors.items() if name != _ROWS}
    return AlignmentTargets(checkpoint.tensors[_ROWS], arrays)


def choose_runs(pairs: int, count: int, run_length: int, seed: int) -> Rows:
    """Rows of about `count` of so many pairs, in runs of `run_length`, as they stand.

    Args:
        pairs: that there are; all are taken where there are no more.
        count: wanted.
        run_length: consecutive pairs that are taken together, as they share objects.
        seed: which runs are taken.
    """
    runs = max(1, pairs // run_length)
    chosen = np.random.default_rng((seed, runs)).permutation(runs)[: max(1, count // run_length)]
    rows = (np.sort(chosen)[:, None] * run_length + np.arange(run_length)).reshape(-1)
    return rows[rows < pairs].astype(np.int64)


Task = tuple[Packed, Rows, Rows]


def _task(data: PairDataset, rows: Rows) -> Task:
    """Packed objects of some pairs, each once, and the ends of the pairs."""
    graph = graph_of(data, rows, one_tower=True)
    if graph.shared:
        return data.left.packed[graph.left], graph.first, graph.second
    packed = data.left.kind.concatenate([data.left.packed[graph.left], data.right.packed[graph.right]])
    return packed, graph.first, graph.second + len(graph.left)


def _scan(pose_model: PoseModel, network: Any, kind: ObjectKind, task: Task) -> dict[str, npt.NDArray[Any]]:
    return pose_model.scan(network, kind, *task)
