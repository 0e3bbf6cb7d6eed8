"""Encoders and decoders of molecules: codes that no motion changes, features, and density maps."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.decoders.density import density_maps
from metricvae.kinds.molecule.encoders.joined import JoinedEncoder, JoinedEncoderConfig
from metricvae.kinds.molecule.encoders.point_set import (
    PointSetEncoderConfig,
    atom_features,
    pair_features,
    to_principal_axes,
)
from metricvae.kinds.molecule.fragments import draw
from metricvae.kinds.molecule.packing import atoms_of, padded
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.molecule.transforms import move, random_motions
from metricvae.kinds.molecule_2d.encoders.graph import GraphEncoderConfig
from metricvae.nn.autoencoder import Tower
from metricvae.nn.coders import EncoderConfig
from metricvae.nn.density import DensityDecoderConfig
from metricvae.nn.heads import CosineTanimoto
from metricvae.nn.principal_axes import AXIS_FLIPS, flip_maps, grid_axis
from tower_problem import seeded_tower

COUNT = 12
POINT_SET, GRAPH = PointSetEncoderConfig((16, 16)), GraphEncoderConfig((16, 16))
CONVOLUTIONS = (
    PointSetEncoderConfig((16, 16), mixing="convolution", chemical=True),
    PointSetEncoderConfig((16, 16), mixing="convolution", chemical=True, bonded=True),
    GraphEncoderConfig((16, 16), mixing="convolution"),
)
JOINED = JoinedEncoderConfig((POINT_SET, CONVOLUTIONS[1]), (0.3, 0.7))
DECODER = DensityDecoderConfig((8, 8, 4, 4))
SIDE, SPACING = POINT_SET.grid_side, POINT_SET.grid_spacing


@pytest.fixture(scope="module")
def molecules() -> list[Molecule]:
    return draw(COUNT, seed=4)


@pytest.fixture(scope="module")
def x(molecules: list[Molecule]) -> torch.Tensor:
    return torch.from_numpy(padded([atoms_of(one) for one in molecules]))


def tower(encoder: EncoderConfig, seed: int = 1, *, mirrored: bool = False) -> Tower:
    return seeded_tower(encoder, DECODER, latent=12, seed=seed, head=CosineTanimoto(), mirrored=mirrored).eval()


@pytest.fixture(scope="module", params=[POINT_SET, GRAPH, *CONVOLUTIONS, JOINED], ids=lambda config: config.name)
def model(request: pytest.FixtureRequest) -> Tower:
    return tower(request.param)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_no_motion_changes_a_code(model: Tower, x: torch.Tensor) -> None:
    codes = model.code(x)
    for seed in range(3):
        assert torch.allclose(model.code(move(x, random_motions(COUNT, generator(seed)))), codes, atol=1e-4)


def test_the_order_of_atoms_and_the_company_change_no_code(model: Tower, molecules: list[Molecule]) -> None:
    rng = np.random.default_rng(0)
    for one in molecules[:4]:
        order = rng.permutation(len(one.elements))
        place = np.argsort(order)
        bonds = one.bonds.copy()
        bonds[:, :2] = place[bonds[:, :2]]
        charges = one.charges.copy()
        charges[:, 0] = place[charges[:, 0]]
        mixed = Molecule(one.id, one.smiles, one.elements[order], one.positions[order], bonds, charges)
        alone, shuffled = (model.code(torch.from_numpy(atoms_of(each))[None]) for each in (one, mixed))
        beside = model.code(torch.from_numpy(padded([atoms_of(one), atoms_of(molecules[5])])))[:1]
        assert torch.allclose(alone, shuffled, atol=1e-4)
        assert torch.allclose(alone, beside, atol=1e-4)


def test_molecules_computed_a_few_at_a_time_get_the_same_codes_and_gradients(
    model: Tower, x: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def codes() -> tuple[torch.Tensor, torch.Tensor]:
        model.zero_grad()
        found = model.encode(x)
        (found.mean.square().sum() + found.log_variance.sum()).backward()
        gradient = torch.cat([p.grad.flatten() for p in model.encoder.parameters() if p.grad is not None])
        return found.mean.detach(), gradient

    together, gradient = codes()
    monkeypatch.setattr("metricvae.kinds.molecule.encoders.point_set.GROUP_SIZE", 5)
    apart, gradient_apart = codes()
    assert torch.allclose(together, apart, atol=1e-5)
    assert torch.allclose(gradient, gradient_apart, rtol=1e-3, atol=1e-4 * float(gradient.abs().max()))


def test_mirror_images_differ_in_space_alone(x: torch.Tensor) -> None:
    flipped = torch.cat([-x[..., :1], x[..., 1:]], dim=-1)
    for encoder, same in ((POINT_SET, False), (GRAPH, True)):
        found = tower(encoder)
        assert torch.allclose(found.code(x), found.code(flipped), atol=1e-4) == same
        mirrored = found.encode_features(found.encoder.mirror(found.encoder.prepare(x))).mean
        assert torch.allclose(mirrored, found.code(flipped), atol=1e-4)


def test_mirrored_codes_are_as_alike_as_those_of_both_mirror_images(x: torch.Tensor) -> None:
    plain, both = (tower(POINT_SET, seed=0, mirrored=mirrored) for mirrored in (False, True))
    image = torch.cat([-x[..., :1], x[..., 1:]], dim=-1)
    codes, images = both.code(x), both.code(image)
    assert codes.shape == (COUNT, 2 * plain.code(x).shape[1])
    a, b = torch.arange(COUNT - 1), torch.arange(1, COUNT)
    score = both.head.score(codes[a], codes[b])
    assert torch.allclose(score, both.head.score(images[a], images[b]), atol=1e-5)
    parts = [plain.head.score(plain.code(one)[a], plain.code(one)[b]) for one in (x, image)]
    assert torch.allclose(score, (parts[0] + parts[1]) / 2, atol=1e-5)
    assert not torch.allclose(parts[0], parts[1], atol=1e-5)


def test_features_do_not_depend_on_the_directions_of_axes(x: torch.Tensor) -> None:
    found = to_principal_axes(x[..., :4])
    for flip in AXIS_FLIPS:
        flipped = torch.cat([found[..., :3] * torch.tensor(flip), found[..., 3:]], dim=-1)
        assert torch.allclose(atom_features(flipped, POINT_SET), atom_features(found, POINT_SET), atol=1e-5)
        assert torch.allclose(pair_features(flipped, POINT_SET), pair_features(found, POINT_SET), atol=1e-5)
    reflected = torch.cat([found[..., :3] * torch.tensor((-1.0, 1, 1)), found[..., 3:]], dim=-1)
    assert not torch.allclose(atom_features(reflected, POINT_SET), atom_features(found, POINT_SET), atol=1e-3)


def test_gradients_reach_every_weight(model: Tower, x: torch.Tensor) -> None:
    model.zero_grad()
    codes = model.encode(x, generator())
    (codes.sample.square().sum() + model.decode(codes.sample).square().sum()).backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in model.parameters())
    assert sum(float(weight.grad.abs().sum() > 0) for weight in model.parameters() if weight.grad is not None) > 20


def test_maps_are_densities_on_the_grid() -> None:
    atom = torch.tensor([[[0.45, 0.45, 0.45, 1.7], [0.0, 0.0, 0.0, 0.0]]])
    found = density_maps(atom, SIDE, SPACING)
    middle = SIDE // 2
    assert found.shape == (1, 1, SIDE, SIDE, SIDE)
    assert float(grid_axis(SIDE, SPACING)[middle]) == pytest.approx(SPACING / 2)
    assert found[0, 0, middle, middle, middle].item() == pytest.approx(1 - math.exp(-2 * math.sqrt(2)), abs=1e-4)
    assert found.amax() == found[0, 0, middle, middle, middle]
    assert found[0, 0, 0, 0, 0].item() < 1e-6


def test_the_decoder_is_compared_with_the_flip_that_fits_best(x: torch.Tensor) -> None:
    decoder = DECODER.build(12)
    maps = density_maps(to_principal_axes(x[..., :4]), SIDE, SPACING)
    for place in range(len(AXIS_FLIPS)):
        logits = torch.logit(flip_maps(maps)[:, place : place + 1].clamp(1e-4, 1 - 1e-4))
        _, flipped = decoder.reconstruction(logits, maps)
        assert (flipped - logits.sigmoid()).abs().max() < 1e-3


@pytest.mark.parametrize("widths", [(), (12, 12), (16, 24)])
def test_widths_that_cannot_be_are_refused(widths: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=f"multiple of {POINT_SET.heads}"):
        PointSetEncoderConfig(widths)


def test_bonds_are_told_apart_only_between_known_elements() -> None:
    with pytest.raises(InputError, match="bonded without chemical"):
        PointSetEncoderConfig(bonded=True)


def test_the_cosine_of_joined_codes_is_the_weighted_mean_of_the_cosines_of_their_encoders(x: torch.Tensor) -> None:
    model = tower(JOINED)
    encoder = model.encoder
    assert isinstance(encoder, JoinedEncoder)
    codes = model.code(x)
    assert torch.allclose(codes.norm(dim=1), torch.ones(COUNT))
    expected = torch.zeros(COUNT, COUNT)
    for share, part in zip(JOINED.shares, encoder.parts, strict=True):
        alone = Tower(part, None, CosineTanimoto(), mirrored=True).eval().code(x)
        expected += share * CosineTanimoto().score_matrix(alone, alone)
    assert torch.allclose(CosineTanimoto().score_matrix(codes, codes), expected, atol=1e-5)


def test_the_cosine_of_joined_codes_is_the_same_for_the_mirror_images_of_both(x: torch.Tensor) -> None:
    model = tower(JOINED)
    codes, mirrored = model.code(x), model.code_features(model.encoder.mirror(model.encoder.prepare(x)))
    assert not torch.allclose(codes, mirrored, atol=1e-3)
    score = CosineTanimoto().score_matrix
    assert torch.allclose(score(codes, codes), score(mirrored, mirrored), atol=1e-4)


def test_joined_encoders_survive_json_and_refuse_what_does_not_go_together() -> None:
    assert JoinedEncoderConfig.from_json(JOINED.to_json()) == JOINED
    assert JoinedEncoderConfig.from_json({}) == JoinedEncoderConfig()
    for shares in ((0.5, 0.6), (1.0,)):
        with pytest.raises(InputError, match="expected one for each, with a sum of 1"):
            JoinedEncoderConfig(JOINED.parts, shares)
    refused: tuple[object, ...] = (3, [3], {}, [{"name": "point-set", "widths": "wide"}])
    for wrong in refused:
        with pytest.raises(InputError, match="expected something like"):
            JoinedEncoderConfig.from_json({"parts": wrong})
    with pytest.raises(InputError, match="'point-set' cannot be read: got 'colour'"):
        JoinedEncoderConfig.from_json({"parts": [{"name": "point-set", "colour": 3}]})
    with pytest.raises(InputError, match="codes of 10 numbers: expected a multiple of 4"):
        JOINED.build(10)
