"""Shapes cut in two: the pieces make up the shape, are useful, and lie on two sides of the line that was asked for."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from metricvae.core.errors import InputError
from metricvae.kinds.half.cutting import (
    CUTS,
    MIN_AREA,
    MIN_CONNECTIVITY,
    MIN_CONTACT,
    MIN_SHARE,
    Cut,
    Line,
    cut,
    largest_component_share,
    random_line,
)
from metricvae.kinds.silhouette.sources.generators import draw


def square(side: int) -> np.ndarray:
    mask = np.zeros((200, 200), np.uint8)
    mask[90 - side // 2 : 90 - side // 2 + side, 60:][:, :side] = 1
    return mask


@pytest.mark.parametrize("kind", CUTS)
def test_the_pieces_make_up_the_shape_and_are_useful(kind: Cut) -> None:
    rng = np.random.default_rng(1)
    for shape in draw("mixed", 24, seed=3):
        try:
            first, second = cut(shape.mask, kind, rng)
        except InputError:
            continue
        assert np.array_equal(first + second, shape.mask)
        assert min(first.sum(), second.sum()) >= max(MIN_AREA, MIN_SHARE * shape.area)
        assert np.count_nonzero(ndimage.binary_dilation(first) & (second > 0)) >= MIN_CONTACT
        least = MIN_CONNECTIVITY * largest_component_share(shape.mask)
        assert min(largest_component_share(first), largest_component_share(second)) >= least


def test_nearly_every_shape_can_be_cut() -> None:
    rng, failed = np.random.default_rng(2), 0
    for index, shape in enumerate(draw("mixed", 60, seed=4)):
        try:
            cut(shape.mask, CUTS[index % 3], rng)
        except InputError:
            failed += 1
    assert failed <= 3


def residue(first: np.ndarray, second: np.ndarray) -> float:
    """How far the pixels where two pieces touch lie from a straight line, in pixels (root mean square)."""
    rows, columns = np.nonzero(ndimage.binary_dilation(first) & (second > 0))
    points = np.stack([rows, columns], 1) - np.array([rows.mean(), columns.mean()])
    return float(np.linalg.svd(points, compute_uv=False)[1] / np.sqrt(len(points)))


def test_straight_cuts_are_straight_and_the_others_are_not() -> None:
    rng = np.random.default_rng(3)
    found = {kind: [residue(*cut(square(100), kind, rng)) for _ in range(12)] for kind in CUTS}
    assert max(found["straight"]) < 0.6
    assert np.median(found["zigzag"]) > 1.5
    assert np.median(found["curved"]) > 1.5


def test_cuts_through_the_middle_of_a_square_halve_it() -> None:
    rng = np.random.default_rng(4)
    for _ in range(8):
        first, second = cut(square(101), "straight", rng, middle=True)
        assert abs(int(first.sum()) - int(second.sum())) < 250


def test_the_line_is_the_graph_of_its_knots() -> None:
    line = Line((100.0, 80.0), 0.0, np.array([-50.0, 0.0, 50.0]), np.array([0.0, 20.0, 0.0]))
    above = line.above((200, 200))
    assert above[80 - 21, 100]
    assert not above[80 - 19, 100]
    assert above[79, 40]
    assert not above[81, 40]
    upright = Line((100.0, 80.0), np.pi / 2, np.array([-50.0, 50.0]), np.zeros(2)).above((200, 200))
    assert upright[:, :99].all()
    assert not upright[:, 102:].any()


@pytest.mark.parametrize("kind", CUTS)
def test_lines_reach_across_the_shape(kind: Cut) -> None:
    for seed in range(20):
        line = random_line(kind, (50.0, 50.0), 80.0, np.random.default_rng(seed))
        assert line.knots[0] <= -79
        assert line.knots[-1] >= 79
        assert (np.diff(line.knots) > 0).all()


def test_the_same_seed_gives_the_same_cut() -> None:
    shape = draw("glyphs", 1, seed=5)[0].mask
    one, other = (cut(shape, "curved", np.random.default_rng(6)) for _ in range(2))
    assert np.array_equal(one[0], other[0])


def test_shapes_that_cannot_be_cut_are_refused() -> None:
    with pytest.raises(InputError, match="289 pixels, too few to cut: expected at least 300"):
        cut(square(17), "straight", np.random.default_rng(0))
    with pytest.raises(InputError, match="0 pixels"):
        cut(np.zeros((200, 200), np.uint8), "curved", np.random.default_rng(0))
    threads = np.zeros((200, 200), np.uint8)
    threads[[60, 140], 10:190] = 1  # a cut leaves too little contact
    with pytest.raises(InputError, match="no straight line in 60"):
        cut(threads, "straight", np.random.default_rng(0))


def test_the_largest_share_counts_corners_as_contact() -> None:
    mask = np.zeros((9, 9), np.uint8)
    assert largest_component_share(mask) == 0
    mask[1, 1] = mask[2, 2] = mask[7, 7] = 1
    assert largest_component_share(mask) == pytest.approx(2 / 3)
