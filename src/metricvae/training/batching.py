"""Pairs in memory, and how a training step takes its share of them.

A batch is a small graph: `m` objects are its nodes, `n` labelled pairs its edges, so an object that stands in many
pairs is encoded once. The paper's triple `x`, `x_moved`, `x_other` is `x[first]`, its moved copy and `x[second]`.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.packing import Form, unpacked_molecules
from metricvae.kinds.silhouette.packing import pack_masks, unpack_masks

Move = Callable[[Tensor, torch.Generator], Tensor]
"""(k, 1, H, W) objects and a generator -> the same objects, each under a random motion."""


@dataclass(frozen=True)
class Batch:
    """What one training step sees.

    Attributes:
        x: (m, ...) float32, the objects, each once, as `encoder.prepare` gives them (pixels for the flat encoder).
        x_moved: (k, ...) float32, moved copies of the anchors `x[anchors]`, likewise.
        anchors: (k,) int64, the objects that equation (1) reconstructs and moves: those that stand first in a pair.
        first: (n,) int64, row in `x` of the first object of each pair.
        second: (n,) int64, row in `x` of the second object of each pair.
        value: (n,) float32, the metric in its own unit (pixels for the overlap).
        size: (m,) float32, area of each object in pixels.
        listed: (n,) bool, pairs that the data list, where `PairData.otherwise` gave the others; None where all do.
    """

    x: Tensor
    x_moved: Tensor
    anchors: Tensor
    first: Tensor
    second: Tensor
    value: Tensor
    size: Tensor
    listed: Tensor | None = None


@dataclass(frozen=True)
class LossTerms:
    """The four losses of one batch, 0-d tensors, not yet weighted."""

    reconstruction: Tensor
    latent: Tensor
    deformation: Tensor
    metric: Tensor


@dataclass(frozen=True)
class PairData:
    """Labelled pairs of N objects, held in memory as `metricvae.kinds.molecule.packing` packs them.

    Attributes:
        packed: (N, b) uint8.
        first, second: (P,) int64, rows of `packed`.
        values: (P,) float32, the metric in its own unit.
        sizes: (N,) float32, of each object, in the metric's unit: areas in pixels, or self-overlaps.
        height, width: canvas in pixels, of masks.
        form: what was packed.
        otherwise: the value of every pair that is not listed, where it is known: training then looks at all pairs of
            the objects of a batch. None where it is not.
    """

    packed: npt.NDArray[np.uint8]
    first: npt.NDArray[np.int64]
    second: npt.NDArray[np.int64]
    values: npt.NDArray[np.float32]
    sizes: npt.NDArray[np.float32]
    height: int = 200
    width: int = 200
    otherwise: float | None = None
    form: Form = "masks"

    @classmethod
    def from_masks(
        cls, masks: npt.NDArray[np.uint8], first: npt.ArrayLike, second: npt.ArrayLike, values: npt.ArrayLike
    ) -> PairData:
        """Pack (N, H, W) masks of 0 and 1; sizes are their areas."""
        return cls(
            pack_masks(masks),
            np.asarray(first, np.int64),
            np.asarray(second, np.int64),
            np.asarray(values, np.float32),
            masks.sum(axis=(1, 2), dtype=np.int64).astype(np.float32),
            *masks.shape[1:],
        )

    def __len__(self) -> int:
        return len(self.values)

    def unpack(self, objects: npt.NDArray[np.int64], device: torch.device | str = "cpu") -> Tensor:
        """The given objects, float32: masks (k, 1, H, W) of 0 and 1, or molecules (k, A, 6 + A).

        Of a mask, one bit a pixel travels to a device.
        """
        packed = self.packed[objects]
        if self.form == "molecules":
            return torch.from_numpy(unpacked_molecules(packed)).to(device)
        if torch.device(device).type == "cpu":
            return torch.from_numpy(unpack_masks(packed, self.height, self.width)).float()[:, None]
        return bits_of(torch.from_numpy(packed).to(device), self.height, self.width).float()[:, None]

    def check(self, name: str, *, at_least: int) -> None:
        """Raise InputError unless a model can be trained or evaluated on these pairs."""
        if len(self) < at_least:
            raise InputError(f"the {name} data has {len(self)} pairs, expected at least {at_least}: label more pairs")
        if not np.isfinite(self.values).all() or not np.isfinite(self.sizes).all():
            raise InputError(f"the {name} data has NaN or infinite values: label the pairs again")
        if self.values.min() == self.values.max():
            raise InputError(
                f"every pair of the {name} data has the value {self.values[0]:g}, so there is nothing to learn: "
                "expected values that differ, label other objects"
            )
        rows = np.concatenate([self.first, self.second])
        if rows.min() < 0 or rows.max() >= len(self.packed):
            raise InputError(f"the {name} data names an object outside its {len(self.packed)} objects: make it again")


def bits_of(packed: Tensor, height: int, width: int) -> Tensor:
    """`unpack_masks` where the bytes are: (m, b) uint8 -> (m, height, width) uint8 of 0 and 1."""
    bits = packed[..., None] >> torch.arange(7, -1, -1, dtype=torch.uint8, device=packed.device) & 1
    return bits.flatten(1)[:, : height * width].unflatten(1, (height, width))


def data_facts(train: PairData, validation: PairData) -> dict[str, Any]:
    """What tells one set of data from another, so that training never goes on with other data."""
    digest = hashlib.sha256()
    for data in (train, validation):
        for array in (data.packed, data.first, data.second, data.values, data.sizes):
            digest.update(np.ascontiguousarray(array).data)
    facts = {"pairs": len(train), "validation_pairs": len(validation), "sha256": digest.hexdigest()}
    return facts if train.otherwise is None else facts | {"otherwise": train.otherwise}


def generator_of(*words: int) -> torch.Generator:
    """A source of chance seeded by all the words together, on the CPU: the same whatever the device."""
    return torch.Generator().manual_seed(int(np.random.SeedSequence(words).generate_state(1)[0]))


@functools.lru_cache(maxsize=2)
def batch_indices(count: int, batch_size: int, run_length: int, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """Pairs of each step of an epoch, (steps, batch_size) int64.

    Runs of `run_length` consecutive pairs stay together (a data set stores pairs in blocks that share objects) and
    the runs are shuffled; `run_length=1` shuffles the pairs themselves. What is left over at the end waits for
    another epoch. A pure function of its arguments, so work resumes from a step number alone.
    """
    if count < batch_size:
        raise InputError(f"{count} pairs do not fill a batch of {batch_size}: label more pairs or take smaller batches")
    runs = np.random.default_rng((seed, epoch)).permutation(-(-count // run_length))
    pairs = (runs[:, None] * run_length + np.arange(run_length)).reshape(-1)
    pairs = pairs[pairs < count]
    steps = count // batch_size
    batches = pairs[: steps * batch_size].reshape(steps, batch_size)
    batches.flags.writeable = False
    return batches


def pairs_of_step(data: PairData, step: int, *, batch_pairs: int, run_length: int, seed: int) -> npt.NDArray[np.int64]:
    """Rows of the pairs of one step, (batch_pairs,)."""
    epoch, row = divmod(step, len(data) // batch_pairs)
    return batch_indices(len(data), batch_pairs, run_length, seed, epoch)[row]


def graph(
    first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Pairs (n,), (n,) as a graph: its objects (m,), each once, and the ends of each pair among them, (n,) and (n,)."""
    objects, rows = np.unique(np.stack([first, second]), return_inverse=True)
    ends = rows.reshape(2, -1)
    return objects, ends[0], ends[1]


def completed(
    first: Tensor, second: Tensor, value: Tensor, objects: int, otherwise: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """All pairs of `objects` objects, each once: the listed ones (n,) with their values, the rest with `otherwise`.

    Returns:
        The two ends of each pair, its value, and whether it was listed.
    """
    known = value.new_full((objects, objects), otherwise)
    known[first, second] = known[second, first] = value
    listed = torch.zeros((objects, objects), dtype=torch.bool, device=value.device)
    listed[first, second] = listed[second, first] = True
    ends = torch.triu_indices(objects, objects, 1, device=value.device)
    return ends[0], ends[1], known[ends[0], ends[1]], listed[ends[0], ends[1]]


def choose_anchors(first: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """A random `share` of the objects that stand first in a pair, at least one, in order."""
    anchors = first.unique()
    count = max(1, round(share * len(anchors)))
    return anchors[torch.randperm(len(anchors), generator=generator)[:count]].sort().values
