"""What the encoder is fed in training: objects and moved copies of them, after the encoder's parameter-free part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from metricvae.model.batches import Move, PairData

Prepare = Callable[[Tensor], Tensor]
Rows = npt.NDArray[np.int64]

AT_ONCE = 128


class Features(Protocol):
    """A source of prepared objects; `generator` is on the CPU, so every device sees the same chance."""

    def pairs_of(self, objects: Rows, anchors: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Features of `objects` (m, ...) and of moved copies of `objects[anchors]` (k, ...)."""
        ...


class LiveFeatures:
    """Every motion is made when it is needed, from the bits."""

    def __init__(self, data: PairData, prepare: Prepare, move: Move, device: torch.device) -> None:
        self.data, self.prepare, self.move, self.device = data, prepare, move, device

    def pairs_of(self, objects: Rows, anchors: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        x = self.data.unpack(objects, self.device)
        moved = self.move(x[anchors.to(self.device)], generator)
        return self.prepare(x), self.prepare(moved)


class KeptFeatures:
    """Each object and `copies` moved copies of it are prepared once and kept at one byte a number.

    For encoders whose preparation costs more than what follows it. An object is then shown in any of its poses: the
    metric is the same for all.
    """

    def __init__(
        self,
        data: PairData,
        prepare: Prepare,
        move: Move,
        device: torch.device,
        *,
        copies: int,
        seed: int,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> None:
        used = np.unique(np.concatenate([data.first, data.second]))
        self.place = np.full(len(data.packed), -1, dtype=np.int64)
        self.place[used] = np.arange(len(used))
        self.copies, self.device = copies, device
        generator = torch.Generator().manual_seed(int(np.random.SeedSequence((seed, 1)).generate_state(1)[0]))
        chunks = []
        for start in range(0, len(used), AT_ONCE):
            x = data.unpack(used[start : start + AT_ONCE], device)
            poses = [prepare(x), *(prepare(move(x, generator)) for _ in range(copies))]
            chunks.append(torch.stack([(pose * 255).round().to(torch.uint8) for pose in poses], dim=1))
            if on_progress is not None:
                on_progress(start + len(x), len(used))
        self.kept = torch.cat(chunks)

    def pairs_of(self, objects: Rows, anchors: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        rows = torch.from_numpy(self.place[objects])
        pose = torch.randint(self.copies + 1, (len(rows),), generator=generator)
        other = (pose + torch.randint(1, self.copies + 1, (len(rows),), generator=generator)) % (self.copies + 1)
        return self._take(rows, pose), self._take(rows[anchors], other[anchors])

    def _take(self, rows: Tensor, pose: Tensor) -> Tensor:
        return self.kept[rows.to(self.device), pose.to(self.device)].float() / 255
