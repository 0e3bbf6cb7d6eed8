"""The latent prior: a normal distribution of the codes of training objects, to draw codes from.

Decoded, such draws are like the training objects (Ghosh et al. 2020, *From Variational to Deterministic Autoencoders*):
the losses of the metric decide where codes lie, so the prior N(0, I) is far from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from metricvae.prediction.novelty import read_part, write_part
from metricvae.prediction.shrinkage import fit_shrunk_normal
from metricvae.training.checkpoint import rounded

PRIOR_FILE = "latent_prior.safetensors"

_TENSORS = ("code_mean", "code_root")


@dataclass(frozen=True)
class LatentPrior:
    """N(code_mean, code_root code_root^T).

    Attributes:
        code_mean: (d,) of the codes.
        code_root: (d, d), times standard normal draws: deviations from it.
    """

    code_mean: Tensor
    code_root: Tensor

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """`count` codes like those of the training objects, (count, d); the generator is on the CPU."""
        drawn = torch.randn(count, len(self.code_mean), generator=generator)
        return self.code_mean + drawn.to(self.code_root.device) @ self.code_root.T

    def to(self, device: torch.device) -> LatentPrior:
        """The same on another device."""
        return LatentPrior(self.code_mean.to(device), self.code_root.to(device))

    def write(self, folder: Path) -> dict[str, Any]:
        """Put it into a model's folder; returns what the model's `config.json` is to say of it.

        It is written in half precision, unless a number is too large for that.
        """
        tensors = {name: getattr(self, name) for name in _TENSORS}
        half = rounded(tensors, "float16")
        fits = all(bool(part.isfinite().all()) for part in half.values())
        return write_part(folder / PRIOR_FILE, half if fits else tensors, {})

    @classmethod
    def read(cls, folder: Path, calibration: Mapping[str, Any]) -> LatentPrior | None:
        """That of a model, whose `config.json` says `calibration`; None where it has none.

        Raises:
            InputError: the file is missing, or not the one that was written.
        """
        found = read_part(folder, calibration, "latent_prior", PRIOR_FILE, _TENSORS)
        return None if found is None else cls(*(part.float() for part in found[0]))


def fit_latent_prior(codes: Tensor) -> LatentPrior:
    """Fit to the codes (m, d) of training objects."""
    normal = fit_shrunk_normal(codes)
    root = (normal.axes * normal.variances.sqrt()).float().contiguous()
    return LatentPrior(normal.mean.float(), root)
