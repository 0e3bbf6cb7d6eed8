"""The kind `image`: what is read, how sizes and channels are taken from objects, invariance, networks, a training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image
from torch import Tensor

import metricvae as mv
from metricvae.core.dataset import ObjectTable, PairDataset
from metricvae.core.errors import InputError
from metricvae.core.kind import ReadOptions, kind_from_json
from metricvae.core.metric import METRICS
from metricvae.kinds.image import transforms
from metricvae.kinds.image.io import as_levels
from metricvae.kinds.image.kind import ImageKind
from metricvae.nn.autoencoder import Tower, TowerConfig
from metricvae.nn.coders import Encoder
from metricvae.nn.layers import seeded_weights

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (6, 9), np.uint8)
COLOUR = RANDOM.integers(0, 256, (6, 9, 3), np.uint8)


def smooth_images(count: int, shape: tuple[int, int, int], *, framed: bool) -> Tensor:
    """(m, C, H, W) random images of low frequencies; `framed` ones fade to black well inside their borders."""
    height, width = shape[1:]
    noise = torch.randn(count, *shape, generator=torch.Generator().manual_seed(0))
    rows, columns = torch.fft.fftfreq(height)[:, None] * height, torch.fft.rfftfreq(width)[None] * width
    x = torch.fft.irfft2(torch.fft.rfft2(noise) * torch.exp(-(rows**2 + columns**2) / 8), s=(height, width))
    x = (0.2 * x / x.std((2, 3), keepdim=True) + 0.5).clamp(0, 1)
    if not framed:
        return x
    down, right = torch.arange(height)[:, None] - (height - 1) / 2, torch.arange(width)[None] - (width - 1) / 2
    return x * (5 * (0.6 - 2 * torch.hypot(down, right) / min(height, width))).clamp(0, 1)


def encoder_of(kind: ImageKind, x: Tensor) -> Encoder:
    """The kind's default encoder with its initial weights, scaled to images."""
    with seeded_weights(0):
        encoder = kind.default_encoder().build(32)
    encoder.fit_scaling(encoder.prepare(x))
    return encoder.eval()


@torch.no_grad()
def change(kind: ImageKind, x: Tensor, moved: Tensor) -> float:
    """Median change of the codes of images, relative to their lengths."""
    encoder = encoder_of(kind, x)
    before, after = encoder(encoder.prepare(x))[0], encoder(encoder.prepare(moved))[0]
    return float(((before - after).norm(dim=1) / before.norm(dim=1)).median())


# Reading


def save(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


def test_grey_and_colours_are_read_as_they_are(tmp_path: Path) -> None:
    kind = ImageKind()
    for ending in ("png", "bmp", "tiff"):
        assert np.array_equal(kind.read(save(tmp_path / f"grey.{ending}", Image.fromarray(GREY)))[..., 0], GREY)
        assert np.array_equal(kind.read(save(tmp_path / f"colour.{ending}", Image.fromarray(COLOUR))), COLOUR)
    assert kind.read(save(tmp_path / "a.jpg", Image.fromarray(COLOUR))).shape == COLOUR.shape
    assert np.array_equal(kind.convert(Image.fromarray(COLOUR)), COLOUR)
    assert np.array_equal(kind.convert(GREY)[..., 0], GREY)


def test_other_forms_of_pictures(tmp_path: Path) -> None:
    kind = ImageKind()
    palette = Image.fromarray(COLOUR).quantize(256)
    assert np.array_equal(kind.read(save(tmp_path / "palette.png", palette)), np.asarray(palette.convert("RGB")))
    deep = (GREY.astype(np.uint16) << 8) + GREY
    assert np.array_equal(kind.read(save(tmp_path / "deep.png", Image.fromarray(deep)))[..., 0], GREY)
    bits = Image.fromarray(GREY > 127)
    assert np.array_equal(kind.read(save(tmp_path / "bits.png", bits))[..., 0], np.where(GREY > 127, 255, 0))
    cmyk = kind.read(save(tmp_path / "print.tiff", Image.fromarray(COLOUR).convert("CMYK")))
    assert cmyk.shape == COLOUR.shape


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    opacity = np.full(GREY.shape, 255, np.uint8)
    opacity[:3] = 0
    layers = Image.fromarray(np.dstack([COLOUR, opacity]))
    found = ImageKind().read(save(tmp_path / "layers.png", layers))
    assert (found[:3] == 255).all()
    assert np.array_equal(found[3:], COLOUR[3:])
    grey = Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(opacity)])
    found = ImageKind().read(save(tmp_path / "grey.png", grey))
    assert found.shape == (6, 9, 1)
    assert (found[:3] == 255).all()


