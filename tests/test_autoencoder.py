"""The model as built from its configuration."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from metricvae.core.errors import InputError
from metricvae.nn.autoencoder import ModelConfig, build
from metricvae.nn.heads import SignedInverseCosine
from metricvae.training.presets import preset
from model_problem import POLAR_SIDE, SIDE, model_config, polar_config


def objects(count: int = 5) -> torch.Tensor:
    return (torch.rand(count, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0)) > 0.5).float()


def test_shapes() -> None:
    model, x = build(model_config()), objects()
    codes = model.encode(x, torch.Generator().manual_seed(1))
    assert codes.mean.shape == codes.log_variance.shape == codes.sample.shape == (5, 8)
    assert model.decode(codes.sample).shape == x.shape
    assert torch.equal(model.code(x), codes.mean)


def test_shapes_of_the_polar_model() -> None:
    model = build(polar_config())
    x = torch.zeros(5, 1, POLAR_SIDE, POLAR_SIDE)
    x[..., 20:40, 25:50] = 1
    features = model.encoder.prepare(x)
    codes = model.encode(x, torch.Generator().manual_seed(1))
    assert codes.mean.shape == codes.log_variance.shape == codes.sample.shape == (5, 8)
    assert torch.equal(model.encode_features(features).mean, codes.mean)
    logits, turned = model.decoder.reconstruction(model.decode(codes.sample), features)
    assert logits.shape == turned.shape == features.shape
    assert model.decoder.weight is not None
    assert (features * model.decoder.weight).sum((1, 2, 3)) == pytest.approx(500.0, rel=0.01)


@pytest.mark.parametrize("config", [model_config(), polar_config()], ids=lambda config: config.encoder)
def test_codes_are_drawn_as_pictures_of_the_canvas(config: ModelConfig) -> None:
    model = build(config)
    pictures = model.picture(torch.randn(3, config.latent, generator=torch.Generator().manual_seed(0)))
    assert pictures.shape == (3, 1, *config.shape)
    assert 0 <= pictures.min() < pictures.max() <= 1


@pytest.mark.parametrize("config", [model_config(), polar_config()], ids=lambda config: config.encoder)
def test_bfloat16_gives_codes_and_logits_in_float32(config: ModelConfig) -> None:
    model, x = build(config), torch.zeros(2, 1, *config.shape)
    x[..., 8:16, 8:20] = 1
    exact = model.encode(x).mean
    with torch.autocast("cpu", torch.bfloat16):
        codes = model.encode(x, torch.Generator().manual_seed(0))
        logits = model.decode(codes.sample)
    assert codes.mean.dtype == codes.sample.dtype == codes.log_variance.dtype == logits.dtype == torch.float32
    assert torch.allclose(codes.mean, exact, atol=0.02 * exact.abs().max().item())


def test_draws_come_from_the_generator_alone() -> None:
    model, x = build(model_config()), objects()
    first, again, other = (model.encode(x, torch.Generator().manual_seed(seed)).sample for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    without = model.encode(x)
    assert torch.equal(without.sample, without.mean)


def test_draws_have_the_mean_and_variance_they_should() -> None:
    codes = build(model_config()).encode(objects(1).expand(20_000, -1, -1, -1), torch.Generator().manual_seed(3))
    assert torch.allclose(codes.sample.mean(0), codes.mean[0], atol=0.05)
    assert torch.allclose(codes.sample.var(0), codes.log_variance[0].exp(), rtol=0.05)


def test_building_is_seeded_and_leaves_the_global_state_alone() -> None:
    before = torch.get_rng_state()
    one, same, other = (build(model_config(), seed).state_dict() for seed in (4, 4, 5))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["encoder.layers.0.weight"], other["encoder.layers.0.weight"])


def test_configurations_survive_json() -> None:
    for config in (replace(model_config(SignedInverseCosine(2.0)), encoder_widths=(7, 5)), polar_config()):
        assert ModelConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


@pytest.mark.parametrize("change", [{"encoder": "round"}, {"decoder": "round"}])
def test_unknown_networks_are_refused(change: dict[str, str]) -> None:
    with pytest.raises(InputError, match="'round': expected flat"):
        build(ModelConfig.from_json(model_config().to_json() | change))


@pytest.mark.parametrize("change", [{"colour": 3}, {"head": None}, {"head": {"name": "none"}}])
def test_foreign_configurations_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(InputError):
        ModelConfig.from_json(model_config().to_json() | change)


@pytest.mark.parametrize("change", [{"encoder": "polar"}, {"decoder": "canonical"}])
def test_an_encoder_and_a_decoder_of_different_pictures_are_refused(change: dict[str, str]) -> None:
    with pytest.raises(InputError, match="which draw different pictures: expected"):
        ModelConfig(**change)  # type: ignore[arg-type]


def test_the_paper_preset_is_the_paper_s_network() -> None:
    chosen = preset("paper")
    model = build(chosen.model)
    weights = [tuple(tensor.shape) for name, tensor in model.named_parameters() if name.endswith("weight")]
    encoder = [(500, 40000), (500, 500), (500, 500), (2 * 80, 500)]
    assert weights == [*encoder, (500, 80), (500, 500), (40000, 500)]
    assert (chosen.training.learning_rate, chosen.training.metric_learning_rate) == (1e-8, 1e-10)
    assert (chosen.training.optimisers, chosen.training.batch_pairs) == ("two", 24)


def test_the_overlap_preset_ships_in_8_megabytes() -> None:
    chosen = preset("overlap")
    numbers = sum(tensor.numel() for tensor in build(chosen.model).state_dict().values())
    assert chosen.training.stored_as == "float16"
    assert 2 * numbers < 8e6


def test_unknown_presets_are_refused() -> None:
    with pytest.raises(InputError, match="expected one of paper, overlap"):
        preset("papr")
