"""Silhouettes of canvases other than 200 x 200: read, fitted, stored, compared, learned and searched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image

import metricvae as mv
from metricvae.core.compatibility import check_kind
from metricvae.core.dataset import ObjectTable, PairDataset
from metricvae.core.errors import InputError
from metricvae.core.kind import ReadOptions, kind_from_json
from metricvae.core.metric import METRICS
from metricvae.kinds.half.kind import HalfKind
from metricvae.kinds.silhouette.canvas import resized
from metricvae.kinds.silhouette.encoders.contour import ContourEncoderConfig
from metricvae.kinds.silhouette.io import encode_png
from metricvae.kinds.silhouette.kind import SilhouetteKind
from metricvae.metrics.overlap.solver.files import read_pair
from metricvae.metrics.overlap.solver.search import PreparedMask, solve
from metricvae.nn.autoencoder import Tower, TowerConfig
from metricvae.nn.layers import seeded_weights
from metricvae.training.presets import default_preset, general_preset, preset

CANVASES = [(128, 128), (512, 512), (96, 160), (40, 30)]
FIT = ReadOptions(fit=True)


def rectangle(canvas: tuple[int, int], high: float, wide: float, row: float = 0.5, column: float = 0.5) -> np.ndarray:
    """A filled rectangle whose sides and centre are shares of the shorter side, and of the sides of the canvas."""
    down, right = np.indices(canvas)
    side = min(canvas)
    inside = (abs(down - row * (canvas[0] - 1)) < high * side / 2) & (
        abs(right - column * (canvas[1] - 1)) < wide * side / 2
    )
    return inside.astype(np.uint8)


# Settings


def test_a_kind_without_a_size_takes_that_of_its_objects() -> None:
    for canvas in CANVASES:
        kind = SilhouetteKind().adapt([rectangle(canvas, 0.5, 0.3)] * 2)
        assert kind == SilhouetteKind(*canvas) != SilhouetteKind()
        assert kind_from_json(kind.to_json()) == kind
    assert HalfKind().adapt([np.eye(30, dtype=np.uint8)]) == HalfKind(30, 30)
    mixed = [rectangle(canvas, 0.5, 0.3) for canvas in CANVASES[2:]]
    with pytest.raises(InputError, match=r"the silhouettes have different sizes \(160x96 and 30x40 pixels"):
        SilhouetteKind().adapt(mixed)
    with pytest.raises(InputError, match="silhouette 2 is 30x40 pixels, expected 160x96: scale it, or use --fit"):
        SilhouetteKind(96, 160).pack(mixed)


def test_without_objects_a_canvas_counts_as_200() -> None:
    assert SilhouetteKind() == SilhouetteKind(200, 200) == SilhouetteKind().adapt([])
    assert hash(SilhouetteKind()) == hash(SilhouetteKind(200, 200))
    assert SilhouetteKind().to_json() == {"name": "silhouette", "height": 200, "width": 200}
    assert SilhouetteKind() != HalfKind()
    with pytest.raises(InputError, match="expected 1 to 4096"):
        SilhouetteKind(0, 5)


def test_a_kind_takes_objects_of_its_canvas_alone() -> None:
    check_kind(SilhouetteKind(128, 128), HalfKind(128, 128), "they")
    for held in (SilhouetteKind(), HalfKind()):
        with pytest.raises(InputError, match="of other settings"):
            check_kind(SilhouetteKind(128, 128), held, "they")


# Reading


@pytest.mark.parametrize("canvas", CANVASES)
def test_objects_are_read_and_stored_at_their_size(canvas: tuple[int, int], tmp_path: Path) -> None:
    mask = rectangle(canvas, 0.5, 0.3)
    (tmp_path / "a.png").write_bytes(encode_png(mask))
    kind = SilhouetteKind(*canvas)
    assert np.array_equal(kind.read(tmp_path / "a.png"), mask)
    assert np.array_equal(SilhouetteKind().read(tmp_path / "a.png"), mask)
    assert np.array_equal(kind.from_table(pa.table(kind.to_columns([mask])))[0], mask)
    assert np.array_equal(kind.restore(kind.pack([mask]))[0], mask)
    assert kind.collate([mask]).shape == (1, 1, *canvas)
    expected = rf"{canvas[1]}x{canvas[0]} pixels, expected 200x200: scale it, or use --fit"
    with pytest.raises(InputError, match=expected):
        SilhouetteKind(200, 200).read(tmp_path / "a.png")
    with pytest.raises(InputError, match=expected):
        SilhouetteKind(200, 200).convert(mask)
    with pytest.raises(InputError, match=expected):
        SilhouetteKind().pack([mask])
    with pytest.raises(InputError, match=expected):
        SilhouetteKind().open_library(tmp_path, tmp_path).load(0)


@pytest.mark.parametrize("canvas", CANVASES)
def test_fitting_fills_the_canvas_of_the_kind(canvas: tuple[int, int], tmp_path: Path) -> None:
    mask = rectangle((300, 500), 0.3, 0.3, 0.3, 0.2)
    Image.fromarray(mask * np.uint8(255)).save(tmp_path / "a.png")
    kind = SilhouetteKind(*canvas)
    fitted = kind.read(tmp_path / "a.png", FIT)
    assert np.array_equal(kind.convert(mask, FIT), fitted)
    rows, columns = np.nonzero(fitted)
    assert fitted.shape == canvas
    assert rows.mean() == pytest.approx((canvas[0] - 1) / 2, abs=1)
    assert columns.mean() == pytest.approx((canvas[1] - 1) / 2, abs=1)
    assert fitted.sum() == pytest.approx(2 * (0.4 * min(canvas)) ** 2, rel=0.15)  # a square in a circle


# Networks


@pytest.mark.parametrize("kind", [SilhouetteKind, HalfKind])
@pytest.mark.parametrize("canvas", [(128, 128), (96, 160)])
def test_default_networks_follow_the_canvas(kind: type[SilhouetteKind], canvas: tuple[int, int]) -> None:
    config = TowerConfig.of_kind(kind(*canvas))
    assert TowerConfig.from_json(config.to_json()) == config
    tower = Tower(config.encoder.build(8), config.decoder.build(8), None).eval()
    x = kind(*canvas).collate([rectangle(canvas, 0.6, 0.3), rectangle(canvas, 0.3, 0.3)])
    codes = tower.encode(x)
    assert torch.isfinite(codes.mean).all()
    assert tower.picture(codes.mean).shape == (2, 1, max(canvas), max(canvas))
    assert TowerConfig.of_kind(kind()) == TowerConfig(kind(), kind().encoders[0](), kind().decoders[0]())


def test_a_preset_for_200_pixels_is_not_taken_for_other_canvases() -> None:
    metric, values = METRICS.get("overlap")(), np.arange(100_000.0)
    for kind in (SilhouetteKind(), SilhouetteKind(128, 96)):
        chosen = default_preset(metric, (kind, kind), values)
        assert chosen.model.kinds == (kind, kind)
    assert default_preset(metric, (SilhouetteKind(),) * 2, values) == preset("overlap")


@pytest.mark.parametrize("pairs", [1_000, 16_000, 80_000])
def test_a_preset_for_very_many_pairs_is_not_taken_for_few(pairs: int) -> None:
    """Nor one of its variants, nor the paper's network, whose trainings are shorter."""
    metric, kinds = METRICS.get("overlap")(), (SilhouetteKind(),) * 2
    few = default_preset(metric, kinds, np.arange(float(pairs)))
    assert few == general_preset(metric, kinds, np.arange(float(pairs)))
    many = preset("overlap").training
    assert few.training.steps * few.training.batch_pairs < many.steps * many.batch_pairs / 5


