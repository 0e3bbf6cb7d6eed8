"""The four losses: known answers, other people's formulae, gradients."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Bernoulli, Normal, kl_divergence

from metricvae.nn.losses import (
    TEMPERATURE,
    MetricLossKind,
    PairFacts,
    contrastive_loss,
    deformation_loss,
    latent_loss,
    metric_loss,
    reconstruction_loss,
)


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_reconstruction_is_the_negative_log_likelihood_of_bernoulli_pixels() -> None:
    logits, x = draw(3, 1, 5, 5), (draw(3, 1, 5, 5, seed=1) > 0).double()
    expected = -Bernoulli(logits=logits).log_prob(x).sum(dim=(1, 2, 3)).mean()
    assert torch.allclose(reconstruction_loss(logits, x), expected)


def test_reconstruction_of_an_undecided_decoder_is_one_bit_a_pixel() -> None:
    assert reconstruction_loss(torch.zeros(2, 1, 4, 4), torch.ones(2, 1, 4, 4)).item() == pytest.approx(
        16 * math.log(2)
    )


def test_a_weighted_cell_counts_as_so_many_pixels() -> None:
    logits, x = draw(3, 1, 4, 6), (draw(3, 1, 4, 6, seed=1) > 0).double()
    weight = torch.tensor([[1.0], [2.0], [0.0], [3.0]], dtype=torch.float64)
    rows = [0, 1, 1, 3, 3, 3]
    assert torch.allclose(
        reconstruction_loss(logits, x, weight), reconstruction_loss(logits[:, :, rows], x[:, :, rows])
    )


def test_latent_loss_is_the_divergence_from_the_prior() -> None:
    mean, log_variance = draw(4, 6), draw(4, 6, seed=1)
    standard = Normal(torch.zeros_like(mean), torch.ones_like(mean))
    expected = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), standard).sum(dim=1).mean()
    assert torch.allclose(latent_loss(mean, log_variance), expected)
    assert latent_loss(torch.zeros(4, 6), torch.zeros(4, 6)).item() == 0.0


def test_deformation_loss_is_ten_times_the_mean_square_over_latent_dimensions() -> None:
    z = draw(3, 8)
    assert deformation_loss(z, z).item() == 0.0
    assert deformation_loss(z, z + 0.5).item() == pytest.approx(10 * 0.25)


@pytest.mark.parametrize(
    ("kind", "expected"), [("squared", (0.25 + 9) / 2), ("absolute", (0.5 + 3) / 2), ("huber", (0.125 + 2.5) / 2)]
)
def test_metric_loss_of_known_differences(kind: MetricLossKind, expected: float) -> None:
    assert metric_loss(torch.tensor([1.5, -2.0]), torch.tensor([1.0, 1.0]), kind).item() == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["squared", "absolute", "huber"])
def test_gradients(kind: MetricLossKind) -> None:
    x = torch.rand(2, 1, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    check = torch.autograd.gradcheck
    assert check(lambda logits: reconstruction_loss(logits, x), (draw(2, 1, 3, 3).requires_grad_(),))
    assert check(latent_loss, (draw(2, 3).requires_grad_(), draw(2, 3, seed=1).requires_grad_()))
    assert check(deformation_loss, (draw(2, 3).requires_grad_(), draw(2, 3, seed=1).requires_grad_()))
    assert check(lambda score, target: metric_loss(score, target, kind), (draw(7).requires_grad_(), draw(7, seed=1)))


def facts(value: list[float], **more: torch.Tensor) -> PairFacts:
    """Pairs of known values."""
    known = torch.tensor(value, dtype=torch.float64)
    ends = torch.arange(len(value)), torch.arange(len(value)) + len(value)
    return PairFacts(ends, **({"at_least": known, "at_most": known} | more))


@pytest.mark.parametrize("kind", ["squared", "absolute", "huber", "logistic"])
def test_weights_scale_the_terms_of_pairs(kind: MetricLossKind) -> None:
    score, target = draw(5), draw(5, seed=1)
    weight = torch.tensor([2.0, 0.0, 1.0, 1.0, 1.0], dtype=torch.float64)
    alone = [metric_loss(score[place : place + 1], target[place : place + 1], kind) for place in range(5)]
    expected = (2 * alone[0] + alone[2] + alone[3] + alone[4]) / 5
    assert torch.allclose(metric_loss(score, target, kind, facts([0.0] * 5, weight=weight)), expected)


def test_the_logistic_loss_is_the_negative_log_likelihood() -> None:
    score = torch.tensor([1.5, -0.5], dtype=torch.float64)
    found = metric_loss(score, torch.tensor([13.8, -13.8], dtype=torch.float64), "logistic")
    expected = -(score[0].sigmoid().log() + (1 - score[1].sigmoid()).log()) / 2
    assert torch.allclose(found, expected)


def test_the_ranking_loss_by_hand() -> None:
    """Of the groups (a, b) and (c), only a and b are ordered."""
    score = torch.tensor([0.2, 1.0, 5.0], dtype=torch.float64)
    found = metric_loss(score, score, "ranking", facts([3.0, 1.0, 2.0], group=torch.tensor([0, 0, 1])))
    assert found.item() == pytest.approx(math.log1p(math.exp(1.0 - 0.2)))


def test_the_ranking_loss_orders_censored_values_as_far_as_their_bounds_tell() -> None:
    """The first value is at least 3, so above 1; the second at least 0, which says nothing about 1."""
    score = torch.tensor([0.0, 2.0, 1.0], dtype=torch.float64)
    value = torch.tensor([3.0, 0.0, 1.0], dtype=torch.float64)
    most = torch.tensor([math.inf, math.inf, 1.0], dtype=torch.float64)
    found = metric_loss(score, score, "ranking", facts([0.0] * 3, at_least=value, at_most=most))
    assert found.item() == pytest.approx(math.log1p(math.exp(1.0)))


def test_the_ranking_loss_of_pairs_without_an_order_is_zero_with_finite_gradients() -> None:
    score = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    loss = metric_loss(score, score, "ranking", facts([1.0, 1.0, 1.0]))
    loss.backward()
    assert loss.item() == 0.0
    assert score.grad is not None
    assert score.grad.isfinite().all()


# Contrastive


def triangle(
    distances: list[float], targets: list[float], dtype: torch.dtype = torch.float64
) -> tuple[torch.Tensor, ...]:
    """All pairs (0, 1), (0, 2), (1, 2) of three objects."""
    ends = torch.tensor([0, 0, 1]), torch.tensor([1, 2, 2])
    return torch.tensor(distances, dtype=dtype), torch.tensor(targets, dtype=dtype), *ends


def test_the_contrastive_loss_by_hand() -> None:
    """Objects 0 and 1 match."""
    near = [(1 - d) / TEMPERATURE for d in (0.9, 1.1, 1.05)]
    shares = [math.log(math.exp(near[0]) + math.exp(other)) - near[0] for other in near[1:]]
    logistic = math.log1p(math.exp(-near[0])) / 2 + sum(math.log1p(math.exp(one)) for one in near[1:]) / 4
    found = contrastive_loss(*triangle([0.9, 1.1, 1.05], [0, 2, 2]))
    assert found.item() == pytest.approx(sum(shares) / 2 + logistic)


def test_the_contrastive_loss_vanishes_where_matches_are_near_and_all_else_is_far() -> None:
    assert contrastive_loss(*triangle([0, 2, 2], [0, 2, 2])).item() < 1e-3
    assert contrastive_loss(*triangle([2, 0, 0], [0, 2, 2])).item() > 20


def test_listed_mismatches_have_half_of_the_weight_of_mismatches_however_few_they_are() -> None:
    """Four objects, of which 0 and 1 match; of the five mismatches one is listed."""
    first, second = torch.triu_indices(4, 4, 1)
    distance = torch.tensor([0.9, 1.1, 1.05, 1.2, 1.15, 1.3], dtype=torch.float64)
    target = torch.tensor([0.0, 2, 2, 2, 2, 2], dtype=torch.float64)
    listed = torch.tensor([True, False, False, True, False, False])
    plain = contrastive_loss(distance, target, first, second)
    found = contrastive_loss(distance, target, first, second, listed)
    cost = torch.log1p(torch.exp((1 - distance) / TEMPERATURE))
    expected = cost[3] / 4 + cost[[1, 2, 4, 5]].mean() / 4 - cost[1:].mean() / 2
    assert (found - plain).item() == pytest.approx(expected.item())
    for alike in (torch.ones(6, dtype=torch.bool), target < 1):  # one kind alone has it all
        assert contrastive_loss(distance, target, first, second, alike).item() == pytest.approx(plain.item())


@pytest.mark.parametrize("listed", [None, torch.tensor([True, False, True])], ids=["all", "some"])
def test_the_contrastive_loss_has_right_gradients(listed: torch.Tensor | None) -> None:
    distance, *rest = triangle([0.9, 1.1, 1.3], [0, 2, 2])
    assert torch.autograd.gradcheck(lambda d: contrastive_loss(d, *rest, listed), distance.requires_grad_())


@pytest.mark.parametrize("target", [0.0, 2.0])
def test_the_contrastive_loss_is_finite_with_matches_or_mismatches_alone(target: float) -> None:
    assert contrastive_loss(*triangle([0.5, 1.0, 1.5], [target] * 3)).isfinite()


def test_the_contrastive_loss_asks_for_the_ends_of_the_pairs() -> None:
    with pytest.raises(ValueError, match="give their facts"):
        metric_loss(torch.zeros(3), torch.zeros(3), "contrastive")
