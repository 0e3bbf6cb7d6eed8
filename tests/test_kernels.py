"""The compiled loops of the planar overlap, each against its formula or brute force: pixels, outlines, scans."""

from __future__ import annotations

import itertools
import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metricvae.kinds.silhouette import outlines
from metricvae.kinds.silhouette.records import Mask
from metricvae.kinds.silhouette.sources.generators import draw
from metricvae.metrics.overlap.solver import kernels, line_integrals, scan
from metricvae.metrics.overlap.solver.search import PreparedMask
from overlap_problem import bilinear, family

few = settings(max_examples=6, deadline=None, derandomize=True)
poses = st.floats(-3, 3), st.floats(-4, 4), st.floats(-4, 4)


# Pixels


def place(seed: int) -> tuple[Mask, npt.NDArray[np.uint8], tuple[float, float], tuple[float, float]]:
    """A mask of one canvas, grey levels of another, an origin in each."""
    random = np.random.default_rng(seed)
    mask = (random.random((11, 14)) < 0.4).astype(np.uint8)
    levels = random.integers(0, kernels.MAX_LEVEL + 1, (13, 9)).astype(np.uint8)
    return mask, levels, (6.3, 4.8), (4.1, 6.6)


def kernel_arguments(seed: int) -> tuple[kernels.Points, kernels.LookupImage]:
    mask, levels, (ax, ay), (bx, by) = place(seed)
    return kernels.foreground_points(mask, mask.sum(), ax, ay), kernels.lookup_image(levels, bx, by)


def kernel_overlap(seed: int, angle: float, x: float, y: float) -> float:
    return kernels.overlap_at(*kernel_arguments(seed), np.array([angle, x, y]))


@few
@given(st.integers(0, 5), st.floats(-7, 7), st.floats(-20, 20), st.floats(-20, 20))
def test_the_overlap_kernel_is_its_formula(seed: int, angle: float, x: float, y: float) -> None:
    mask, levels, (ax, ay), (bx, by) = place(seed)
    rows, columns = np.nonzero(mask)
    px, py = columns - ax - x, rows - ay - y
    cos, sin = math.cos(angle), math.sin(angle)
    expected = bilinear(levels / kernels.MAX_LEVEL, cos * px - sin * py + bx, sin * px + cos * py + by).sum()
    assert kernel_overlap(seed, angle, x, y) == pytest.approx(expected, abs=2e-4)


def test_between_whole_shifts_the_overlap_is_a_straight_line() -> None:
    """Finite differences along a shift are constant between pixels: what two unit squares share."""
    # The origins lie 6.3 - 4.1 = 2.2 pixels apart, so pixels fall on pixels where x + 2.2 is whole.
    overlaps = [kernel_overlap(3, 0.0, 0.8 + t, 0.4) for t in np.linspace(0.02, 0.98, 9)]
    first, second = np.diff(overlaps), np.diff(overlaps, 2)
    assert np.abs(first).max() > 1e-3
    assert np.abs(second).max() < 1e-4


@few
@given(st.integers(0, 5), st.floats(-3, 3), st.floats(-5, 5), st.floats(-5, 5))
def test_small_steps_change_little(seed: int, angle: float, x: float, y: float) -> None:
    """No jumps: a step of h moves each of n points by h at most (times its distance for a rotation), slope sqrt(2)."""
    here, step = kernel_overlap(seed, angle, x, y), 1e-3
    count = place(seed)[0].sum()
    for other in ((angle, x + step, y), (angle, x, y + step), (angle + step / 10, x, y)):
        assert abs(kernel_overlap(seed, *other) - here) <= 1.5 * step * count + 1e-4


@pytest.mark.parametrize(("x", "y"), [(100, 0), (-100, 0), (0, 1e4), (0, -1e4), (40, -40)])
def test_far_away_there_is_nothing(x: float, y: float) -> None:
    assert kernel_overlap(1, 0.7, x, y) == 0


@pytest.mark.parametrize(("pitch", "reach"), [(1.0, 9), (1.7, 9), (0.6, 4)])
def test_the_sampling_kernel_is_its_formula(pitch: float, reach: int) -> None:
    _, levels, _, (x, y) = place(2)
    angles = np.array([0.0, 0.9, 2.5, -1.0])
    out = np.full((2 * reach + 1, 4, 2 * reach + 1), 7, np.float32)
    kernels.sample_rotated(kernels.lookup_image(levels, x, y), angles, pitch, reach, out)
    right, down = np.meshgrid(*[np.arange(-reach, reach + 1) * pitch] * 2)
    for k, angle in enumerate(angles):
        cos, sin = math.cos(angle), math.sin(angle)
        expected = bilinear(levels, x + cos * right - sin * down, y + sin * right + cos * down)
        np.testing.assert_allclose(out[:, k], expected, atol=2e-3)


