"""Where training begins of encoders that know of similarities: beyond a guess, also for objects of no training pair."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from metricvae.core.dataset import PairDataset
from metricvae.kinds.sequence.kind import SequenceKind
from metricvae.nn.autoencoder import MagicAutoencoder, build
from metricvae.nn.heads import Head, LinearCosine, ProductAndDistance
from metricvae.nn.layers import FixedProjection
from metricvae.training.config import TrainingConfig
from metricvae.training.initial import fit_scalings, fitted_at_first, initial_model
from metricvae.training.pilot import with_best_head
from metricvae.training.presets import preset_of_data

Words = set[str]


def words_of(sequence: str) -> Words:
    return {sequence[at : at + 6] for at in range(len(sequence) - 5)}


def jaccard(a: Words, b: Words) -> float:
    return len(a & b) / len(a | b)


def difference(a: Words, b: Words) -> float:
    return 1 - jaccard(a, b)


def containment(a: Words, b: Words) -> float:
    return len(a & b) / len(a)


def pairs_of(metric: Callable[[Words, Words], float], seed: int, count: int = 900) -> PairDataset:
    """Pairs of DNA sequences, some of them windows of one parent; seeds have no sequence in common."""
    rng = np.random.default_rng(seed)
    parents = ["".join(rng.choice(list("ACGT"), 160)) for _ in range(20)]
    rows = []
    for _ in range(count):
        one, two = rng.integers(20, size=2)
        if rng.random() < 0.1:
            two = one
        cuts = [
            parents[parent][start : start + length]
            for parent, start, length in zip(
                (one, two), rng.integers(0, 100, size=2), rng.integers(40, 61, size=2), strict=True
            )
        ]
        rows.append((*cuts, metric(*map(words_of, cuts))))
    first, second, value = zip(*rows, strict=True)
    known = {"symmetric": metric is not containment, "similarity": metric is not difference}
    return PairDataset.from_pairs(first, second, value, "sequence", **known, split=["train"] * count)


def explained(model: MagicAutoencoder, data: PairDataset) -> float:
    """R^2 of a model's values of pairs."""
    encoder = model.tower("left").encoder
    with torch.no_grad():
        features = encoder.prepare(data.left.tensor(np.arange(len(data.left)), "cpu"))
        codes, _ = encoder(features)
        ones = torch.ones(len(data))
        value = model.head.value(model.head.score(codes[data.first], codes[data.second]), ones, ones).double().numpy()
    return float(1 - np.square(value - data.value).mean() / data.value.var())


def begun(data: PairDataset, head: Head | None = None) -> MagicAutoencoder:
    """The default model of data as training begins with it."""
    config = preset_of_data(data).model
    return initial_model(config if head is None else replace(config, head=head), data, 0).eval()


@pytest.mark.parametrize("metric", [jaccard, difference, containment])
def test_training_begins_with_what_is_known(metric: Callable[[Words, Words], float]) -> None:
    learned, unseen = pairs_of(metric, 1), pairs_of(metric, 2)
    config = preset_of_data(learned).model
    random = build(config, 0)
    fit_scalings(random, learned)
    known = explained(begun(learned), unseen)
    assert known > 0.4
    assert known > explained(random.eval(), unseen) + 0.2
    assert fitted_at_first(config, [config.head], learned, 0)[0][1] > 0.5


def test_a_head_that_rises_where_values_fall_is_not_taken(tmp_path: Path) -> None:
    data = pairs_of(difference, 1)
    guessed = replace(data, metric=replace(data.metric, similarity=True))
    preset = preset_of_data(guessed)
    assert preset.model.head.scale > 0
    found = with_best_head(preset.model, preset.heads, TrainingConfig(steps=10), guessed, guessed, tmp_path)
    assert isinstance(found.head, LinearCosine)
    assert found.head.scale < 0
    assert found.head.power > 1, "a Jaccard index is less than the cosine of the same counts"


def test_values_that_fall_off_steeply_have_a_power_of_the_cosine(tmp_path: Path) -> None:
    data = pairs_of(lambda a, b: jaccard(a, b) ** 2, 1)
    preset = preset_of_data(data)
    found = with_best_head(preset.model, preset.heads, TrainingConfig(steps=10), data, data, tmp_path)
    assert isinstance(found.head, LinearCosine)
    assert found.head.scale > 0
    assert found.head.power >= 2


def test_products_that_are_subtracted_serve_a_distance() -> None:
    """Of the four parts of a code the first is of products that are added, the second of those that are subtracted."""
    for metric, part in ((jaccard, 0), (difference, 1)):
        model = begun(pairs_of(metric, 1), ProductAndDistance(scale=0.3, offset=0.3))
        factors = torch.stack([one.factor for one in model.tower("left").encoder.projections]).amax(0)
        used = [bool((one > 0.11).all()) for one in factors.tensor_split(4)]
        assert used == [number == part for number in range(4)]


def test_nothing_is_weighed_where_products_say_nothing_of_values() -> None:
    data = pairs_of(jaccard, 1)
    ranking = replace(data, metric=replace(data.metric, task="ranking"))
    random = replace(data, value=np.random.default_rng(0).permutation(data.value))
    for one, expected in ((ranking, 0.1), (random, None)):
        model = begun(one, LinearCosine())
        factors = torch.stack([projection.factor for projection in model.tower("left").encoder.projections])
        assert bool(factors.isfinite().all())
        if expected is not None:
            assert bool((factors == expected).all())


def test_sequences_are_compared_by_angles_where_there_is_no_choice() -> None:
    assert preset_of_data(pairs_of(jaccard, 1)).model.head.name == LinearCosine.name
    assert isinstance(preset_of_data(pairs_of(jaccard, 1)).heads[0], ProductAndDistance)
    directed = preset_of_data(pairs_of(containment, 1)).model.head
    assert isinstance(directed, ProductAndDistance)
    assert directed.directed
    assert directed.rising
    assert SequenceKind().default_encoder().knows_similarity


@pytest.mark.parametrize(("inputs", "outputs"), [(5, 5), (5, 15), (40, 16)])
def test_projections_keep_products(inputs: int, outputs: int) -> None:
    torch.manual_seed(0)
    projection = FixedProjection(inputs, outputs, factor=1.0)
    x = torch.randn(200, inputs)
    with torch.no_grad():
        y = projection(x)
    there, kept = x @ x.T / inputs, y @ y.T / outputs
    if outputs >= inputs:
        assert torch.allclose(kept, there, atol=1e-5)
        assert torch.allclose(y[:, :inputs] @ y[:, :inputs].T / inputs, there, atol=1e-5)
    else:
        random = x @ (torch.randn(outputs, inputs) / inputs**0.5).T
        error, other = (kept - there).square().mean(), (random @ random.T / outputs - there).square().mean()
        assert error < 0.8 * other
