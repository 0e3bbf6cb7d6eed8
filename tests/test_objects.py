"""Shapes: every family, the glyphs and their groups, the sources, and reading images."""

from __future__ import annotations

import itertools
import json
import struct
import subprocess
import sys
import tracemalloc
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import shapely
from PIL import Image, ImageFile
from shapely import affinity

from metricvae.core.errors import InputError
from metricvae.core.splits import SPLITS, split_of
from metricvae.kinds.silhouette.io import decode_png, encode_png, read_folder, read_image
from metricvae.kinds.silhouette.records import SIZE, Silhouette, as_mask
from metricvae.kinds.silhouette.sources import glyph_grouping, glyphs
from metricvae.kinds.silhouette.sources.families import Family
from metricvae.kinds.silhouette.sources.generators import SOURCES, draw
from metricvae.kinds.silhouette.sources.procedural import FAMILIES
from metricvae.kinds.silhouette.sources.raster import rasterise

ROWS, COLUMNS = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2


def reach(mask: np.ndarray) -> float:
    """Distance from the canvas centre to the farthest pixel centre inside."""
    return float(np.hypot(ROWS, COLUMNS)[mask > 0].max())


def square(side: int = 60) -> np.ndarray:
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[50 : 50 + side, 70 : 70 + side] = 1
    return mask


def save(path: Path, values: np.ndarray, **options: object) -> Path:
    Image.fromarray(values).save(path, **options)
    return path


# --- families ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_family(family: Family) -> None:
    shapes = [family.draw(np.random.default_rng(seed)) for seed in range(12)]
    again = family.draw(np.random.default_rng(3))
    assert shapely.equals_exact(again, shapes[3], tolerance=0)
    masks = [rasterise(shape, 80) for shape in shapes]
    for shape, mask in zip(shapes, masks, strict=True):
        assert shape.geom_type in ("Polygon", "MultiPolygon")
        assert shape.is_valid
        assert mask.sum() >= 300
        assert 70 <= reach(mask) <= 80.5
    for one, other in itertools.combinations(masks, 2):
        assert (one != other).mean() > 1e-3


def test_there_are_many_families_with_distinct_names() -> None:
    names = {family.name for family in FAMILIES}
    assert len(names) == len(FAMILIES) >= 18
    asked = "wrench gear star arrow cross branching spiral blob polygon comb ring rays composite"
    assert names.issuperset(asked.split())


def test_a_disc_has_its_area_and_a_hole_is_kept() -> None:
    disc = shapely.Point(3, -7).buffer(2, quad_segs=64)
    mask = rasterise(disc, 60)
    assert mask.dtype == np.uint8
    assert mask.flags.c_contiguous
    assert set(np.unique(mask)) == {0, 1}
    assert mask.sum() == pytest.approx(np.pi * 60**2, rel=0.01)
    island = shapely.Point(3, -7).buffer(0.5)
    ring = disc.difference(shapely.Point(3, -7).buffer(1)).union(island)
    assert rasterise(ring, 60).sum() == pytest.approx(np.pi * (60**2 - 30**2 + 15**2), rel=0.02)


def test_the_angle_is_counter_clockwise() -> None:
    flag = shapely.Polygon([(0, 0), (4, 0), (4, 1), (1, 1), (1, 2), (0, 2)])
    upright, rotated = rasterise(flag, 80), rasterise(flag, 80, 90)
    assert (np.rot90(upright) != rotated).mean() < 5e-3
    assert upright[:100].sum() < upright[100:].sum()


@pytest.mark.parametrize("empty", [shapely.Polygon(), shapely.MultiPolygon()])
def test_an_empty_geometry_is_blank(empty: shapely.Geometry) -> None:
    assert rasterise(empty, 80).sum() == 0


# --- sources ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=SOURCES)
def drawn(request: pytest.FixtureRequest) -> tuple[str, list[Silhouette]]:
    return request.param, draw(request.param, 400, 17)


