"""The exact answer: laws every solver obeys, known answers, a brute-force oracle, and fast against dense."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import overlap_problem
from metricvae.core.errors import InputError
from metricvae.kinds.silhouette.io import encode_png
from metricvae.kinds.silhouette.sources.generators import draw
from metricvae.metrics.overlap.solver import kernels, line_integrals, search
from metricvae.metrics.overlap.solver.dense import solve_dense
from metricvae.metrics.overlap.solver.files import PAIRS_A_TASK, solve_files
from metricvae.metrics.overlap.solver.poses import canvas_pose, inverse_poses, origin_pose
from metricvae.metrics.overlap.solver.records import Overlap, Pose
from metricvae.metrics.overlap.solver.search import PreparedMask, SearchConfig, move_mask, overlap_area, solve
from metricvae.runtime.process_pool import worker_pool

Mask = npt.NDArray[np.uint8]
Solver = Callable[[PreparedMask, PreparedMask], Overlap]

SIDE = 72
dense = functools.partial(solve_dense, step_deg=2.0, refined=10, evaluations=500)
SOLVERS = [pytest.param(solve, id="solve"), pytest.param(dense, id="solve_dense")]
few = settings(max_examples=6, deadline=None, derandomize=True)


def family(name: str, seed: int, radius: float = 0.36 * SIDE, angle: float = 0.0, size: int = SIDE) -> Mask:
    return overlap_problem.family(name, seed, radius, angle, size=size)


SOLID = [family(name, seed) for name, seed in (("wrench", 1), ("star", 2), ("blob", 3), ("heart", 4), ("arrow", 5))]
THIN = [family(name, seed) for name, seed in (("comb", 1), ("rays", 2), ("spiral", 3), ("ring", 4))]


LARGE = [family(name, seed, 80, size=200) for name, seed in (("wrench", 1), ("star", 2), ("gear", 3), ("comb", 4))]


def grid(size: int = SIDE) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Right and down of each pixel centre, from the canvas centre."""
    offset = np.arange(size) - (size - 1) / 2
    return np.broadcast_to(offset, (size, size)), np.broadcast_to(offset[:, None], (size, size))


def disc(radius: float, size: int = SIDE) -> Mask:
    x, y = grid(size)
    return (np.hypot(x, y) <= radius).astype(np.uint8)


def bar(length: float, width: float, angle_deg: float = 0.0, size: int = SIDE) -> Mask:
    """A rectangle about the canvas centre, its length to the right before the rotation."""
    x, y = grid(size)
    cos, sin = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    return ((np.abs(cos * x - sin * y) <= length / 2) & (np.abs(sin * x + cos * y) <= width / 2)).astype(np.uint8)


def moved_by(mask: Mask, pose: Pose) -> Mask:
    return (move_mask(mask, pose) >= 0.5).astype(np.uint8)


def answer(solver: Solver, a: Mask, b: Mask) -> Overlap:
    return solver(PreparedMask(a), PreparedMask(b))


poses = st.builds(Pose, st.floats(-180, 180), st.floats(-8, 8), st.floats(-8, 8))


# Laws


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_shape_covers_itself(solver: Solver) -> None:
    for mask in (*SOLID, *THIN):
        assert answer(solver, mask, mask).area == pytest.approx(mask.sum(), rel=1e-6)


@pytest.mark.parametrize("solver", SOLVERS)
@few
@given(st.sampled_from(SOLID), poses)
def test_a_shape_covers_its_moved_copy(solver: Solver, mask: Mask, pose: Pose) -> None:
    copy = moved_by(mask, pose)
    assert answer(solver, copy, mask).area >= 0.92 * min(mask.sum(), copy.sum())


@few
@given(st.sampled_from(LARGE), poses)
def test_the_larger_the_picture_the_more_of_it(mask: Mask, pose: Pose) -> None:
    copy = moved_by(mask, pose)
    assert answer(solve, copy, mask).area >= 0.96 * min(mask.sum(), copy.sum())


@pytest.mark.parametrize("solver", SOLVERS)
@few
@given(st.sampled_from(SOLID + THIN), st.sampled_from(SOLID + THIN))
def test_order_does_not_matter(solver: Solver, a: Mask, b: Mask) -> None:
    assert answer(solver, a, b).area == pytest.approx(answer(solver, b, a).area, rel=0.01)


@few
@given(st.sampled_from(LARGE), st.sampled_from(LARGE), poses, poses)
def test_moving_the_shapes_does_not_matter(a: Mask, b: Mask, pose_a: Pose, pose_b: Pose) -> None:
    here, there = answer(solve, a, b), answer(solve, moved_by(a, pose_a), moved_by(b, pose_b))
    recut = abs(there.area_a / here.area_a - 1) + abs(there.area_b / here.area_b - 1)  # what cutting at half changed
    assert there.area == pytest.approx(here.area, rel=0.04 + recut)


