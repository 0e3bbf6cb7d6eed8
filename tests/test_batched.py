"""The batched search against the compiled one, pair by pair, on the CPU and on a GPU where there is one."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from metricvae.core.errors import InputError
from metricvae.kinds.silhouette.sources.generators import draw
from metricvae.metrics.overlap.solver import batched
from metricvae.metrics.overlap.solver.batched import NUMBERS_AT_ONCE, solve_batch
from metricvae.metrics.overlap.solver.search import PreparedMask, SearchConfig, overlap_area, solve
from overlap_problem import family

SIDE = 72
CONFIG = SearchConfig(angles=36, frequencies=18, local_optimisations=16, refinements=4)
NAMES = ("comb", "rays", "spiral", "ring", "gear", "scissors")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(
    params=["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"))]
)
def device(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def shapes() -> list[PreparedMask]:
    return [PreparedMask(family(name, 7, 0.38 * SIDE, 25 * place, size=SIDE)) for place, name in enumerate(NAMES)]


def all_pairs(count: int) -> np.ndarray:
    return np.array([(a, b) for a in range(count) for b in range(count)])


def test_it_finds_what_the_compiled_search_finds(shapes: list[PreparedMask], device: str) -> None:
    """In both orders, and each shape with itself. The optimisation may end on another of two nearly equal poses."""
    pairs = all_pairs(len(shapes))
    found = solve_batch(shapes, pairs, CONFIG, device=device)
    expected = [solve(shapes[a], shapes[b], CONFIG) for a, b in pairs]
    ratio = np.array([one.area / other.area for one, other in zip(found, expected, strict=True)])
    assert np.abs(ratio - 1).max() <= 0.01
    assert (np.abs(ratio - 1) <= 1e-3).mean() >= 0.8
    for (a, b), overlap in zip(pairs, found, strict=True):
        again = overlap_area(shapes[a].mask, shapes[b].mask, overlap.pose)
        assert overlap.area == pytest.approx(min(again, shapes[a].area, shapes[b].area), rel=1e-3)
        if a == b:
            assert overlap.area == pytest.approx(shapes[a].area, rel=1e-6)


def test_at_full_size_and_default_configuration(device: str) -> None:
    shapes = [PreparedMask(shape.mask) for shape in draw("mixed", 4, 21)]
    pairs = np.array([(0, 1), (2, 3)])
    found = [overlap.area for overlap in solve_batch(shapes, pairs, device=device)]
    assert found == pytest.approx([solve(shapes[a], shapes[b]).area for a, b in pairs], rel=1e-3)


def test_answers_do_not_depend_on_how_many_go_at_once(
    shapes: list[PreparedMask], device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = all_pairs(3)
    whole = solve_batch(shapes, pairs, CONFIG, device=device)
    monkeypatch.setattr(batched, "NUMBERS_AT_ONCE", 1)
    single = solve_batch(shapes, pairs, CONFIG, device=device)
    assert [overlap.area for overlap in single] == pytest.approx([overlap.area for overlap in whole], rel=1e-3)
    assert NUMBERS_AT_ONCE > 1


@pytest.mark.parametrize("config", [CONFIG, dataclasses.replace(CONFIG, local_optimisations=100)])
def test_so_few_go_at_once_that_no_stage_takes_more_memory(
    shapes: list[PreparedMask], config: SearchConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the scan or the local optimisation takes most."""
    sizes: list[tuple[int, int]] = []

    def solved(table: batched._ShapeTable, pairs: torch.Tensor, config: SearchConfig) -> tuple[torch.Tensor, ...]:
        sizes.append((len(pairs), table.coarse.shape[-1]))
        return torch.ones(len(pairs)), torch.zeros(len(pairs), 3)

    monkeypatch.setattr(batched, "_solve", solved)
    monkeypatch.setattr(batched, "NUMBERS_AT_ONCE", 1 << 20)
    solve_batch(shapes, all_pairs(len(shapes)), config, device="cpu")
    assert sum(count for count, _ in sizes) == len(shapes) ** 2
    for count, segments in sizes:
        assert count * config.angles * (2 * config.frequencies + 1) * (config.frequencies + 1) <= 1 << 20
        assert count * config.local_optimisations * segments * 2 <= 1 << 20


@pytest.mark.parametrize("config", [{"angles": 2}, {"angles": 6}, {"local_optimisations": 1, "refinements": 1}])
def test_any_configuration(shapes: list[PreparedMask], config: dict[str, int], device: str) -> None:
    """Also numbers of angles that are not divisible by four."""
    small = dataclasses.replace(CONFIG, **config)
    pairs = np.array([(0, 1), (4, 2)])
    found = [overlap.area for overlap in solve_batch(shapes, pairs, small, device=device)]
    assert found == pytest.approx([solve(shapes[a], shapes[b], small).area for a, b in pairs], rel=0.02)


def test_unusable_shapes_are_one_line(shapes: list[PreparedMask]) -> None:
    blank, small = PreparedMask(np.zeros((SIDE, SIDE), np.uint8)), PreparedMask(np.ones((8, 8), np.uint8))
    with pytest.raises(InputError, match="blank"):
        solve_batch([shapes[0], blank], np.array([(0, 1)]), device="cpu")
    with pytest.raises(InputError, match="need the same size"):
        solve_batch([shapes[0], small], np.array([(0, 1)]), device="cpu")
