"""The latent loss of an adversarial autoencoder: codes that a second network cannot tell from draws of the prior.

The paper names it as future work (its reference 13). In place of the divergence of each q(z | x) from N(0, I), a
discriminator learns to tell codes from draws of N(0, I), and the encoder to make codes it takes for draws (Makhzani et
al. 2015, *Adversarial Autoencoders*). It asks only that the codes of all objects together look like the prior.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

HIDDEN = 256
"""Neurons of the two hidden layers of the discriminator."""

LEARNING_RATE = 5e-4
"""Of the discriminator's Adam."""


class Discriminator(nn.Sequential):
    """Codes (m, d) -> logits (m, 1) of being draws from the prior."""

    def __init__(self, latent: int) -> None:
        hidden = (nn.Linear(latent, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, HIDDEN), nn.SiLU())
        super().__init__(*hidden, nn.Linear(HIDDEN, 1))


class Adversary:
    """A discriminator that learns beside the model. It is part of a training, not of the model.

    Args:
        latent: size d of a code.
        seed: of its initial weights; the global random state is left as it was.
        device: where the codes are.
    """

    def __init__(self, latent: int, seed: int, device: torch.device | str = "cpu") -> None:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self.discriminator = Discriminator(latent).to(device)
        self.optimiser = torch.optim.Adam(self.discriminator.parameters(), lr=LEARNING_RATE, betas=(0.5, 0.999))

    def latent_loss(self, sample: Tensor, generator: torch.Generator) -> Tensor:
        """-E[log D(z)], in nats an object: the discriminator learns from these codes once, then judges them.

        Args:
            sample: (m, d), draws from q(z | x); the gradient flows to them, not to the discriminator.
            generator: of the draws from the prior, on the CPU.
        """
        drawn = torch.randn(sample.shape, generator=generator, device=generator.device).to(sample.device)
        with torch.enable_grad(), torch.autocast(sample.device.type, enabled=False):
            self.optimiser.zero_grad()
            discriminator_loss(self.discriminator(drawn), self.discriminator(sample.detach().float())).backward()
            self.optimiser.step()
            self.discriminator.requires_grad_(False)
            judged = self.discriminator(sample.float())
            self.discriminator.requires_grad_(True)
        return functional.softplus(-judged).mean()

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Everything it remembers, by name."""
        for name, tensor in self.discriminator.state_dict().items():
            yield f"weights.{name}", tensor
        for index, memory in self.optimiser.state_dict()["state"].items():
            for what, tensor in memory.items():
                yield f"memory.{index}.{what}", tensor

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take back what `tensors` gave."""
        weights: dict[str, Tensor] = {}
        memory: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            kind, _, rest = name.partition(".")
            if kind == "weights":
                weights[rest] = tensor
            else:
                index, what = rest.split(".")
                memory.setdefault(int(index), {})[what] = tensor
        self.discriminator.load_state_dict(weights)
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": memory, "param_groups": groups})


def discriminator_loss(drawn: Tensor, coded: Tensor) -> Tensor:
    """-E[log D(draws)] - E[log(1 - D(codes))], in nats, of logits (m, 1): 2 log 2 where it cannot tell."""
    return functional.softplus(-drawn).mean() + functional.softplus(coded).mean()