@few
@given(poses, poses)
def test_moving_the_shapes_does_not_matter_to_the_dense_search(pose_a: Pose, pose_b: Pose) -> None:
    there = answer(dense, moved_by(SOLID[2], pose_a), moved_by(SOLID[3], pose_b)).area
    assert there == pytest.approx(answer(dense, SOLID[2], SOLID[3]).area, rel=0.03)


@pytest.mark.parametrize("solver", SOLVERS)
@few
@given(st.sampled_from(SOLID + THIN), st.sampled_from(SOLID + THIN), poses)
def test_redoing_the_pose_gives_the_area(solver: Solver, a: Mask, b: Mask, pose: Pose) -> None:
    b = moved_by(b, pose)
    found = answer(solver, a, b)
    again = overlap_area(a, b, found.pose)
    assert (found.area_a, found.area_b) == (a.sum(), b.sum())
    assert found.area <= min(found.area_a, found.area_b)
    assert found.area == pytest.approx(min(again, found.area_a, found.area_b), rel=1e-4)


@few
@given(st.floats(-170, 170), st.floats(-6, 6), st.floats(-6, 6))
def test_the_pose_is_the_motion_that_was_made(angle: float, dx: float, dy: float) -> None:
    """B rotated counter-clockwise and shifted gives A: the convention, on a shape that fits itself in one pose only."""
    b = family("arrow", 5)
    found = answer(solve, moved_by(b, Pose(angle, dx, dy)), b).pose
    assert abs((found.angle_deg - angle + 180) % 360 - 180) < 2
    assert (found.dx, found.dy) == pytest.approx((dx, dy), abs=0.6)


def test_rotation_is_counter_clockwise_on_screen_and_shifting_is_right_and_down() -> None:
    mask = np.zeros((20, 20), np.uint8)
    mask[2:5, 8:18] = 1
    np.testing.assert_allclose(move_mask(mask, Pose(90, 0, 0)), np.rot90(mask), atol=1e-9)
    np.testing.assert_allclose(move_mask(mask, Pose(0, 2, 5)), np.roll(mask, (5, 2), (0, 1)), atol=1e-9)


# Known answers


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_disc_in_a_larger_disc(solver: Solver) -> None:
    found = answer(solver, disc(28), disc(15))
    assert found.area == pytest.approx(disc(15).sum(), rel=1e-3)
    assert found.area == pytest.approx(math.pi * 15**2, rel=0.02)
    assert math.hypot(found.pose.dx, found.pose.dy) < 28 - 15 + 1.5


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("radius", [19.0, 22.0, 25.0])
def test_a_disc_and_a_square(solver: Solver, radius: float) -> None:
    """pi r^2 - 4 (r^2 acos(d/r) - d sqrt(r^2 - d^2)) with d half the side, for d < r < d sqrt(2)."""
    half = 18.0
    segment = radius**2 * math.acos(half / radius) - half * math.sqrt(radius**2 - half**2)
    expected = math.pi * radius**2 - 4 * segment
    assert answer(solver, disc(radius), bar(2 * half, 2 * half)).area == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_square_and_one_on_its_corner(solver: Solver) -> None:
    found = answer(solver, bar(30, 30), bar(30, 30, 45))
    assert found.area == pytest.approx(900, rel=0.02)
    assert abs(found.pose.angle_deg % 90 - 45) < 1


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_bar_lies_in_a_cross(solver: Solver) -> None:
    cross = bar(50, 10) | bar(10, 50)
    found = answer(solver, cross, bar(50, 10, 30))
    assert found.area == pytest.approx(500, rel=0.03)
    assert abs((found.pose.angle_deg - 60 + 45) % 90 - 45) < 1.5


@pytest.mark.parametrize("solver", SOLVERS)
def test_bars_of_one_width_share_the_shorter_length(solver: Solver) -> None:
    found = answer(solver, bar(50, 12), bar(30, 12, 90))
    assert found.area == pytest.approx(30 * 12, rel=1e-4)
    assert found.pose.angle_deg % 180 == pytest.approx(90)


@pytest.mark.parametrize("solver", SOLVERS)
def test_one_pixel_fits_anywhere(solver: Solver) -> None:
    one = np.zeros((SIDE, SIDE), np.uint8)
    one[3, 70] = 1
    assert answer(solver, SOLID[0], one).area == pytest.approx(1, abs=1e-3)
    assert answer(solver, one, SOLID[0]).area == pytest.approx(1, abs=1e-3)


# The oracle


