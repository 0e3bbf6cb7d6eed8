"""Files as they come: damaged, of another form than expected, or made to do harm. Each is refused in one line, or what
was made of it is said."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from cli_problem import disc
from metricvae.core.dataset_files import read_dataset
from metricvae.core.errors import InputError, InputWarning
from metricvae.core.libraries import ReadOptions
from metricvae.core.pair_list import read_pair_list, write_rows
from metricvae.kinds.image.io import read_image as read_levels
from metricvae.kinds.image.kind import ImageKind
from metricvae.kinds.molecule.readers import read as read_molecules
from metricvae.kinds.pocket.site_list import listed_sites
from metricvae.kinds.pocket.structures import structure_of
from metricvae.kinds.points.io import read_cloud
from metricvae.kinds.sequence.io import read_fasta
from metricvae.kinds.silhouette.io import read_image
from metricvae.kinds.silhouette.kind import SilhouetteKind
from metricvae.kinds.vector.io import read_numbers
from metricvae.kinds.vector.kind import VectorKind
from metricvae.kinds.volume.io import read_map, write_map
from metricvae.kinds.volume.kind import VolumeKind
from metricvae.kinds.volume.records import DensityMap
from metricvae.metrics.shape.solver.maps import _in_range
from metricvae.runtime.files import read_json, sha256_of, write_json
from metricvae.runtime.parquet import read_table
from metricvae.runtime.ray_pool import _kept
from metricvae.runtime.reading import inside
from metricvae.search.rerank import _library_reader
from metricvae.training.checkpoint import SHIPPED, WEIGHTS, load_model, read_tensors, write_tensors
from metricvae.training.logs import LOG, TrainingLog, read_log
from metricvae.training.model_document import CHECKSUM, CONFIG, digest_of, read_model_document, write_document
from metricvae.training.presets import preset_of_folder
from test_damaged_files import peak_memory

MASK = np.zeros((200, 200), np.uint8)
MASK[50:150, 60:90] = MASK[110:150, 60:140] = 255


def saved(format_name: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(MASK).save(file, format_name, **options)
    return file.getvalue()


WHOLE = {
    "PNG": saved("PNG"),
    "BMP": saved("BMP"),
    "GIF": saved("GIF"),
    "ICO": saved("ICO"),
    "TIFF": saved("TIFF"),
    "TIFF packed": saved("TIFF", compression="tiff_lzw"),
    "JPEG": saved("JPEG"),
    "WEBP": saved("WEBP", lossless=True),
}


# Pictures


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("cut", [1, 4, 0.01, 0.3])
def test_a_picture_that_is_cut_short_is_refused(name: str, cut: float, tmp_path: Path, capfd) -> None:
    whole = WHOLE[name]
    path = tmp_path / "a.png"
    path.write_bytes(whole)
    read_levels(path)
    path.write_bytes(whole[: len(whole) - max(1, int(cut if cut >= 1 else cut * len(whole)))])
    with pytest.raises(InputError, match=r"save or copy it again|expected PNG"):
        read_levels(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["x.eps", "x.png", "x.ps"])
def test_no_picture_starts_another_program(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / name).write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 200 200\n%%EndComments\nshowpage\n")
    monkeypatch.setattr("subprocess.Popen", lambda *_, **__: pytest.fail("a program was started"))
    monkeypatch.setattr("subprocess.check_call", lambda *_, **__: pytest.fail("a program was started"))
    with pytest.raises(InputError, match="expected PNG"):
        read_image(tmp_path / name)


def test_a_turned_photograph_is_read_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(MASK).save(tmp_path / "a.png", exif=exif)
    assert (read_image(tmp_path / "a.png") == np.rot90(MASK, -1) // 255).all()


@pytest.mark.parametrize("name", ["a.gif", "a.tif", "a.png", "a.webp"])
def test_of_several_frames_the_first_is_taken_and_said(name: str, tmp_path: Path) -> None:
    other = Image.fromarray(disc(40))
    Image.fromarray(MASK).save(tmp_path / name, save_all=True, append_images=[other], lossless=True)
    with pytest.warns(InputWarning, match="holds 2 pictures: the first is taken"):
        found = read_image(tmp_path / name)
    assert (found == MASK // 255).all()


@pytest.mark.parametrize(("level", "top"), [(700, 1023), (4000, 4095), (16000, 16383)])
def test_grey_levels_of_ten_to_fourteen_bits_are_taken_on_their_scale_and_said(
    level: int, top: int, tmp_path: Path
) -> None:
    Image.fromarray((MASK > 0).astype(np.uint16) * np.uint16(level)).save(tmp_path / "a.png")
    with pytest.warns(InputWarning, match=f"up to {level:,}: taken on the scale of 0 to {top:,}"):
        assert (read_image(tmp_path / "a.png") == MASK // 255).all()


@pytest.mark.parametrize("level", [1, 255, 65535])
def test_the_usual_scales_of_grey_levels_need_no_remark(level: int, tmp_path: Path) -> None:
    Image.fromarray((MASK > 0).astype(np.uint16) * np.uint16(level)).save(tmp_path / "a.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (read_image(tmp_path / "a.png") == MASK // 255).all()


# Files that are none, and documents without bounds


def pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
@pytest.mark.parametrize(
    "read",
    [
        lambda folder: read_pair_list(pipe(folder / "x.csv")),
        lambda folder: read_json(pipe(folder / "x.json")),
        lambda folder: read_image(pipe(folder / "x.png")),
        lambda folder: read_levels(pipe(folder / "x.npy")),
        lambda folder: list(read_molecules(pipe(folder / "x.sdf"))),
        lambda folder: structure_of(pipe(folder / "x.pdb")),
        lambda folder: listed_sites(pipe(folder / "x.txt")),
        lambda folder: VolumeKind().read(pipe(folder / "x.npy")),
        lambda folder: read_map(pipe(folder / "x.mrc")),
        lambda folder: read_cloud(pipe(folder / "x.csv")),
        lambda folder: read_numbers(pipe(folder / "x.csv")),
        lambda folder: list(read_fasta(pipe(folder / "x.fasta"))),
        lambda folder: read_table(pipe(folder / "x.parquet")),
        lambda folder: read_tensors(pipe(folder / "x.safetensors")),
    ],
)
def test_a_pipe_in_the_place_of_a_file_is_refused_at_once(read: Callable[[Path], object], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a file but a pipe: give the path of"):
        read(tmp_path)


@pytest.mark.parametrize("name", ["loop", "a\0b", "x" * 5000, "/dev/zero", "missing/x", "."])
def test_what_is_no_file_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for read in (read_json, read_pair_list, read_image):
        with pytest.raises(InputError) as caught:
            read(tmp_path / name)
        assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "[" * 100 + "]" * 100, "9" * 5000, '{"a": NaN}', "[1e999]", "{", "\ufffe", "", '"\x00"']
)
def test_a_document_without_bounds_is_refused_in_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_json(tmp_path / "x.json")
    assert str(tmp_path / "x.json") in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("name", ["../a", "/etc/passwd", "a/../../b", "", None, "..\\b", "C:\\b", "out/x", "a\0"])
def test_a_name_in_a_document_stays_in_its_folder(name: object, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "out").symlink_to(tmp_path)
    assert inside(tmp_path / "m", "a/b.png") == tmp_path / "m" / "a" / "b.png"
    with pytest.raises(InputError, match="leads out of"):
        inside(tmp_path / "m", name)


# Tables


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_cells_are_separated_as_the_header_has_it(mark: str, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).touch()
    (tmp_path / "x.csv").write_text(f"a{mark}note{mark}b\na.png{mark}x{mark}b.png\n", encoding="utf-8-sig")
    assert read_pair_list(tmp_path / "x.csv").names == (("a.png", "b.png"),)


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,b,a\nx,y,z\n")
    with pytest.raises(InputError, match="has two columns 'a': rename one"):
        read_pair_list(tmp_path / "x.csv")


def test_names_of_files_that_are_no_utf_8_come_back_as_they_are(tmp_path: Path) -> None:
    name = os.fsdecode(b"a\xff.png")
    write_rows(tmp_path / "x.csv", ["a"], [[name]])
    assert (tmp_path / "x.csv").read_bytes() == b"a\r\na\xff.png\r\n"


def test_a_library_has_files_whose_names_tables_can_hold(tmp_path: Path) -> None:
    Image.fromarray(MASK).save(tmp_path / os.fsdecode(b"a\xff.png"), "PNG")
    with pytest.raises(InputError, match=r"a\?\.png is not UTF-8, so no table can hold it: rename it"):
        SilhouetteKind().open_library(tmp_path, tmp_path)


# Maps


@pytest.mark.parametrize(
    ("spacing", "origin", "scale", "said"),
    [
        (1e30, 0, 1, "grid points"),
        (1e-30, 0, 1, "grid points"),
        (1, 1e30, 1, "origin"),
        (1, 0, 1e17, "values beyond 1e[+]15"),
    ],
)
def test_maps_beyond_belief_are_refused(spacing: float, origin: float, scale: float, said: str, tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((4, 5, 6)).astype(np.float32) * np.float32(scale)
    write_map(tmp_path / "x.mrc", DensityMap(values, np.full(3, spacing), np.full(3, origin)))
    with pytest.raises(InputError, match=said):
        read_map(tmp_path / "x.mrc")


@pytest.mark.parametrize("power", [120, -90])
def test_densities_of_any_scale_are_compared_as_exactly_as_others(power: int) -> None:
    values = np.random.default_rng(0).random((4, 5, 6)).astype(np.float32)
    assert _in_range(values) is values
    assert (_in_range(np.ldexp(values, power)) == _in_range(np.ldexp(values, 21))).all()


# Models and tables of strangers


def test_a_half_width_that_was_changed_is_noticed(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(SHIPPED / "halves", tmp_path / "m"))
    load_model(folder)
    text = (folder / CONFIG).read_text()
    (folder / CONFIG).write_text(text.replace('"threshold": 0.8', '"threshold": 0.1'))
    with pytest.raises(InputError, match=r"config\.json was changed after it was written"):
        load_model(folder)


@pytest.mark.parametrize("name", sorted(path.parent.name for path in SHIPPED.glob(f"*/{CONFIG}")))
def test_every_file_of_a_shipped_model_is_under_a_checksum(name: str) -> None:
    for config in (SHIPPED / name).rglob(CONFIG):
        text, beside = config.read_text(), [path for path in config.parent.iterdir() if path.is_file()]
        digests = [sha256_of(path) for path in beside if path.name not in (CONFIG, "README.md")]
        assert all(digest in text for digest in digests), config
        assert f'"{CHECKSUM}"' in text, config


@pytest.mark.parametrize("latent", [10**6, 10**9, 10**18, "wide"])
def test_a_configuration_that_does_not_fit_its_weights_takes_no_memory(latent: object, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(SHIPPED / "halves", tmp_path / "m"))
    document = read_model_document(folder)
    document["model"]["latent"] = latent
    write_tensors(folder / WEIGHTS, read_tensors(folder / WEIGHTS).tensors, {"model": digest_of(document["model"])})
    document["weights"]["sha256"] = sha256_of(folder / WEIGHTS)
    write_document(folder, document)
    before = peak_memory()
    with pytest.raises(InputError, match="restore"):
        load_model(folder)
    assert peak_memory() - before < 400


@pytest.mark.parametrize("content", [b"PAR1", b"", b"PAR1" + bytes(100) + b"PAR1"])
def test_a_table_that_cannot_be_read_behind_a_right_checksum_is_refused(content: bytes, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(Path(__file__).parent / "data" / "format-1-overlap", tmp_path / "d"))
    card = read_json(folder / "card.json")
    (folder / "pairs.parquet").write_bytes(content)
    card["sha256"]["pairs.parquet"] = sha256_of(folder / "pairs.parquet")
    write_json(folder / "card.json", card)
    for read in (read_dataset, preset_of_folder):
        with pytest.raises(InputError, match=r"pairs\.parquet cannot be read"):
            read(folder)


def test_broken_lines_of_a_log_are_left_out(tmp_path: Path) -> None:
    (tmp_path / LOG).write_bytes(b'{"step": 1}\n\xff{\n[1]\n{"step": 2}\n{"step": 3')
    assert [line["step"] for line in read_log(tmp_path)] == [1, 2]
    TrainingLog(tmp_path, 1).__exit__(None, None, None)
    assert (tmp_path / LOG).read_text() == '{"step": 1}\n'


def test_an_index_opens_what_it_was_made_of_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "library").mkdir()
    for path in (tmp_path / "secret.png", tmp_path / "library" / "a.png"):
        Image.fromarray(MASK).save(path)
    index = SimpleNamespace(
        library=lambda _: (tmp_path / "library", {}),
        kind=SilhouetteKind(),
        ids=["a.png", "a.png", "../secret.png", str(tmp_path / "secret.png")],
        magnitudes=[MASK.sum() // 255, 7, 7, 7],
    )
    read = _library_reader(index, 0, np.arange(4))
    assert (read(0) == MASK // 255).all()
    with pytest.raises(InputError, match=r"a\.png is not what the index was made of"):
        read(1)
    for row in (2, 3):
        with pytest.raises(InputError, match="leads out of"):
            read(row)


def test_objects_on_a_node_are_in_a_folder_of_its_own() -> None:
    content = b"objects"
    path = _kept(hashlib.sha256(content).hexdigest(), content)
    assert path.read_bytes() == content
    assert path.parent.stat().st_mode & 0o077 == 0
    with pytest.raises(InputError, match="changed on its way"):
        _kept("0" * 64, content)


class UnhashedBytes(bytes):
    """Bytes that cannot be a key."""

    __hash__ = None  # type: ignore[assignment]


def test_objects_on_a_node_are_known_by_their_digest() -> None:
    """Else each part hashes and compares the whole file."""
    content = UnhashedBytes(b"objects of many parts")
    digest = hashlib.sha256(content).hexdigest()
    assert _kept(digest, content) == _kept(digest, UnhashedBytes(content))


# Black on white


def test_black_on_white_is_said_and_inverted_where_that_is_asked_for(tmp_path: Path) -> None:
    Image.fromarray(255 - MASK).save(tmp_path / "a.png")
    with pytest.warns(InputWarning, match=r"a\.png is white along its border: .* give --invert"):
        assert (read_image(tmp_path / "a.png") == 1 - MASK // 255).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (read_image(tmp_path / "a.png", invert=True) == MASK // 255).all()
        assert (SilhouetteKind().convert(255 - MASK, ReadOptions(invert=True)) == MASK // 255).all()
        assert (ImageKind().read(tmp_path / "a.png", ReadOptions(invert=True))[..., 0] == MASK).all()


def test_a_command_says_it_on_stderr_and_only_images_are_inverted(command, tmp_path: Path) -> None:
    Image.fromarray(255 - MASK).save(tmp_path / "a.png")
    said = command("solve", tmp_path / "a.png", tmp_path / "missing.png")
    assert said.err.startswith(f"metricvae: {tmp_path / 'a.png'} is white along its border")
    assert (said.status, said.err.count("\n")) == (2, 2)
    said = command("solve", tmp_path / "a.png", tmp_path / "missing.png", "--invert")
    assert (said.status, said.err.count("\n")) == (2, 1)
    with pytest.raises(InputError, match="--invert is for images, got a vector: leave it out"):
        VectorKind().read(tmp_path / "x.txt", ReadOptions(invert=True))
