"""The four losses of the magic autoencoder, pure functions of tensors.

Equation numbers are those of A. Gritsevskiy, *Towards Generative Drug Discovery: Metric Learning using Variational
Autoencoders* (2017). Equation (1) = latent + reconstruction + deformation; equation (2) = metric.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

LatentLossKind = Literal["divergence", "adversarial"]
MetricLossKind = Literal["squared", "absolute", "huber", "contrastive", "logistic", "ranking"]


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


@dataclass(frozen=True)
class PairFacts:
    """What losses of the metric may know of n pairs beside scores.

    Attributes:
        ends: (n,) int64 each, numbers of the two objects of each pair.
        listed: (n,) bool, pairs that were labelled and not only implied; None where all were.
        weight: (n,) how much each pair counts; None where all count alike.
        at_least, at_most: (n,) bounds of the true value of each pair, in the metric's unit; both are the value where
            it is known.
        group: (n,) int64, pairs of one group have comparable values; None where all have.
    """

    ends: tuple[Tensor, Tensor]
    listed: Tensor | None = None
    weight: Tensor | None = None
    at_least: Tensor | None = None
    at_most: Tensor | None = None
    group: Tensor | None = None


def metric_loss(
    score: Tensor, target: Tensor, kind: MetricLossKind = "squared", facts: PairFacts | None = None
) -> Tensor:
    r"""Equation (2): how far the latent geometry is from the metric, mean over the pairs.

    With e = score - target, both scores of the metric head: `squared` e^2; `absolute` |e|; `huber` e^2/2 up to
    |e| = 1, then |e| - 1/2. Assumption of the `paper` preset: squared (the paper writes the bare difference).
    `contrastive` is for distances in [0, 2] of a binary metric, see `contrastive_loss`; `logistic` for scores that are
    the log-odds of a 1; `ranking` for metrics of which only the order counts, see `ranking_loss`.

    Args:
        score: (n,), latent geometry of each pair.
        target: (n,), what it should be.
        facts: of the pairs; `contrastive` asks for `ends`, `ranking` for the bounds.
    """
    weight = None if facts is None else facts.weight
    match kind:
        case "squared":
            return weighted_mean((score - target).square(), weight)
        case "absolute":
            return weighted_mean((score - target).abs(), weight)
        case "huber":
            return weighted_mean(F.huber_loss(score, target, reduction="none"), weight)
        case "logistic":
            return weighted_mean(F.softplus(torch.where(target > 0, -score, score)), weight)
    if facts is None:
        raise ValueError(f"the {kind} loss compares pairs with one another: give their facts")
    return (
        ranking_loss(score, facts) if kind == "ranking" else contrastive_loss(score, target, *facts.ends, facts.listed)
    )


def weighted_mean(terms: Tensor, weight: Tensor | None) -> Tensor:
    """Mean of (n,) terms; with weights, sum of weight * term over n, so that a batch of light pairs moves less."""
    return terms.mean() if weight is None else (weight * terms).mean()


def ranking_loss(score: Tensor, facts: PairFacts) -> Tensor:
    r"""Mean of log(1 + exp(s_j - s_i)) over all i, j of one group for which the true value of i is known to be larger
    than that of j (RankNet; C. Burges et al., ICML 2005), in nats; 0 where the pairs tell no order.

    Args:
        score: (n,).
        facts: of the pairs: bounds, groups, and weights, of which the smaller of two counts.
    """
    assert facts.at_least is not None
    assert facts.at_most is not None
    above = facts.at_least[:, None] > facts.at_most[None, :]
    if facts.group is not None:
        above = above & (facts.group[:, None] == facts.group[None, :])
    terms = F.softplus(score[None, :] - score[:, None])
    weight = above.to(terms.dtype)
    if facts.weight is not None:
        weight = weight * torch.minimum(facts.weight[:, None], facts.weight[None, :])
    return (weight * terms).sum() / above.sum().clamp(min=1)


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