def brute_force(a: Mask, b: Mask, step_deg: int = 6) -> float:
    """The best of all rotations by `step_deg` and all whole shifts, by brute force.

    Whole shifts favour it: pixels that fall on pixels share more than any shape behind them would.
    """
    size, best = len(a), 0.0
    x, y = grid(3 * size)
    padded = np.pad(a, size).astype(np.float64)
    for angle in range(0, 360, step_deg):
        cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        rotated = overlap_problem.bilinear(b, cos * x - sin * y + (size - 1) / 2, sin * x + cos * y + (size - 1) / 2)
        for dy in range(-size, size + 1):
            for dx in range(-size, size + 1):
                window = rotated[size - dy : 2 * size - dy, size - dx : 2 * size - dx]
                best = max(best, float((padded[size : 2 * size, size : 2 * size] * window).sum()))
    return best


def blot(seed: int, size: int = 16) -> Mask:
    """A random lump in the middle of a small canvas."""
    noise = np.random.default_rng(seed).random((size + 2, size + 2))
    smooth = sum(np.roll(noise, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1))[1:-1, 1:-1]
    return ((smooth > 4.4) & (disc(0.45 * size, size) > 0)).astype(np.uint8)


@pytest.mark.parametrize("seed", range(4))
def test_no_pose_of_the_oracle_is_better(seed: int) -> None:
    a, b = blot(seed), blot(seed + 100)
    best = brute_force(a, b)
    for solver in (solve, solve_dense):
        assert answer(solver, a, b).area >= min(best, a.sum(), b.sum()) * 0.97


# Canvases


@pytest.mark.parametrize("shape", [(100, 100), (160, 160), (400, 400), (99, 99), (201, 151), (60, 140), (64, 200)])
def test_any_canvas(shape: tuple[int, int]) -> None:
    side = min(shape)
    square = family("wrench", 1, 0.4 * side, 20, size=side)
    above, left = ((whole - side) // 2 for whole in shape)
    b = np.pad(square, ((above, shape[0] - side - above), (left, shape[1] - side - left)))
    a = moved_by(b, Pose(77.0, 0.03 * side, -0.02 * side))
    found = answer(solve, a, b)
    assert found.area >= 0.95 * b.sum()
    assert found.area == pytest.approx(min(overlap_area(a, b, found.pose), a.sum(), b.sum()), rel=1e-4)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (np.ones((8, 8)), np.ones((8, 9)), "need the same size"),
        (np.zeros((8, 8)), np.ones((8, 8)), "blank"),
        (np.ones((8, 8)), np.zeros((8, 8)), "blank"),
    ],
)
def test_unusable_shapes_are_one_line(solver: Solver, a: Mask, b: Mask, message: str) -> None:
    with pytest.raises(InputError, match=message):
        answer(solver, a.astype(np.uint8), b.astype(np.uint8))


@pytest.mark.parametrize(
    "change", [{"angles": 71}, {"angles": 0}, {"frequencies": 0}, {"local_optimisations": 0}, {"refinements": -1}]
)
def test_configurations_that_find_nothing_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(InputError, match="even number of angles"):
        SearchConfig(**change)


@pytest.mark.parametrize("step", [0.7, 360.0, 1.6])
def test_steps_that_do_not_divide_half_a_circle_are_refused(step: float) -> None:
    with pytest.raises(InputError, match="does not divide half a circle"):
        solve_dense(PreparedMask(disc(3)), PreparedMask(disc(4)), step_deg=step)


# Fast against dense


@dataclass(frozen=True)
class Exam:
    """Pairs of full-size shapes with what the dense search finds for them."""

    pairs: list[tuple[PreparedMask, PreparedMask]]
    best: list[float]

    def shortfalls(self, solver: Solver) -> npt.NDArray[np.float64]:
        return np.array([1 - solver(a, b).area / best for (a, b), best in zip(self.pairs, self.best, strict=True)])


@pytest.fixture(scope="module")
def exam() -> Exam:
    names = ("comb", "rays", "spiral", "ring", "gear", "scissors")
    masks = [family(name, 7, 80, 25 * place, 200) for place, name in enumerate(names)]
    masks += [shape.mask for shape in draw("mixed", 4, 21)]
    shapes = [PreparedMask(mask) for mask in masks]
    pairs = list(zip(shapes, [*shapes[1:], shapes[0]], strict=True))
    return Exam(pairs, [solve_dense(a, b, step_deg=1.0, refined=12).area for a, b in pairs])


def test_the_fast_search_loses_next_to_nothing(exam: Exam) -> None:
    shortfalls = exam.shortfalls(solve)
    assert shortfalls.max() <= 0.01
    assert shortfalls.mean() <= 0.002


def test_the_exam_fails_a_solver_that_only_scans_four_angles(exam: Exam, monkeypatch: pytest.MonkeyPatch) -> None:
    def stay(outline, fine, image, poses, *steps):  # type: ignore[no-untyped-def]
        return np.array([line_integrals.overlap_along(fine, image, pose) for pose in poses])

    monkeypatch.setattr(search, "rprop_ascent", stay)
    monkeypatch.setattr(
        search, "nelder_mead", lambda points, image, pose, *steps: kernels.overlap_at(points, image, pose)
    )
    lazy = functools.partial(solve, config=SearchConfig(angles=4, local_optimisations=1, refinements=1))
    assert exam.shortfalls(lazy).max() > 0.05


