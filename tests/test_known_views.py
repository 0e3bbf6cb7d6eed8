"""What is known of similarities of rows of numbers before anything is learned."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy.spatial import distance
from scipy.stats import wasserstein_distance

from metricvae.core.dataset import PairDataset
from metricvae.nn.autoencoder import ModelConfig, build
from metricvae.nn.descriptors import DescriptorEncoder, DescriptorEncoderConfig
from metricvae.nn.heads import EuclideanDistance, Head
from metricvae.nn.known_views import KnownCounts, KnownNumbers
from metricvae.nn.mlp import MlpEncoder, MlpEncoderConfig
from metricvae.training.config import TrainingConfig
from metricvae.training.initial import KnownSimilarities, fit_scalings, fitted_at_first, initial_model
from metricvae.training.pilot import with_best_head
from metricvae.training.presets import preset_of_data

Rows = npt.NDArray[np.float64]
Compare = Callable[[npt.NDArray[np.float64], npt.NDArray[np.float64]], float]


def clustered(size: int, seed: int) -> Rows:
    """Rows around a few centres, which are the same for all seeds."""
    random, centres = np.random.default_rng(seed), np.random.default_rng(0).normal(size=(6, size))
    return centres[random.integers(0, 6, 240)] + 0.5 * random.normal(size=(240, size))


def mixed(size: int, seed: int) -> Rows:
    """Columns that go together, in units of their own."""
    return clustered(size, seed) @ np.random.default_rng(1).normal(size=(size, size))


def histograms(size: int, seed: int) -> Rows:
    return np.random.default_rng(seed).dirichlet(np.full(size, 0.5), 240)


def bits(size: int, seed: int) -> Rows:
    return (clustered(size, seed) > 0.5).astype(float)


SPREAD = np.linalg.inv(np.cov(mixed(10, 5).T))

KNOWN: dict[str, tuple[Callable[[int, int], Rows], int, Compare, float]] = {
    "euclidean": (clustered, 12, distance.euclidean, 0.97),
    "sum of absolute differences": (clustered, 12, distance.cityblock, 0.93),
    "cosine": (clustered, 20, lambda a, b: 1 - distance.cosine(a, b), 0.98),
    "inner product": (clustered, 12, lambda a, b: float(a @ b), 0.95),
    "mahalanobis": (mixed, 10, lambda a, b: distance.mahalanobis(a, b, SPREAD), 0.87),
    "correlation": (clustered, 30, lambda a, b: 1 - distance.correlation(a, b), 0.97),
    "hamming": (bits, 40, distance.hamming, 0.97),
    "tanimoto": (bits, 64, lambda a, b: 1 - distance.jaccard(a > 0, b > 0), 0.95),
    "jensen-shannon": (histograms, 16, distance.jensenshannon, 0.93),
    "earth mover's": (histograms, 20, lambda a, b: wasserstein_distance(range(20), range(20), a, b), 0.9),
}
"""Objects, their numbers, a metric, and how much of its variance of unseen rows is known before any training."""


def pairs_of(rows: Rows, compare: Compare, seed: int, **known: object) -> PairDataset:
    first, second = np.random.default_rng(seed).integers(0, len(rows), (2, 600))
    first, second = first[first != second], second[first != second]
    value = [compare(rows[a], rows[b]) for a, b in zip(first, second, strict=True)]
    objects = [rows[one] for one in first], [rows[one] for one in second]
    return PairDataset.from_pairs(*objects, value, "vector", split=["train"] * len(value), **known)  # type: ignore[arg-type]


def explained(config: ModelConfig, learned: PairDataset, unseen: PairDataset) -> float:
    """R^2 of the values of unseen pairs before the first step."""
    model = initial_model(config, learned, 0).eval()
    encoder = model.tower("left").encoder
    with torch.no_grad():
        codes, _ = encoder(encoder.prepare(unseen.left.tensor(np.arange(len(unseen.left)), "cpu")))
        ones = torch.ones(len(unseen))
        score = config.head.score(codes[unseen.first], codes[unseen.second])
        value = config.head.value(score, ones, ones).double().numpy()
    return float(1 - np.square(value - unseen.value).mean() / unseen.value.var())


@pytest.mark.parametrize("name", KNOWN)
def test_usual_metrics_of_numbers_are_known_before_anything_is_learned(name: str, tmp_path: Path) -> None:
    objects, size, compare, least = KNOWN[name]
    learned, unseen = (pairs_of(objects(size, seed), compare, seed) for seed in (1, 2))
    preset = preset_of_data(learned)
    config = with_best_head(preset.model, preset.heads, TrainingConfig(steps=10), learned, learned, tmp_path)
    assert explained(config, learned, unseen) > least


def test_plain_similarities_of_pictures_are_known_before_anything_is_learned(tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    digits = load_digits().images[:400] * 15.0
    first, second = np.random.default_rng(0).integers(0, 200, (2, 500))
    learned, unseen = (
        PairDataset.from_pairs(
            list(digits[begin + first].astype(np.uint8)),
            list(digits[begin + second].astype(np.uint8)),
            [
                distance.euclidean(digits[begin + a].ravel(), digits[begin + b].ravel())
                for a, b in zip(first, second, strict=True)
            ],
            "image",
            split=["train"] * 500,
        )
        for begin in (0, 200)
    )
    preset = preset_of_data(learned)
    config = with_best_head(preset.model, preset.heads, TrainingConfig(steps=10), learned, learned, tmp_path)
    assert config.left.encoder.knows_similarity
    assert explained(config, learned, unseen) > 0.9


def test_what_training_pairs_do_not_bear_out_is_not_used() -> None:
    rows = clustered(12, 1)
    learned = pairs_of(rows, distance.euclidean, 1)
    random = replace(learned, value=np.random.default_rng(0).permutation(learned.value))
    preset = preset_of_data(random)
    model = initial_model(replace(preset.model, head=EuclideanDistance()), random, 0)
    encoder = model.tower("left").encoder
    assert isinstance(encoder, MlpEncoder)
    assert encoder.known is not None
    assert not encoder.known.weight.any()
    assert float(encoder.gate[0].detach()) == pytest.approx(0.3), "what is learned begins at its full size"


def views_of(rows: Rows, outputs: int, *, series: bool = False) -> tuple[KnownNumbers, torch.Tensor]:
    x = torch.from_numpy(rows).float()
    known = KnownNumbers(x.shape[1], outputs, 4, series=series)
    known.fit(x)
    return known, x


@pytest.mark.parametrize("series", [True, False])
def test_views_have_one_size_and_numbers_that_are_finite(series: bool) -> None:
    rows = clustered(9, 0)
    rows[:, 3] = 5.0
    rows[7, 2] = np.nan
    rows[8] = 0.0
    rows[9, 1] = 1e30
    known, x = views_of(rows, 8, series=series)
    groups = known.groups(x)
    assert [one.shape[1] for one in groups] == known.sizes
    assert len(groups) == (10 if series else 9)
    for one in groups:
        assert bool(one.isfinite().all())
        assert float(one.square().mean()) == pytest.approx(1.0, abs=0.01)
    assert not known(x).any(), "nothing is projected before it is used"


def test_products_of_what_is_projected_are_the_sum_that_was_asked_for() -> None:
    """Of 32 numbers of a code the last 28 are used: as many as the columns of two views have components."""
    known, x = views_of(clustered(9, 0), 32)
    squares = torch.zeros(len(known.sizes), 32)
    squares[0, 4:], squares[2, 4:] = 0.5 / 28, 2.0 / 28
    known.use(x, squares)
    with torch.no_grad():
        codes = known(x)
    groups = known.groups(x)
    expected = 0.5 * groups[0] @ groups[0].T / 9 + 2.0 * groups[2] @ groups[2].T / 9
    assert torch.allclose(codes @ codes.T, expected, atol=1e-3)
    assert not codes[:, :4].any()


def test_a_model_that_knows_nothing_beforehand_is_as_it_was() -> None:
    """Models of earlier versions have no such part, and their configuration does not mention it."""
    config = MlpEncoderConfig.from_json({"name": "mlp", "inputs": 12})
    encoder = config.build(6)
    assert not config.knows_similarity
    assert encoder.known is None
    assert encoder.projected(torch.zeros(2, 12)) == []
    assert not any("known" in name for name in encoder.state_dict())


def test_heads_are_fitted_to_what_is_known_and_the_model_stays() -> None:
    learned = pairs_of(clustered(12, 1), lambda a, b: 7.0 + 3.0 * distance.euclidean(a, b), 1)
    config = preset_of_data(learned).model
    model = build(config, 0).eval()
    fit_scalings(model, learned)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    head, share = KnownSimilarities.of(config, model, learned).fitted(EuclideanDistance(scale=9.0))
    assert isinstance(head, EuclideanDistance)
    assert head.offset == pytest.approx(7.0, abs=0.5)
    assert share > 0.98
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    heads: list[Head] = [EuclideanDistance(9.0), EuclideanDistance(-9.0)]
    rising, falling = fitted_at_first(config, heads, learned, 0)
    assert rising[1] > 0.9
    assert falling[1] < 0


def described(objects: int, seed: int) -> torch.Tensor:
    """Rows of three descriptors, a block of five counts, another of four, and a last descriptor."""
    random = np.random.default_rng(seed)
    counts = random.poisson(0.7, (objects, 9))
    return torch.from_numpy(np.column_stack([random.normal(5, 2, (objects, 3)), counts, counts.sum(1)])).float()


def test_views_of_counts_are_of_each_block_and_of_each_descriptor() -> None:
    x = described(40, 0)
    x[3, 3:12] = 0.0
    x[:, 1] = 7.0
    known = KnownCounts(13, 6, (3, 8, 12), 4.0)
    known.fit(x)
    assert known.sizes == [1] * 4 + [5] * 4 + [4] * 4
    present, unit, counts, logs = known.raw(x)[4:8]
    assert torch.equal(present, (x[:, 3:8] > 0).float())
    torch.testing.assert_close(unit.norm(dim=1), (present.sum(1) > 0).float())
    torch.testing.assert_close(counts * x[:, 3:8].norm(dim=1, keepdim=True), x[:, 3:8])
    torch.testing.assert_close(logs, x[:, 3:8].log1p())
    for at, one in enumerate(known.groups(x)):
        assert bool(one.isfinite().all())
        assert float(one.square().mean()) == pytest.approx(float(at != 1), abs=0.01), "a constant column stays 0"
    torch.testing.assert_close(known.raw(x)[3][:, 0], (x[:, 12] - x[:, 12].mean()) / x[:, 12].std(correction=0))


def fingerprint_pairs(seed: int, compare: Compare) -> PairDataset:
    """Molecules that share parts, 600 pairs of 150, with a function of the counts of their substructures."""
    from metricvae.kinds.molecule_fingerprint.kind import MoleculeFingerprintKind

    random, kind = np.random.default_rng(seed), MoleculeFingerprintKind()
    parts = ("CC(=O)N", "c1ccccc1", "C1CCNCC1", "OCC", "c1ccncc1", "CS(=O)(=O)N", "C(F)(F)F", "C#N")
    smiles = [
        "".join(f"C({part})" for part in random.choice(parts, 3)) + "C" * int(k) for k in random.integers(1, 4, 150)
    ]
    objects = [kind.convert(one) for one in smiles]
    numbers = kind.numbers(objects).astype(float)
    first, second = random.integers(0, 150, (2, 600))
    value = [compare(numbers[a], numbers[b]) for a, b in zip(first, second, strict=True)]
    ends = [objects[one] for one in first], [objects[one] for one in second]
    return PairDataset.from_pairs(*ends, value, kind.name, split=["train"] * 600)


def shared_substructures(a: Rows, b: Rows) -> float:
    return 1.0 - float(distance.jaccard(a[60:] > 0, b[60:] > 0))


def heavier(a: Rows, b: Rows) -> float:
    """The difference of the molecular weights, which are the first descriptor."""
    return float(abs(a[0] - b[0]))


@pytest.mark.parametrize(("compare", "least"), [(shared_substructures, 0.85), (heavier, 0.95)])
def test_metrics_of_fingerprints_and_descriptors_are_known(compare: Compare, least: float, tmp_path: Path) -> None:
    learned, unseen = (fingerprint_pairs(seed, compare) for seed in (1, 2))
    preset = preset_of_data(learned)
    config = with_best_head(preset.model, preset.heads, TrainingConfig(steps=10), learned, learned, tmp_path)
    assert config.left.encoder.knows_similarity
    assert explained(config, learned, unseen) > least


def test_an_encoder_of_descriptors_lets_the_means_that_it_learns_begin_small() -> None:
    config = DescriptorEncoderConfig(inputs=13, width=8, members=2, plain=2, counts=(3, 8, 12), known=True, beside=0.1)
    encoder, x = config.build(6), described(40, 0)
    assert isinstance(encoder, DescriptorEncoder)
    features = encoder.prepare(x)
    encoder.fit_scaling(features)
    encoder.eval()
    torch.testing.assert_close(encoder.numbers(features), x, rtol=1e-4, atol=1e-4)
    mean, spread = encoder(features)
    assert encoder.known is not None
    squares = torch.zeros(len(encoder.known.sizes), 6)
    squares[4] = 1.0
    encoder.use_similarity(features, squares)
    then, spread_then = encoder(features)
    torch.testing.assert_close(then - encoder.known(x), 0.1 * mean, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(spread_then, spread)


def test_views_are_not_looked_at_before_something_is_projected(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is projected then is zero, and so is the gradient of its factor."""
    config = DescriptorEncoderConfig(inputs=13, width=8, members=2, counts=(3, 8, 12), known=True)
    encoder, x = config.build(6).eval(), described(40, 0)
    features = encoder.prepare(x)
    encoder.fit_scaling(features)
    assert encoder.known is not None
    squares = torch.zeros(len(encoder.known.sizes), 6)
    squares[4] = 1.0
    blank, mean = copy.deepcopy(encoder.state_dict()), encoder(features)[0]
    assert not encoder.known(x).any()
    (gradient,) = torch.autograd.grad(mean.square().sum(), [encoder.known.factor])
    assert torch.equal(gradient, torch.zeros(6))
    looked_at = []
    numbers = encoder.numbers
    monkeypatch.setattr(encoder, "numbers", lambda features: looked_at.append(1) or numbers(features))
    for change, used in (
        (lambda: encoder.eval(), False),
        (lambda: encoder.use_similarity(features, squares), True),
        (lambda: encoder.load_state_dict(blank), False),
    ):
        change()
        looked_at.clear()
        then = encoder(features)[0]
        assert bool(looked_at) == used
        assert torch.equal(then, mean) != used
    encoder.use_similarity(features, squares)
    other = config.build(6).eval()
    other.load_state_dict(encoder.state_dict())
    assert torch.equal(other(features)[0], encoder(features)[0])
