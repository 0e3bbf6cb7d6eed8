"""Files as they come: damaged, of another form than expected, or made to do harm. Each is refused in one line, or what
was made of it is said."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli_problem import disc
from metricvae.core.errors import InputError, InputWarning
from metricvae.kinds.image.io import read_image as read_levels
from metricvae.kinds.silhouette.io import read_image

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
