"""How it is computed: bfloat16 where processors and GPUs multiply in it, and the number of threads."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Literal

import torch

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


@contextlib.contextmanager
def threads_of(count: int | None) -> Iterator[None]:
    """So many threads of PyTorch in the block; None leaves them as they are."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
