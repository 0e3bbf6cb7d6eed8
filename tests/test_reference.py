"""Novelty: shapes like those of the training are let through, strange ones are found, and their intervals widen."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from metricvae.core.errors import InputError
from metricvae.kinds.silhouette.records import Mask
from metricvae.kinds.silhouette.sources.generators import draw
from metricvae.prediction.novelty import FILE, Reference, fit_reference
from metricvae.prediction.predictor import Predictor


def normal(count: int, seed: int, scale: float = 1.0) -> torch.Tensor:
    """Draws in 40 dimensions, of which the first 5 vary much."""
    deviations = torch.cat([torch.linspace(1, 5, 5), torch.full((35,), 0.05)])
    return scale * deviations * torch.randn(count, 40, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def reference() -> Reference:
    return fit_reference(normal(2000, 1), normal(2000, 2)[:, :8], normal(2000, 3))


def test_of_the_same_kind_few_are_novel(reference: Reference) -> None:
    share = (reference.novelty(normal(20_000, 4)) > 1).float().mean().item()
    assert share == pytest.approx(0.005, abs=0.003)


@pytest.mark.parametrize("direction", [0, 4, 39])
def test_what_lies_far_off_is_novel_in_any_direction(reference: Reference, direction: int) -> None:
    off = normal(200, 5)
    off[:, direction] += 40
    assert (reference.novelty(off) > 1).all()


def test_the_distance_is_that_of_the_whole_shrunk_covariance() -> None:
    """Directions that hardly vary are not stored; what is computed is Mahalanobis's distance all the same."""
    read, off = normal(500, 6), normal(50, 7, scale=3)
    reference = fit_reference(read, read, normal(300, 8))
    centred = (read - read.mean(0)).double()
    covariance = centred.T @ centred / 499
    shrunk = covariance + 0.01 * covariance.diagonal().mean() * torch.eye(40, dtype=torch.float64)
    away = (off - read.mean(0)).double()
    expected = (away @ torch.linalg.inv(shrunk) * away).sum(1) / 40
    found = reference.novelty(off).double() * reference.limit
    assert torch.allclose(found, expected, rtol=0.1)
    assert len(reference.directions) < 40


def test_codes_are_drawn_as_they_lie() -> None:
    mix = torch.randn(8, 8, generator=torch.Generator().manual_seed(9))
    codes = 3 + torch.randn(4000, 8, generator=torch.Generator().manual_seed(10)) @ mix
    drawn = fit_reference(normal(100, 1), codes, normal(100, 2)).draw(20_000, torch.Generator().manual_seed(11))
    assert torch.allclose(drawn.mean(0), codes.mean(0), atol=0.1)
    assert torch.allclose(drawn.T.cov(), codes.T.cov(), atol=0.6)


def test_survives_the_disk(reference: Reference, tmp_path: Path) -> None:
    document = reference.write(tmp_path)
    again = Reference.read(tmp_path, document)
    x = normal(20, 12)
    assert torch.equal(again.novelty(x), reference.novelty(x))
    assert torch.equal(
        again.draw(3, torch.Generator().manual_seed(1)), reference.draw(3, torch.Generator().manual_seed(1))
    )


def test_a_file_that_was_changed_is_refused(reference: Reference, tmp_path: Path) -> None:
    document = reference.write(tmp_path)
    (tmp_path / FILE).write_bytes((tmp_path / FILE).read_bytes()[:-8])
    with pytest.raises(InputError, match=FILE):
        Reference.read(tmp_path, document)
    (tmp_path / FILE).unlink()
    with pytest.raises(InputError, match=FILE):
        Reference.read(tmp_path, document)


# The model that ships


@pytest.fixture(scope="module")
def shipped() -> Predictor:
    return Predictor.load("overlap")


def strange() -> dict[str, Mask]:
    """Shapes that no training set holds, and of which the model's answers were seen to be wrong."""
    generator = np.random.default_rng(0)
    rows, columns = np.indices((200, 200))
    far = np.zeros((200, 200), np.uint8)
    far[:30, :30] = far[-30:, -30:] = 1
    return {
        "speckle": (generator.random((200, 200)) < 0.1).astype(np.uint8),
        "noise": (generator.random((200, 200)) < 0.5).astype(np.uint8),
        "checks": ((rows // 8 + columns // 8) % 2).astype(np.uint8),
        "grid": ((rows % 10 == 0) | (columns % 10 == 0)).astype(np.uint8),
        "full": np.ones((200, 200), np.uint8),
        "far parts": far,
    }


@pytest.mark.parametrize("name", strange())
def test_strange_shapes_are_named_and_their_intervals_wide(shipped: Predictor, name: str) -> None:
    known, other = (shape.mask for shape in draw("mixed", 2, seed=0))
    said = shipped.predict_masks([(strange()[name], known), (known, other)])
    assert said.novel.tolist() == [True, False]
    assert said.high[0] - said.low[0] > 1.5 * (said.high[1] - said.low[1]) or said.low[0] == 0


def test_known_shapes_are_not(shipped: Predictor) -> None:
    masks = [shape.mask for shape in draw("mixed", 300, seed=99)]
    assert (shipped.encode(masks.__getitem__, len(masks)).novelty > 1).float().mean() < 0.03


def test_a_model_without_a_reference_calls_nothing_novel(tmp_path: Path) -> None:
    shutil.copytree(Predictor.load("overlap").loaded.folder, tmp_path / "model")
    predictor = Predictor.load(tmp_path / "model")
    predictor.reference = None
    assert not predictor.predict_masks([(strange()["noise"], strange()["grid"])]).novel.any()
