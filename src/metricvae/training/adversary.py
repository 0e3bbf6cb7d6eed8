"""The adversarial latent loss: codes that a discriminator cannot tell from samples of the prior.

The paper names it as future work (its reference 13). In place of the divergence of each q(z | x) from N(0, I), a
discriminator learns to tell codes from samples of N(0, I), and the encoder to make codes it takes for samples (Makhzani
et al. 2015, *Adversarial Autoencoders*). It asks only that the aggregate posterior look like the prior.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from metricvae.nn.layers import seeded_weights

HIDDEN = 256
"""Units in each of the two hidden layers of the discriminator."""

LEARNING_RATE = 5e-4
"""Of the discriminator's Adam."""


class Discriminator(nn.Sequential):
    """Codes (m, d) -> logits (m, 1) of being samples of the prior."""

    def __init__(self, latent: int) -> None:
        hidden = (nn.Linear(latent, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, HIDDEN), nn.SiLU())
        super().__init__(*hidden, nn.Linear(HIDDEN, 1))


class Adversary:
    """A discriminator and its optimiser, trained beside the model; part of the training state, not of the model.

    Args:
        latent: latent dimensions d.
        seed: of the initial weights; the global random state is left as it was.
        device: where the codes are.
    """

    def __init__(self, latent: int, seed: int, device: torch.device | str = "cpu") -> None:
        with seeded_weights(seed):
            self.discriminator = Discriminator(latent).to(device)
        self.optimiser = torch.optim.Adam(self.discriminator.parameters(), lr=LEARNING_RATE, betas=(0.5, 0.999))

    def latent_loss(self, sample: Tensor, generator: torch.Generator) -> Tensor:
        """-E[log D(z)], in nats per object, after one optimiser step of the discriminator on these codes.

        Args:
            sample: (m, d), samples of q(z | x); the gradient flows to them, not to the discriminator.
            generator: for the samples of the prior, on the CPU.
        """
        prior = torch.randn(sample.shape, generator=generator, device=generator.device).to(sample.device)
        with torch.enable_grad(), torch.autocast(sample.device.type, enabled=False):
            self.optimiser.zero_grad()
            discriminator_loss(self.discriminator(prior), self.discriminator(sample.detach().float())).backward()
            self.optimiser.step()
            self.discriminator.requires_grad_(False)
            logits = self.discriminator(sample.float())
            self.discriminator.requires_grad_(True)
        return functional.softplus(-logits).mean()

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Weights and optimiser state, by name."""
        for name, tensor in self.discriminator.state_dict().items():
            yield f"weights.{name}", tensor
        for index, state in self.optimiser.state_dict()["state"].items():
            for what, tensor in state.items():
                yield f"memory.{index}.{what}", tensor

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Restore what `tensors` gave."""
        weights: dict[str, Tensor] = {}
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            kind, _, rest = name.partition(".")
            if kind == "weights":
                weights[rest] = tensor
            else:
                index, what = rest.split(".")
                state.setdefault(int(index), {})[what] = tensor
        self.discriminator.load_state_dict(weights)
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": state, "param_groups": groups})


def discriminator_loss(prior: Tensor, codes: Tensor) -> Tensor:
    """Binary cross-entropy -E[log D(prior)] - E[log(1 - D(codes))], in nats, of logits (m, 1): 2 log 2 at chance."""
    return functional.softplus(-prior).mean() + functional.softplus(codes).mean()