def test_shapes_are_fit_for_use(drawn: tuple[str, list[Silhouette]]) -> None:
    _, shapes = drawn
    for shape in shapes:
        assert shape.mask.shape == (SIZE, SIZE)
        assert shape.mask.dtype == np.uint8
        assert shape.mask.flags.c_contiguous
        assert shape.mask.max() == 1
        assert shape.area >= 300
        assert reach(shape.mask) <= 95.5
    assert len({shape.id for shape in shapes}) == len(shapes)
    assert len({shape.mask.tobytes() for shape in shapes}) == len(shapes)


def test_any_part_can_be_drawn_alone(drawn: tuple[str, list[Silhouette]]) -> None:
    source, shapes = drawn
    for start, count in ((0, 3), (123, 5), (399, 1), (7, 0)):
        part = draw(source, count, 17, start=start)
        for one, other in zip(part, shapes[start : start + count], strict=True):
            assert (one.id, one.group, one.family, one.source) == (other.id, other.group, other.family, other.source)
            assert np.array_equal(one.mask, other.mask)
    assert not np.array_equal(draw(source, 1, 18)[0].mask, shapes[0].mask)


def test_ids_and_groups(drawn: tuple[str, list[Silhouette]]) -> None:
    source, shapes = drawn
    kinds = Counter(shape.source for shape in shapes)
    assert set(kinds) == ({"glyphs", "procedural"} if source == "mixed" else {source})
    if source == "mixed":
        assert 0.33 <= kinds["glyphs"] / len(shapes) <= 0.47
    for index, shape in enumerate(shapes):
        assert shape.id.startswith(f"{source}/")
        assert shape.id.endswith(f"-17-{index}")
        if shape.source == "procedural":
            assert shape.group == shape.id
            assert shape.family in {family.name for family in FAMILIES}
        else:
            assert shape.group.startswith("glyphs/U+")


def test_the_same_in_a_fresh_process() -> None:
    code = """
import hashlib, sys
from metricvae.kinds.silhouette.sources.generators import draw
assert "torch" not in sys.modules and "matplotlib" not in sys.modules
print(hashlib.sha256(b"".join(s.id.encode() + s.mask.tobytes() for s in draw("mixed", 8, 5, start=2))).hexdigest())
"""
    command = [sys.executable, "-c", code]
    runs = {subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2)}
    assert len(runs) == 1


def test_split_shares_and_stability() -> None:
    counts = Counter(split_of(f"procedural/gear-1-{k}") for k in range(20000))
    for split, share in SPLITS.items():
        assert counts[split] / 20000 == pytest.approx(share, abs=0.01)
    groups = {split_of(glyphs.group_name(group)) for group in glyphs.glyph_groups()}
    assert groups == set(SPLITS)
    # Data sets on people's disks depend on these.
    assert [split_of(f"glyphs/U+{point:04X}") for point in (0x41, 0x4D, 0x2702)] == ["train", "test", "train"]


@pytest.mark.parametrize(
    ("arguments", "word"), [(("cats", 1, 0), "cats"), (("mixed", -1, 0), "count"), (("mixed", 1, -5), "seed")]
)
def test_draw_refuses(arguments: tuple[str, int, int], word: str) -> None:
    with pytest.raises(InputError, match=word):
        draw(*arguments)


# --- glyphs -----------------------------------------------------------------------------------------------------------


def group_of(character: str) -> tuple[int, ...]:
    return next(group for group in glyphs.glyph_groups() if ord(character) in group)


@pytest.mark.parametrize("alike", ["A\u0391\u0410", "\u2190\u2191\u2192\u2193", "OΟО", "bdpq", "()", "ᐃᐅᐁᐊ"])
def test_look_alikes_share_a_group(alike: str) -> None:
    assert len({group_of(character) for character in alike}) == 1


def test_different_characters_do_not() -> None:
    assert len({group_of(character) for character in "AGRSW8&@\u2702\u2699\u2605\u2620"}) == 12


def test_groups_cover_each_usable_glyph_once_and_none_swallows_all() -> None:
    groups = glyphs.glyph_groups()
    points = [point for group in groups for point in group]
    assert len(points) == len(set(points)) > 5500
    assert all(list(group) == sorted(group) for group in groups)
    assert len(groups) > 2500
    assert max(map(len, groups)) < 0.06 * len(points)
    known = set().union(*(glyphs.code_points(font) for font in glyphs.FONTS))
    assert known.issuperset(points)
    for point in points[::97]:
        assert any(glyph_grouping.usable(point, font) for font in glyphs.fonts_with(point))


