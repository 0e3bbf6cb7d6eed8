"""The upright shapes of Figure 1.4: as many families as are named, each in one piece and like itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy import ndimage

from metricvae.kinds.silhouette.sources.upright import MARGIN, UPRIGHT, draw_upright
from metricvae.reproduction.config import PlaneConfig
from metricvae.reproduction.plane import plane_section


def test_shapes_are_in_one_piece_and_within_the_margin() -> None:
    shapes = draw_upright(40, 64, seed=1)
    assert shapes.masks.shape == (40, 64, 64)
    assert set(shapes.families.tolist()) == set(range(len(UPRIGHT)))
    assert {ndimage.label(mask, np.ones((3, 3)))[1] for mask in shapes.masks} == {1}
    inside = slice(MARGIN - 1, 1 - MARGIN)
    assert shapes.masks.sum() == shapes.masks[:, inside, inside].sum()


def test_a_seed_gives_the_same_shapes() -> None:
    first, second, other = (draw_upright(5, 32, seed).masks for seed in (1, 1, 2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_shapes_of_one_family_are_more_alike_than_others() -> None:
    shapes = draw_upright(60, 64, seed=2)
    flat = shapes.masks.reshape(60, -1).astype(float)
    both = flat @ flat.T
    closeness = both / (flat.sum(1)[:, None] + flat.sum(1) - both)
    np.fill_diagonal(closeness, 0)
    assert np.array_equal(shapes.families[closeness.argmax(1)], shapes.families)


def test_the_figure_has_a_grid_of_decoded_shapes(tmp_path: Path) -> None:
    seen = []
    config = PlaneConfig(40, side=16, pairs=100, points=2, steps_factor=1)
    section = plane_section(config, tmp_path / "work", 2, 0, lambda *now: seen.append(now))
    assert section.figures[0].png.startswith(b"\x89PNG")
    assert "wrenches, stars, scissors, moose" in section.text
    assert {name for name, *_ in seen} == {"training on upright shapes"}