@pytest.mark.parametrize("seed", range(4))
def test_a_mask_is_measured(seed: int) -> None:
    mask = np.zeros((20, 30), np.uint8)
    mask[4:15, 7:21] = place(seed)[0]
    count, x, y, farthest, top, bottom, left, right = kernels.measure_mask(mask)
    rows, columns = np.nonzero(mask)
    assert count == len(rows)
    assert (x, y) == pytest.approx((columns.mean(), rows.mean()))
    assert farthest == pytest.approx(np.hypot(columns - x, rows - y).max())
    assert (top, bottom, left, right) == (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1)
    assert kernels.measure_mask(np.zeros((5, 6), np.uint8)) == (0, 0, 0, 0, 0, 0, 0, 0)


@pytest.mark.parametrize("factor", [1, 2, 3, 5])
def test_downsampling_averages(factor: int) -> None:
    mask = place(0)[0]
    small = kernels.downsample(mask, factor)
    whole = np.pad(mask, [(0, -side % factor) for side in mask.shape])
    blocks = whole.reshape(small.shape[0], factor, small.shape[1], factor).mean((1, 3))
    np.testing.assert_allclose(small / kernels.MAX_LEVEL, blocks, atol=0.5001 / kernels.MAX_LEVEL)


def test_sums_are_integrals_of_the_interpolated_rows() -> None:
    _, levels, _, _ = place(1)
    image = kernels.lookup_image(levels, 0.0, 0.0)
    bordered = np.pad(levels / kernels.MAX_LEVEL, kernels.BORDER)
    expected = np.cumsum(np.hstack([np.zeros((len(bordered), 1)), (bordered[:, :-1] + bordered[:, 1:]) / 2]), axis=1)
    np.testing.assert_allclose(image.sums.reshape(bordered.shape), expected, atol=1e-5)


@few
@given(st.integers(0, 5), *poses)
def test_the_simplex_search_never_ends_lower(seed: int, angle: float, x: float, y: float) -> None:
    pose, steps = np.array([angle, x, y]), np.array([0.1, 0.5, 0.5])
    top = kernels.nelder_mead(*kernel_arguments(seed), pose, steps, 60)
    assert top >= kernel_overlap(seed, angle, x, y)
    assert top == pytest.approx(kernel_overlap(seed, *pose), rel=1e-6)


def test_the_simplex_search_follows_a_ridge_off_the_axes() -> None:
    """A square on a longer bar that lies askew: all edges coincide along the bar, and any step along an axis loses."""
    square = np.ones((12, 12), np.uint8)
    points = kernels.foreground_points(square, 144, 5.5, 5.5)
    image = kernels.lookup_image(square * np.uint8(kernels.MAX_LEVEL), 5.5, 5.5)
    pose = np.array([0.02, 0.3, -0.4])
    before = kernels.overlap_at(points, image, pose)
    assert kernels.nelder_mead(points, image, pose, np.array([0.02, 0.3, 0.3]), 200) == pytest.approx(144, abs=0.05)
    assert before < 140


# Outlines

SHAPES = [family("gear", 3, 60, 20, size=160), family("ring", 4, 60, size=160), draw("mixed", 1, 8)[0].mask]


def checkers() -> Mask:
    """Two pixels that touch at a corner, a ring with a pixel in its hole, and a pixel in the corner of the canvas."""
    mask = np.zeros((12, 12), np.uint8)
    mask[1, 1] = mask[2, 2] = mask[11, 11] = 1
    mask[4:9, 4:9] = 1
    mask[5:8, 5:8] = 0
    mask[6, 6] = 1
    return mask