def test_alike_glyphs_are_in_one_group_of_the_shipped_file() -> None:
    points = [ord(character) for character in "AΑАBВ8OQбЖ→↑↔✂☠"]
    spectra = [glyph_grouping.spectrum_of(glyphs.outline(point)) for point in points]
    linked = 0
    for (a, one), (b, other) in itertools.combinations(zip(points, spectra, strict=True), 2):
        if glyph_grouping.similarity(one, other) >= glyph_grouping.SAME:
            linked += 1
            assert group_of(chr(a)) == group_of(chr(b))
    assert linked >= 5


def test_the_similarity_is_invariant_to_rotation_and_reflection() -> None:
    flag, other = glyphs.outline(ord("F")), glyphs.outline(ord("G"))
    spectrum = glyph_grouping.spectrum_of(flag)
    for same in (affinity.rotate(flag, 77), affinity.scale(flag, -3, 3)):
        assert glyph_grouping.similarity(spectrum, glyph_grouping.spectrum_of(same)) > 0.93
    assert glyph_grouping.similarity(spectrum, glyph_grouping.spectrum_of(other)) < 0.8


def test_outlines_have_their_holes() -> None:
    assert len(glyphs.outline(ord("8")).interiors) == 2
    bull = glyphs.outline(0x25CE)
    assert shapely.get_num_geometries(bull) == 2
    assert glyphs.outline(ord(" ")).is_empty
    assert not glyphs.outline(0x2699).is_empty


def test_glyph_families() -> None:
    names = {glyphs.family_of(ord(character)) for character in "AαЖ5→!✂"}
    assert names == {"latin", "greek", "cyrillic", "number", "math", "punctuation", "symbol"}


def test_missing_fonts_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glyphs.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r'pip install "metricvae\[glyphs\]"'):
        glyphs.font_folder()


def test_the_group_file_is_plain_json() -> None:
    text = Path(glyphs.__file__).with_name("glyph_groups.json").read_text()
    assert json.loads(text)["same"] == glyph_grouping.SAME
    assert len(text) < 100_000


# --- images -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "I;16", "I", "F"])
def test_any_mode_reads_alike(mode: str, tmp_path: Path) -> None:
    grey = Image.fromarray(square() * np.uint8(255))
    path = tmp_path / ("shape.tif" if mode in ("I", "F") else "shape.png")
    deep = square().astype(np.uint16) * 65535
    (Image.fromarray(deep) if mode == "I;16" else grey.convert(mode)).save(path)
    assert np.array_equal(read_image(path), square())


@pytest.mark.parametrize("extension", ["png", "bmp", "gif", "webp", "tif", "pgm"])
def test_any_format_reads_alike(extension: str, tmp_path: Path) -> None:
    options = {"lossless": True} if extension == "webp" else {}
    assert np.array_equal(read_image(save(tmp_path / f"a.{extension}", square() * np.uint8(255), **options)), square())


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (200, 30, 30)])
def test_opacity_is_the_shape_of_an_icon_of_one_colour(colour: tuple[int, int, int], tmp_path: Path) -> None:
    layers = np.zeros((SIZE, SIZE, 4), np.uint8)
    layers[square() > 0] = (*colour, 255)
    assert np.array_equal(read_image(save(tmp_path / "icon.png", layers)), square())


def test_two_colours_with_transparency_are_taken_as_seen_on_black(tmp_path: Path) -> None:
    layers = np.zeros((SIZE, SIZE, 4), np.uint8)
    layers[20:180, 20:180] = (10, 10, 10, 255)
    layers[square() > 0] = (250, 250, 250, 255)
    assert np.array_equal(read_image(save(tmp_path / "icon.png", layers)), square())


