"""What an aligner learns from: the overlap against the turn, as the exact search's scan sees it, for many pairs."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from metricvae.core.errors import InputError
from metricvae.metrics.overlap.solver.search import PreparedMask, SearchConfig, rotation_curve
from metricvae.runtime.process_pool import worker_pool
from metricvae.training.batching import PairData, graph
from metricvae.training.checkpoint import read_tensors, write_tensors

SCAN_WAVES = 24
"""Of the scan: its cells are 8 pixels wide on a canvas of 200, which many pairs even out."""

PAIRS_A_TASK = 480

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Lessons:
    """Curves of k pairs.

    Attributes:
        rows: (k,) int64, which pairs of the data.
        area: (k, rotations, 2) float16, overlap as a share of the smaller area at the two best shifts of each turn.
        shift: (k, rotations, 2, 2) float16 pixels, where the second centroid goes.
    """

    rows: Tensor
    area: Tensor
    shift: Tensor

    def of(self, places: Rows, device: torch.device) -> tuple[Tensor, Tensor]:
        """Areas and shifts of some of them, float32."""
        here = torch.from_numpy(places.copy())
        return self.area[here].to(device).float(), self.shift[here].to(device).float()


def make_lessons(
    data: PairData,
    count: int,
    run_length: int,
    seed: int,
    path: Path,
    begun: dict[str, Any],
    *,
    rotations: int,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Lessons:
    """Scan `count` pairs of the data on all cores, or read what `path` keeps of it.

    Args:
        data: whose pairs they are; all of them where there are no more.
        run_length: consecutive pairs that are taken together, as they share objects.
        seed: which runs are taken.
        path: file that the curves are kept in.
        begun: what the curves depend on, compared with what the file says.
        rotations: that each curve has, evenly spaced over the circle.
        workers: processes; default all cores.
        on_progress: told how many pairs of how many are scanned.

    Raises:
        InputError: the file is of other data, or damaged.
    """
    if path.exists():
        checkpoint = read_tensors(path)
        if checkpoint.numbers.get("begun") != begun or set(checkpoint.tensors) != {"rows", "area", "shift"}:
            raise InputError(f"{path} is of a training with other settings or data: give the same again, or delete it")
        return Lessons(**checkpoint.tensors)
    rows = chosen_runs(len(data), count, run_length, seed)
    parts = [rows[start : start + PAIRS_A_TASK] for start in range(0, len(rows), PAIRS_A_TASK)]
    scanned = functools.partial(
        _scanned, data.height, data.width, SearchConfig(angles=rotations, frequencies=SCAN_WAVES)
    )
    area, shift, done = [], [], 0
    with worker_pool(workers) as pool:
        for areas, shifts in pool.map(scanned, (_task(data, part) for part in parts)):
            area.append(torch.from_numpy(areas))
            shift.append(torch.from_numpy(shifts))
            done += len(areas)
            if on_progress is not None:
                on_progress(done, len(rows))
    lessons = Lessons(torch.from_numpy(rows), torch.cat(area), torch.cat(shift))
    tensors = {"rows": lessons.rows, "area": lessons.area, "shift": lessons.shift}
    write_tensors(path, tensors, {"begun": begun})
    return lessons


def chosen_runs(pairs: int, count: int, run_length: int, seed: int) -> Rows:
    """Rows of about `count` of so many pairs, in runs of `run_length`, as they stand."""
    runs = max(1, pairs // run_length)
    taken = np.random.default_rng((seed, runs)).permutation(runs)[: max(1, count // run_length)]
    rows = (np.sort(taken)[:, None] * run_length + np.arange(run_length)).reshape(-1)
    return rows[rows < pairs].astype(np.int64)


Task = tuple[npt.NDArray[np.uint8], Rows, Rows]


def _task(data: PairData, rows: Rows) -> Task:
    objects, first, second = graph(data.first[rows], data.second[rows])
    return data.packed[objects], first, second


def _scanned(
    height: int, width: int, config: SearchConfig, task: Task
) -> tuple[npt.NDArray[np.float16], npt.NDArray[np.float16]]:
    packed, first, second = task
    masks = np.unpackbits(packed, axis=1, count=height * width).reshape(-1, height, width)
    shapes = [PreparedMask(mask) for mask in masks]
    curves = [rotation_curve(shapes[a], shapes[b], config) for a, b in zip(first, second, strict=True)]
    least = np.array([min(shapes[a].area, shapes[b].area) for a, b in zip(first, second, strict=True)])
    area = np.stack([curve.area for curve in curves]) / least[:, None, None]
    return area.astype(np.float16), np.stack([curve.shift for curve in curves]).astype(np.float16)
