"""The four losses: known answers, other people's formulae, gradients."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Bernoulli, Normal, kl_divergence

from metricvae.model.losses import MetricLossKind, deformation_loss, latent_loss, metric_loss, reconstruction_loss


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