def test_png_bytes_come_back_and_are_the_same_each_time() -> None:
    for shape in draw("mixed", 10, 3):
        content = encode_png(shape.mask)
        assert content == encode_png(shape.mask.copy())
        back = decode_png(content)
        assert np.array_equal(back, shape.mask)
        assert back.dtype == np.uint8
        assert back.flags.c_contiguous


def bomb(side: int) -> bytes:
    """A PNG that claims to be side x side: header and a few bytes of pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(5000))) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [4097, 9500, 20_000, 100_000])
@pytest.mark.parametrize("fit", [False, True])
def test_a_bomb_is_refused_before_it_is_decoded(side: int, fit: bool, tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(bomb(side))
    tracemalloc.start()
    with pytest.raises(InputError, match=r"bomb\.png .*4096x4096: scale it down"):
        read_image(path, fit=fit)
    assert tracemalloc.get_traced_memory()[1] < 4e6
    tracemalloc.stop()
    with pytest.raises(InputError, match="4096"):
        decode_png(bomb(side))


def bad_files(folder: Path) -> dict[str, tuple[Path, str]]:
    whole = encode_png(square())
    (folder / "text.png").write_text("I am not a picture")
    (folder / "empty.png").write_bytes(b"")
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "folder.png").mkdir()
    (folder / "flipped.png").write_bytes(whole[:60] + bytes([whole[60] ^ 255]) + whole[61:])
    nan = np.where(square() > 0, np.nan, 0).astype(np.float32)
    return {
        "missing": (folder / "none.png", "does not exist"),
        "text": (folder / "text.png", "not a picture"),
        "empty": (folder / "empty.png", "not a picture"),
        "cut": (folder / "cut.png", "cut short"),
        "flipped": (folder / "flipped.png", "damaged"),
        "folder": (folder / "folder.png", "not a file"),
        "blank": (save(folder / "blank.png", np.zeros((SIZE, SIZE), np.uint8)), "blank"),
        "white": (save(folder / "white.png", np.full((SIZE, SIZE), 255, np.uint8)), "white all over"),
        "nan": (save(folder / "nan.tif", nan), "grey levels"),
        "size": (save(folder / "size.png", np.full((30, 40), 255, np.uint8)), "40x30 pixels, expected 200x200.*--fit"),
    }


@pytest.mark.parametrize(
    "case", ["missing", "text", "empty", "cut", "flipped", "folder", "blank", "white", "nan", "size"]
)
def test_bad_input_is_one_line_that_names_the_file(case: str, tmp_path: Path) -> None:
    path, words = bad_files(tmp_path)[case]
    with pytest.raises(InputError, match=words) as caught:
        read_image(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("case", ["missing", "text", "cut", "blank", "white", "nan"])
def test_fit_does_not_excuse_bad_input(case: str, tmp_path: Path) -> None:
    path, words = bad_files(tmp_path)[case]
    with pytest.raises(InputError, match=words):
        read_image(path, fit=True)


def read_or_refuse(path: Path, content: bytes) -> np.ndarray | None:
    """The mask in these bytes, none where they are refused by a line that names the file."""
    path.write_bytes(content)
    try:
        return read_image(path)
    except InputError as error:
        message = str(error)
    assert str(path) in message
    return None


def test_a_changed_byte_of_a_png_never_gives_another_mask(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    whole = draw("mixed", 1, 3)[0].mask
    content = encode_png(whole)
    for place, change in zip(random.integers(len(content), size=300), random.integers(1, 256, size=300), strict=True):
        damaged = content[:place] + bytes([content[place] ^ change]) + content[place + 1 :]
        found = read_or_refuse(tmp_path / "damaged.png", damaged)
        assert found is None or np.array_equal(found, whole), place


def test_the_chunks_of_a_png_are_checked_to_the_end(tmp_path: Path) -> None:
    content = encode_png(square())
    assert content.endswith(b"IEND\xae\x42\x60\x82")
    for damaged in (content[:-12], content[:-8] + b"IEMD" + content[-4:]):
        assert read_or_refuse(tmp_path / "open.png", damaged) is None
    broken = content[:-13] + bytes([content[-13] ^ 1]) + content[-12:]  # in the checksum of the pixels itself
    assert read_or_refuse(tmp_path / "broken.png", broken) is None


@pytest.mark.parametrize("lenient", [False, True], ids=["", "other-code-lets-pillow-load-truncated-images"])
@pytest.mark.parametrize("extension", ["png", "bmp", "gif", "webp", "tif", "pgm", "jpg", "tga", "jp2"])
def test_a_picture_that_is_cut_short_never_gives_another_mask(
    extension: str, lenient: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", lenient)
    path = save(tmp_path / f"whole.{extension}", square() * np.uint8(255))
    whole, content = read_image(path), path.read_bytes()
    for share in (0.005, 0.01, 0.1, 0.5):
        found = read_or_refuse(tmp_path / f"cut.{extension}", content[: -max(1, int(share * len(content)))])
        assert found is None or np.array_equal(found, whole)
    assert ImageFile.LOAD_TRUNCATED_IMAGES is lenient


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    with open(path, "wb") as file:
        file.truncate(65 * 2**20)
    with pytest.raises(InputError, match="bytes"):
        read_image(path)


@pytest.mark.parametrize("size", [(31, 17), (200, 200), (640, 480), (3000, 50)])
def test_fit_centres_and_scales(size: tuple[int, int], tmp_path: Path) -> None:
    width, height = size
    values = np.zeros((height, width), np.uint8)
    values[height // 4 : height // 2, width // 5 : width // 2] = 255
    mask = read_image(save(tmp_path / "any.png", values), fit=True)
    tall, wide = height // 2 - height // 4, width // 2 - width // 5
    expected = tall * wide * (160 / np.hypot(tall, wide)) ** 2
    assert mask.sum() == pytest.approx(expected, rel=0.15)
    assert reach(mask) == pytest.approx(80, abs=4)  # corners of 9x4 pixels turn round when enlarged
    rows, columns = np.nonzero(mask)
    assert rows.mean() == pytest.approx(99.5, abs=0.6)
    assert columns.mean() == pytest.approx(99.5, abs=0.6)


def test_fit_leaves_a_fitted_shape_nearly_alone(tmp_path: Path) -> None:
    shape = rasterise(glyphs.outline(0x2702), 80)
    mask = read_image(save(tmp_path / "same.png", shape * np.uint8(255)), fit=True)
    assert (mask != shape).sum() <= 0.03 * shape.sum()


def test_a_folder_of_images(tmp_path: Path) -> None:
    folder = tmp_path / "my icons"
    (folder / "sub").mkdir(parents=True)
    for name in ("b.png", "a.PNG", "sub/c.png", ".hidden.png"):
        (folder / name).write_bytes(encode_png(square()))
    for name in ("pairs.csv", "README.md", "LICENCE.txt"):
        (folder / name).write_text("x")
    shapes = read_folder(folder)
    assert [shape.id for shape in shapes] == ["a.PNG", "b.png", "sub/c.png"]
    assert {(shape.source, shape.family) for shape in shapes} == {("my icons", "my icons")}
    assert all(shape.group == shape.id and shape.area == 3600 for shape in shapes)
    (folder / "z.png").write_text("no")
    with pytest.raises(InputError, match=r"z\.png"):
        read_folder(folder)


def test_folders_without_images(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(InputError, match="no image"):
        read_folder(tmp_path)
    with pytest.raises(InputError, match="not a folder"):
        read_folder(tmp_path / "nothing")


# --- arrays -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.full((SIZE, SIZE), np.nan), "NaN"),
        (np.zeros((SIZE, SIZE)), "blank"),
        (np.ones((SIZE, SIZE)), "white"),
        (np.zeros((SIZE, SIZE, 3)), "2-D"),
        (np.zeros((10, 20)), "20x10"),
        (np.full((SIZE, SIZE), -1), "values"),
        (np.full((SIZE, SIZE), "a"), "numbers"),
    ],
)
def test_bad_arrays(values: np.ndarray, words: str) -> None:
    with pytest.raises(InputError, match=words):
        as_mask(values)


@pytest.mark.parametrize("factor", [True, 1, 255, 1.0, 0.9])
def test_good_arrays(factor: float) -> None:
    assert np.array_equal(as_mask(square() * factor), square())