def test_a_photograph_is_read_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by a quarter
    found = ImageKind().read(save(tmp_path / "turned.png", Image.fromarray(GREY), exif=exif))
    assert np.array_equal(found[..., 0], np.rot90(GREY, -1))


def test_arrays_from_files(tmp_path: Path) -> None:
    for name, array in {"levels": COLOUR, "shares": (GREY / 255).astype(np.float32), "bits": GREY > 127}.items():
        np.save(tmp_path / f"{name}.npy", array)
    kind = ImageKind()
    assert np.array_equal(kind.read(tmp_path / "levels.npy"), COLOUR)
    assert np.array_equal(kind.read(tmp_path / "shares.npy")[..., 0], GREY)
    assert set(np.unique(kind.read(tmp_path / "bits.npy"))) == {0, 255}


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((2, 3, 4)), "expected numbers of the shape"),
        (np.zeros((0, 3)), "expected numbers of the shape"),
        (np.zeros((1, 5000)), "at most 4096 a side"),
        (np.array([["a"]]), "expected numbers of the shape"),
        (np.array([[np.nan, 0.0]]), "NaN or infinite pixels"),
        (np.array([[0.0, 16.0]]), "values from 0 to 16: expected whole numbers"),
        (np.array([[-1, 3]]), "values from -1 to 3"),
        (np.array([[0, 256]]), "values from 0 to 256"),
    ],
)
def test_arrays_that_are_no_images_are_refused(array: np.ndarray, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        as_levels(array)
    np.save(tmp_path / "bad.npy", array)
    with pytest.raises(InputError, match=words):
        ImageKind().read(tmp_path / "bad.npy")


def test_a_header_is_not_believed_before_memory_is_taken(tmp_path: Path) -> None:
    with open(tmp_path / "huge.npy", "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": (10**9, 10**9)})
    with pytest.raises(InputError, match="at most 4096 a side"):
        ImageKind().read(tmp_path / "huge.npy")
    np.save(tmp_path / "short.npy", COLOUR)
    whole = (tmp_path / "short.npy").read_bytes()
    (tmp_path / "short.npy").write_bytes(whole[:-5])
    with pytest.raises(InputError, match="damaged or cut short"):
        ImageKind().read(tmp_path / "short.npy")
    np.save(tmp_path / "objects.npy", np.array([[{}]], object), allow_pickle=True)
    with pytest.raises(InputError, match="expected numbers"):
        ImageKind().read(tmp_path / "objects.npy")


# Settings


def test_a_kind_takes_size_and_channels_from_its_objects() -> None:
    objects = [ImageKind().convert(one) for one in (GREY, COLOUR)]
    kind = ImageKind(invariance="shift").adapt(objects)
    assert kind == ImageKind(6, 9, 3, "shift") == kind_from_json(kind.to_json())
    x = kind.collate(objects)
    assert x.shape == (2, 3, 6, 9)
    assert torch.equal(x[0, 0], x[0, 2])
    assert torch.equal(x[1].permute(1, 2, 0), torch.from_numpy(COLOUR) / 255)
    assert ImageKind(channels=1).adapt(objects).channels == 1
    assert ImageKind().adapt([]) == ImageKind()


def test_images_of_other_sizes_are_refused_unless_they_are_fitted(tmp_path: Path) -> None:
    mixed = [GREY[..., None], GREY[..., None], GREY.T[..., None]]
    with pytest.raises(InputError, match=r"the images have different sizes \(9x6 and 6x9 pixels, number 1 and 3\)"):
        ImageKind().adapt(mixed)
    with pytest.raises(InputError, match=r"image 3 is 6x9 pixels, expected 9x6: resize it, or use --fit"):
        ImageKind(6, 9, 1).pack(mixed)
    path = save(tmp_path / "a.png", Image.fromarray(GREY))
    kind = ImageKind(12, 18, 1)
    with pytest.raises(InputError, match=r"a.png is 9x6 pixels, expected 18x12: resize it, or use --fit"):
        kind.read(path)
    assert kind.read(path, ReadOptions(fit=True)).shape == (12, 18, 1)
    assert ImageKind().read(path, ReadOptions(fit=True)).shape == (64, 64, 1)
    with pytest.raises(InputError, match="image 1 is 9x6 pixels, expected 18x12"):
        kind.pack([GREY[..., None]])


@pytest.mark.parametrize("settings", [{"invariance": "scale"}, {"channels": 2}, {"height": 0}, {"width": 5000}])
def test_settings_that_there_are_not_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(InputError, match="expected"):
        ImageKind(**settings)