def test_contours_are_described_alike_at_every_size() -> None:
    """The same shape at 128 and 256 has nearly the same code; with radii for 200 pixels it has not."""

    def change(follow: bool) -> float:
        codes = []
        for side in (128, 256):
            with seeded_weights(0):
                config = resized(ContourEncoderConfig(), (side, side)) if follow else ContourEncoderConfig()
                encoder = config.build(16).eval()
            x = HalfKind(side, side).collate([rectangle((side, side), 0.7, 0.3)])
            with torch.no_grad():
                codes.append(encoder(encoder.prepare(x))[0])
        return float((codes[0] - codes[1]).norm() / codes[0].norm())

    assert change(follow=True) < 0.1 < change(follow=False)


# The exact solver


@pytest.mark.parametrize("canvas", CANVASES)
def test_the_overlap_solver_takes_any_one_canvas(canvas: tuple[int, int], tmp_path: Path) -> None:
    upright, flat = rectangle(canvas, 0.6, 0.3, 0.45, 0.55), rectangle(canvas, 0.3, 0.6)
    found = solve(PreparedMask(upright), PreparedMask(flat))
    assert found.area == pytest.approx(min(upright.sum(), flat.sum()), rel=0.02)
    assert mv.solve(upright, flat).value == pytest.approx(found.area)
    for name, mask in {"a": upright, "b": flat, "other": rectangle((50, 50), 0.5, 0.5)}.items():
        (tmp_path / f"{name}.png").write_bytes(encode_png(mask))
    assert solve(*read_pair(tmp_path / "a.png", tmp_path / "b.png")) == found
    with pytest.raises(InputError, match=rf"other.png is 50x50 pixels, expected {canvas[1]}x{canvas[0]}"):
        read_pair(tmp_path / "a.png", tmp_path / "other.png")
    first, second = read_pair(tmp_path / "a.png", tmp_path / "other.png", fit=True)
    assert first.mask.shape == second.mask.shape == (200, 200)


