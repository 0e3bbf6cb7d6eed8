"""The pair head: a network of two codes together, added to what their product answers.

A product of two codes can be computed for all pairs of a library at once, and not every metric is one. How much such a
network adds on pairs that nobody learned from tells: `fit_pair_head` measures it. It is used where it is asked for
alone, since it looks at one pair at a time.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from metricvae.core.errors import InputError
from metricvae.nn.free_codes import r_squared
from metricvae.nn.layers import hidden_layers, seeded_weights
from metricvae.runtime.files import check_sha256, sha256_of
from metricvae.training.checkpoint import write_tensors

FILE = "pair_head.safetensors"


@dataclass(frozen=True)
class PairHeadConfig:
    """Hyperparameters of a pair head and of its training.

    Attributes:
        widths: hidden layers.
        epochs: times that each pair is seen, about.
        most_steps: of its training, at most.
        batch_pairs: pairs a step.
        learning_rate: of Adam, with weight decay.
        weight_decay: of Adam.
        evaluate_every: steps between measurements on validation pairs; the best weights are kept.
    """

    widths: tuple[int, ...] = (256, 128)
    epochs: int = 30
    most_steps: int = 1_500
    batch_pairs: int = 512
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    evaluate_every: int = 50

    def steps(self, pairs: int) -> int:
        """Of a training on so many pairs."""
        return min(self.most_steps, max(self.evaluate_every, self.epochs * pairs // self.batch_pairs))


@dataclass(frozen=True)
class CodePairs:
    """n pairs of codes with what the product of codes answers and the true values.

    Attributes:
        left, right: (n, d) codes.
        product: (n,) values of the product of codes.
        value: (n,) true values.
    """

    left: Tensor
    right: Tensor
    product: Tensor
    value: Tensor


class PairHead(nn.Module):
    """(n, d) codes of both ends -> (n,) what is added to the value of their product.

    Args:
        width: d.
        widths: hidden layers.
        symmetric: whether the two ends may change places.
    """

    centre: Tensor
    scale: Tensor

    def __init__(self, width: int, widths: tuple[int, ...], symmetric: bool) -> None:
        super().__init__()
        self.symmetric, self.widths = symmetric, widths
        self.hidden = hidden_layers(3 * width if symmetric else 4 * width, *widths)
        self.last = nn.Linear(widths[-1], 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)
        self.register_buffer("centre", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))
        self.register_buffer("unit", torch.ones(()))

    def fit_scaling(self, pairs: CodePairs) -> None:
        """Learn the mean and spread of codes, and the spread of values, from training pairs."""
        codes = torch.cat([pairs.left, pairs.right])
        self.centre.copy_(codes.mean(0))
        self.scale.copy_(codes.std(0).clamp(min=1e-6))
        self.get_buffer("unit").copy_(pairs.value.std().clamp(min=1e-12))

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        a, b = ((z - self.centre) / self.scale for z in (left, right))
        ends = [a + b] if self.symmetric else [a, b]
        found: Tensor = self.last(self.hidden(torch.cat([*ends, a * b, (a - b).abs()], dim=1)))
        return self.get_buffer("unit") * found[:, 0]

    def write(self, folder: Path) -> dict[str, Any]:
        """Put it into a model's folder; returns what the model's `config.json` is to say of it."""
        write_tensors(folder / FILE, self.state_dict(), {})
        facts = {"width": len(self.centre), "widths": list(self.widths), "symmetric": self.symmetric}
        return {"pair_head": {"sha256": sha256_of(folder / FILE), **facts}}

    @classmethod
    def read(cls, folder: Path, calibration: Mapping[str, Any]) -> PairHead | None:
        """That of a model whose `config.json` says `calibration`; None where it has none.

        Raises:
            InputError: its file is missing or was changed.
        """
        document = calibration.get("pair_head")
        if document is None:
            return None
        check_sha256(folder / FILE, str(document.get("sha256")))
        try:
            head = cls(int(document["width"]), tuple(map(int, document["widths"])), bool(document["symmetric"]))
            head.load_state_dict(load_file(folder / FILE))
        except (KeyError, TypeError, ValueError, RuntimeError, SafetensorError):
            raise InputError(f"{folder / FILE} is damaged: restore it or train the model again") from None
        return head.eval()


def fit_pair_head(
    train: CodePairs,
    validation: CodePairs,
    *,
    symmetric: bool,
    seed: int = 0,
    config: PairHeadConfig = PairHeadConfig(),
) -> tuple[PairHead, dict[str, float]]:
    """Train a pair head on what the product of codes leaves unexplained.

    Args:
        train: pairs to learn from.
        validation: pairs by which the best weights are chosen.
        symmetric: whether the metric is.
        seed: of the initial weights and the batches.
        config: its hyperparameters.

    Returns:
        the head, and R^2 on the validation pairs: of the `product` alone, and with the `pair_head`.
    """
    with seeded_weights(seed):
        head = PairHead(train.left.shape[1], config.widths, symmetric)
    head.fit_scaling(train)
    optimiser = torch.optim.AdamW(head.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    generator = torch.Generator().manual_seed(seed)
    unit = head.get_buffer("unit")
    product = r_squared(validation.product, validation.value)
    best, best_r2 = copy.deepcopy(head.state_dict()), product
    for step in range(1, config.steps(len(train.value)) + 1):
        rows = torch.randint(len(train.value), (config.batch_pairs,), generator=generator)
        rest = train.value[rows] - train.product[rows]
        loss = functional.mse_loss(head(train.left[rows], train.right[rows]) / unit, rest / unit)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % config.evaluate_every == 0:
            with torch.no_grad():
                r2 = r_squared(validation.product + head(validation.left, validation.right), validation.value)
            if r2 > best_r2:
                best, best_r2 = copy.deepcopy(head.state_dict()), r2
    head.load_state_dict(best)
    return head.eval(), {"product": product, "pair_head": best_r2}
