"""Training a decoder of a finished model: the next symbol of each text, given its code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from metricvae.core.errors import InputError
from metricvae.decoding.texts import IGNORED, CodedTexts, held_out
from metricvae.nn.layers import seeded_weights
from metricvae.nn.token_decoder import TokenDecoder, TokenDecoderConfig
from metricvae.runtime.precision import Precision, autocast, threads_of
from metricvae.training.batching import generator_of
from metricvae.training.network_state import NetworkProgress, NetworkState, run_training, weights_sha256

RESUME = "decoder-resume.safetensors"

SORTED_TOGETHER = 16
"""Batches whose texts are drawn together and then sorted by length, so that little of a batch is empty."""


@dataclass(frozen=True)
class DecodingConfig:
    """How a decoder is trained; written to the model's `config.json`.

    Attributes:
        network: its sizes.
        steps: of the optimisers.
        batch_texts: texts a step.
        noise: standard deviation of what is added to a code, in units of the codes' own, so that codes nearby are
            decoded as well.
        learning_rate: of Adam, which moves what is no matrix.
        matrix_learning_rate: of Muon, which moves the matrices.
        warmup_steps: steps in which the rates rise; they fall to zero along a cosine after that.
        average_decay: weights are averaged over time with this decay, and the average is kept.
        held_out: share of the texts that are measured on, and not learned from.
        evaluate_every: steps between measurements; progress is saved then.
        precision: `auto` multiplies in bfloat16 where the machine does so natively.
        threads: threads of PyTorch; None leaves its own choice.
        seed: of the initial weights and all draws.
    """

    network: TokenDecoderConfig = field(default_factory=TokenDecoderConfig)
    steps: int = 6_000
    batch_texts: int = 256
    noise: float = 0.1
    learning_rate: float = 2e-3
    matrix_learning_rate: float = 1e-2
    warmup_steps: int = 100
    average_decay: float = 0.998
    held_out: float = 0.01
    evaluate_every: int = 250
    precision: Precision = "auto"
    threads: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch_texts", "evaluate_every"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}: expected 1 or more")
        if not 0 < self.held_out < 0.5 or not 0 <= self.noise <= 10:
            raise InputError(
                f"held_out is {self.held_out} and noise {self.noise}: expected above 0 and below 0.5, and 0 to 10"
            )


@dataclass(frozen=True, eq=False)
class TrainedDecoder:
    """A decoder, on the CPU and in evaluation mode.

    Attributes:
        network: with averaged weights.
        vocabulary: symbols, in the order of their tokens.
        facts: of the training.
    """

    network: TokenDecoder
    vocabulary: tuple[str, ...]
    facts: dict[str, Any]


def train_decoder(
    texts: CodedTexts,
    config: DecodingConfig,
    folder: Path,
    *,
    start: TokenDecoder | None = None,
    device: torch.device | str = "cpu",
    on_progress: Callable[[NetworkProgress], None] | None = None,
) -> TrainedDecoder:
    """Train a decoder, going on from where an interrupted training in `folder` stopped.

    Args:
        texts: with codes by the model.
        config: how.
        folder: where progress is saved, in `RESUME`.
        start: the decoder to go on from, whose symbols are the first of the vocabulary; default random weights.
        device: where to compute.
        on_progress: told the state after each step.

    Raises:
        InputError: progress of another training, or a start of other sizes.
        TrainingDiverged: a loss is not finite.
    """
    begun: dict[str, Any] = {"config": asdict(config), "texts": len(texts), "vocabulary": list(texts.vocabulary)}
    if start is not None:
        begun["start"] = weights_sha256(start)
    device, resume = torch.device(device), Path(folder) / RESUME
    training = _Training(texts, config, device)
    with threads_of(config.threads):
        state = training.state(start)
        run_training(
            *(state, config.steps, config.evaluate_every, resume, begun),
            step=training.step,
            measure=training.measure,
            on_progress=on_progress,
        )
    facts: dict[str, Any] = {"steps": state.step, "nats_a_symbol": state.measured, "seconds": round(state.seconds, 1)}
    facts |= {"texts": len(texts), "held_out": len(training.kept), "device": str(device)}
    facts |= {name: begun[name] for name in ("start",) if name in begun}
    network = state.averaged.cpu().eval()
    assert isinstance(network, TokenDecoder)
    return TrainedDecoder(network, texts.vocabulary, facts)


class _Training:
    """What every step of a training takes."""

    def __init__(self, texts: CodedTexts, config: DecodingConfig, device: torch.device) -> None:
        self.texts, self.config, self.device = texts, config, device
        self.learned, self.kept = held_out(len(texts), config.held_out, config.seed)

    def state(self, start: TokenDecoder | None) -> NetworkState:
        """At the beginning."""
        config = self.config
        with seeded_weights(config.seed):
            network = TokenDecoder(config.network, self.texts.codes.shape[1], len(self.texts.vocabulary))
        network.describe(self.texts.codes)
        if start is not None:
            network.begin_with(start)
        return NetworkState(network.to(self.device), (config.learning_rate, config.matrix_learning_rate))

    def rows(self, step: int) -> npt.NDArray[np.int64]:
        """The texts of a step: of like length."""
        around, place = divmod(step, SORTED_TOGETHER)
        rng = np.random.default_rng([self.config.seed, around])
        drawn = np.sort(rng.choice(self.learned, SORTED_TOGETHER * self.config.batch_texts))
        start = int(rng.permutation(SORTED_TOGETHER)[place]) * self.config.batch_texts
        return drawn[start : start + self.config.batch_texts]

    def step(self, state: NetworkState) -> float:
        """One step of the optimisers; returns the loss."""
        config, generator = self.config, generator_of(self.config.seed, state.step)
        codes, given, wanted = self.texts.batch(self.rows(state.step))
        network = state.network
        assert isinstance(network, TokenDecoder)
        codes = codes.to(self.device) + config.noise * network.deviations(len(codes), generator)
        loss = self._loss(network, codes, given, wanted)
        return state.move(loss, "loss of the decoder", config.steps, config.warmup_steps, config.average_decay)

    @torch.inference_mode()
    def measure(self, network: torch.nn.Module) -> float:
        """Nats a symbol on the texts that are held out."""
        total, symbols = 0.0, 0
        for start in range(0, len(self.kept), self.config.batch_texts):
            codes, given, wanted = self.texts.batch(self.kept[start : start + self.config.batch_texts])
            count = int((wanted != IGNORED).sum())
            total += self._loss(network, codes, given, wanted).item() * count
            symbols += count
        return total / symbols

    def _loss(self, network: torch.nn.Module, codes: Tensor, given: Tensor, wanted: Tensor) -> Tensor:
        with autocast(self.config.precision, self.device):
            logits = network(codes.to(self.device), given.to(self.device))
        return functional.cross_entropy(
            logits.float().flatten(0, 1), wanted.to(self.device).flatten(), ignore_index=IGNORED
        )
