"""The model as built from its configuration."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import torch

from metricvae.core.errors import InputError
from metricvae.kinds.silhouette.decoders.canonical import CanonicalDecoderConfig
from metricvae.kinds.silhouette.decoders.dense import DenseDecoderConfig
from metricvae.kinds.silhouette.encoders.dense import DenseEncoderConfig
from metricvae.kinds.silhouette.encoders.polar import PolarEncoderConfig
from metricvae.kinds.silhouette.kind import SilhouetteKind
from metricvae.metrics.match.metric import MatchMetric
from metricvae.nn.autoencoder import ModelConfig, TowerConfig, build
from metricvae.nn.heads import CosineDistance, InnerProduct, SignedInverseCosine
from metricvae.training.presets import preset
from model_problem import POLAR_SIDE, SIDE, model_config, polar_config

both_models = pytest.mark.parametrize(
    "config", [model_config(), polar_config()], ids=lambda config: config.left.encoder.name
)


def objects(count: int = 5) -> torch.Tensor:
    return (torch.rand(count, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0)) > 0.5).float()


def canvas(config: ModelConfig) -> tuple[int, int]:
    kind = config.left.kind
    assert isinstance(kind, SilhouetteKind)
    return kind.height, kind.width


def test_shapes() -> None:
    tower, x = build(model_config()).left, objects()
    codes = tower.encode(x, torch.Generator().manual_seed(1))
    assert codes.mean.shape == codes.log_variance.shape == codes.sample.shape == (5, 8)
    assert tower.decode(codes.sample).shape == x.shape
    assert torch.equal(tower.code(x), codes.mean)


def test_shapes_of_the_polar_model() -> None:
    tower = build(polar_config()).left
    x = torch.zeros(5, 1, POLAR_SIDE, POLAR_SIDE)
    x[..., 20:40, 25:50] = 1
    features = tower.encoder.prepare(x)
    codes = tower.encode(x, torch.Generator().manual_seed(1))
    assert codes.mean.shape == codes.log_variance.shape == codes.sample.shape == (5, 8)
    assert torch.equal(tower.encode_features(features).mean, codes.mean)
    logits, rotated = tower.drawer.reconstruction(tower.decode(codes.sample), features)
    assert logits.shape == rotated.shape == features.shape
    assert tower.drawer.weight is not None
    assert (features * tower.drawer.weight).sum((1, 2, 3)) == pytest.approx(500.0, rel=0.01)


def test_a_symmetric_metric_of_one_kind_has_one_tower() -> None:
    model = build(model_config())
    assert model.shared
    assert model.left is model.right
    assert list(model.towers) == ["left"]
    two = build(replace(model_config(), right=model_config().left))
    assert not two.shared
    assert two.left is not two.right
    assert list(two.towers) == ["left", "right"]


def test_the_weights_of_the_encoders_are_those_a_loss_of_the_codes_depends_on() -> None:
    for config in (model_config(), replace(model_config(), right=model_config().left)):
        model = build(config)
        found = {id(weight) for weight in model.encoder_parameters()}
        expected = {id(weight) for name, weight in model.named_parameters() if ".encoder." in name}
        assert found == expected


@both_models
def test_codes_are_drawn_as_pictures_of_the_canvas(config: ModelConfig) -> None:
    tower = build(config).left
    pictures = tower.picture(torch.randn(3, config.latent, generator=torch.Generator().manual_seed(0)))
    assert pictures.shape == (3, 1, *canvas(config))
    assert 0 <= pictures.min() < pictures.max() <= 1


@both_models
def test_bfloat16_gives_codes_and_logits_in_float32(config: ModelConfig) -> None:
    tower, x = build(config).left, torch.zeros(2, 1, *canvas(config))
    x[..., 8:16, 8:20] = 1
    exact = tower.encode(x).mean
    with torch.autocast("cpu", torch.bfloat16):
        codes = tower.encode(x, torch.Generator().manual_seed(0))
        logits = tower.decode(codes.sample)
    assert codes.mean.dtype == codes.sample.dtype == codes.log_variance.dtype == logits.dtype == torch.float32
    assert torch.allclose(codes.mean, exact, atol=0.02 * exact.abs().max().item())


def test_draws_come_from_the_generator_alone() -> None:
    tower, x = build(model_config()).left, objects()
    first, again, other = (tower.encode(x, torch.Generator().manual_seed(seed)).sample for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    without = tower.encode(x)
    assert torch.equal(without.sample, without.mean)


def test_draws_have_the_mean_and_variance_they_should() -> None:
    tower = build(model_config()).left
    codes = tower.encode(objects(1).expand(20_000, -1, -1, -1), torch.Generator().manual_seed(3))
    assert torch.allclose(codes.sample.mean(0), codes.mean[0], atol=0.05)
    assert torch.allclose(codes.sample.var(0), codes.log_variance[0].exp(), rtol=0.05)


def test_building_is_seeded_and_leaves_the_global_state_alone() -> None:
    before = torch.get_rng_state()
    one, same, other = (build(model_config(), seed).state_dict() for seed in (4, 4, 5))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(one[name], same[name]) for name in one)
    name = "towers.left.encoder.layers.0.weight"
    assert not torch.equal(one[name], other[name])


def test_configurations_survive_json() -> None:
    dense = model_config(SignedInverseCosine(2.0))
    wider = replace(dense, left=replace(dense.left, encoder=DenseEncoderConfig((7, 5), SIDE, SIDE)))
    without_decoder = replace(dense, left=replace(dense.left, decoder=None))
    for config in (wider, polar_config(), without_decoder, replace(dense, right=wider.left)):
        assert ModelConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


def changed_tower(**change: Any) -> dict[str, Any]:
    """A configuration whose left tower says something else."""
    document = model_config().to_json()
    return document | {"left": document["left"] | change}


@pytest.mark.parametrize("change", [{"encoder": {"name": "round"}}, {"decoder": {"name": "round"}}])
def test_unknown_networks_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"there is no (en|de)coder of silhouettes 'round': expected one of .*dense"):
        build(ModelConfig.from_json(changed_tower(**change)))


@pytest.mark.parametrize(
    "document",
    [
        *(model_config().to_json() | change for change in ({"head": None}, {"head": {"name": "none"}})),
        *(model_config().to_json() | change for change in ({"metric": {"name": "none"}}, {"latent": "many"})),
        changed_tower(kind={"name": "none"}),
        changed_tower(encoder={"name": "dense", "colour": 3}),
        changed_tower(encoder=None),
        {"colour": 3},
    ],
)
def test_foreign_configurations_are_refused(document: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        ModelConfig.from_json(document)


def test_a_configuration_with_a_field_that_no_model_has_is_refused() -> None:
    with pytest.raises(InputError, match="colour"):
        ModelConfig.from_json(model_config().to_json() | {"colour": 3})


@pytest.mark.parametrize(
    "coders",
    [(PolarEncoderConfig(), DenseDecoderConfig()), (DenseEncoderConfig(), CanonicalDecoderConfig())],
    ids=["polar", "canonical"],
)
def test_an_encoder_and_a_decoder_of_different_pictures_are_refused(coders: tuple[Any, Any]) -> None:
    with pytest.raises(InputError, match=r"which draw different pictures .*: choose ones that go together"):
        TowerConfig(SilhouetteKind(), *coders)


def test_a_head_that_cannot_answer_for_the_metric_is_refused() -> None:
    with pytest.raises(InputError, match="got the head cosine_distance for the regression metric overlap"):
        replace(model_config(), head=CosineDistance())
    with pytest.raises(InputError, match="got the head inner_product for the binary metric match"):
        replace(model_config(), metric=MatchMetric())


def test_mirrored_codes_need_a_head_that_goes_by_angles() -> None:
    with pytest.raises(InputError, match="got mirrored codes with the head inner_product: expected one that goes"):
        replace(model_config(InnerProduct()), mirrored=True)


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
    with pytest.raises(
        InputError, match=r"no preset 'papr' \(did you mean paper\?\): expected one of overlap, .*paper"
    ):
        preset("papr")
