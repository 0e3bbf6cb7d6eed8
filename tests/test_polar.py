"""Polar pictures and the networks on them: what rotations do, what invariance is worth, and what is rendered back."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from metricvae.kinds.pictures.polar import align_rotation, cell_areas
from metricvae.kinds.silhouette.decoders.canonical import CanonicalDecoder, CanonicalDecoderConfig
from metricvae.kinds.silhouette.encoders.dense import DenseEncoderConfig
from metricvae.kinds.silhouette.encoders.polar import PolarEncoder, PolarEncoderConfig
from metricvae.kinds.silhouette.encoders.polar_pictures import (
    centroids,
    polar_pictures,
    render_pictures,
    rescale_pictures,
)
from metricvae.kinds.silhouette.sources.families import SIMPLE
from metricvae.kinds.silhouette.sources.generators import draw
from metricvae.kinds.silhouette.sources.raster import rasterise
from metricvae.kinds.silhouette.transforms import Motion, move, random_motions
from metricvae.nn.coders import Encoder
from tower_problem import seeded_encoder, seeded_tower

WIDTHS = (24, 24, 32)
GRID = PolarEncoderConfig().grid
RINGS, SECTORS = GRID.rings, GRID.sectors
RADIUS = GRID.reach * 200
AREAS = cell_areas(RINGS, SECTORS, RADIUS)
PERIOD = 2 ** len(WIDTHS)
"""Sectors after which the encoder's circle of the coarsest stage comes round: it is halved in the stem and between
stages, so a picture rolled by so many sectors gives the very same numbers rolled."""


def encoder(kind: str = "polar") -> Encoder:
    config = PolarEncoderConfig(WIDTHS) if kind == "polar" else DenseEncoderConfig((64, 32))
    return seeded_encoder(config, latent=24, seed=1)


def code(of: Encoder, x: Tensor) -> Tensor:
    with torch.inference_mode():
        return of(of.prepare(x))[0]


def motion(angle: float, dx: float = 0.0, dy: float = 0.0) -> Motion:
    return Motion(*(torch.tensor([value]) for value in (angle, dx, dy)))


@pytest.fixture(scope="module")
def shapes() -> Tensor:
    """(20, 1, 200, 200) masks of 0 and 1."""
    return torch.from_numpy(np.stack([shape.mask for shape in draw("mixed", 20, 31)]))[:, None].float()


@pytest.fixture(scope="module")
def pictures(shapes: Tensor) -> Tensor:
    return polar_pictures(shapes, GRID)


# Pictures


def test_a_picture_is_coverage_of_the_canvas(pictures: Tensor) -> None:
    assert pictures.shape == (20, 1, RINGS, SECTORS)
    assert float(pictures.min()) >= 0
    assert float(pictures.max()) <= 1 + 1e-6


def test_a_quarter_turn_moves_the_picture_a_quarter_round(shapes: Tensor, pictures: Tensor) -> None:
    for quarters in (1, 2, 3):
        turned = polar_pictures(torch.rot90(shapes, quarters, (2, 3)), GRID)
        torch.testing.assert_close(turned, pictures.roll(quarters * SECTORS // 4, -1), atol=2e-4, rtol=0)


def test_a_shift_changes_nothing(shapes: Tensor) -> None:
    small = shapes * 0
    small[:, :, 70:130, 70:130] = shapes[:, :, ::3, ::3][:, :, :60, :60]
    small = small[small.sum((1, 2, 3)) > 50]
    there = polar_pictures(small.roll((17, -23), (2, 3)), GRID)
    torch.testing.assert_close(there, polar_pictures(small, GRID), atol=1e-3, rtol=0)


@pytest.mark.parametrize(("column", "row"), [(170, 99), (150, 30), (99, 20), (20, 60), (60, 170), (160, 160)])
def test_sector_k_looks_k_parts_of_the_circle_counter_clockwise_from_the_right(column: int, row: int) -> None:
    x = torch.zeros(1, 1, 200, 200)
    x[:, :, 80:120, 80:120] = 1
    x[:, :, row - 2 : row + 3, column - 2 : column + 3] = 1
    right, down = (float(part) for part in centroids(x))
    ring, sector = divmod(int(polar_pictures(x, GRID)[0, 0, 20:].argmax()), SECTORS)
    along, up = column - 99.5 - right, 99.5 + down - row
    assert abs((sector - math.atan2(up, along) / (2 * math.pi) * SECTORS + 2) % SECTORS - 2) <= 1
    assert abs(ring + 20.5 - math.hypot(along, up) / RADIUS * RINGS) <= 1.5


def test_cells_times_their_areas_are_the_area(shapes: Tensor, pictures: Tensor) -> None:
    """Within one per cent; thin rays at regular angles beat with the sectors and may be two off."""
    off = ((pictures * AREAS).sum((1, 2, 3)) / shapes.sum((1, 2, 3)) - 1).abs()
    assert float(off.median()) < 0.002
    assert float((off < 0.01).float().mean()) > 0.9
    assert float(off.max()) < 0.025


def test_what_lies_beyond_reach_is_not_seen() -> None:
    x = torch.zeros(1, 1, 200, 200)
    x[:, :, :, :40] = 1
    x[:, :, :4, 196:] = 1
    seen = float((polar_pictures(x, GRID) * AREAS).sum())
    assert seen == pytest.approx(200 * 40, rel=0.01)


def test_centroids(shapes: Tensor) -> None:
    right, down = centroids(shapes)
    for mask, x, y in zip(shapes[:, 0].numpy(), right.tolist(), down.tolist(), strict=True):
        rows, columns = np.nonzero(mask)
        assert (x, y) == pytest.approx((columns.mean() - 99.5, rows.mean() - 99.5), abs=1e-3)
    assert [float(part) for part in centroids(torch.zeros(1, 1, 30, 20))] == [0, 0]


def test_a_canvas_that_is_no_square() -> None:
    wide = torch.zeros(1, 1, 60, 200)
    wide[:, :, 20:40, 60:140] = 1
    square = torch.nn.functional.pad(wide, (0, 0, 70, 70))
    torch.testing.assert_close(polar_pictures(wide, GRID), polar_pictures(square, GRID), atol=1e-4, rtol=0)


def test_painting_gives_the_shape_back_centred() -> None:
    families = ("wrench", "star", "blob", "heart", "cross", "key", "leaf", "hammer")
    random = np.random.default_rng(3)
    masks = [rasterise(family.draw(random), 85) for family in SIMPLE if family.name in families]
    x = torch.from_numpy(np.stack(masks))[:, None].float()
    right, down = centroids(x)
    centred = move(x, Motion(torch.zeros(len(x)), -right, -down)) >= 0.5
    back = render_pictures(polar_pictures(x, GRID), GRID.reach, 200) >= 0.5
    overlap = (back & centred).sum((1, 2, 3)) / (back | centred).sum((1, 2, 3))
    assert float(overlap.min()) > 0.9


def test_a_larger_shape_s_picture_is_the_picture_rescaled() -> None:
    make = next(family.draw for family in SIMPLE if family.name == "heart")
    shape = make(np.random.default_rng(1))
    small, large = (torch.from_numpy(rasterise(shape, radius))[None, None].float() for radius in (60, 80))
    weight = AREAS
    for picture, other, factor in ((small, large, 80 / 60), (large, small, 60 / 80)):
        expected, found = polar_pictures(other, GRID), rescale_pictures(polar_pictures(picture, GRID), factor)
        assert float(((found - expected).abs() * weight).sum() / other.sum()) < 0.06
        assert float((found * weight).sum()) == pytest.approx(float(other.sum()), rel=0.03)
    torch.testing.assert_close(rescale_pictures(polar_pictures(small, GRID), 1.0), polar_pictures(small, GRID))


# Turning


def test_a_known_turn_is_found_as_by_trying_all(pictures: Tensor) -> None:
    turns = torch.randint(SECTORS, (len(pictures),), generator=torch.Generator().manual_seed(0))
    rolled = torch.stack([picture.roll(int(turn), -1) for picture, turn in zip(pictures, turns, strict=True)])
    weight = AREAS
    found = align_rotation(pictures, rolled, weight)
    torch.testing.assert_close((found * rolled * weight).sum((1, 2, 3)), (rolled**2 * weight).sum((1, 2, 3)))


def test_the_best_turn_towards_another_shape_is_the_best_of_all(pictures: Tensor) -> None:
    others, weight = pictures.flip(0), AREAS
    fits = torch.stack([(pictures.roll(turn, -1) * others * weight).sum((1, 2, 3)) for turn in range(SECTORS)])
    found = align_rotation(pictures, others, weight)
    torch.testing.assert_close((found * others * weight).sum((1, 2, 3)), fits.amax(0), rtol=1e-4, atol=0)
    torch.testing.assert_close(found.sum((1, 2, 3)), pictures.sum((1, 2, 3)))


# Invariance


@pytest.mark.parametrize("times", [1, 2, 5, SECTORS // PERIOD - 1])
def test_codes_of_rolled_pictures_are_equal(pictures: Tensor, times: int) -> None:
    of = encoder()
    with torch.inference_mode():
        here, there = of(pictures), of(pictures.roll(times * PERIOD, -1))
    for parameter, rolled in zip(here, there, strict=True):
        torch.testing.assert_close(rolled, parameter, rtol=1e-4, atol=1e-5)


def test_the_test_above_sees_a_picture_that_is_turned_back_to_front(pictures: Tensor) -> None:
    of = encoder()
    with torch.inference_mode():
        here, there = of(pictures)[0], of(pictures.flip(-2))[0]
    assert not torch.allclose(here, there, rtol=1e-4, atol=1e-5)


def relative_change(of: Encoder, x: Tensor, trials: int = 3) -> float:
    """Median over shapes and motions of |code of the moved - code| / |code - mean code|.

    Measured against how far codes lie from one another: a code that hardly depends on the shape is no merit.
    """
    generator, here = torch.Generator().manual_seed(4), code(of, x)
    spread = (here - here.mean(0)).norm(dim=1)
    changes = [(code(of, move(x, random_motions(x, generator))) - here).norm(dim=1) / spread for _ in range(trials)]
    return float(torch.cat(changes).median())


def relative_to_size(of: Encoder, x: Tensor, trials: int = 3) -> float:
    """Median over shapes and motions of |code of the moved - code| / |code|."""
    generator, here = torch.Generator().manual_seed(4), code(of, x)
    moved = [code(of, move(x, random_motions(x, generator))) for _ in range(trials)]
    return float(torch.cat([(there - here).norm(dim=1) / here.norm(dim=1) for there in moved]).median())


def test_codes_of_moved_shapes_are_nearly_equal(shapes: Tensor) -> None:
    assert relative_to_size(encoder(), shapes) < 0.02
    assert relative_change(encoder(), shapes) < 0.1


def test_the_dense_encoder_fails_the_test_above(shapes: Tensor) -> None:
    assert relative_to_size(encoder("dense"), shapes) > 0.1
    assert relative_change(encoder("dense"), shapes) > 0.5


# Networks


def test_the_decoder_s_weights_are_the_disc_that_is_seen() -> None:
    decoder = CanonicalDecoder(CanonicalDecoderConfig((8, 8)), 4)
    whole = float(decoder.weight.expand(RINGS, SECTORS).sum())
    assert whole == pytest.approx(math.pi * RADIUS**2, rel=1e-5)
    assert float(cell_areas(RINGS, SECTORS, RADIUS / 2).expand(RINGS, SECTORS).sum()) == pytest.approx(
        whole / 4, rel=1e-5
    )


@pytest.mark.parametrize("widths", [(8,), (8, 8), (16, 8, 8, 4)])
def test_the_decoder_paints_pictures_and_lines_the_truth_up(widths: tuple[int, ...], pictures: Tensor) -> None:
    decoder = CanonicalDecoder(CanonicalDecoderConfig(widths), 6)
    logits = decoder(torch.randn(20, 6, generator=torch.Generator().manual_seed(0)))
    assert logits.shape == pictures.shape
    same, aligned = decoder.reconstruction(logits, pictures)
    assert same is logits
    assert not aligned.requires_grad
    torch.testing.assert_close(aligned.sum((2, 3)), pictures.sum((2, 3)))


@pytest.mark.parametrize("widths", [(8,), (8, 8), (16, 8, 8)])
def test_the_encoder_takes_any_number_of_stages(widths: tuple[int, ...], pictures: Tensor) -> None:
    mean, log_variance = PolarEncoder(PolarEncoderConfig(widths), 5)(pictures)
    assert mean.shape == log_variance.shape == (20, 5)


def test_gradients_reach_every_weight(shapes: Tensor) -> None:
    model = seeded_tower(PolarEncoderConfig((8, 12)), CanonicalDecoderConfig((8, 12)), latent=6, seed=2)
    codes = model.encode(shapes[:6], torch.Generator().manual_seed(0))
    logits, truth = model.drawer.reconstruction(model.decode(codes.sample), model.encoder.prepare(shapes[:6]))
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, truth.clamp(0, 1)) + codes.log_variance.mean()
    loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_gradients_reach_the_pixels() -> None:
    x = torch.rand(2, 1, 40, 40, generator=torch.Generator().manual_seed(0)).requires_grad_()
    encoder_ = PolarEncoder(PolarEncoderConfig((8, 8)), 4)
    encoder_(encoder_.prepare(x))[0].square().sum().backward()
    assert x.grad is not None
    assert (x.grad != 0).float().mean() > 0.5


def test_a_blank_mask_has_a_code_and_finite_gradients() -> None:
    of = PolarEncoder(PolarEncoderConfig((8, 8)), 4)
    mean, _ = of(of.prepare(torch.zeros(1, 1, 50, 50)))
    mean.sum().backward()
    assert torch.isfinite(mean).all()
    assert all(torch.isfinite(p.grad).all() for p in of.parameters() if p.grad is not None)


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_other_devices_say_the_same(device: str, shapes: Tensor) -> None:
    if not {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}[device]():
        pytest.skip(f"needs {device}")
    model = seeded_tower(PolarEncoderConfig(WIDTHS), CanonicalDecoderConfig((16, 16)), latent=24, seed=1)
    here = model.code(shapes)
    model.to(device)
    there = model.code(shapes.to(device))
    assert there.device.type == device
    assert float((there.cpu() - here).norm() / here.norm()) < 1e-2
    features = model.encoder.prepare(shapes.to(device))
    logits, truth = model.drawer.reconstruction(model.decode(there.clone()), features)
    assert logits.device == truth.device == there.device
    assert render_pictures(rescale_pictures(features, 1.1), GRID.reach, 200).device == there.device
