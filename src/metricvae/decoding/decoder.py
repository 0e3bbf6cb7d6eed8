"""Objects of codes, by a decoder that was trained for a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from metricvae.core.errors import InputError
from metricvae.core.kind import Object
from metricvae.core.text_form import TextForm
from metricvae.decoding.texts import text_of
from metricvae.decoding.training import TrainedDecoder
from metricvae.nn.layers import seeded_weights
from metricvae.nn.token_decoder import TokenDecoder, TokenDecoderConfig
from metricvae.prediction.predictor import Predictor
from metricvae.runtime.files import check_sha256, sha256_of
from metricvae.training.checkpoint import load_weights, read_tensors, rounded, write_tensors

FILE, KEY = "decoder.safetensors", "decoder"
"""File in a model's folder, and entry of its calibration in `config.json`."""

DECODED_AT_ONCE = 512

TEMPERATURE = 0.9
"""Of draws, unless another is asked for: what is decoded is most like the training molecules (Frechet ChemNet distance)
from real codes and from drawn ones; 0.8 and 1 were tried beside it."""

TRIES, AGAIN = 8, 0.5
"""Texts that are drawn for a code, at most, until one means an object; temperature of all but the first, at least."""

MOST_SYMBOLS, LONGEST_SYMBOL = 10_000, 200
"""Of a vocabulary."""


class ObjectDecoder:
    """The decoder of a model.

    Args:
        predictor: of a model that was given one.

    Attributes:
        form: how its objects are written.
        vocabulary: symbols, in the order of their tokens.
        network: that writes them.
        latent_prior: that of the model.

    Raises:
        InputError: the model has no decoder.

    Example:
        Molecules near a code, where the model has a decoder::

            decoder = ObjectDecoder(predictor)
            codes = predictor.encode(molecules).codes
            made = decoder.decode(codes, torch.Generator().manual_seed(0))
    """

    def __init__(self, predictor: Predictor) -> None:
        loaded = predictor.base
        if KEY not in loaded.calibration:
            raise InputError(
                f"the model in {loaded.folder} has no decoder that writes {predictor.kind().title}: "
                "run `metricvae train INDEX --decoder MODEL`"
            )
        self.form, document = form_of(predictor), dict(loaded.calibration[KEY])
        check_sha256(loaded.folder / FILE, str(document.get("sha256")))
        self.vocabulary = _vocabulary(document.get("vocabulary"), loaded.folder / FILE)
        config = TokenDecoderConfig(**document["network"])
        with seeded_weights(0):  # they are replaced
            network = TokenDecoder(config, predictor.code_width, len(self.vocabulary))
        load_weights(network, read_tensors(loaded.folder / FILE).tensors, loaded.folder / FILE)
        kept = network.exemplars
        if not 0 < int(kept.count) <= len(kept.packed):
            raise InputError(f"{loaded.folder / FILE} has no exemplars of codes: restore the model or train it again")
        self.network = network.to(predictor.device).eval()
        self.latent_prior = predictor.latent_prior

    def drawn_codes(self, count: int, generator: torch.Generator) -> Tensor:
        """(count, d) codes like those of the objects that it learned from.

        They are drawn around some of these, by the latent prior where there is one.
        """
        if self.latent_prior is not None:
            codes = self.latent_prior.draw(count, generator)
        else:
            codes = self.network.code_mean + self.network.deviations(count, generator)
        return self.network.exemplars.place(codes.to(self.network.code_mean), generator)

    def texts(self, codes: Tensor, generator: torch.Generator, temperature: float = TEMPERATURE) -> list[str]:
        """A text for each of m codes (m, d), whatever it means; see `TokenDecoder.sample`."""
        found: list[str] = []
        for part in codes.split(DECODED_AT_ONCE):
            drawn = self.network.sample(part.to(self.network.code_mean), generator, temperature)
            found += [text_of(tokens, self.vocabulary) for tokens in drawn]
        return found

    def decode(
        self, codes: Tensor, generator: torch.Generator, temperature: float = TEMPERATURE, tries: int = TRIES
    ) -> list[Object | None]:
        """An object for each code.

        A text that means none is drawn again, which draws from what the network says of texts that mean an object.

        Args:
            codes: (m, d).
            generator: on the CPU.
            temperature: as for `TokenDecoder.sample`; texts are drawn again at `AGAIN` at least.
            tries: texts for a code, at most.

        Returns:
            m of them, None where no text meant one.
        """
        found: list[Object | None] = [None] * len(codes)
        for number in range(tries):
            rows = [row for row, one in enumerate(found) if one is None]
            if not rows:
                break
            texts = self.texts(codes[rows], generator, max(temperature, AGAIN) if number else temperature)
            for row, text in zip(rows, texts, strict=True):
                found[row] = self._read(text)
        return found

    def sample(self, count: int, generator: torch.Generator, temperature: float = TEMPERATURE) -> list[Object]:
        """`count` objects of `drawn_codes`, those without one drawn anew once; fewer if they have none again.

        Args:
            count: objects.
            generator: on the CPU.
            temperature: as for `decode`.
        """
        found: list[Object] = []
        for _ in range(2):
            if len(found) == count:
                break
            made = self.decode(self.drawn_codes(count - len(found), generator), generator, temperature)
            found += [one for one in made if one is not None]
        return found

    def _read(self, text: str) -> Object | None:
        try:
            return self.form.read(text)
        except InputError:
            return None


def form_of(predictor: Predictor) -> TextForm:
    """How objects of a model are written.

    Raises:
        InputError: they are not, or the model is one between two kinds.
    """
    kinds = predictor.kinds
    form = kinds[1].text_form
    if form is None or kinds[0].name != kinds[1].name:
        titles = " and ".join(dict.fromkeys(kind.title for kind in kinds))
        raise InputError(f"got a model of {titles}, which are not written as texts: give one of objects that are")
    return form


def write_decoder(trained: TrainedDecoder, folder: Path) -> dict[str, Any]:
    """Put a decoder into a model's folder, in half precision; returns what `config.json` is to say of it."""
    write_tensors(folder / FILE, rounded(trained.network.state_dict(), "float16"), {})
    network = asdict(trained.network.config)
    return {KEY: {"sha256": sha256_of(folder / FILE), "network": network, "vocabulary": list(trained.vocabulary)}}


def _vocabulary(found: Any, path: Path) -> Sequence[str]:
    fits = isinstance(found, list) and len(found) <= MOST_SYMBOLS
    if not fits or not all(isinstance(one, str) and 0 < len(one) <= LONGEST_SYMBOL for one in found):
        raise InputError(f"the symbols of {path} are no list of short texts: restore the model or train it again")
    return tuple(found)
