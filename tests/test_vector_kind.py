"""Vectors: what is read as one, scaling learned from training rows, and networks that read them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from metricvae.core.dataset import PairDataset
from metricvae.core.errors import InputError
from metricvae.kinds.arrays import ArrayKind, read_npy
from metricvae.kinds.vector.io import LONGEST, parse_numbers
from metricvae.kinds.vector.kind import VectorKind
from metricvae.nn.autoencoder import build
from metricvae.nn.layers import neighbours, seeded_weights
from metricvae.nn.mlp import MlpEncoder, MlpEncoderConfig
from metricvae.nn.number_views import NumberViews, summaries
from metricvae.nn.scaling import Standardise
from metricvae.training.initial import fit_scalings
from metricvae.training.presets import preset_of_data


def encoder_of(kind: VectorKind, latent: int = 6) -> MlpEncoder:
    with seeded_weights(0):
        found = kind.default_encoder(1_000).build(latent)
    assert isinstance(found, MlpEncoder)
    return found.eval()


# Reading


@pytest.mark.parametrize(
    "value",
    [
        "1 2.5 -3",
        "1,2.5,-3",
        " [1; 2.5; -3] ",
        "(1e0, 25e-1, -3)",
        [1, 2.5, -3],
        (1.0, 2.5, -3.0),
        np.array([[1.0, 2.5, -3.0]]),
        np.array([[1.0], [2.5], [-3.0]]),
        torch.tensor([1.0, 2.5, -3.0]),
    ],
)
def test_what_is_read_as_a_vector(value: object) -> None:
    found = VectorKind(3).convert(value)
    assert found.dtype == np.float32
    assert found.tolist() == [1.0, 2.5, -3.0]


@pytest.mark.parametrize("text", ["1,2.5,-3\n", "1 2.5 -3", "1\n2.5\n-3\n", "\ufeff1;2.5;-3"])
def test_files_of_text(tmp_path: Path, text: str) -> None:
    (tmp_path / "one.csv").write_text(text, encoding="utf-8")
    assert VectorKind().convert(str(tmp_path / "one.csv")).tolist() == [1.0, 2.5, -3.0]


def test_files_of_arrays(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", np.arange(4))
    assert VectorKind().read(tmp_path / "one.npy").tolist() == [0, 1, 2, 3]
    np.save(tmp_path / "objects.npy", np.array([{}], object))
    with pytest.raises(InputError, match="cannot be read as an array"):
        VectorKind().read(tmp_path / "objects.npy")


def test_a_large_array_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with open(tmp_path / "huge.npy", "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)})
    with pytest.raises(InputError, match="expected at most 65536 numbers"):
        read_npy(tmp_path / "huge.npy", LONGEST)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("1 two 3", "holds 'two': expected numbers"),
        ("", "holds no numbers"),
        ("[]", "holds no numbers"),
        ("1,,3", "has no number in place 2"),
        ("1 nan 3", "has no number in place 2"),
        ("1 inf 3", "holds a number beyond 1e\\+30"),
        ([1, None, 3], "has no number in place 2"),
        ([[1, 2], [3, 4]], r"has the shape \(2, 2\)"),
        ([], r"has the shape \(0,\)"),
        ([1, 2], "has 2 numbers: expected 3"),
        (["a", "b", "c"], "something other than numbers"),
        ([[1], [2, 3]], "no row of numbers"),
        (np.zeros(LONGEST + 1), "expected one row"),
        ("gone.csv", "does not exist"),
    ],
)
def test_what_is_refused(value: object, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        VectorKind(3).convert(value)
    assert "\n" not in str(caught.value)


def test_files_that_are_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("1,2\n3,4\n")
    with pytest.raises(InputError, match="holds 2 rows of several numbers"):
        VectorKind().read(tmp_path / "rows.csv")
    (tmp_path / "long.txt").write_text("1 " * (LONGEST * 40))
    with pytest.raises(InputError, match="expected at most"):
        VectorKind().read(tmp_path / "long.txt")


@pytest.mark.parametrize(
    ("arguments", "message"), [({"length": 0}, "length of vectors is 0"), ({"missing": "drop"}, "missing is 'drop'")]
)
def test_settings_that_there_are_not(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        VectorKind(**arguments)  # type: ignore[arg-type]


def test_the_length_is_that_of_the_objects() -> None:
    assert VectorKind().adapt([np.zeros(7), np.ones(7)]).length == 7
    with pytest.raises(InputError, match="vector 2 has 3 numbers, those before it 7"):
        VectorKind().adapt([np.zeros(7), np.ones(3)])
    with pytest.raises(InputError, match="got vectors of 1, 2 numbers"):
        VectorKind(2).pack([np.zeros(1), np.zeros(2)])


def test_text_of_numbers_may_miss_some() -> None:
    assert np.isnan(parse_numbers("1,,2")).tolist() == [False, True, False]


# Scaling


def test_missing_numbers_count_as_the_mean_of_their_column() -> None:
    kind = VectorKind(2, missing="mean")
    rows = [kind.convert(text) for text in ("1,10", "3,", "5,30")]
    x = kind.collate(rows)
    assert x.isnan().sum() == 1
    encoder = encoder_of(kind)
    encoder.fit_scaling(encoder.prepare(x))
    filled = x.nan_to_num(20.0)
    torch.testing.assert_close(encoder(x)[0], encoder(filled)[0])
    assert torch.isfinite(encoder(x)[0]).all()


def test_a_shared_encoder_learns_its_scaling_from_both_tables() -> None:
    rng = np.random.default_rng(0)
    low, high = rng.normal(0.0, 1.0, (60, 3)), rng.normal(100.0, 1.0, (60, 3))
    data = PairDataset.from_pairs(low, high, low[:, 0] - high[:, 0], "vector", symmetric=False, split=["train"] * 60)
    chosen = preset_of_data(data).model
    model, other = build(chosen), build(chosen)
    fit_scalings(model, data)
    encoder, alone = (each.tower("left").encoder for each in (model, other))
    both = torch.from_numpy(np.concatenate([low, high])).float()
    alone.fit_scaling(alone.prepare(both))
    for name, buffer in encoder.named_buffers():
        torch.testing.assert_close(buffer, dict(alone.named_buffers())[name], msg=name)


def test_views_are_standardised_whatever_the_unit() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(500, 5, generator=generator)
    x[:, 1], x[:, 2], x[:, 3] = x[:, 1] * 1e-9 + 1e-3, (6 * x[:, 2]).exp(), 4.0
    views = NumberViews(5, 8, 8.0)
    views.fit(x)
    found = views(x)
    assert found.shape == (500, views.width)
    assert found.abs().max() < 8 + np.log1p(30)
    assert (found[:, 3] == 0).all()  # a constant column
    spread = found.std(0)
    assert ((spread > 0.1) | (spread < 1e-3)).all()
    far = views(torch.full((1, 5), 1e30))
    assert torch.isfinite(far).all()
    assert torch.isfinite(views(torch.zeros(1, 5))).all()


def test_views_hold_what_simple_metrics_are_made_of() -> None:
    """Cosine and correlation are products of views; a monotone column is recovered by its levels."""
    x = torch.randn(50, 6, generator=torch.Generator().manual_seed(1)) + 2
    views = NumberViews(6, 4, 1e6)
    views.scale.forward = lambda rows: rows  # type: ignore[method-assign]
    raw = views(x)
    unit, own = raw[:, 12:18], raw[:, 18:24]
    torch.testing.assert_close(unit @ unit.T, torch.nn.functional.normalize(x) @ torch.nn.functional.normalize(x).T)
    torch.testing.assert_close(own @ own.T, torch.corrcoef(x), atol=1e-4, rtol=1e-4)


def test_summaries_of_known_rows() -> None:
    found = summaries(torch.tensor([[1.0, 1.0, 1.0, 1.0], [4.0, 0.0, 0.0, 0.0]]))
    assert found[0, 4] == pytest.approx(np.log(4))
    assert found[1, 4] == pytest.approx(0.0)
    assert found[1, 0] == pytest.approx(np.log(4))


def test_standardisation_keeps_constant_columns_at_zero() -> None:
    scale = Standardise(2)
    scale.fit(torch.tensor([[5.0, 1.0], [5.0, 3.0]]))
    assert scale(torch.tensor([[5.0, 2.0], [5.0, 3.0]])).tolist() == [[0, 0], [0, 1]]


# Networks


@pytest.mark.parametrize("length", [1, 3, 23, 24, 25, 64, 129, 3_000])
def test_default_networks_of_any_length(length: int) -> None:
    kind = VectorKind(length)
    config = kind.default_encoder(1_000)
    assert isinstance(config, MlpEncoderConfig)
    assert bool(config.channels) == (length >= 24)
    encoder, decoder = config.build(4).eval(), kind.default_decoder().build(4)
    x = torch.randn(5, length, generator=torch.Generator().manual_seed(0))
    encoder.fit_scaling(x)
    mean, log_variance = encoder(encoder.prepare(x))
    assert mean.shape == log_variance.shape == (5, 4)
    assert encoder.pictures(x).shape == decoder(mean).shape == (5, 1, length)
    assert sum(weight.numel() for weight in encoder.parameters()) < 5_000_000


def test_gradients_reach_every_weight() -> None:
    encoder = MlpEncoderConfig(inputs=32, channels=8, width=16).build(4)
    x = torch.randn(20, 32, generator=torch.Generator().manual_seed(0))
    encoder.fit_scaling(x)
    mean, log_variance = encoder(x)
    (mean.square().sum() + log_variance.square().sum()).backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in encoder.parameters())


def test_neighbours_make_a_linear_layer_a_convolution() -> None:
    generator = torch.Generator().manual_seed(0)
    x, weight = torch.randn(2, 9, 3, generator=generator), torch.randn(4, 3, 5, generator=generator)
    for stride in (1, 2):
        expected = torch.nn.functional.conv1d(x.transpose(1, 2), weight, padding=2, stride=stride).transpose(1, 2)
        torch.testing.assert_close(neighbours(x, 5, stride) @ weight.flatten(1).T, expected)


@pytest.mark.slow
@pytest.mark.parametrize(
    "metric",
    [lambda a, b: np.linalg.norm(a - b), lambda a, b: a @ b / np.linalg.norm(a) / np.linalg.norm(b)],
    ids=["euclidean", "cosine"],
)
def test_metrics_of_vectors_are_learned(metric: Callable[[np.ndarray, np.ndarray], float], tmp_path: Path) -> None:
    import metricvae as mv
    from metricvae.core.dataset import ObjectTable, PairDataset
    from metricvae.metrics.tabular import TabularMetric

    random = np.random.default_rng(0)
    objects = random.normal(size=(900, 6)) * np.array([1, 2, 1, 3, 1, 1]) + 1
    splits = {"train": (0, 600), "validation": (600, 700), "calibration": (700, 800), "test": (800, 900)}
    ends = np.concatenate(
        [random.integers(*span, (2, 4_000 if name == "train" else 400)) for name, span in splits.items()], 1
    )
    split = np.repeat(list(splits), [4_000, 400, 400, 400])
    table = ObjectTable.from_objects(VectorKind(6), list(objects.astype(np.float32)))
    values = [metric(objects[a], objects[b]) for a, b in ends.T]
    data = PairDataset.from_objects(TabularMetric("value").of_kinds("vector"), table, *ends, values, split=split)
    model = mv.fit(data, tmp_path / "model", steps=300, threads=1, show_progress=False)
    assert model.evaluate(data).r2 > 0.85


def test_arrays_of_other_kinds_use_the_same_networks(tmp_path: Path) -> None:
    class Grid(ArrayKind):
        name, title = "test-grid", "grids"

    kind = Grid((4, 8))
    config = kind.default_encoder()
    assert isinstance(config, MlpEncoderConfig)
    assert (config.inputs, config.channels) == (32, 0)
    objects = [np.full((4, 8), value, np.float32) for value in (1, 2)]
    assert all(np.array_equal(*pair) for pair in zip(kind.restore(kind.pack(objects)), objects, strict=True))
