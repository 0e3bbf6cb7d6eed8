"""The kind `signal`: one period of a real signal, sampled at evenly spaced points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from metricvae.kinds.arrays import ArrayKind

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class SignalKind(ArrayKind):
    """Signals of `shape[0]` samples, in `.npy` files. Codes are to be invariant to circular shifts.

    Attributes:
        shape: (samples,) of every signal.
    """

    name: ClassVar[str] = "signal"
    title: ClassVar[str] = "signals"
    magnitude_name: ClassVar[str] = "energy"
    magnitude_exponent: ClassVar[float] = 2.0
    caveats: ClassVar[str] = "Signals of other lengths are refused."
    shape: tuple[int, ...] = (32,)

    def move(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Each of (m, n) signals under a random circular shift."""
        import torch

        samples = x.shape[1]
        shift = torch.randint(samples, (len(x), 1), generator=generator)
        places = (torch.arange(samples) - shift) % samples
        return x.gather(1, places.to(x.device))

    def magnitudes(self, x: Tensor) -> Tensor:
        """(m,) energies of (m, n) signals: sums of squares."""
        return x.square().sum(1).clamp(min=1e-12)
