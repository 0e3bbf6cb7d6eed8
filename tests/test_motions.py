"""Rigid motions: the convention, and what a rigid motion keeps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from metricvae.kinds.silhouette.sources.generators import draw
from metricvae.kinds.silhouette.transforms import Motion, inverse_motion, move, random_motions


def motion(angle: float, dx: float = 0.0, dy: float = 0.0, dtype: torch.dtype = torch.float64) -> Motion:
    return Motion(*(torch.tensor([value], dtype=dtype) for value in (angle, dx, dy)))


def picture(height: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(1, 1, height, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture(scope="module")
def shapes() -> torch.Tensor:
    masks = np.stack([shape.mask for shape in draw("mixed", 32, 11)])
    return torch.from_numpy(masks)[:, None].float()


def brute_force(source: np.ndarray, angle: float, dx: float, dy: float) -> np.ndarray:
    """Every pixel by itself, from the formula of the convention."""
    height, width = source.shape
    cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    rotation = np.array([[cosine, sine], [-sine, cosine]])
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    moved = np.zeros_like(source)
    for row in range(height):
        for column in range(width):
            x, y = centre + rotation.T @ (np.array([column - dx, row - dy]) - centre)
            for j in range(height):
                for i in range(width):
                    moved[row, column] += source[j, i] * max(0, 1 - abs(x - i)) * max(0, 1 - abs(y - j))
    return moved


@pytest.mark.parametrize(("angle", "dx", "dy"), [(0, 0, 0), (33, 1.5, -2.25), (200, -3, 0.5), (-77.7, 0, 4)])
@pytest.mark.parametrize("size", [(8, 8), (7, 10)])
def test_move_is_the_formula(size: tuple[int, int], angle: float, dx: float, dy: float) -> None:
    source = picture(*size)
    expected = brute_force(source[0, 0].numpy(), angle, dx, dy)
    np.testing.assert_allclose(move(source, motion(angle, dx, dy))[0, 0], expected, atol=1e-12)


def test_no_motion_changes_nothing() -> None:
    source = picture(20, 20)
    torch.testing.assert_close(move(source, motion(0)), source)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_quarter_rotations_are_exact_and_counter_clockwise(quarters: int) -> None:
    source = picture(20, 20)
    expected = torch.from_numpy(np.rot90(source[0, 0].numpy(), quarters).copy())
    torch.testing.assert_close(move(source, motion(90 * quarters))[0, 0], expected)


def test_shift_is_right_and_down() -> None:
    source = torch.zeros(1, 1, 9, 9)
    source[0, 0, 4, 4] = 1
    assert move(source, motion(0, dx=2, dy=3))[0, 0, 7, 6] == 1


@pytest.mark.parametrize("angle", [10, 45, 123, 300])
def test_pillow_rotates_the_same_way(angle: float, shapes: torch.Tensor) -> None:
    ours = move(shapes[:1], motion(angle))[0, 0] >= 0.5
    canvas = Image.fromarray(shapes[0, 0].numpy())
    theirs = np.asarray(canvas.rotate(angle, Image.Resampling.BILINEAR)) >= 0.5
    assert (ours.numpy() != theirs).mean() < 1e-3


def test_the_inverse_restores() -> None:
    columns = torch.linspace(-1, 1, 61, dtype=torch.float64)
    hump = torch.exp(-8 * (columns[:, None] ** 2 + 2 * (columns - 0.1) ** 2))[None, None]
    there = motion(37.0, 3.2, -4.6)
    torch.testing.assert_close(move(move(hump, there), inverse_motion(there)), hump, atol=0.02, rtol=0)
    back = inverse_motion(inverse_motion(there))
    torch.testing.assert_close((back.angle_deg, back.dx, back.dy), (there.angle_deg, there.dx, there.dy))


def test_random_motions_keep_the_area(shapes: torch.Tensor) -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(4):
        moved = move(shapes, random_motions(shapes, generator))
        area, kept = shapes.sum((1, 2, 3)), moved.sum((1, 2, 3))
        assert ((kept - area).abs() <= 0.01 * area + 2).all()
        cut = (moved >= 0.5).sum((1, 2, 3))
        assert ((cut - area).abs() <= 0.05 * area).all()
        assert ((cut - area).abs() / area).mean() <= 0.01


def test_random_motions_stay_on_the_canvas_and_use_it(shapes: torch.Tensor) -> None:
    motions = random_motions(shapes, torch.Generator().manual_seed(1))
    padded = torch.nn.functional.pad(shapes, (50, 50, 50, 50))
    outside = move(padded, motions)
    outside[:, :, 50:-50, 50:-50] = 0
    assert float(outside.max()) < 1e-3
    small = torch.zeros(2000, 1, 40, 40)
    small[:, :, 18:22, 18:22] = 1
    many = random_motions(small, torch.Generator().manual_seed(2))
    for values, low, high in ((many.angle_deg, 0, 360), (many.dx, -17, 17), (many.dy, -17, 17)):
        assert abs(float(values.mean()) - (low + high) / 2) < 0.05 * (high - low)
        assert float(values.max() - values.min()) > 0.9 * (high - low)


def test_a_shape_in_a_corner_is_brought_inside() -> None:
    corner = torch.zeros(64, 1, 40, 40)
    corner[:, :, :10, :6] = 1
    moved = move(corner, random_motions(corner, torch.Generator().manual_seed(3)))
    torch.testing.assert_close(moved.sum((1, 2, 3)), torch.full((64,), 60.0), atol=1.0, rtol=0)


def test_a_shape_too_large_to_rotate_is_centred() -> None:
    full = torch.ones(64, 1, 40, 40)
    motions = random_motions(full, torch.Generator().manual_seed(4))
    assert float(motions.dx.abs().max()) < 1e-4
    assert float(motions.dy.abs().max()) < 1e-4


def test_max_shift_and_seed_and_blank(shapes: torch.Tensor) -> None:
    one = random_motions(shapes, torch.Generator().manual_seed(5), max_shift=3)
    two = random_motions(shapes, torch.Generator().manual_seed(5), max_shift=3)
    assert torch.equal(one.dx, two.dx)
    assert float(torch.stack([one.dx, one.dy]).abs().max()) <= 3
    blank = random_motions(torch.zeros(3, 1, 16, 16), torch.Generator().manual_seed(6))
    assert torch.isfinite(torch.stack([blank.angle_deg, blank.dx, blank.dy])).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.uint8, torch.bool])
def test_any_type(dtype: torch.dtype, shapes: torch.Tensor) -> None:
    moved = move(shapes[:2].to(dtype), random_motions(shapes[:2], torch.Generator().manual_seed(7)))
    exact = move(shapes[:2], random_motions(shapes[:2], torch.Generator().manual_seed(7)))
    assert moved.dtype == (dtype if dtype.is_floating_point else torch.float32)
    torch.testing.assert_close(moved.float(), exact, atol=4e-3, rtol=0)


def test_autocast_does_not_blur_places(shapes: torch.Tensor) -> None:
    where = motion(31.0, 4.0, 2.0, torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        moved = move(shapes[:1], where)
    torch.testing.assert_close(moved.float(), move(shapes[:1], where), atol=1e-5, rtol=0)


def test_gradients() -> None:
    masks = picture(5, 6).requires_grad_()
    parts = [torch.tensor([value], dtype=torch.float64, requires_grad=True) for value in (21.3, 0.37, -0.61)]
    assert torch.autograd.gradcheck(lambda m, a, x, y: move(m, Motion(a, x, y)), (masks, *parts))
