"""Novelty, and the latent prior: known shapes are let through, strange ones found; codes are drawn as they lie."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.covariance import LedoitWolf

from metricvae.core.errors import InputError
from metricvae.kinds.silhouette.records import Mask
from metricvae.kinds.silhouette.sources.generators import draw
from metricvae.prediction.latent_prior import PRIOR_FILE, LatentPrior, fit_latent_prior
from metricvae.prediction.novelty import FILE_0_1, NOVELTY_FILE, NoveltyDetector, fit_novelty_detector
from metricvae.prediction.predictor import Predictor
from metricvae.runtime.files import sha256_of
from metricvae.training.checkpoint import write_tensors


def normal(count: int, seed: int, scale: float = 1.0) -> torch.Tensor:
    """Draws in 40 dimensions, of which the first 5 vary much."""
    deviations = torch.cat([torch.linspace(1, 5, 5), torch.full((35,), 0.05)])
    return scale * deviations * torch.randn(count, 40, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def detector() -> NoveltyDetector:
    return fit_novelty_detector(normal(2000, 1), normal(2000, 3))


def mixed_codes() -> torch.Tensor:
    """4,000 codes in 8 dimensions that vary together, about 3."""
    mix = torch.randn(8, 8, generator=torch.Generator().manual_seed(9))
    return 3 + torch.randn(4000, 8, generator=torch.Generator().manual_seed(10)) @ mix


def test_of_the_same_kind_few_are_novel(detector: NoveltyDetector) -> None:
    share = (detector.novelty(normal(20_000, 4)) > 1).float().mean().item()
    assert share == pytest.approx(0.005, abs=0.003)


@pytest.mark.parametrize("direction", [0, 4, 39])
def test_what_lies_far_off_is_novel_in_any_direction(detector: NoveltyDetector, direction: int) -> None:
    off = normal(200, 5)
    off[:, direction] += 40
    assert (detector.novelty(off) > 1).all()


def test_the_distance_is_that_of_scikit_learn() -> None:
    """Directions that do not vary are not stored; what is computed is Mahalanobis's distance all the same."""
    readings, off = normal(500, 6), normal(50, 7, scale=3)
    readings[:, 30:] = 0
    fitted = LedoitWolf().fit(readings.numpy().astype(np.float64))
    detector = fit_novelty_detector(readings, normal(300, 8))
    assert len(detector.directions) == 30
    expected = torch.from_numpy(fitted.mahalanobis(off.numpy().astype(np.float64))) / 40
    torch.testing.assert_close(detector.distance(off).double(), expected, rtol=1e-3, atol=0)  # float32


def test_readings_that_do_not_vary_at_all_make_any_other_novel() -> None:
    same = torch.ones(50, 6)
    novelty = fit_novelty_detector(same, same).novelty(torch.stack([torch.ones(6), torch.zeros(6)]))
    assert novelty[0] <= 1 < novelty[1]


def test_codes_are_drawn_as_they_lie() -> None:
    codes = mixed_codes()
    drawn = fit_latent_prior(codes).draw(20_000, torch.Generator().manual_seed(11))
    assert torch.allclose(drawn.mean(0), codes.mean(0), atol=0.1)
    assert torch.allclose(drawn.T.cov(), codes.T.cov(), atol=0.6)


def test_both_survive_the_disk(detector: NoveltyDetector, tmp_path: Path) -> None:
    prior = fit_latent_prior(mixed_codes())
    calibration = {**detector.write(tmp_path), "latent_prior": prior.write(tmp_path)}
    again, drawn = NoveltyDetector.read(tmp_path, calibration), LatentPrior.read(tmp_path, calibration)
    assert again is not None
    assert drawn is not None
    x = normal(20, 12)
    assert torch.equal(again.novelty(x), detector.novelty(x))
    rounded = LatentPrior(prior.code_mean.half().float(), prior.code_root.half().float())
    chance = [torch.Generator().manual_seed(1) for _ in range(2)]
    assert torch.equal(drawn.draw(3, chance[0]), rounded.draw(3, chance[1]))


def test_a_prior_of_large_codes_survives_the_disk(tmp_path: Path) -> None:
    prior = fit_latent_prior(1e6 * mixed_codes())
    again = LatentPrior.read(tmp_path, {"latent_prior": prior.write(tmp_path)})
    assert again is not None
    assert torch.equal(again.code_root, prior.code_root)


def test_a_model_of_0_1_has_both_in_one_file(detector: NoveltyDetector, tmp_path: Path) -> None:
    prior = fit_latent_prior(mixed_codes())
    tensors = {name: getattr(detector, name) for name in ("mean", "directions", "variances")}
    tensors |= {"code_mean": prior.code_mean, "code_root": prior.code_root}
    write_tensors(tmp_path / FILE_0_1, tensors, {"scalars": [detector.floor, detector.limit]})
    calibration = {"reference": {"sha256": sha256_of(tmp_path / FILE_0_1)}}
    again, drawn = NoveltyDetector.read(tmp_path, calibration), LatentPrior.read(tmp_path, calibration)
    assert again is not None
    assert drawn is not None
    assert torch.equal(again.novelty(normal(20, 12)), detector.novelty(normal(20, 12)))
    assert torch.equal(drawn.code_root, prior.code_root)


def test_a_file_that_was_changed_is_refused(detector: NoveltyDetector, tmp_path: Path) -> None:
    calibration = {**detector.write(tmp_path), "latent_prior": fit_latent_prior(mixed_codes()).write(tmp_path)}
    for file, kind in ((NOVELTY_FILE, NoveltyDetector), (PRIOR_FILE, LatentPrior)):
        (tmp_path / file).write_bytes((tmp_path / file).read_bytes()[:-8])
        with pytest.raises(InputError, match=file):
            kind.read(tmp_path, calibration)
        (tmp_path / file).unlink()
        with pytest.raises(InputError, match=file):
            kind.read(tmp_path, calibration)


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
        "nearly full": np.pad(np.ones((198, 198), np.uint8), 1),  # white all over is no shape, and refused
        "far parts": far,
    }


@pytest.mark.parametrize("name", strange())
def test_strange_shapes_are_named_and_their_intervals_wide(shipped: Predictor, name: str) -> None:
    known, other = (shape.mask for shape in draw("mixed", 2, seed=0))
    said = shipped.predict_objects([(strange()[name], known), (known, other)])
    assert said.novel.tolist() == [True, False]
    assert said.high[0] - said.low[0] > 1.5 * (said.high[1] - said.low[1]) or said.low[0] == 0


def test_known_shapes_are_not(shipped: Predictor) -> None:
    masks = [shape.mask for shape in draw("mixed", 300, seed=99)]
    assert (shipped.encode(masks).novelty > 1).float().mean() < 0.03


def test_a_model_without_a_detector_calls_nothing_novel(tmp_path: Path) -> None:
    shutil.copytree(Predictor.load("overlap").loaded.folder, tmp_path / "model")
    predictor = Predictor.load(tmp_path / "model")
    predictor.detectors = {}
    assert not predictor.predict_objects([(strange()["noise"], strange()["grid"])]).novel.any()