@pytest.mark.parametrize("mask", [*SHAPES, checkers(), place(4)[0]])
def test_an_outline_encloses_the_area(mask: Mask) -> None:
    """Through the middles of pixel edges, a loop loses an eighth of a pixel at every corner: four more
    than it gains. Half the sum over segments of (position, normal) is the area inside, negative around a hole."""
    nodes, starts = outlines.trace(mask, 3.0, 4.0)
    edges = sum(int((np.diff(np.pad(mask, 1).astype(int), axis=axis) != 0).sum()) for axis in (0, 1))
    assert nodes.shape[1] == starts[-1] == edges
    outline = outlines.segments(nodes, starts, 1).astype(np.float64)
    enclosed = [(outline[:2, a:b] * outline[2:, a:b]).sum() / 2 for a, b in itertools.pairwise(starts)]
    around = sum(np.sign(enclosed))
    assert sum(enclosed) == pytest.approx(mask.sum() - 0.5 * around, abs=1e-2)
    assert outline[2:].sum(1) == pytest.approx([0, 0], abs=1e-3)


@pytest.mark.parametrize("length", [1, 2, 3, 50])
@pytest.mark.parametrize("mask", [*SHAPES, checkers()])
def test_segments_close_and_are_as_long_as_requested(mask: Mask, length: int) -> None:
    nodes, starts = outlines.trace(mask, 0.0, 0.0)
    outline = outlines.segments(nodes, starts, length)
    edges = np.diff(starts)
    assert outline.shape[1] == np.maximum(4, np.rint(edges / length)).sum()
    assert outline[2:].sum(1) == pytest.approx([0, 0], abs=1e-3)
    assert np.hypot(*outline[2:]).max() <= length + 1


def shape_arguments(which: int) -> tuple[PreparedMask, PreparedMask]:
    masks = SHAPES[:2]
    return PreparedMask(masks[which]), PreparedMask(masks[1 - which])


centroid_poses = st.integers(0, 1), st.floats(-3, 3), st.floats(-30, 30), st.floats(-30, 30)


@few
@given(*centroid_poses)
def test_the_overlap_along_an_outline_is_that_of_the_pixels(which: int, angle: float, x: float, y: float) -> None:
    a, b = shape_arguments(which)
    pose = np.array([angle, x, y])
    expected = kernels.overlap_at(a.points, b.image, pose)
    assert line_integrals.overlap_along(a.outline(1), b.image, pose) == pytest.approx(expected, rel=0.01, abs=2)
    assert line_integrals.overlap_along(a.outline(2), b.image, pose) == pytest.approx(expected, rel=0.02, abs=4)


@few
@given(*centroid_poses)
def test_the_gradient_is_that_of_the_overlap(which: int, angle: float, x: float, y: float) -> None:
    """Against central differences over two pixels, which even out what pixels do."""
    a, b = shape_arguments(which)
    pose, gradient = np.array([angle, x, y]), np.zeros(3)
    line_integrals.gradient_along(a.outline(1), b.image, pose, gradient)
    perimeter, lever = a.outline(1).shape[1], max(a.radius, 1.0)
    for axis, step in enumerate((1 / lever, 1.0, 1.0)):
        ahead, behind = pose.copy(), pose.copy()
        ahead[axis] += step
        behind[axis] -= step
        difference = (kernels.overlap_at(a.points, b.image, ahead) - kernels.overlap_at(a.points, b.image, behind)) / (
            2 * step
        )
        assert gradient[axis] * step == pytest.approx(difference * step, abs=0.03 * perimeter)


@few
@given(*centroid_poses)
def test_local_optimisation_ends_higher(which: int, angle: float, x: float, y: float) -> None:
    a, b = shape_arguments(which)
    poses, steps = np.array([[angle, x, y], [angle + 1, y, x]]), np.array([0.05, 1.0, 1.0])
    start = [line_integrals.overlap_along(a.outline(1), b.image, pose) for pose in poses]
    tops = line_integrals.rprop_ascent(a.outline(2), a.outline(1), b.image, poses, steps, 12)
    assert tops == pytest.approx(
        [line_integrals.overlap_along(a.outline(1), b.image, pose) for pose in poses], rel=1e-5
    )
    assert (tops >= np.array(start) * 0.99).all()
    assert tops.max() > max(start)


# Scans

CUTOFF = 6


def rotated_images(mask: Mask, angles: npt.NDArray[np.float64], pitch: float) -> npt.NDArray[np.float64]:
    """Grey levels of the shape rotated by each angle on a wide grid about its centroid, (rotations, rows, columns)."""
    shape = PreparedMask(mask)
    reach = math.ceil(shape.radius / pitch)
    out = np.empty((2 * reach + 1, len(angles), 2 * reach + 1), np.float32)
    kernels.sample_rotated(shape.image, angles, pitch, reach, out)
    return out.transpose(1, 0, 2).astype(np.float64)


