"""The four losses of the magic autoencoder, pure functions of tensors.

Equation numbers are those of A. Gritsevskiy, *Towards Generative Drug Discovery: Metric Learning using Variational
Autoencoders* (2017). Equation (1) = latent + reconstruction + deformation; equation (2) = metric.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

LatentLossKind = Literal["divergence", "adversarial"]
MetricLossKind = Literal["squared", "absolute", "huber", "contrastive"]


def reconstruction_loss(logits: Tensor, x: Tensor, weight: Tensor | None = None) -> Tensor:
    r"""-E[log p(x | z)], in nats an object, with an independent Bernoulli for each pixel.

    p(x_i = 1 | z) = sigmoid(logits_i); summed over the pixels, mean over the objects.

    Args:
        logits: (m, 1, H, W), what the decoder says.
        x: (m, 1, H, W) in [0, 1].
        weight: pixels each number stands for, broadcast over (m, 1, H, W); None where each is one pixel.
    """
    return F.binary_cross_entropy_with_logits(logits, x, weight, reduction="sum") / len(x)


def latent_loss(mean: Tensor, log_variance: Tensor) -> Tensor:
    r"""KL(q(z | x), N(0, I)) = 1/2 sum_i (mean_i^2 + variance_i - 1 - log variance_i), in nats an object.

    Summed over the d latent dimensions, mean over the objects (Kingma & Welling 2013, appendix B).

    Args:
        mean, log_variance: (m, d).
    """
    return 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).sum(dim=-1).mean()


def deformation_loss(z: Tensor, z_moved: Tensor) -> Tensor:
    r"""Third term of equation (1): (10 / n) sum_{i=1}^{n} (z_i - z_moved_i)^2, mean over the objects.

    Assumption: n is the latent size d (the paper does not say whether it is that or the batch).

    Args:
        z: (m, d), codes of the objects.
        z_moved: (m, d), codes of the same objects under a random motion.
    """
    return 10.0 * (z - z_moved).square().mean(dim=-1).mean()


TEMPERATURE = 0.1
"""Distance that counts as one nat in the contrastive loss."""


def metric_loss(
    score: Tensor,
    target: Tensor,
    kind: MetricLossKind = "squared",
    ends: tuple[Tensor, Tensor] | None = None,
    listed: Tensor | None = None,
) -> Tensor:
    r"""Equation (2): how far the latent geometry is from the metric, mean over the pairs.

    With e = score - target, on the scale of the metric head's scores: `squared` e^2; `absolute` |e|; `huber` e^2/2 up to
    |e| = 1, then |e| - 1/2. Assumption of the `paper` preset: squared (the paper writes the bare difference).
    `contrastive` is for distances in [0, 2] of a binary metric, see `contrastive_loss`.

    Args:
        score: (n,), latent geometry of each pair.
        target: (n,), what it should be.
        ends: (n,) int64 each, numbers of the two objects of each pair; `contrastive` alone asks for them.
        listed: (n,) bool, pairs that were labelled and not only implied; `contrastive` alone looks at it.
    """
    match kind:
        case "squared":
            return F.mse_loss(score, target)
        case "absolute":
            return F.l1_loss(score, target)
        case "huber":
            return F.huber_loss(score, target)
        case "contrastive":
            if ends is None:
                raise ValueError("the contrastive loss compares the pairs of an object: give their ends")
            return contrastive_loss(score, target, *ends, listed)


def contrastive_loss(
    distance: Tensor, target: Tensor, first: Tensor, second: Tensor, listed: Tensor | None = None
) -> Tensor:
    r"""Matches nearer than all else, and on the near side of a distance of 1; in nats.

    The sum of two parts. For each match (i, j) and each of its ends, -log of exp(-d_ij / t) as a share of the sum over
    all pairs of that end, t being `TEMPERATURE` (van den Oord et al. 2018, InfoNCE). And the logistic loss of
    (1 - d) / t, matches and mismatches each counting half, which puts the border between them at 1.

    Mismatches that somebody listed were chosen, often for being hard to tell; those between objects that only share
    a batch are many and mostly easy. Where both are there, each kind has half of the mismatches' weight.

    Args:
        distance: (n,) in [0, 2].
        target: (n,), 0 for a match, 2 for a mismatch.
        first, second: (n,) int64, the two objects of each pair.
        listed: (n,) bool, pairs that were labelled; all by default.
    """
    near = (1.0 - distance) / TEMPERATURE
    match = target < 1.0
    weight = near.exp()
    objects = int(torch.maximum(first.max(), second.max())) + 1
    total = torch.zeros(objects, dtype=weight.dtype, device=weight.device)
    share = total.index_add(0, first, weight).index_add(0, second, weight).log()
    chosen = ~match if listed is None else ~match & listed
    kinds = [part for part in (chosen, ~match & ~chosen) if part.any()]
    parts = [F.softplus(near[kind]).mean() / (2 * len(kinds)) for kind in kinds]
    parts += [F.softplus(-near[match]).sum() / (2 * match.sum().clamp(min=1))]
    parts += [(share[end[match]] - near[match]).sum() / (2 * match.sum().clamp(min=1)) for end in (first, second)]
    return torch.stack(parts).sum()
