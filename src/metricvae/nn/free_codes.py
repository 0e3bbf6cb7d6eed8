"""How well the codes of a head could answer for given pairs at best, if they did not have to come from objects."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from metricvae.nn.heads import Head
from metricvae.nn.layers import seeded_weights


@dataclass(frozen=True)
class FreeCodesFit:
    """What codes that are free to be anything reach.

    Attributes:
        fitted_r2: R^2 on the pairs they were fitted to: an upper bound of what any encoder can reach on them.
        held_out_r2: R^2 on other pairs of the same objects, which tells whether the form of the head is right; NaN
            without such pairs.
        pairs_an_object: fitted pairs for each object. Where they are fewer than the numbers of a code, the bound is
            close to 1 for any metric and says little.
    """

    fitted_r2: float
    held_out_r2: float
    pairs_an_object: float


def fit_free_codes(
    head: Head,
    latent: int,
    first: Tensor,
    second: Tensor,
    value: Tensor,
    magnitudes: tuple[Tensor, Tensor],
    *,
    held_out: float = 0.1,
    steps: int = 250,
    seed: int = 0,
) -> FreeCodesFit:
    """Fit one code an object to pairs, by gradient descent (Adam) through the head.

    Args:
        head: that compares them.
        latent: numbers d of a code.
        first, second: (n,) int64, the objects of each pair; objects of different sides have different numbers.
        value: (n,) of the metric.
        magnitudes: (n,) each, of the two objects.
        held_out: share of the pairs that are not fitted.
        steps: of Adam, over all pairs at once.
        seed: of the initial codes and of the pairs that are held out.

    Example:
        >>> from metricvae.nn.heads import InnerProduct
        >>> z = torch.randn(12, 2, generator=torch.Generator().manual_seed(0))
        >>> a, b = torch.triu_indices(12, 12, 1)
        >>> ones = torch.ones(len(a))
        >>> fit_free_codes(InnerProduct(1.0), 4, a, b, (z[a] * z[b]).sum(1), (ones, ones)).fitted_r2 > 0.99
        True
    """
    objects, places = torch.unique(torch.stack([first, second]), return_inverse=True)
    a, b = places
    generator = torch.Generator().manual_seed(seed)
    out = torch.rand(len(value), generator=generator) < held_out
    target = head.target(value, *magnitudes).float()
    with seeded_weights(seed):
        codes = nn.Parameter(torch.randn(len(objects), latent) * 0.3)
    optimiser = torch.optim.Adam([codes], lr=0.03)
    fitted = (~out).nonzero()[:, 0]
    for _ in range(steps):
        loss = (head.score(codes[a[fitted]], codes[b[fitted]]) - target[fitted]).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        predicted = head.value(head.score(codes[a], codes[b]), *magnitudes)
    seen = torch.zeros(len(objects), dtype=torch.bool)
    seen[a[fitted]] = seen[b[fitted]] = True
    tested = out & seen[a] & seen[b]
    return FreeCodesFit(
        r_squared(predicted[~out], value[~out]),
        r_squared(predicted[tested], value[tested]) if int(tested.sum()) >= 20 else float("nan"),
        2 * len(fitted) / len(objects),
    )


def r_squared(predicted: Tensor, value: Tensor) -> float:
    """1 - sum (predicted - value)^2 / sum (value - mean value)^2 of (n,) numbers."""
    predicted, value = predicted.double(), value.double()
    return float(1.0 - (predicted - value).square().sum() / (value - value.mean()).square().sum().clamp(min=1e-300))