def test_objects_come_back_from_tables_and_memory() -> None:
    kind = ImageKind(6, 9, 3)
    columns = kind.to_columns([COLOUR, COLOUR[::-1]])
    assert np.array_equal(kind.from_table(pa.table(columns))[1], COLOUR[::-1])
    assert np.array_equal(kind.restore(kind.pack([COLOUR]))[0], COLOUR)
    assert kind.pack([]).shape == (0, 162)
    assert kind.features == {"image": {"_type": "Image"}}


# Motions and invariance


def test_whole_shifts_are_circular() -> None:
    x = smooth_images(3, (3, 8, 11), framed=False)
    down, right = torch.tensor([1.0, -2.0, 0.0]), torch.tensor([3.0, 0.0, -5.0])
    moved = transforms.shift(x, down, right)
    for one, other, place in zip(moved, x, zip([1, -2, 0], [3, 0, -5], strict=True), strict=True):
        assert torch.equal(one, torch.roll(other, place, (1, 2)))
    half = transforms.shift(x, down / 2, right / 2)
    torch.testing.assert_close(half[2], (x[2].roll(-2, 2) + x[2].roll(-3, 2)) / 2)


def test_a_quarter_turn_is_counter_clockwise() -> None:
    x = smooth_images(2, (1, 9, 9), framed=False)
    torch.testing.assert_close(transforms.rotate(x, torch.full((2,), torch.pi / 2)), torch.rot90(x, 1, (2, 3)))
    coarse = transforms.polar(x, 4, 16, 0.5)
    turned = transforms.polar(torch.rot90(x, 1, (2, 3)), 4, 16, 0.5)
    torch.testing.assert_close(turned, coarse.roll(4, -1), atol=1e-5, rtol=0)


def test_motions_are_those_of_the_invariance() -> None:
    x = smooth_images(16, (1, 16, 16), framed=False)
    still = ImageKind(16, 16, 1).move(x, torch.Generator())
    assert torch.equal(still, x)
    assert [ImageKind(invariance=one).moves for one in ("none", "shift", "rotation", "both")] == [
        False,
        True,
        True,
        True,
    ]
    shifted = ImageKind(16, 16, 1, "shift").move(x, torch.Generator())
    assert torch.equal(shifted.flatten(1).sort().values, x.flatten(1).sort().values)
    for one, other in zip(shifted, x, strict=True):
        rolled = [torch.equal(one, other.roll((r, c), (1, 2))) for r in range(-4, 5) for c in range(-4, 5)]
        assert sum(rolled) == 1
    assert not torch.equal(ImageKind(16, 16, 1, "rotation").move(x, torch.Generator()), x)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 20, 31), (3, 96, 64)])
def test_codes_do_not_change_under_circular_shifts(shape: tuple[int, int, int]) -> None:
    channels, height, width = shape
    x = smooth_images(12, shape, framed=False)
    kind = ImageKind(height, width, channels, "shift")
    moved = kind.move(x, torch.Generator().manual_seed(1))
    assert change(kind, x, moved) < 1e-3
    assert change(ImageKind(height, width, channels), x, moved) > 0.1


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 40), (3, 96, 64)])
def test_codes_hardly_change_under_rotations(shape: tuple[int, int, int]) -> None:
    channels, height, width = shape
    for framed in (False, True):
        x = smooth_images(24, shape, framed=framed)
        kind = ImageKind(height, width, channels, "rotation")
        moved = kind.move(x, torch.Generator().manual_seed(1))
        assert change(kind, x, moved) < 0.05
        assert change(ImageKind(height, width, channels), x, moved) > 0.1


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 40), (3, 96, 64)])
def test_codes_hardly_change_under_rotations_with_shifts(shape: tuple[int, int, int]) -> None:
    channels, height, width = shape
    x = smooth_images(24, shape, framed=True)
    kind = ImageKind(height, width, channels, "both")
    moved = kind.move(x, torch.Generator().manual_seed(1))
    assert change(kind, x, moved) < 0.05
    assert change(ImageKind(height, width, channels, "rotation"), x, moved) > 0.1


def test_the_background_may_have_any_level() -> None:
    x = 1 - 0.5 * smooth_images(24, (3, 32, 32), framed=True)
    kind = ImageKind(32, 32, 3, "both")
    assert change(kind, x, kind.move(x, torch.Generator().manual_seed(1))) < 0.05


