"""Which head suits a metric of which nothing is known: short trainings with each, measured on validation pairs.

Encoders that know of similarities explain something before they learn anything, which chooses between heads of one
form: by its direction, and by the power of a cosine.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from metricvae.core.dataset import PairDataset
from metricvae.nn.autoencoder import ModelConfig
from metricvae.nn.heads import Head, head_to_json
from metricvae.runtime.temporary import temporary_folder
from metricvae.training.checkpoint import LoadedModel
from metricvae.training.config import TrainingConfig
from metricvae.training.features import OnPrepare
from metricvae.training.initial import explained_at_first, is_clearly_better
from metricvae.training.logs import Progress
from metricvae.training.loop import train
from metricvae.training.model_document import CONFIG, read_model_document

STEPS = 200
"""Steps of the training with each head."""

LEAST = 4 * STEPS
"""Steps of a training for which a pilot is worth its time."""

MUCH = 0.5
"""Share of the variance that a head must explain before anything is learned, to be tried in the place of another."""

SHARE = 0.1
"""Of the minutes of the training that the one with each head may take."""


def with_best_head(
    model: ModelConfig,
    heads: Sequence[Head],
    training: TrainingConfig,
    data_train: PairDataset,
    data_validation: PairDataset,
    folder: Path,
    *,
    device: torch.device | str = "cpu",
    start: LoadedModel | None = None,
    on_prepare: OnPrepare | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> ModelConfig:
    """A model with the one of several heads that a short training explains most of the validation pairs with.

    Where the encoder knows of similarities, of heads of one form the first is tried, unless another explains clearly
    more of the training pairs before anything is learned. Where the clock ends a pilot before its steps are done, or it
    starts from a trained model, the head of the model stays unless another one is clearly better. Where a model was
    begun in the folder already, with one of them, it stays that one.

    Args:
        model: with the head that is taken where there is no choice, or none that is known to be better.
        heads: others.
        training: of the model; short ones need no pilot.
        data_train, data_validation: the pairs.
        folder: of the model, locked, in which trainings with each head are made and removed.
        device, start, on_prepare, on_progress: as for `train`.
    """
    heads = (model.head, *heads)
    if len(heads) > 1 and (folder / CONFIG).exists():
        begun = read_model_document(folder).get("model", {}).get("head")
        return next((replace(model, head=head) for head in heads if head_to_json(head) == begun), model)
    if len(heads) > 1 and start is None and model.left.encoder.knows_similarity and data_train.shared:
        heads = _by_first_values(model, heads, data_train, training.seed)
        model = replace(model, head=heads[0])
    if len(heads) == 1 or training.steps < LEAST:
        return model
    minutes = None if training.max_minutes is None else SHARE * training.max_minutes
    short = replace(training, steps=STEPS, evaluate_every=STEPS, max_minutes=minutes)
    explained, early = [], start is not None
    with temporary_folder(folder / CONFIG) as place:
        for number, head in enumerate(heads):
            found = train(
                *(short, replace(model, head=head), data_train, data_validation, place / str(number)),
                device=device,
                start=start,
                on_prepare=on_prepare,
                on_progress=_told(on_progress, f"trying head {number + 1} of {len(heads)}"),
            )
            explained.append(found.validation_r2)
            early = early or found.stopped == "time"
    best = explained.index(max(explained))
    stays = early and not is_clearly_better(explained[best], explained[0])
    return replace(model, head=heads[0 if stays else best])


def _by_first_values(model: ModelConfig, heads: Sequence[Head], data: PairDataset, seed: int) -> tuple[Head, ...]:
    """One head of each form: the first of it, unless its opposite, or another that explains much, explains clearly more
    of training pairs before anything is learned."""
    best: dict[type[Head], tuple[Head, float]] = {}
    for head, explained in zip(heads, explained_at_first(model, heads, data, seed), strict=True):
        known, most = best.get(type(head), (head, -math.inf))
        if (explained > MUCH or head == known.opposite or known is head) and is_clearly_better(explained, most):
            best[type(head)] = head, explained
    return tuple(head for head, _ in best.values())


def _told(on_progress: Callable[[Progress], None] | None, stage: str) -> Callable[[Progress], None] | None:
    """What is told of a training, with the name of its stage."""
    return None if on_progress is None else lambda now: on_progress(replace(now, stage=stage))
