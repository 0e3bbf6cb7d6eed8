"""The model that training starts from: which one a preset proposes, and what it makes of one that is asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from metricvae.core.errors import InputError
from metricvae.core.kind import KINDS, ObjectKind
from metricvae.core.metric import METRICS
from metricvae.kinds.silhouette.kind import SilhouetteKind
from metricvae.kinds.vector.kind import VectorKind
from metricvae.metrics.tabular import TabularMetric
from metricvae.nn.autoencoder import build
from metricvae.nn.heads import ProductAndDistance
from metricvae.training.checkpoint import check_same_networks, load_model, model_config_of, shipped_models
from metricvae.training.presets import NONE, ChosenPreset, default_preset, general_preset

VALUES = np.arange(900.0)


def chosen(kind: ObjectKind, metric: TabularMetric | None = None) -> ChosenPreset:
    metric = metric or TabularMetric("value", left=kind.name)
    return default_preset(metric, (kind, kind), VALUES)


def ellipse(side: int) -> np.ndarray:
    """A mask of an ellipse in the middle of a square canvas."""
    y, x = (np.indices((side, side)) + 0.5) / side - 0.5
    return ((x / 0.4) ** 2 + (y / 0.2) ** 2 < 1).astype(np.uint8)


def test_another_metric_of_silhouettes_starts_from_the_model_that_ships() -> None:
    proposed = chosen(SilhouetteKind())
    begun, overlap = proposed.started(), model_config_of("overlap")
    assert proposed.start == begun.start == "overlap"
    assert (begun.model.left, begun.model.right, begun.model.latent) == (overlap.left, None, overlap.latent)
    assert (begun.model.head, begun.model.metric) == (proposed.model.head, proposed.model.metric)
    assert begun.heads == proposed.heads


def test_random_weights_leave_what_the_preset_chose() -> None:
    proposed = chosen(SilhouetteKind())
    begun = proposed.started(NONE)
    assert begun == replace(proposed, start="")
    assert begun.start_of(begun.model) is None


def test_the_same_metric_is_gone_on_with_as_it_is_where_that_is_asked_for() -> None:
    proposed = default_preset(METRICS.get("overlap")(), (SilhouetteKind(),) * 2, VALUES)
    assert proposed.start == ""
    begun = proposed.started("overlap")
    assert begun.model == model_config_of("overlap")
    assert begun.heads == ()


def test_objects_that_no_model_takes_start_from_random_weights() -> None:
    assert chosen(VectorKind(4)).start == ""
    assert chosen(VectorKind(4)).started() == chosen(VectorKind(4))


def test_silhouettes_of_another_canvas_start_from_it_too() -> None:
    """Its networks have no weight that depends on the canvas: the code of a shape of half the size changes little."""
    kind, overlap = SilhouetteKind(100, 100), load_model("overlap")
    begun = chosen(kind).started()
    assert begun.model.left.kind == kind
    assert begun.model.left.decoder.side == 100
    model = build(begun.model)
    check_same_networks(overlap, model)
    model.left.load_state_dict(overlap.model.left.state_dict())
    codes = [
        tower.eval().code(SilhouetteKind(side, side).collate([ellipse(side)]))
        for tower, side in ((model.left, 100), (overlap.model.left, 200))
    ]
    assert torch.cosine_similarity(*codes).item() > 0.99


def test_two_towers_start_alike_from_one() -> None:
    metric = TabularMetric("value", left="silhouette", right="silhouette")
    two = chosen(SilhouetteKind(), metric)
    two = replace(two, model=replace(two.model, right=two.model.left, head=ProductAndDistance()))
    begun = two.started()
    assert begun.model.left == begun.model.right == model_config_of("overlap").left
    assert begun.start_of(begun.model) is not None


def test_networks_that_somebody_sets_do_without_what_nobody_asked_for() -> None:
    begun = chosen(SilhouetteKind()).started()
    smaller = replace(begun.model, latent=16)
    assert begun.start_of(smaller) is None
    asked = begun.start_of(smaller, "overlap")
    assert asked is not None  # and the training refuses it
    assert begun.start_of(replace(begun.model, head=ProductAndDistance(scale=9.0))) is not None


def test_a_start_of_other_objects_is_refused() -> None:
    with pytest.raises(InputError, match="the model overlap takes silhouettes, and the data are of vectors"):
        chosen(VectorKind(4)).started("overlap")
    with pytest.raises(InputError, match="nowhere is not a model"):
        chosen(VectorKind(4)).started(Path("nowhere"))


def test_what_a_kind_starts_from_ships_and_takes_it() -> None:
    kinds = [kind for name in KINDS.names() if (kind := KINDS.get(name)).pretrained]
    assert kinds
    for kind in kinds:
        assert kind.pretrained in shipped_models()
        assert type(model_config_of(kind.pretrained).left.kind) is kind


def test_the_general_preset_itself_proposes_none() -> None:
    kind = SilhouetteKind()
    assert general_preset(TabularMetric("value", left="silhouette"), (kind, kind), VALUES).start == ""
