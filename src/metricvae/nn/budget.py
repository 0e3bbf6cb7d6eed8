"""A bound on what a network may take while it is built, for configurations that strangers wrote.

A few bytes of a configuration can ask for layers of any size. Their weights lie beside it in a file, whose size is
known: a network that takes much more than that is not the one whose weights these are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from metricvae.core.errors import InputError

SPARE = 2**28
"""Bytes beyond those of the weights: constants of encoders and decoders, and what making them takes."""

COPIES = 4
"""Times the bytes of the weights that are taken while they are made at random."""

T = TypeVar("T")


class AllocationBudget(TorchDispatchMode):
    """Counts the bytes of new tensors in a block, and ends it once there are too many.

    Memory of an uninitialised tensor is the system's until it is written, so the tensor that goes too far costs
    nothing.
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most, self.taken = most, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if isinstance(made, Tensor) and not any(isinstance(one, Tensor) for one in args):
            self.taken += made.numel() * made.element_size()
            if self.taken > self.most:
                raise InputError(f"takes more than {self.most:,} bytes")
        return made


def build_within(build: Callable[[], T], weights: int, name: str) -> T:
    """What `build` makes, of networks whose weights take so many bytes.

    Args:
        build: makes a network on the CPU.
        weights: bytes of its weights, in float32.
        name: of the file that describes the network, in messages.

    Raises:
        InputError: it takes far more, or cannot be built.
    """
    most = COPIES * weights + SPARE
    try:
        with AllocationBudget(most):
            return build()
    except (InputError, RuntimeError, MemoryError, ValueError, TypeError, OverflowError) as error:
        why = " ".join(str(error).split())[:160]
        raise InputError(f"{name} describes a network that does not fit its weights ({why}): restore it") from None


def bytes_of(tensors: dict[str, torch.Tensor]) -> int:
    """Bytes of some tensors in float32."""
    return sum(4 * tensor.numel() for tensor in tensors.values())
