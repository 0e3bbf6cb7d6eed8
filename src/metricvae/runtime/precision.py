"""How it is computed: bfloat16 where processors and GPUs multiply in it, bytes, the number of threads, and the heap."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor

Precision = Literal["auto", "float32", "bfloat16"]


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether `device` multiplies bfloat16 matrices natively: AVX512-BF16 or AMX on a processor, Ampere or later."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    flags = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return device.type == "cpu" and any(getattr(torch.cpu, flag, bool)() for flag in flags)


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """The context that a model's forward pass runs in."""
    reduced = precision == "bfloat16" or (precision == "auto" and multiplies_bfloat16(device))
    return torch.autocast(device.type, torch.bfloat16, enabled=reduced)


def in_bytes(levels: Tensor) -> Tensor:
    """Numbers in [0, 1] as bytes, each to a 510th."""
    return (levels * 255).round().to(torch.uint8)


def from_bytes(kept: Tensor) -> Tensor:
    """The numbers of `in_bytes`, float32."""
    return kept.float() / 255


def trim_heap() -> None:
    """Give what the heap has free back to the system, where the C library can (glibc's malloc_trim).

    Batches of outlines or molecules differ in size from step to step, and a heap that is asked for ever other sizes
    falls to pieces: left alone, a training of halves grew by six megabytes a step.
    """
    trim = getattr(_c_library(), "malloc_trim", None)
    if trim is not None:
        trim(0)


@functools.cache
def _c_library() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if os.name == "posix" else None


@contextlib.contextmanager
def threads_of(count: int | None) -> Iterator[None]:
    """So many threads of PyTorch in the block; None leaves them as they are."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
