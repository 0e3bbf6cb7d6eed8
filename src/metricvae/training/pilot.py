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
from metricvae.nn.heads import Head, head_from_json
from metricvae.runtime.temporary import temporary_folder
from metricvae.training.checkpoint import LoadedModel
from metricvae.training.config import TrainingConfig
from metricvae.training.features import OnPrepare
from metricvae.training.initial import fitted_at_first, is_clearly_better
from metricvae.training.logs import Progress
from metricvae.training.loop import train
from metricvae.training.model_document import CONFIG, read_model_document

STEPS = 200
"""Steps of the training with each head."""

LEAST = 3 * STEPS
"""Steps of a training for which a pilot is worth its time."""

LONG = 4 * STEPS
"""Steps of a training of which a pilot tells little."""

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
    more of the training pairs before anything is learned. In trainings of more than `LONG` steps an encoder that can do
    without what it knows does so unless that is clearly better: what begins ahead need not end so. Where the clock ends
    a pilot before its steps are done, or it starts from a trained model, the head of the model stays unless another one
    is clearly better. Where a model was begun in the folder already, with one of them, it stays that one.

    Args:
        model: with the head that is taken where there is no choice, or none that is known to be better.
        heads: others.
        training: of the model; short ones need no pilot.
        data_train, data_validation: the pairs.
        folder: of the model, locked, in which trainings with each head are made and removed.
        device, start, on_prepare, on_progress: as for `train`.
    """
    if not heads:
        return model
    heads = (model.head, *heads)
    knows = start is None and model.left.encoder.knows_similarity and data_train.shared
    blank = model.left.encoder.without_knowledge() if knows else None
    plain = [] if blank is None else [replace(model, left=replace(model.left, encoder=blank))]
    if (folder / CONFIG).exists():
        return _begun(folder, [*(replace(model, head=head) for head in heads), *plain]) or model
    if knows:
        heads = _by_first_values(model, heads, data_train, training.seed)
    models = [replace(model, head=head) for head in heads]
    if training.steps < LEAST:
        return models[0]
    models = [*plain, *models]
    minutes = None if training.max_minutes is None else SHARE * training.max_minutes
    short = replace(training, steps=STEPS, evaluate_every=STEPS, max_minutes=minutes)
    explained, doubtful = [], start is not None or (bool(plain) and training.steps > LONG)
    with temporary_folder(folder / CONFIG) as place:
        for number, tried in enumerate(models):
            found = train(
                *(short, tried, data_train, data_validation, place / str(number)),
                device=device,
                start=start,
                on_prepare=on_prepare,
                on_progress=_told(on_progress, f"trying form {number + 1} of {len(models)}"),
            )
            explained.append(found.validation_r2)
            doubtful = doubtful or found.stopped == "time"
    best = explained.index(max(explained))
    stays = doubtful and not is_clearly_better(explained[best], explained[0])
    return models[0 if stays else best]


def _begun(folder: Path, models: Sequence[ModelConfig]) -> ModelConfig | None:
    """The one of several models that a training in a folder was begun with, with the head that it has there."""
    begun = read_model_document(folder).get("model")
    for model in models:
        expected = model.to_json()
        match begun:
            case {"left": {"encoder": encoder}, "head": {"name": name} as head} if (encoder, name) == (
                expected["left"]["encoder"],
                expected["head"]["name"],
            ):
                return replace(model, head=head_from_json(head))
    return None


def _by_first_values(model: ModelConfig, heads: Sequence[Head], data: PairDataset, seed: int) -> tuple[Head, ...]:
    """One head of each form: the first of it, unless its opposite, or another
    that explains much, explains clearly more of training pairs before anything is learned. A form that explains much,
    and clearly more than the first, comes first."""
    best: dict[type[Head], tuple[Head, Head, float]] = {}
    for head, (fitted, explained) in zip(heads, fitted_at_first(model, heads, data, seed), strict=True):
        known, _, most = best.get(type(head), (head, head, -math.inf))
        if (explained > MUCH or head == known.opposite or known is head) and is_clearly_better(explained, most):
            best[type(head)] = head, fitted if explained > MUCH else head, explained
    (_, first, least), *others = best.values()
    _, leading, most = max(best.values(), key=lambda one: one[2])
    if most > MUCH and is_clearly_better(most, least):
        first, others = leading, [one for one in best.values() if one[1] is not leading]
    return first, *(head for _, head, _ in others)


def _told(on_progress: Callable[[Progress], None] | None, stage: str) -> Callable[[Progress], None] | None:
    """What is told of a training, with the name of its stage."""
    return None if on_progress is None else lambda now: on_progress(replace(now, stage=stage))