@pytest.mark.slow
def test_the_fast_search_against_every_half_degree() -> None:
    names = ("comb", "rays", "spiral", "ring", "tendrils", "branching")
    thin = [family(name, seed, 80, 40 * seed, 200) for name in names for seed in (1, 2)]
    shapes = [PreparedMask(mask) for mask in thin + [shape.mask for shape in draw("mixed", 12, 5)]]
    pairs = list(zip(shapes, shapes[5:] + shapes[:5], strict=True))
    shortfalls = Exam(pairs, [solve_dense(a, b).area for a, b in pairs]).shortfalls(solve)
    assert shortfalls.max() <= 0.01
    assert shortfalls.mean() <= 0.001


def test_a_motion_after_its_inverse_is_none() -> None:
    """R^-1 (p - t) is what the inverse frame does to p."""
    frame, p = np.array([[0.7, 3.0, -5.0]]), np.array([2.0, 11.0])

    def carry(pose: npt.NDArray[np.float64], point: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        cos, sin = math.cos(pose[0]), math.sin(pose[0])
        return np.array([[cos, sin], [-sin, cos]]) @ point + pose[1:]

    assert carry(inverse_poses(frame)[0], carry(frame[0], p)) == pytest.approx(p)


@few
@given(st.floats(-3, 3), st.floats(-9, 9), st.floats(-9, 9), st.floats(-9, 9), st.floats(-9, 9))
def test_a_pose_about_origins_is_the_same_motion_about_the_canvas_centre(
    angle: float, x: float, y: float, right: float, down: float
) -> None:
    """o_a + R (p - o_b) + t and R p + d are one point, with p measured from the canvas centre."""
    pose, origin_a, origin_b, p = np.array([angle, x, y]), (right, -y), (down, x), np.array([2.0, 11.0])
    found = canvas_pose(pose, origin_a, origin_b)
    cos, sin = math.cos(angle), math.sin(angle)
    rotation = np.array([[cos, sin], [-sin, cos]])
    expected = np.array(origin_a) + rotation @ (p - origin_b) + (x, y)
    assert rotation @ p + (found.dx, found.dy) == pytest.approx(expected)
    assert origin_pose(found, origin_a, origin_b) == pytest.approx(pose)


# Many


def test_files_are_solved_in_order_on_any_number_of_processes(tmp_path: Path) -> None:
    shapes = draw("procedural", 4, 2)
    for number, shape in enumerate(shapes):
        (tmp_path / f"{number}.png").write_bytes(encode_png(shape.mask))
    pairs = [(tmp_path / f"{i % 4}.png", tmp_path / f"{i * 7 % 3}.png") for i in range(PAIRS_A_TASK + 4)]
    quick = SearchConfig(angles=12, local_optimisations=2, refinements=1)
    found = list(solve_files(pairs, quick, workers=2))
    assert found[:5] == list(solve_files(pairs[:5], quick))
    assert found[-1] == answer(functools.partial(solve, config=quick), shapes[3].mask, shapes[1].mask)


@pytest.mark.parametrize("count", [1, PAIRS_A_TASK + 1])
def test_a_file_that_changed_between_calls_is_read_anew(count: int, tmp_path: Path) -> None:
    shapes = draw("procedural", 2, 2)
    quick = SearchConfig(angles=4, local_optimisations=1, refinements=1)
    path = tmp_path / "changing.png"
    for shape in shapes:
        path.write_bytes(encode_png(shape.mask))
        for found in solve_files([(path, path)] * count, quick, workers=1):
            assert found.area_a == found.area_b == shape.mask.sum()


def test_a_file_that_is_no_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encode_png(draw("procedural", 1, 2)[0].mask))
    (tmp_path / "b.png").write_text("hello")
    pairs = [(tmp_path / "a.png", tmp_path / "a.png")] * PAIRS_A_TASK + [(tmp_path / "a.png", tmp_path / "b.png")]
    with pytest.raises(InputError, match=r"b\.png is not a picture"):
        list(solve_files(pairs, SearchConfig(angles=2, local_optimisations=1, refinements=1), workers=1))
    with pytest.raises(InputError, match="workers is 0"):
        list(solve_files(pairs, workers=0))


def threads_of_pytorch() -> int:
    import torch  # loaded after the worker began

    return torch.get_num_threads()


def test_libraries_loaded_by_a_worker_keep_to_one_thread():
    with worker_pool(1) as pool:
        assert pool.submit(threads_of_pytorch).result() == 1
