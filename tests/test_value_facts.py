"""What a table says beside values: weights, bounds, groups; and what a model makes of metrics of any form."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import metricvae as mv
from metricvae.core.dataset import CENSORED, GROUP, WEIGHT, ObjectTable, PairDataset
from metricvae.core.errors import InputError
from metricvae.evaluation.evaluate import Evaluation
from metricvae.evaluation.ranking import RankingEvaluation, concordance
from metricvae.kinds.vector.kind import VectorKind
from metricvae.metrics.tabular import TabularMetric, spans_orders_of_magnitude
from metricvae.nn.free_codes import fit_free_codes
from metricvae.nn.heads import InnerProduct, ProductAndDistance
from metricvae.nn.model_settings import settings_of, with_settings
from metricvae.prediction.pair_head import FILE
from metricvae.training.presets import general_preset, typical_values

OBJECTS, LENGTH = 240, 4
PAIRS = {"train": 2_000, "validation": 300, "calibration": 400, "test": 400}
SMALL = {"latent": 32, "left.encoder.width": 48, "left.encoder.blocks": 1}
SHORT: dict[str, Any] = {"steps": 250, "batch_pairs": 64, "evaluate_every": 50, "threads": 1, "show_progress": False}


def vectors(**metric: Any) -> PairDataset:
    """Euclidean distances of random vectors, those of one split apart from those of the others."""
    random = np.random.default_rng(0)
    x = random.normal(size=(OBJECTS, LENGTH))
    pools = np.split(random.permutation(OBJECTS), [150, 180, 210])
    ends = [random.choice(pool, (2, count)) for pool, count in zip(pools, PAIRS.values(), strict=True)]
    first, second = np.concatenate(ends, axis=1)
    table = ObjectTable.from_objects(VectorKind(length=LENGTH), list(x.astype(np.float32)))
    kind = TabularMetric("length", range=(0, None), similarity=False, **metric).of_kinds("vector")
    value = np.linalg.norm(x[first] - x[second], axis=1)
    return PairDataset.from_objects(
        kind, table, first, second, value, split=np.repeat(list(PAIRS), list(PAIRS.values()))
    )


def r2_of(data: PairDataset, **more: Any) -> float:
    found = mv.fit(data, model=SMALL, **SHORT, **more).evaluate(vectors())
    assert isinstance(found, Evaluation)
    return found.r2


# Weights


@pytest.mark.slow
def test_pairs_of_little_weight_do_little_harm() -> None:
    """A third of the training values are noise; told so, a model is as good as without these."""
    data = vectors()
    noisy = (np.arange(len(data)) % 3 == 0) & np.isin(data.split, ("train", "validation"))
    value = np.where(noisy, np.random.default_rng(1).permutation(data.value) * 4, data.value)
    weight = np.where(noisy, 1e-4, 1.5)
    alike = r2_of(replace(data, value=value))
    weighted = r2_of(replace(data, value=value, columns={WEIGHT: weight}))
    assert weighted > 0.8
    assert weighted > alike + 0.2


def test_heads_are_scaled_by_weighted_values() -> None:
    values, weight = np.array([1.0, 2.0, 3.0, 100.0]), np.array([1.0, 2.0, 1.0, 1e-9])
    assert typical_values(values, weight).tolist() == [1.0, 2.0, 2.0, 3.0]
    assert typical_values(values, None) is values


def test_the_contrastive_loss_refuses_weights() -> None:
    data = vectors()
    weighted = replace(data, columns={WEIGHT: np.ones(len(data))})
    with pytest.raises(InputError, match="weights or censored values with the contrastive loss: choose the logistic"):
        mv.fit(weighted, model=SMALL, metric_loss="contrastive", **SHORT)


# Bounds


@pytest.mark.slow
def test_bounds_are_learned_from_as_bounds() -> None:
    """Half of the training values are known to be at least a number far below them."""
    data = vectors()
    bound = (np.arange(len(data)) % 2 == 0) & (data.split == "train")
    value = np.where(bound, 0.3 * data.value, data.value)
    censored = bound.astype(np.int8)
    as_values = r2_of(replace(data, value=value))
    as_bounds = r2_of(replace(data, value=value, columns={CENSORED: censored}))
    assert as_bounds > 0.7
    assert as_bounds > as_values + 0.1


def test_bounds_are_left_out_of_figures_and_intervals() -> None:
    data = vectors()
    model = mv.fit(data, model=SMALL, **(SHORT | {"steps": 100}))
    test = np.flatnonzero(data.split == "test")
    censored = np.zeros(len(data), np.int8)
    censored[test[::2]] = 1
    value = data.value.copy()
    value[test[::2]] = 1e6
    found = model.evaluate(replace(data, value=value, columns={CENSORED: censored}))
    kept = model.evaluate(data.select(np.setdiff1d(np.arange(len(data)), test[::2])))
    assert isinstance(found, Evaluation)
    assert isinstance(kept, Evaluation)
    assert (found.n, found.censored) == (200, 200)
    assert found.r2 == pytest.approx(kept.r2)


# Groups


def ranked(seed: int = 3) -> PairDataset:
    """The same distances, of groups that each have an offset and a factor of their own."""
    data = vectors(task="ranking")
    number = np.random.default_rng(seed).integers(0, 40, len(data))
    offset, factor = (
        np.random.default_rng(seed + 1).uniform(0, 100, 40),
        np.random.default_rng(seed + 2).uniform(1, 3, 40),
    )
    value = offset[number] + factor[number] * data.value
    return replace(data, value=value, columns={GROUP: np.array([f"g{one}" for one in number])})


def test_a_ranking_is_learned_within_groups() -> None:
    data = ranked()
    model = mv.fit(data, model=SMALL, **SHORT)
    found = model.evaluate(data)
    assert isinstance(found, RankingEvaluation)
    assert found.concordance > 0.85
    assert found.concordance > found.areas_concordance + 0.2
    assert found.spearman > found.kendall > 0.6
    assert found.interval_coverage == pytest.approx(0.9, abs=0.06)
    assert "length" in model.card


def test_concordance_by_hand() -> None:
    """Within the group of the first three pairs two of three orders are right; the other group has no order."""
    data = vectors(task="ranking").select(np.arange(5))
    data = replace(data, value=np.array([1.0, 2, 3, 5, 5]), columns={GROUP: np.array(list("aaabb"))})
    predicted = np.array([1.0, 3, 2, 0, 9])
    groups = [np.arange(3), np.arange(3, 5)]
    assert concordance(data, np.arange(5), predicted, groups) == pytest.approx(2 / 3)
    censored = np.array([1, 0, 0, 0, 0], np.int8)  # at least 1: below neither 2 nor 3 for certain
    assert concordance(replace(data, columns={CENSORED: censored}), np.arange(5), predicted, groups) == 0.0


# Form


def test_free_codes_tell_which_form_a_metric_has() -> None:
    """Distances of points on a line are exact in one dimension of distances, and not as a product of few numbers."""
    random = np.random.default_rng(0)
    x = torch.from_numpy(random.normal(size=60)).float()
    a, b = torch.triu_indices(60, 60, 1)
    value, ones = (x[a] - x[b]).abs(), torch.ones(len(a))
    spread, mean = float(value.std()), float(value.mean())
    product = fit_free_codes(InnerProduct(spread, mean), 2, a, b, value, (ones, ones))
    distance = fit_free_codes(ProductAndDistance(spread, mean), 8, a, b, value, (ones, ones))
    assert product.fitted_r2 < 0.95
    assert distance.held_out_r2 > 0.97
    assert product.pairs_an_object == pytest.approx(59 * 0.9, rel=0.05)


def test_a_pair_head_is_written_read_and_refused_when_damaged(tmp_path: Path) -> None:
    data = vectors()
    model = mv.fit(
        data,
        tmp_path / "model",
        model=SMALL | {"head.name": "inner_product"},
        pair_head=True,
        **(SHORT | {"steps": 100}),
    )
    form = model.predictor.loaded.facts["product_form"]
    assert form["pair_head_r2"] > form["product_r2"] + 0.05
    assert "network of both codes" in model.card
    found = model.evaluate(data)
    assert isinstance(found, Evaluation)
    assert found.r2 > form["product_r2"]
    assert found.interval_coverage == pytest.approx(0.9, abs=0.06)
    objects = [np.ones(LENGTH, np.float32), np.zeros(LENGTH, np.float32)]
    all_pairs = model.similarity(objects, objects)
    assert all_pairs[0, 1].item() == pytest.approx(model.predict(objects[0], objects[1]).value, rel=1e-5)
    (tmp_path / "model" / FILE).write_bytes(b"nothing")
    with pytest.raises(InputError, match="was changed after it was written"):
        mv.load(tmp_path / "model")


def test_a_pair_head_is_for_regressions() -> None:
    with pytest.raises(InputError, match="a pair head is for regressions, got a ranking metric: leave it out"):
        mv.fit(ranked(), model=SMALL, pair_head=True, **SHORT)


def test_values_over_orders_of_magnitude_are_learned_as_logarithms() -> None:
    wide = np.geomspace(1e-3, 1e5, 200)
    assert spans_orders_of_magnitude(wide)
    assert not spans_orders_of_magnitude(np.linspace(1, 900, 200))
    assert not spans_orders_of_magnitude(wide - 1)
    metric = TabularMetric("rate", range=(0, None)).of_kinds("vector")
    assert getattr(metric.default_head(wide), "link") == "log"  # noqa: B009
    assert getattr(TabularMetric("rate").of_kinds("vector").default_head(wide), "link") == "identity"  # noqa: B009


# Settings of the model


def config() -> Any:
    metric = TabularMetric("length").of_kinds("vector")
    return general_preset(metric, (VectorKind(length=LENGTH),) * 2, np.arange(100.0)).model


def test_settings_of_every_part_are_within_reach() -> None:
    settings = settings_of(config())
    assert {"latent", "mirrored", "head.name", "head.scale", "left.encoder.name", "left.encoder.width"} <= set(settings)
    assert not [name for name in settings if name.startswith(("metric", "left.kind", "format"))]
    changed = with_settings(config(), {"latent": 12, "left.decoder.widths": [8, 8], "head.scale": 2.5})
    assert (changed.latent, changed.left.decoder.widths, changed.head.scale) == (12, (8, 8), 2.5)
    assert with_settings(config(), settings) == config()


def test_another_head_takes_the_place_of_the_default_one() -> None:
    changed = with_settings(config(), {"head.scale": 3.0, "head.name": "inner_product"})
    assert changed.head == InnerProduct(3.0, config().head.offset)
    assert with_settings(config(), {"left.decoder.name": "none"}).left.decoder is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"depth": 3}, "the model has no setting 'depth': expected one of"),
        ({"left.encoder.name": "polar"}, "there is no encoder of vectors 'polar': expected one of mlp"),
        ({"head.name": "euclid"}, "there is no metric head 'euclid'"),
        ({"latent": 0}, "latent is 0: expected at least 1"),
        ({"metric.unit": "m"}, "the model has no setting 'metric.unit'"),
    ],
)
def test_settings_that_there_are_not(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        with_settings(config(), settings)
