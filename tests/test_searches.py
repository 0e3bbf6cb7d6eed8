"""The searches one would use instead: what they say is true, and those that look everywhere find what is there."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from metricvae.core.errors import InputError
from metricvae.metrics.overlap.solver import searches
from metricvae.metrics.overlap.solver.dense import solve_dense
from metricvae.metrics.overlap.solver.planar import Prepared, overlap_area
from metricvae.metrics.overlap.solver.records import Overlap
from overlap_problem import family

Search = Callable[..., Overlap]

GENERAL = [searches.search_randomly, searches.evolve, searches.anneal, searches.divide, searches.adapt]
ALIGNMENTS = [searches.align_centroids, searches.align_axes]
SIDE = 72


def shape(name: str, seed: int, angle: float = 0.0) -> Prepared:
    return Prepared(family(name, seed, 0.36 * SIDE, angle, size=SIDE))


PAIRS = [(shape("wrench", 1), shape("star", 2)), (shape("heart", 4), shape("arrow", 5, 70))]


@pytest.mark.parametrize("search", GENERAL + ALIGNMENTS)
def test_the_pose_gives_the_overlap_and_nothing_beats_the_dense_search(search: Search) -> None:
    for a, b in PAIRS:
        found = search(a, b, 300)
        assert found.area == pytest.approx(overlap_area(a.mask, b.mask, found.pose), rel=1e-4)
        assert 0 <= found.area <= solve_dense(a, b, step_deg=1.0).area * 1.01


@pytest.mark.parametrize("search", GENERAL)
def test_with_time_they_come_near_the_dense_search(search: Search) -> None:
    for a, b in PAIRS:
        best = solve_dense(a, b, step_deg=1.0).area
        assert search(a, b, 6000).area >= 0.9 * best
        assert search(a, b, 6000).area >= search(a, b, 50).area


def test_one_look_is_not_enough() -> None:
    """What the test above asks for is not given by any answer at all."""
    assert any(searches.search_randomly(a, b, 1).area < 0.5 * solve_dense(a, b, step_deg=2.0).area for a, b in PAIRS)


@pytest.mark.parametrize("search", GENERAL)
def test_the_seed_decides(search: Search) -> None:
    a, b = PAIRS[0]
    assert search(a, b, 200, seed=3) == search(a, b, 200, seed=3)
    if search is not searches.divide:
        assert search(a, b, 200, seed=3) != search(a, b, 200, seed=4)


@pytest.mark.parametrize("search", ALIGNMENTS)
def test_alignments_find_a_turned_copy(search: Search) -> None:
    for name in ("wrench", "arrow", "key"):
        a, b = shape(name, 1), shape(name, 1, 115)
        assert search(a, b, 360).area >= 0.93 * min(a.area, b.area)


@pytest.mark.parametrize("search", GENERAL + ALIGNMENTS)
def test_blank_shapes_are_refused(search: Search) -> None:
    with pytest.raises(InputError, match="blank"):
        search(PAIRS[0][0], Prepared(np.zeros((SIDE, SIDE), np.uint8)), 10)


def test_a_missing_package_is_named(hide_package: Callable[[str], None]) -> None:
    hide_package("cma")
    with pytest.raises(InputError, match=r'CMA-ES needs cma: pip install "metricvae\[solvers\]"'):
        searches.adapt(*PAIRS[0], 10)
