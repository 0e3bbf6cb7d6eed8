"""Giving a finished model a decoder that writes objects symbol by symbol."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from metricvae.core.errors import InputError
from metricvae.decoding.decoder import ObjectDecoder, form_of, write_decoder
from metricvae.decoding.texts import read_texts
from metricvae.decoding.training import RESUME, DecodingConfig, train_decoder
from metricvae.fitting.model_card import CARD, with_decoder
from metricvae.nn.token_decoder import TokenDecoderConfig
from metricvae.prediction.predictor import Predictor
from metricvae.runtime.files import write_text
from metricvae.runtime.folders import copy_folder, new_folder
from metricvae.runtime.locks import held
from metricvae.runtime.reading import read_text
from metricvae.search.index import check_model, read_index
from metricvae.training.checkpoint import LoadedModel, annotate, load_model, refuse_shipped
from metricvae.training.network_state import NetworkProgress

LONGEST_CARD = 2**20
"""Bytes of a model's card, at most."""


def fit_decoder(
    index: Path,
    model: str | Path,
    config: DecodingConfig | None = None,
    *,
    out: Path | None = None,
    start: str | Path | None = None,
    device: str | torch.device = "cpu",
    on_progress: Callable[[NetworkProgress], None] | None = None,
) -> dict[str, Any]:
    """Teach a finished model to write the objects of an index, given their codes.

    What the model knew does not change. An interrupted training goes on where it stopped; a decoder that is there is
    replaced when the new one is done.

    Args:
        index: folder of an index that was made with the model.
        model: folder of the model, or where there is an `out`, its name.
        config: how.
        out: new folder for a copy of the model that gets the decoder, or one that such a training began; by default the
            model itself gets it.
        start: folder or name of a model with a decoder to go on from, with the sizes of which `config` is filled in;
            it may be the same model.
        device: where to train.
        on_progress: told the state after each step.

    Returns:
        the facts of the training: steps, nats a symbol on texts that were held out, seconds, ...

    Raises:
        InputError: no finished model of objects that are written as texts, one that ships with the package, an index
            of another model, too few texts, a start without a decoder or with one of other sizes, or an `out` that
            holds something else.
    """
    refuse_shipped(model if out is None else out)
    config, predictor = config or DecodingConfig(), Predictor.load(model)
    form, items = form_of(predictor), read_index(index)
    check_model(items, predictor)
    begun = None if start is None else ObjectDecoder(Predictor.load(start))
    if begun is not None and config.network == TokenDecoderConfig():
        config = replace(config, network=begun.network.config)
    known = () if begun is None else begun.vocabulary
    texts = read_texts(items, form, config.network.longest, known)
    place = predictor.base.folder if out is None else _copied(predictor.base, out)
    with held(place, "model"):
        trained = train_decoder(
            *(texts, config, place),
            start=None if begun is None else begun.network,
            device=device,
            on_progress=on_progress,
        )
        facts = trained.facts | {"config": asdict(config)}
        annotate(place, calibration=write_decoder(trained, place), facts={"decoder": facts})
        if (place / CARD).exists():
            write_text(place / CARD, with_decoder(read_text(place / CARD, "a model card", LONGEST_CARD), facts))
        (place / RESUME).unlink(missing_ok=True)
    return facts


def _copied(model: LoadedModel, out: Path) -> Path:
    """The folder of a copy of a model: a new one, or one of that model that is there."""
    out = Path(out)
    if out.exists() and any(out.iterdir()):
        if load_model(out).sha256 != model.sha256:
            raise InputError(f"{out} holds another model: name a new folder, or one that this training began")
    else:
        with new_folder(out, "model") as target:
            copy_folder(model.folder, target)
    return out
