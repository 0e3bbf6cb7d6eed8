"""A decoder of codes that writes symbols one after another: a transformer which sees the code before the first.

Vaswani et al. 2017, *Attention Is All You Need*, with the normalisation before each layer. The code is shown as a few
vectors before the text and added to each symbol's, so that it is near wherever the network looks.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from metricvae.core.errors import InputError
from metricvae.nn.code_exemplars import CodeExemplars
from metricvae.nn.layers import WideLinear, scale_initial_weights

END, BEGIN, FIRST_SYMBOL = 0, 1, 2
"""Tokens: after the last symbol, before the first, and the first of the vocabulary."""

Memory = list[tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class TokenDecoderConfig:
    """Sizes of a `TokenDecoder`.

    Attributes:
        width: numbers of each symbol.
        layers: of attention, each followed by a layer of four times the width.
        heads: of attention.
        shown: vectors by which the code is shown before the first symbol.
        longest: symbols of a text, at most.
    """

    width: int = 160
    layers: int = 4
    heads: int = 4
    shown: int = 4
    longest: int = 100

    def __post_init__(self) -> None:
        for name in ("width", "layers", "heads", "shown", "longest"):
            if not 1 <= getattr(self, name) <= 4096:
                raise InputError(f"{name} of the decoder is {getattr(self, name)}: expected 1 to 4096")
        if self.width % self.heads:
            raise InputError(f"width is {self.width} and heads {self.heads}: expected a multiple of the heads")


class TokenDecoder(nn.Module):
    """Texts of codes.

    Args:
        config: sizes.
        code_width: numbers of a code.
        symbols: in the vocabulary.

    Attributes:
        code_mean, code_scale: (d,) and (), of the codes of the training: what the network reads is (z - mean) / scale.
        exemplars: some of these codes.
    """

    code_mean: Tensor
    code_scale: Tensor

    def __init__(self, config: TokenDecoderConfig, code_width: int, symbols: int) -> None:
        super().__init__()
        self.config, width = config, config.width
        self.register_buffer("code_mean", torch.zeros(code_width))
        self.register_buffer("code_scale", torch.ones(()))
        self.exemplars = CodeExemplars(code_width)
        self.shown = WideLinear(code_width, config.shown * width)
        self.added = WideLinear(code_width, width)
        self.symbols = nn.Embedding(symbols + FIRST_SYMBOL, width)
        self.places = nn.Embedding(config.shown + config.longest + 1, width)
        self.layers = nn.ModuleList(_Layer(width, config.heads) for _ in range(config.layers))
        self.norm = nn.LayerNorm(width)
        self.out = WideLinear(width, symbols + FIRST_SYMBOL)
        for table in (self.symbols, self.places):
            nn.init.normal_(table.weight, std=0.1)

    def describe(self, codes: Tensor) -> None:
        """Take mean, scale and exemplars of the codes (m, d) of the training."""
        self.code_mean.copy_(codes.mean(0))
        self.code_scale.copy_((codes - codes.mean(0)).square().mean().sqrt().clamp_min(1e-6))
        self.exemplars.fit(codes)

    def begin_with(self, other: TokenDecoder) -> None:
        """Take the weights, and the scaling of codes, of a decoder of the same sizes whose symbols are the first of
        this one's. Weights of further symbols, and exemplars, stay as they are.

        Raises:
            InputError: it has other sizes, other codes, or more symbols.
        """
        sizes = [(one.config, len(one.code_mean)) for one in (self, other)]
        if sizes[0] != sizes[1] or len(other.symbols.weight) > len(self.symbols.weight):
            raise InputError(
                f"the decoder to begin with has {other.config} for codes of {len(other.code_mean)} numbers: "
                f"expected {self.config} for codes of {len(self.code_mean)}"
            )
        own = self.state_dict()
        with torch.no_grad():
            for name, part in other.state_dict().items():
                if not name.startswith("exemplars."):
                    (own[name][: len(part)] if part.ndim else own[name]).copy_(part)

    def deviations(self, count: int, generator: torch.Generator) -> Tensor:
        """(count, d) random deviations, as large as those of the training codes; the generator is on the CPU."""
        drawn = torch.randn(count, len(self.code_mean), generator=generator)
        return self.code_scale * drawn.to(self.code_mean)

    def forward(self, codes: Tensor, tokens: Tensor) -> Tensor:
        """Logits of the next token after each.

        Args:
            codes: (m, d).
            tokens: (m, t) int64, that begin with `BEGIN`; t is at most 1 + the longest text.

        Returns:
            (m, t, symbols + 2).
        """
        read = self._read(codes)
        x = torch.cat([self._before(read), self.symbols(tokens) + self.added(read)[:, None]], 1)
        x = x + self.places.weight[: x.shape[1]]
        for layer in self.layers:
            x, _ = layer(x, None)
        logits: Tensor = self.out(self.norm(x[:, self.config.shown :]))
        return logits

    @torch.inference_mode()
    def sample(self, codes: Tensor, generator: torch.Generator, temperature: float = 1.0) -> list[list[int]]:
        """A text for each code, as tokens without `END`; one that never ends is cut at the longest.

        Args:
            codes: (m, d).
            generator: on the CPU.
            temperature: 0 takes the likeliest symbol each time, 1 draws as the network says.

        Raises:
            InputError: a temperature that is negative or no number.
        """
        if not 0 <= temperature < float("inf"):
            raise InputError(f"the temperature is {temperature}: expected 0 or more")
        read = self._read(codes)
        added, ended = self.added(read), torch.zeros(len(codes), dtype=torch.bool, device=codes.device)
        tokens, memory = torch.full((len(codes), 1), BEGIN, device=codes.device), [None] * len(self.layers)
        x = torch.cat([self._before(read), (self.symbols(tokens) + added[:, None])], 1)
        place = 0
        for _ in range(self.config.longest):
            x = x + self.places.weight[place : place + x.shape[1]]
            place += x.shape[1]
            for number, layer in enumerate(self.layers):
                x, memory[number] = layer(x, memory[number])
            logits = self.out(self.norm(x[:, -1])).float()
            logits[:, BEGIN] = -torch.inf
            new = _drawn(logits, generator, temperature).masked_fill(ended, END)
            ended |= new == END
            tokens = torch.cat([tokens, new[:, None]], 1)
            if bool(ended.all()):
                break
            x = self.symbols(new[:, None]) + added[:, None]
        return [[one for one in row if one != END] for row in tokens[:, 1:].tolist()]

    def _read(self, codes: Tensor) -> Tensor:
        return (codes - self.code_mean) / self.code_scale

    def _before(self, read: Tensor) -> Tensor:
        shown: Tensor = self.shown(read).view(len(read), self.config.shown, self.config.width)
        return shown


class _Layer(nn.Module):
    """Attention to what came before, then a layer for each place, both added to what there was."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.first_norm, self.second_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.projections = nn.Linear(width, 3 * width)
        self.joined = nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        for layer in (self.joined, self.narrow):
            scale_initial_weights(layer, 0.3)

    def forward(self, x: Tensor, memory: tuple[Tensor, Tensor] | None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """(m, t, w), and keys and values of all places so far, for the next call on what follows."""
        m, t, width = x.shape
        parts = self.projections(self.first_norm(x)).view(m, t, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        queries, keys, values = parts.unbind()
        if memory is not None:
            keys, values = torch.cat([memory[0], keys], 2), torch.cat([memory[1], values], 2)
        found = _attention(queries, keys, values)
        x = x + self.joined(found.transpose(1, 2).reshape(m, t, width))
        x = x + self.narrow(functional.silu(self.wide(self.second_norm(x))))
        return x, (keys, values)


def _attention(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """What each of the last t of s places takes from the values (..., s, d) of those up to it, (..., t, d).

    Written out: on processors PyTorch's fused kernel takes four times as long with bfloat16, backward included.
    """
    t, s = queries.shape[-2], keys.shape[-2]
    later = torch.ones(t, s, dtype=torch.bool, device=queries.device).triu(1 + s - t)
    scores = (queries * queries.shape[-1] ** -0.5) @ keys.transpose(-2, -1)
    return scores.masked_fill(later, -torch.inf).softmax(-1) @ values


def _drawn(logits: Tensor, generator: torch.Generator, temperature: float) -> Tensor:
    """A token for each row of (m, s) logits."""
    if temperature == 0:
        return logits.argmax(1)
    chances = (logits / temperature).softmax(1).cpu()
    return torch.multinomial(chances, 1, generator=generator)[:, 0].to(logits.device)
