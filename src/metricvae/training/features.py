"""What the encoder is fed in training: objects and moved copies of them, after the encoder's parameter-free part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from metricvae.kinds.molecule import transforms as clouds
from metricvae.kinds.silhouette import transforms as motions
from metricvae.nn.coders import Encoder
from metricvae.training.batching import Move, PairData, generator_of
from metricvae.training.config import TrainingConfig

OnPrepare = Callable[[int, int], None]
"""Told how many objects of how many are prepared."""

Prepare = Callable[[Tensor], Tensor]
Rows = npt.NDArray[np.int64]

AT_ONCE = {"cpu": 128, "cuda": 1024}
"""Objects that are prepared together: as many as stay in a processor's cache, or keep a GPU busy."""


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
    """Each object and `copies` moved copies of it are prepared once and kept, as the encoder packs them.

    For encoders whose preparation costs more than what follows it. An object is then shown in any of its poses: the
    metric is the same for all.
    """

    def __init__(
        self,
        data: PairData,
        encoder: Encoder,
        move: Move,
        device: torch.device,
        *,
        copies: int,
        seed: int,
        on_prepare: OnPrepare | None = None,
    ) -> None:
        used = np.unique(np.concatenate([data.first, data.second]))
        self.place = np.full(len(data.packed), -1, dtype=np.int64)
        self.place[used] = np.arange(len(used))
        self.poses, self.device, self.unpack = 1 + copies, device, encoder.unpack
        one = encoder.pack(encoder.prepare(data.unpack(used[:1], device)))[0]
        self.kept = one.new_empty((len(used), self.poses, *one.shape))
        at_once = AT_ONCE.get(device.type, AT_ONCE["cpu"])
        for start in range(0, len(used), at_once):
            rows = slice(start, start + at_once)
            x = data.unpack(used[rows], device)
            generator = generator_of(seed, 0, 1 + start)  # no step has this: theirs are (seed, step)
            for pose in range(self.poses):
                shown = move(x, generator) if pose else x
                self.kept[rows, pose] = encoder.pack(encoder.prepare(shown))
            if on_prepare is not None:
                on_prepare(start + len(x), len(used))

    def pairs_of(self, objects: Rows, anchors: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        rows = torch.from_numpy(self.place[objects])
        pose = torch.randint(self.poses, (len(rows),), generator=generator)
        other = (pose + torch.randint(1, self.poses, (len(rows),), generator=generator)) % self.poses
        return self._take(rows, pose), self._take(rows[anchors], other[anchors])

    def _take(self, rows: Tensor, poses: Tensor) -> Tensor:
        return self.unpack(self.kept[rows.to(self.device), poses.to(self.device)])


def features_for(
    config: TrainingConfig,
    data: PairData,
    encoder: Encoder,
    move: Move,
    device: torch.device,
    on_prepare: OnPrepare | None = None,
) -> Features:
    """Objects and moved copies, prepared ahead of time where `config.copies` asks for it."""
    if config.copies == 0:
        return LiveFeatures(data, encoder.prepare, move, device)
    return KeptFeatures(
        *(data, encoder, move, device),
        copies=config.copies,
        seed=config.seed,
        on_prepare=on_prepare,
    )


def move_randomly(x: Tensor, generator: torch.Generator) -> Tensor:
    """Each object under a motion of its own; masks stay inside the canvas, cut at half as their picture would be."""
    if x.ndim == 3:
        return clouds.move(x, clouds.random_motions(len(x), generator))
    return (motions.move(x, motions.random_motions(x, generator)) > 0.5).float()
