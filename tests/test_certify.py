"""Proofs: bounds that hold for every motion tried, that close on what is known, and that give up honestly."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from metricvae.core.errors import InputError
from metricvae.metrics.overlap.solver.cell_bounds import (
    bound_narrow_cells,
    displacements,
    mark_wide_cells,
    pixel_blocks,
)
from metricvae.metrics.overlap.solver.certify import certify
from metricvae.metrics.overlap.solver.certify import certify as function
from metricvae.metrics.overlap.solver.dense import solve_dense
from metricvae.metrics.overlap.solver.kernels import overlap_at
from metricvae.metrics.overlap.solver.search import PreparedMask, SearchConfig, overlap_record
from overlap_problem import family

Mask = npt.NDArray[np.uint8]
SIDE = 64


def module():  # type: ignore[no-untyped-def]
    import sys

    return sys.modules[function.__module__]


def shape(name: str, seed: int, radius: float = 24, angle: float = 0.0) -> PreparedMask:
    return PreparedMask(family(name, seed, radius, angle, size=SIDE))


PAIRS = [
    pytest.param(shape("key", 1), shape("hammer", 2, 22, 40), id="key-hammer", marks=pytest.mark.slow),
    pytest.param(shape("comb", 1), shape("blob", 2, 22, 40), id="comb-blob"),
    pytest.param(shape("wrench", 1), shape("heart", 2, 22, 40), id="wrench-heart"),
]
A, B = PAIRS[0].values


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_a_proof_closes_on_the_dense_search(a: PreparedMask, b: PreparedMask) -> None:
    found = certify(a, b, 0.15)
    assert found.proven
    assert found.gap <= 0.15 + 1e-9
    assert found.upper >= found.overlap.area
    assert found.upper >= solve_dense(a, b, step_deg=2.0).area
    assert found.upper <= min(a.area, b.area)


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_nothing_is_proven_below_what_a_motion_reaches(a: PreparedMask, b: PreparedMask) -> None:
    """With too low a target the search must come upon the motions that beat it, at every width of its cells."""
    best = certify(a, b, 0.5).overlap.area
    for share in (0.9, 0.999):
        proven, _ = module()._BranchAndBound(a, b).prove(share * best, 0, 10**5, lambda done: None)
        assert not proven


def _worst(
    a: PreparedMask, b: PreparedMask, cell: npt.NDArray[np.float64], h: float, h_angle: float, seed: int
) -> float:
    """The largest overlap of 300 motions drawn from a cell, its corners among them."""
    random = np.random.default_rng(seed)
    inside = random.uniform(-1, 1, (300, 3))
    inside[:8] = np.array([[i, j, k] for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)])
    points, image = a.points, b.image
    best = 0.0
    for angle, x, y in cell + inside * (h_angle, h, h):
        cos, sin = math.cos(angle), math.sin(angle)  # the shift is in the frame of b: t = R t'
        best = max(best, overlap_at(points, image, np.array([angle, cos * x + sin * y, -sin * x + cos * y])))
    return best


@pytest.mark.parametrize("half", [8.0, 2.0, 0.5, 0.25, 0.1, 0.02])
@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_a_discarded_cell_has_no_better_motion(a: PreparedMask, b: PreparedMask, half: float) -> None:
    """Cells all over the place, each with a target just below its best motion: none may be dropped."""
    search = module()._BranchAndBound(a, b)
    random = np.random.default_rng(int(100 * half))
    h_angle = half / search.radius
    for seed in range(12):
        cell = np.array([random.uniform(-3, 3), *random.uniform(-6, 6, 2)])
        best = _worst(a, b, cell, half, h_angle, seed)
        if best < 1:
            continue
        target, cells, maps = best * 0.9999, cell[None], search.maps
        if half > module().NARROW_HALF_WIDTH:
            blocks = pixel_blocks(search.points, 4 if half >= 4 else 2 if half >= 2 else 1)
            reach, left = displacements(blocks, half, h_angle) + blocks[3], np.zeros(1, np.bool_)
            mark_wide_cells(blocks, reach, maps.distance, maps.x, maps.y, cells, target, left)
            assert left[0]
        else:
            arguments = (search.points, maps.squares, maps.x, maps.y, cells, half, h_angle)
            assert not bound_narrow_cells(*arguments, target, 3000)[0]


def test_a_shape_against_itself_needs_no_search() -> None:
    a = shape("star", 1)
    found = certify(a, a, 1e-6)
    assert found.proven
    assert found.cells == 0
    assert found.upper == pytest.approx(a.area)


def test_a_bad_answer_is_not_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proof itself on something broken: an answer a quarter too low, claimed to be within 15 %."""
    honest = certify(A, B, 0.15)
    low = overlap_record(A, B, 0.75 * honest.overlap.area, np.zeros(3))
    monkeypatch.setattr(module(), "solve", lambda *given: low)
    found = certify(A, B, 0.15, max_cells=200_000)
    assert not found.proven
    assert found.upper >= honest.overlap.area * (1 - 1e-6)


def test_a_proof_that_runs_out_says_how_far_it_got() -> None:
    seen: list[int] = []
    full, cut = certify(A, B, 0.15, on_progress=seen.append), certify(A, B, 0.15, max_cells=2000)
    assert full.proven
    assert seen == sorted(seen)
    assert len(seen) > 1
    assert not cut.proven
    assert full.upper < cut.upper <= min(A.area, B.area)
    assert cut.gap == pytest.approx(cut.upper / cut.overlap.area - 1)


@pytest.mark.parametrize("eps", [0.0, -0.1, math.nan, math.inf])
def test_gaps_that_cannot_be_proven_are_refused(eps: float) -> None:
    with pytest.raises(InputError, match="expected a fraction above 0"):
        certify(shape("star", 1), shape("star", 2), eps, config=SearchConfig(angles=4))


def test_no_cells_are_refused() -> None:
    with pytest.raises(InputError, match="0 cells prove nothing"):
        certify(shape("star", 1), shape("star", 2), max_cells=0)