def spectrum_of(picture: npt.NDArray[np.float64]) -> npt.NDArray[np.complex128]:
    """(2 CUTOFF + 1, 2 CUTOFF + 1): the discrete Fourier transform, term by term, rows first."""
    reach = len(picture) // 2
    phase = np.exp(
        -2j
        * np.pi
        / round(scan.SAMPLES_PER_PERIOD * CUTOFF)
        * np.outer(np.arange(-CUTOFF, CUTOFF + 1), np.arange(-reach, reach + 1))
    )
    return phase @ picture @ phase.T


@pytest.mark.parametrize("angles", [2, 6, 8, 12])
def test_spectra_are_those_of_the_rotated_shape(angles: int) -> None:
    """Also rotations by quarters of a circle, which are not sampled where the number of angles is divisible by four."""
    mask, pitch = SHAPES[0], 5.0
    shape = PreparedMask(mask)
    found = scan.spectra(shape.image, pitch, shape.radius, angles, CUTOFF)
    rotated = rotated_images(mask, np.arange(angles // 2) * 2 * np.pi / angles, pitch)
    assert found.shape == (2, 2 * CUTOFF + 1, angles // 2, CUTOFF + 1)
    for k, picture in enumerate(rotated):
        expected = spectrum_of(picture)[:, CUTOFF:]
        np.testing.assert_allclose(found[0, :, k] + 1j * found[1, :, k], expected, atol=2e-3 * abs(expected).max())


def test_correlations_are_sums_over_all_frequencies() -> None:
    """For all rotations, and for each half a circle further; a shift adds a phase to each frequency."""
    a, b = PreparedMask(SHAPES[0]), PreparedMask(SHAPES[1])
    reach, angles, pitch = 4, 8, 5.0
    fixed = scan.spectra(a.image, pitch, a.radius, 2, CUTOFF)
    turning = scan.spectra(b.image, pitch, b.radius, angles, CUTOFF)
    found = scan.correlate(fixed, turning, reach)
    frequency, shift = np.arange(-CUTOFF, CUTOFF + 1), np.arange(-reach, reach + 1)
    phase = np.exp(2j * np.pi / (scan.SHIFTS_PER_PERIOD * CUTOFF) * np.outer(shift, frequency))
    resting = spectrum_of(rotated_images(SHAPES[0], np.zeros(1), pitch)[0])
    for k, picture in enumerate(rotated_images(SHAPES[1], np.arange(angles) * 2 * np.pi / angles, pitch)):
        expected = (phase @ (resting * spectrum_of(picture).conj()) @ phase.T).real
        np.testing.assert_allclose(found[:, k], expected, atol=5e-3 * abs(expected).max())


@pytest.mark.parametrize("angle", [0, 90, 130, 275])
def test_a_rotated_and_shifted_copy_is_ranked_first(angle: int) -> None:
    shift, spacing, cutoff = (18.0, -12.0), 5.0, 12
    shape = PreparedMask(family("arrow", 5, 50, 0, size=160))
    image = shape.image
    (picture,) = rotated_images(shape.mask, np.array([math.radians(angle)]), 1.0)
    middle = len(picture) // 2
    copy = kernels.lookup_image(picture.round().astype(np.uint8), middle - shift[0], middle - shift[1])
    fixed = scan.spectra(copy, spacing, shape.radius + 30, 2, cutoff)
    rotation, shifts = scan.scan(fixed, scan.spectra(image, spacing, shape.radius, 72, cutoff), 8)
    assert len(rotation) == len(shifts) == 144
    assert abs(rotation[0] * 5 - angle) <= 5
    cell = spacing * scan.SAMPLES_PER_PERIOD / scan.SHIFTS_PER_PERIOD
    assert shifts[0] * cell == pytest.approx(shift, abs=cell)


@pytest.mark.parametrize(("rows", "columns", "apart"), [(13, 13, 2), (9, 11, 3), (7, 5, 1)])
def test_peaks_are_the_highest_and_the_highest_elsewhere(rows: int, columns: int, apart: int) -> None:
    stack = np.random.default_rng(rows).random((rows, 6, columns)).astype(np.float32)
    height, shift = scan.peaks(stack, apart)
    row, column = np.indices((rows, columns)) - np.array([rows // 2, columns // 2])[:, None, None]
    for k in range(6):
        picture, (first, second) = stack[:, k], shift[k]
        for high, (x, y) in zip(height[k], (first, second), strict=True):
            assert picture[y + rows // 2, x + columns // 2] == high
        assert picture.max() == height[k, 0]
        elsewhere = np.maximum(abs(column - first[0]), abs(row - first[1])) > apart
        assert height[k, 1] == picture[elsewhere].max()


def test_where_nothing_is_far_enough_there_is_no_second_peak() -> None:
    height, _ = scan.peaks(np.random.default_rng(0).random((3, 2, 3)).astype(np.float32), 2)
    assert (height[:, 1] == scan.NO_PEAK).all()


def test_local_maxima_are_ranked_first() -> None:
    random = np.random.default_rng(3)
    height = random.random((10, 2)).astype(np.float32)
    shift = random.integers(-4, 5, (10, 2, 2)).astype(np.int32)
    rotation, which = scan.rank_candidates(height, shift, 2)

    def local(k: int, w: int) -> bool:
        return not any(
            height[o, v] > height[k, w] and np.abs(shift[o, v] - shift[k, w]).max() <= 2
            for o in ((k + 1) % 10, (k - 1) % 10)
            for v in (0, 1)
        )

    expected = sorted(((k, w) for k in range(10) for w in (0, 1)), key=lambda pose: (not local(*pose), -height[pose]))
    assert list(zip(rotation.tolist(), which.tolist(), strict=True)) == expected
    assert 0 < sum(local(*pose) for pose in expected) < 20


# Points along an outline


def ring(outer: float, inner: float) -> Mask:
    rows, columns = np.indices((200, 200))
    far = np.hypot(rows - 99.5, columns - 99.5)
    return ((far <= outer) & (far > inner)).astype(np.uint8)


def points_of(mask: Mask, spacing: float = 4.0, multiple: int = 8, most: int = 256) -> npt.NDArray[np.float32]:
    return outlines.resample_outline(*outlines.trace(mask, 99.5, 99.5), spacing, multiple, most)


def test_points_of_a_ring_lie_on_its_two_circles_at_equal_distances() -> None:
    points = points_of(ring(60, 30))
    held = points[points[:, 3] > 0]
    loops = [held[held[:, 2] == start] for start in (0, held[0, 3])]
    for loop, radius in zip(loops, (60, 30), strict=True):
        assert len(loop) == loop[0, 3]
        assert len(loop) % 8 == 0
        assert np.hypot(loop[:, 0], loop[:, 1]) == pytest.approx(np.full(len(loop), radius), abs=0.8)
        steps = np.linalg.norm(np.diff(loop[:, :2], axis=0, append=loop[:1, :2]), axis=1)
        assert steps.mean() == pytest.approx(2 * np.pi * radius / len(loop), rel=0.02)
        assert steps.std() < 0.05 * steps.mean()
    assert abs(2 * np.pi * 60 / len(loops[0]) - 4) < 0.3
    assert (points[len(loops[0]) + len(loops[1]) :] == 0).all()


def test_points_keep_the_inside_on_one_side() -> None:
    """The way round is that of `trace`: seen along it, the inside is on the right, of the hole too."""
    points = points_of(ring(60, 30))
    held = points[points[:, 3] > 0]
    outer, hole = held[held[:, 2] == 0][:, :2], held[held[:, 2] > 0][:, :2]

    def signed_area(loop: npt.NDArray[np.float32]) -> float:
        after = np.roll(loop, -1, axis=0)
        return float((loop[:, 0] * after[:, 1] - loop[:, 1] * after[:, 0]).sum())

    assert signed_area(outer) > 0
    assert signed_area(hole) < 0


def test_long_outlines_are_sampled_farther_apart_and_specks_left_out() -> None:
    rows, columns = np.indices((200, 200))
    comb = ((columns % 6 < 3) & (rows > 20) & (rows < 180) | (rows > 170) & (rows < 180)).astype(np.uint8)
    points = points_of(comb)
    held = points[:, 3] > 0
    assert 200 <= held.sum() <= 256
    spread = points[held][:, :2]
    assert (spread.max(0) - spread.min(0) > 150).all()
    dotted = ring(60, 0)
    dotted[5:8, 5:8] = 1
    assert points_of(dotted)[:, 3].max() == (points_of(dotted)[:, 3] > 0).sum()
    assert (points_of(np.zeros((200, 200), np.uint8)) == 0).all()
