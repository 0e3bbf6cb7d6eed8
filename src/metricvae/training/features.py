"""What the encoder is fed in training: objects and moved copies of them, after the encoder's parameter-free part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from metricvae.core.dataset import ObjectTable
from metricvae.nn.coders import Encoder
from metricvae.training.batching import Move, generator_of
from metricvae.training.config import TrainingConfig

OnPrepare = Callable[[int, int], None]
"""Told how many objects of how many are prepared."""

Prepare = Callable[[Tensor], Tensor]
Rows = npt.NDArray[np.int64]

AT_ONCE = {"cpu": 128, "cuda": 1024}
"""Objects that are prepared together: as many as stay in a processor's cache, or keep a GPU busy."""


class Features(Protocol):
    """A source of prepared objects; `generator` is on the CPU, so every device sees the same random numbers."""

    def pairs_of(self, objects: Rows, anchors: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Features of `objects` (m, ...) and of moved copies of `objects[anchors]` (k, ...)."""
        ...


class LiveFeatures:
    """Every motion is made when it is needed, from the packed objects."""

    def __init__(self, table: ObjectTable, prepare: Prepare, move: Move, device: torch.device) -> None:
        self.table, self.prepare, self.move, self.device = table, prepare, move, device

    def pairs_of(self, objects: Rows, anchors: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        x = self.table.tensor(objects, self.device)
        moved = self.move(x[anchors.to(self.device)], generator)
        return self.prepare(x), self.prepare(moved)


class StoredFeatures:
    """Each object and `copies` moved copies of it, prepared once and stored as the encoder packs them.

    For encoders whose preparation costs more than what follows it. An object is then shown in any of its poses: the
    metric is the same for all. `prepare_features` makes one.

    Args:
        stored: (n, 1 + copies, ...) packed features, the object as it lies first.
        place: (m,) row of each object of the table, -1 where it is in no pair.
        unpack: the inverse of the encoder's packing.
    """

    def __init__(self, stored: Tensor, place: Rows, unpack: Prepare) -> None:
        self.stored, self.place, self.unpack = stored, place, unpack
        self.poses = stored.shape[1]

    def pairs_of(self, objects: Rows, anchors: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        rows = torch.from_numpy(self.place[objects])
        pose = torch.randint(self.poses, (len(rows),), generator=generator)
        other = (pose + torch.randint(1, self.poses, (len(rows),), generator=generator)) % self.poses
        return self._take(rows, pose), self._take(rows[anchors], other[anchors])

    def _take(self, rows: Tensor, poses: Tensor) -> Tensor:
        device = self.stored.device
        return self.unpack(self.stored[rows.to(device), poses.to(device)])


def prepare_features(
    table: ObjectTable,
    used: Rows,
    encoder: Encoder,
    move: Move,
    device: torch.device,
    *,
    copies: int,
    seed: int,
    on_prepare: OnPrepare | None = None,
) -> StoredFeatures:
    """Prepare the objects `used` (n,) of a table and `copies` moved copies of each.

    Args:
        seed: of the motions.
        on_prepare: told how far it is.
    """
    place = np.full(len(table), -1, dtype=np.int64)
    place[used] = np.arange(len(used))
    one = encoder.pack(encoder.prepare(table.tensor(used[:1], device)))[0]
    stored = one.new_empty((len(used), 1 + copies, *one.shape))
    at_once = AT_ONCE.get(device.type, AT_ONCE["cpu"])
    for start in range(0, len(used), at_once):
        rows = slice(start, start + at_once)
        x = table.tensor(used[rows], device)
        generator = generator_of(seed, 0, 1 + start)  # no step has this: theirs are (seed, step)
        for pose in range(1 + copies):
            shown = move(x, generator) if pose else x
            stored[rows, pose] = encoder.pack(encoder.prepare(shown))
        if on_prepare is not None:
            on_prepare(start + len(x), len(used))
    return StoredFeatures(stored, place, encoder.unpack)


def features_for(
    config: TrainingConfig,
    table: ObjectTable,
    used: Rows,
    encoder: Encoder,
    move: Move,
    device: torch.device,
    on_prepare: OnPrepare | None = None,
) -> Features:
    """Objects and moved copies, prepared ahead of time where `config.copies` asks for it."""
    if config.copies == 0:
        return LiveFeatures(table, encoder.prepare, move, device)
    return prepare_features(
        *(table, used, encoder, move, device), copies=config.copies, seed=config.seed, on_prepare=on_prepare
    )
