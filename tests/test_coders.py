"""Configurations of encoders and decoders, and the base classes: laws over all of them."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from metricvae.core.coder_config import CoderConfig
from metricvae.core.errors import InputError
from metricvae.kinds.molecule.encoders.point_set import PointSetEncoderConfig
from metricvae.kinds.molecule_2d.encoders.graph import GraphEncoderConfig
from metricvae.kinds.silhouette.decoders.canonical import CanonicalDecoderConfig
from metricvae.kinds.silhouette.decoders.dense import DenseDecoderConfig
from metricvae.kinds.silhouette.encoders.contour import ContourEncoderConfig
from metricvae.kinds.silhouette.encoders.dense import DenseEncoderConfig
from metricvae.kinds.silhouette.encoders.polar import PolarEncoderConfig
from metricvae.nn.coders import Decoder, DecoderConfig, Encoder, EncoderConfig
from metricvae.nn.density import DensityDecoderConfig
from metricvae.nn.layers import LinearShortcut, seeded_weights
from metricvae.training.optimisers import adam_and_muon

ENCODERS: list[EncoderConfig] = [
    DenseEncoderConfig((12,), height=40, width=40),
    PolarEncoderConfig((8, 8), rings=12, sectors=24, frequencies=2),
    ContourEncoderConfig((8, 8, 8), hidden=16, rings=12, sectors=24),
    PointSetEncoderConfig((16, 16), heads=4, grid_side=8, grid_spacing=2.0),
    GraphEncoderConfig((16, 16), heads=2, elements=(6, 8), grid_side=8, grid_spacing=2.0),
]
DECODERS: list[DecoderConfig] = [
    DenseDecoderConfig((12,), height=40, width=40),
    CanonicalDecoderConfig((8, 8), rings=12, sectors=24, side=40),
    DensityDecoderConfig((8, 4), grid_side=8, grid_spacing=2.0),
]
BOTH: list[CoderConfig] = [*ENCODERS, *DECODERS]
every = pytest.mark.parametrize("config", BOTH, ids=lambda config: config.name)
every_encoder = pytest.mark.parametrize("config", ENCODERS, ids=lambda config: config.name)


def objects(config: EncoderConfig) -> Tensor:
    """Three objects of the kind that an encoder takes."""
    if config.picture[0] != "density":
        x = torch.zeros(3, 1, 40, 40)
        x[0, :, 10:20, 8:30], x[1, :, 5:25, 5:25], x[2, :, 12:36, 20:24] = 1, 1, 1
        return x
    x = torch.zeros(3, 5, 11)
    x[..., :3] = torch.randn(3, 5, 3, generator=torch.Generator().manual_seed(0))
    x[..., 3], x[..., 4], x[..., 6:] = 1.7, 6, 2
    return x


@every
def test_configurations_survive_json(config: CoderConfig) -> None:
    document = json.loads(json.dumps(config.to_json()))
    assert document["name"] == config.name
    assert type(config).from_json(document) == config
    assert hash(type(config).from_json(document)) == hash(config)


@every
def test_fields_that_are_missing_have_their_default(config: CoderConfig) -> None:
    assert type(config).from_json({}) == type(config)()


@every
def test_foreign_fields_are_refused_by_name(config: CoderConfig) -> None:
    with pytest.raises(InputError, match=f"{config.name!r} cannot be read: got 'colour', expected the fields widths"):
        type(config).from_json({"colour": 3, "widths": [8]})


@every
def test_values_that_cannot_be_are_refused(config: CoderConfig) -> None:
    for field in fields(config):
        value = getattr(config, field.name)
        changes: dict[str, Any] = {field.name: (0, *value[1:]) if isinstance(value, tuple) else -1}
        with pytest.raises(InputError):
            replace(config, **changes)
    for wrong in ("three", [None], {"a": 1}, [8.5], [True], 8):
        with pytest.raises(InputError, match="expected something like"):
            type(config).from_json({"widths": wrong})


def test_no_two_have_a_name_in_common() -> None:
    for configs in (ENCODERS, DECODERS):
        names = [name for config in configs for name in (config.name, *config.aliases)]
        assert len(set(names)) == len(names)


@every_encoder
def test_an_encoder_makes_what_a_decoder_of_its_picture_draws(config: EncoderConfig) -> None:
    encoder, x = config.build(6).eval(), objects(config)
    decoder = next(each for each in DECODERS if each.picture == config.picture).build(6).eval()
    features = encoder.prepare(x)
    mean, log_variance = encoder(features)
    assert mean.shape == log_variance.shape == (3, 6)
    pictures, logits = encoder.pictures(features), decoder(mean)
    assert pictures.shape == logits.shape
    assert 0 <= pictures.min() < pictures.max() <= 1 + 1e-5
    same, compared = decoder.reconstruction(logits, pictures)
    assert same is logits
    assert compared.shape == logits.shape
    assert 0 <= decoder.render(logits).min() <= decoder.render(logits).max() <= 1
    assert len(encoder.descriptors(features)) == 3


@every_encoder
def test_packed_features_come_back(config: EncoderConfig) -> None:
    encoder = config.build(6)
    features = encoder.prepare(objects(config))
    back = encoder.unpack(encoder.pack(features))
    assert back.dtype == torch.float32
    torch.testing.assert_close(back, features, atol=0.51 / 255, rtol=1e-3)


@every_encoder
def test_mirroring_twice_and_rescaling_by_one_change_nothing(config: EncoderConfig) -> None:
    encoder = config.build(6)
    features = encoder.prepare(objects(config))
    torch.testing.assert_close(encoder.mirror(encoder.mirror(features)), features)
    torch.testing.assert_close(encoder.rescale(features, 1.0), features)


class Plain(Encoder):
    """The least that an encoder must bring."""

    def prepare(self, x: Tensor) -> Tensor:
        return x

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        return features, features

    def pictures(self, features: Tensor) -> Tensor:
        return features[:, None]

    def descriptors(self, features: Tensor) -> Tensor:
        return features


class Straight(Decoder):
    """The least that a decoder must bring."""

    weight = None

    def forward(self, z: Tensor) -> Tensor:
        return z[:, None]


def test_the_least_encoder_packs_in_half_precision_and_cannot_mirror_or_rescale() -> None:
    x = torch.randn(4, 7, generator=torch.Generator().manual_seed(0))
    encoder = Plain()
    assert encoder.pack(x).dtype == torch.float16
    torch.testing.assert_close(encoder.unpack(encoder.pack(x)), x, rtol=1e-3, atol=1e-6)
    with pytest.raises(InputError, match="Plain cannot mirror its objects"):
        encoder.mirror(x)
    with pytest.raises(InputError, match="Plain cannot rescale its objects"):
        encoder.rescale(x, 2.0)


def test_the_least_decoder_compares_and_renders_what_it_draws() -> None:
    decoder, z = Straight(), torch.tensor([[0.0, 2.0]])
    logits, pictures = decoder.reconstruction(decoder(z), torch.ones(1, 1, 2))
    assert torch.equal(decoder.render(logits), z[:, None].sigmoid())
    assert torch.equal(pictures, torch.ones(1, 1, 2))


def test_an_encoder_that_brings_less_cannot_be_made() -> None:
    class Less(Plain):
        descriptors = Encoder.descriptors

    with pytest.raises(TypeError, match="descriptors"):
        Less()


def test_muon_leaves_layers_that_say_so_to_adam() -> None:
    network = nn.Sequential(nn.Linear(3, 4), LinearShortcut(4, 2))
    adam, muon = adam_and_muon(network)
    found = [{id(p) for p in each.param_groups[0]["params"]} for each in (adam, muon)]
    assert found[1] == {id(network[0].weight)}
    assert found[0] == {id(network[0].bias), id(network[1].weight), id(network[1].bias)}


def test_the_shortcut_starts_as_a_product_of_the_first_inputs() -> None:
    with seeded_weights(0):
        layer = LinearShortcut(3, 4000)
    first, second = torch.tensor([2.0, 0.1, 0.3]), torch.tensor([3.0, -0.2, 0.1])
    with torch.no_grad():
        product = (layer(first) * layer(second)).mean()
    assert float(product) == pytest.approx(0.7 * 6, rel=0.01)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: PolarEncoderConfig((8, 8), sectors=50), "got 50 sectors and 2 stages of a polar encoder"),
        (lambda: PolarEncoderConfig(()), "expected one stage or more"),
        (lambda: PolarEncoderConfig(sectors=16), "got mixture_frequencies 12 of a polar encoder: expected at most 8"),
        (lambda: PolarEncoderConfig(frequencies=7), "got frequencies 7 of a polar encoder: expected at most 6"),
        (lambda: CanonicalDecoderConfig((8,) * 7), "got 96 sectors and 7 stages of a canonical decoder"),
        (lambda: DensityDecoderConfig((8,) * 5), "got a grid of 24 points and 5 widths of a density decoder"),
        (lambda: PointSetEncoderConfig((12,)), r"got widths \[12\]: expected one or more, all the same multiple of 8"),
        (lambda: GraphEncoderConfig((16, 24)), "all the same multiple of 8"),
    ],
)
def test_networks_that_cannot_be_built_are_refused(make: Any, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        make()


@pytest.mark.parametrize(
    ("name", "encoder", "decoder"),
    [
        ("overlap", PolarEncoderConfig(), CanonicalDecoderConfig()),
        ("halves", ContourEncoderConfig(), CanonicalDecoderConfig()),
        ("molecules", PointSetEncoderConfig(), DensityDecoderConfig()),
        ("molecules-2d", GraphEncoderConfig(), DensityDecoderConfig()),
    ],
)
def test_defaults_are_the_networks_of_the_models_that_ship(
    name: str, encoder: EncoderConfig, decoder: DecoderConfig
) -> None:
    folder = Path(str(resources.files("metricvae") / "pretrained" / name))
    document = json.loads((folder / "config.json").read_text())["model"]
    assert type(encoder).from_json(document["left"]["encoder"]) == encoder
    assert type(decoder).from_json(document["left"]["decoder"]) == decoder
    stored = load_file(folder / "model.safetensors")
    for prefix, config in (("towers.left.encoder.", encoder), ("towers.left.decoder.", decoder)):
        weights = {key.removeprefix(prefix): tensor for key, tensor in stored.items() if key.startswith(prefix)}
        assert weights
        config.build(document["latent"]).load_state_dict(weights, strict=True)
