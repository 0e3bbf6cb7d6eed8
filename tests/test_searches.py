"""General optimisers on the overlap: their poses give the overlap they report, global ones come near it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from metricvae.core.errors import InputError
from metricvae.metrics.overlap.solver.dense import solve_dense
from metricvae.metrics.overlap.solver.objective import direct_search
from metricvae.metrics.overlap.solver.records import Overlap
from metricvae.metrics.overlap.solver.search import PreparedMask, overlap_area
from overlap_problem import family

Search = Callable[..., Overlap]

_FILE = Path(__file__).parents[1] / "benchmarks" / "general_searches.py"
_SPEC = importlib.util.spec_from_file_location("general_searches", _FILE)
assert _SPEC is not None
assert _SPEC.loader is not None
searches = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(searches)

GENERAL = [
    searches.random_search,
    searches.differential_evolution,
    searches.dual_annealing,
    direct_search,
    searches.cma_es,
]
ALIGNMENTS = [searches.align_centroids, searches.align_axes]
SIDE = 72


def shape(name: str, seed: int, angle: float = 0.0) -> PreparedMask:
    return PreparedMask(family(name, seed, 0.36 * SIDE, angle, size=SIDE))


PAIRS = [(shape("wrench", 1), shape("star", 2)), (shape("heart", 4), shape("arrow", 5, 70))]


@pytest.mark.parametrize("search", GENERAL + ALIGNMENTS)
def test_the_pose_gives_the_overlap_and_nothing_beats_the_dense_search(search: Search) -> None:
    for a, b in PAIRS:
        found = search(a, b, 300)
        assert found.area == pytest.approx(overlap_area(a.mask, b.mask, found.pose), rel=1e-4)
        assert 0 <= found.area <= solve_dense(a, b, step_deg=1.0).area * 1.01


@pytest.mark.parametrize("search", GENERAL)
def test_with_more_evaluations_they_come_near_the_dense_search(search: Search) -> None:
    for a, b in PAIRS:
        best = solve_dense(a, b, step_deg=1.0).area
        assert search(a, b, 6000).area >= 0.9 * best
        assert search(a, b, 6000).area >= search(a, b, 50).area


def test_one_function_evaluation_is_not_enough() -> None:
    """The bound of the test above does not hold for just any pose."""
    assert any(searches.random_search(a, b, 1).area < 0.5 * solve_dense(a, b, step_deg=2.0).area for a, b in PAIRS)


@pytest.mark.parametrize("search", GENERAL)
def test_the_seed_decides(search: Search) -> None:
    a, b = PAIRS[0]
    assert search(a, b, 200, seed=3) == search(a, b, 200, seed=3)
    if search is not direct_search:
        assert search(a, b, 200, seed=3) != search(a, b, 200, seed=4)


@pytest.mark.parametrize("search", ALIGNMENTS)
def test_alignments_find_a_rotated_copy(search: Search) -> None:
    for name in ("wrench", "arrow", "key"):
        a, b = shape(name, 1), shape(name, 1, 115)
        assert search(a, b, 360).area >= 0.93 * min(a.area, b.area)


@pytest.mark.parametrize("search", GENERAL + ALIGNMENTS)
def test_blank_shapes_are_refused(search: Search) -> None:
    with pytest.raises(InputError, match="blank"):
        search(PAIRS[0][0], PreparedMask(np.zeros((SIDE, SIDE), np.uint8)), 10)


def test_a_missing_package_is_named(hide_package: Callable[[str], None]) -> None:
    hide_package("cma")
    with pytest.raises(InputError, match="needs the package cma"):
        searches.cma_es(*PAIRS[0], 10)