# Models


def test_a_model_of_200_pixels_refuses_others_unless_they_are_fitted() -> None:
    a, b = rectangle((128, 128), 0.6, 0.3), rectangle((128, 128), 0.3, 0.5)
    model = mv.load("overlap")
    with pytest.raises(InputError, match="128x128 pixels, expected 200x200: scale it, or use --fit"):
        model.predict(a, b)
    assert model.predict(a, b, fit=True).value > 0


@pytest.mark.parametrize("canvas", [(128, 128), pytest.param((512, 512), marks=pytest.mark.slow)])
def test_a_model_learns_predicts_and_searches_at_its_canvas(canvas: tuple[int, int], tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    sides = random.uniform(0.15, 0.6, (60, 2))
    masks = [rectangle(canvas, *pair) for pair in sides]
    kind = SilhouetteKind().adapt(masks)
    first, second = random.integers(0, 60, (2, 240))
    area = sides.prod(1)
    splits = random.choice(["train", "validation", "calibration", "test"], 240, p=[0.4, 0.2, 0.2, 0.2])
    metric = METRICS.get("tabular")("product of areas").of_kinds("silhouette")
    table = ObjectTable.from_objects(kind, masks)
    data = PairDataset.from_objects(metric, table, first, second, area[first] * area[second], split=splits)
    settings = {"steps": 6, "batch_pairs": 8, "evaluate_every": 6, "threads": 1, "show_progress": False}
    mv.fit(data, tmp_path / "model", **settings)
    model = mv.load(tmp_path / "model")
    assert model.predictor.kind("left") == SilhouetteKind(*canvas)
    folder = tmp_path / "shapes"
    folder.mkdir()
    for place in range(4):
        (folder / f"{place}.png").write_bytes(encode_png(masks[place]))
    assert np.isfinite(model.predict(folder / "0.png", masks[1]).value)
    assert len(model.index(folder).search(masks[0], 2)) == 2
    with pytest.raises(InputError, match=rf"50x50 pixels, expected {canvas[1]}x{canvas[0]}: scale it, or use --fit"):
        model.predict(masks[0], rectangle((50, 50), 0.5, 0.5))
    (folder / "other.png").write_bytes(encode_png(rectangle((50, 50), 0.5, 0.5)))
    with pytest.raises(InputError, match=r"other.png is 50x50 pixels"):
        model.index(folder)
