"""Texts and the codes of what they mean, as a decoder learns from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from metricvae.core.errors import InputError
from metricvae.core.text_form import TextForm
from metricvae.nn.token_decoder import BEGIN, END, FIRST_SYMBOL
from metricvae.search.index import Index
from metricvae.search.store import codes_of

RARE = 5
"""Symbols that fewer texts have are not learned, nor the texts that have them."""

FEWEST = 100
"""Texts that a training takes, at least."""

IGNORED = -100
"""Stands beyond the end of a text in what is to be foretold."""


@dataclass(frozen=True, eq=False)
class CodedTexts:
    """n texts with the codes of what they mean, shorter ones first.

    Attributes:
        vocabulary: symbols, in the order of their tokens.
        tokens: (n,) arrays of tokens.
        codes: (n, d) float32.
    """

    vocabulary: tuple[str, ...]
    tokens: list[npt.NDArray[np.int64]]
    codes: Tensor

    def __len__(self) -> int:
        return len(self.tokens)

    def batch(self, rows: npt.NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor]:
        """Codes (m, d), tokens (m, t) from `BEGIN` on, and the token after each, `IGNORED` beyond the end."""
        chosen = [self.tokens[row] for row in rows.tolist()]
        width = 1 + max(map(len, chosen))
        given, wanted = np.full((len(chosen), width), END), np.full((len(chosen), width), IGNORED)
        given[:, 0] = BEGIN
        for line, text in enumerate(chosen):
            given[line, 1 : len(text) + 1] = text
            wanted[line, : len(text)], wanted[line, len(text)] = text, END
        return self.codes[torch.from_numpy(rows)], torch.from_numpy(given), torch.from_numpy(wanted)


def coded_texts(
    texts: Sequence[str], codes: Tensor, form: TextForm, longest: int, known: Sequence[str] = ()
) -> CodedTexts:
    """Texts that are not too long and have no rare symbols, each once.

    Args:
        texts: n of them; empty ones are left out.
        codes: (n, d) float32.
        form: how texts are split.
        longest: symbols of a text, at most.
        known: symbols with which the vocabulary begins, however rare.

    Raises:
        InputError: too few are left.
    """
    first = {text: row for row, text in reversed(list(enumerate(texts))) if text}
    split = {row: form.symbols(text) for text, row in first.items()}
    counts = Counter(symbol for symbols in split.values() for symbol in set(symbols))
    often = {symbol for symbol, count in counts.items() if count >= RARE}
    vocabulary = (*known, *sorted(often.difference(known)))
    number = {symbol: place for place, symbol in enumerate(vocabulary, start=FIRST_SYMBOL)}
    rows = [row for row, symbols in split.items() if len(symbols) <= longest and number.keys() >= set(symbols)]
    if len(rows) < FEWEST:
        raise InputError(f"there are {len(rows)} texts to learn from: expected at least {FEWEST}")
    rows.sort(key=lambda row: (len(split[row]), row))
    tokens = [np.array([number[symbol] for symbol in split[row]]) for row in rows]
    return CodedTexts(vocabulary, tokens, codes[rows])


def read_texts(index: Index, form: TextForm, longest: int, known: Sequence[str] = ()) -> CodedTexts:
    """The texts of an index with their codes, see `coded_texts`.

    Args:
        index: with a column of texts.
        form: of the kind of its items.
        longest: symbols of a text, at most.
        known: symbols with which the vocabulary begins.

    Raises:
        InputError: the index keeps no texts, or too few.
    """
    if form.column not in index.schema.names:
        raise InputError(f"{index.folder} has no column {form.column}: index the library anew, from files that have it")
    texts = index.whole([form.column])[form.column].to_pylist()
    there = [text if alive else "" for text, alive in zip(texts, index.alive.tolist(), strict=True)]
    codes = torch.from_numpy(np.concatenate(list(codes_of(index.segments)))).float()
    return coded_texts(there, codes, form, longest, known)


def held_out(count: int, share: float, seed: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows to learn from and rows held out, at least one, both in order."""
    drawn = np.random.default_rng(seed).permutation(count)
    kept = max(1, round(share * count))
    return np.sort(drawn[kept:]), np.sort(drawn[:kept])


def text_of(tokens: Sequence[int], vocabulary: Sequence[str]) -> str:
    """The text that tokens stand for."""
    return "".join(vocabulary[token - FIRST_SYMBOL] for token in tokens)