def test_bands_tell_textures_from_one_another_wherever_they_lie() -> None:
    x = smooth_images(8, (1, 48, 48), framed=False)
    moved = transforms.shift(torch.rot90(x, 1, (2, 3)), torch.full((8,), 5.0), torch.full((8,), -7.0))
    torch.testing.assert_close(transforms.band_amplitudes(moved, 5), transforms.band_amplitudes(x, 5))
    column = torch.arange(48) * 2 * torch.pi / 48
    waves = torch.stack([(k * column).cos().expand(48, 48) for k in (1, 2, 4, 8)])[:, None] / 2 + 0.5
    found = transforms.band_amplitudes(waves, 5)[:, 0]
    assert found.argmax(1).tolist() == [0, 1, 2, 3]
    torch.testing.assert_close(found.amax(1), torch.full((4,), 8**-0.5))


# Networks


@pytest.mark.parametrize("invariance", ["none", "shift", "rotation", "both"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 1), (5, 17, 3), (8, 8, 1), (47, 50, 3), (300, 40, 1)])
def test_default_networks_take_images_of_any_size(shape: tuple[int, int, int], invariance: str) -> None:
    kind = ImageKind(*shape, invariance)
    for objects in (None, 100):
        config = TowerConfig.of_kind(kind, objects)
        assert TowerConfig.from_json(config.to_json()) == config
        encoder, decoder = config.encoder.build(8), config.decoder.build(8)
        tower = Tower(encoder, decoder, None)
        x = kind.unpack(np.full((3, int(np.prod(shape))), 7, np.uint8))  # even images have no contents to centre
        features = encoder.prepare(x)
        encoder.fit_scaling(features)
        codes = tower.encode_features(features)
        logits = tower.decode(codes.mean)
        pictures = encoder.pictures(features)
        logits, pictures = decoder.reconstruction(logits, pictures)
        assert logits.shape == pictures.shape
        assert torch.isfinite(codes.mean).all()
        assert ((pictures >= 0) & (pictures <= 1)).all()
        assert torch.isfinite(encoder.descriptors(features)).all()
        torch.testing.assert_close(encoder.unpack(encoder.pack(features)), features, atol=1 / 500, rtol=0)
        assert encoder.mirror(encoder.mirror(features)).equal(features)


@pytest.mark.parametrize("invariance", ["none", "rotation"])
def test_the_mirror_image_is_that_of_the_mirrored_object(invariance: str) -> None:
    x = smooth_images(4, (3, 24, 24), framed=False)
    kind = ImageKind(24, 24, 3, invariance)
    encoder = encoder_of(kind, x)
    mirrored, expected = encoder.mirror(encoder.prepare(x)), encoder.prepare(x.flip(-1))
    codes = encoder(mirrored)[0], encoder(expected)[0]
    torch.testing.assert_close(*codes, atol=1e-3, rtol=1e-3)


def test_few_images_get_a_small_network() -> None:
    kind = ImageKind(28, 28, 1)
    sizes = [sum(p.numel() for p in kind.default_encoder(n).build(8).parameters()) for n in (100, None)]
    assert sizes[0] < sizes[1] / 2


def test_a_model_learns_from_images_and_predicts_files(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    levels = random.uniform(0.1, 0.9, 160)
    images = np.clip(levels[:, None, None] + random.normal(0, 0.1, (160, 8, 8)), 0, 1)
    kind = ImageKind()
    objects = [kind.convert(one) for one in images]
    kind = kind.adapt(objects)
    first, second = random.integers(0, 160, (2, 900))
    metric = METRICS.get("tabular")("product of levels").of_kinds("image")
    splits = random.choice(["train", "validation", "calibration", "test"], 900)
    data = PairDataset.from_objects(
        metric, ObjectTable.from_objects(kind, objects), first, second, levels[first] * levels[second], split=splits
    )
    settings = {"steps": 40, "batch_pairs": 32, "evaluate_every": 40, "threads": 1, "show_progress": False}
    model = mv.fit(data, tmp_path / "model", **settings)
    (tmp_path / "images").mkdir()
    names = [tmp_path / "images" / f"{place}.png" for place in range(8)]
    for name, one in zip(names, objects, strict=False):
        Image.fromarray(one[..., 0]).save(name)
    found = mv.load(tmp_path / "model").predict(names[:4], names[4:])
    wanted = levels[:4] * levels[4:8]
    assert np.abs(found.value - wanted).max() < 0.2
    assert model.predictor.kind("left") == ImageKind(8, 8, 1)
    with pytest.raises(InputError, match="9x6 pixels, expected 8x8"):
        model.predict(GREY, GREY)
    assert len(model.index(tmp_path / "images").search(names[0], 3)) == 3
