"""The adversarial latent loss: it tells codes from samples of the prior, pulls them to it, and survives a kill."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from metricvae.training.adversary import Adversary, discriminator_loss
from metricvae.training.presets import preset


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_loss_at_chance_is_twice_log_two() -> None:
    blank = torch.zeros(10, 1)
    assert discriminator_loss(blank, blank).item() == pytest.approx(2 * math.log(2))
    assert discriminator_loss(torch.full((10, 1), 9.0), torch.full((10, 1), -9.0)).item() < 1e-3


def test_codes_unlike_the_prior_are_told_apart_and_samples_of_it_are_not() -> None:
    losses = {}
    for name, shift in (("far", 2.0), ("prior", 0.0)):
        adversary, random = Adversary(8, seed=0), generator(1)
        for _ in range(150):
            loss = adversary.latent_loss(shift + torch.randn(64, 8, generator=random), random)
        losses[name] = loss.item()
    assert losses["far"] > 3
    assert losses["prior"] == pytest.approx(math.log(2), abs=0.3)


@pytest.mark.slow
def test_its_gradient_pulls_codes_to_the_prior_and_leaves_the_discriminator_alone() -> None:
    codes, random = (4 + 0.3 * torch.randn(256, 4, generator=generator(2))).requires_grad_(), generator(3)
    adversary, optimiser = Adversary(4, seed=0), torch.optim.Adam([codes], lr=0.02)
    for _ in range(800):
        loss = adversary.latent_loss(codes, random)
        optimiser.zero_grad()
        loss.backward()
        assert all(p.grad is None or p.requires_grad for p in adversary.discriminator.parameters())
        optimiser.step()
    assert codes.detach().mean(0).abs().max() < 1.0
    assert 0.4 < codes.detach().std(0).mean() < 1.8


def test_the_same_seed_gives_the_same_losses_wherever_it_stops() -> None:
    def run(adversary: Adversary, steps: range) -> list[float]:
        return [adversary.latent_loss(torch.randn(16, 8, generator=generator(k)), generator(k)).item() for k in steps]

    whole = run(Adversary(8, seed=5), range(12))
    stopped = Adversary(8, seed=5)
    run(stopped, range(6))
    again = Adversary(8, seed=6)
    again.load_tensors({name: tensor.clone() for name, tensor in stopped.tensors()})
    assert run(again, range(6, 12)) == whole[6:]


def test_the_preset_differs_from_overlap_in_the_latent_loss_alone() -> None:
    one, other = preset("overlap"), preset("overlap-adversarial")
    assert other.model == one.model
    changed = {
        field.name
        for field in dataclasses.fields(one.training)
        if getattr(one.training, field.name) != getattr(other.training, field.name)
    }
    assert changed == {"latent_loss", "weights"}
