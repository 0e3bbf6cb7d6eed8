"""What fuzzing found: a file or a text for each defect, as small as it comes."""

from __future__ import annotations

import struct
import subprocess
import sys
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from metricvae.cli import parser_of
from metricvae.cli.config_file import with_config
from metricvae.core.array_files import ArrayFiles
from metricvae.core.constraints import parse_constraint
from metricvae.core.dataset import PairDataset
from metricvae.core.errors import InputError, InputWarning, say_of_input, shortened
from metricvae.core.importing.request import as_kind
from metricvae.core.pair_list import read_pair_list
from metricvae.core.requirements import forms_for, parse_requirement
from metricvae.kinds.image.io import read_image
from metricvae.kinds.molecule.kind import MoleculeKind
from metricvae.kinds.pocket.site_list import listed_sites
from metricvae.kinds.points.encoders.measures import quantiles
from metricvae.kinds.points.io import read_cloud
from metricvae.kinds.sequence.kind import SequenceKind
from metricvae.kinds.vector.io import read_numbers
from metricvae.kinds.volume.arrays import read_npy
from metricvae.prediction.calibration.conformal import Conformal
from metricvae.search.ann import InvertedFile
from metricvae.search.expressions import parse_condition


def npy(header: str, data: bytes = b"") -> bytes:
    """A NumPy file with a header of choice."""
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


HEADERS = {
    "not closed": "{'descr': '<f4', 'shape': (3,",
    "brackets": "(" * 3000,
    "no shape": "{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999999999999999, 0), }",
    "negative": "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 3), }",
}
READERS: dict[str, Callable[[Path], Any]] = {
    "image": read_image,
    "volume": read_npy,
    "cloud": read_cloud,
    "vector": read_numbers,
    "address": lambda path: ArrayFiles().read(path, None),
    "row": lambda path: ArrayFiles().read(path, "0"),
}


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("reader", READERS)
def test_a_header_that_is_no_python_is_bad_input(header: str, reader: str, tmp_path: Path) -> None:
    (tmp_path / "x.npy").write_bytes(npy(HEADERS[header], bytes(36)))
    with pytest.raises(InputError):
        READERS[reader](tmp_path / "x.npy")


@pytest.mark.parametrize("reader", ["cloud", "address", "row"])
def test_arrays_that_python_2_wrote_are_read_without_a_word(reader: str, tmp_path: Path) -> None:
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (3L, 3L), }"
    (tmp_path / "x.npy").write_bytes(npy(header, np.arange(9, dtype="<f4").tobytes()))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        READERS[reader](tmp_path / "x.npy")


def test_an_array_is_refused_in_a_line_that_can_be_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.arange(900.0))
    content = bytearray((tmp_path / "x.npz").read_bytes())
    content[26:28] = struct.pack("<H", 3000)  # the length of the name of the first member
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(InputError) as caught:
        ArrayFiles().read(tmp_path / "x.npz", "a")
    assert len(str(caught.value)) < 400


def test_what_controls_a_terminal_is_not_passed_on(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"1\n\x1b[2J\x9b31m\n3\n")
    with pytest.raises(InputError) as caught:
        read_numbers(tmp_path / "x.csv")
    assert str(caught.value).isprintable()
    for text in ("a\x07b", "a\u2028b\u200bc", "\ud800"):
        assert str(InputError(text)).isprintable()
        assert shortened(text).isprintable()
        with pytest.warns(InputWarning) as said:
            say_of_input(text)
        assert str(said[0].message).isprintable()
    assert str(InputError("one  two\nthree é")) == "one two three é"


@pytest.mark.parametrize("text", ["x,y\n1,2,3\n", "x,y,z,q\n1,2\n", "a;x;y;z\nC;1;2\n"])
def test_a_header_that_is_not_as_wide_as_its_rows_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(InputError, match="names in its header"):
        read_cloud(tmp_path / "x.csv")


def test_a_number_that_its_type_in_a_ply_cannot_hold_is_refused(tmp_path: Path) -> None:
    head = "ply\nformat ascii 1.0\nelement vertex 1\nproperty uchar x\nproperty uchar y\nend_header\n"
    (tmp_path / "x.ply").write_text(f"{head}256 1\n")
    with pytest.raises(InputError, match="cannot be read as PLY"):
        read_cloud(tmp_path / "x.ply")


def test_of_no_pairs_of_points_the_quantiles_are_nought() -> None:
    assert torch.equal(quantiles(torch.empty(2, 0), torch.zeros(2, dtype=torch.long), 5), torch.zeros(2, 5))


def test_an_inverted_file_allocates_no_more_than_it_has(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(80, 4)).astype(np.float32)
    InvertedFile.build([vectors], vectors, 80, threads=1).write(tmp_path / "x.faiss")
    content = bytearray((tmp_path / "x.faiss").read_bytes())
    place = content.index(b"IxFI") + 4 + 33  # the count of the numbers of its centres
    assert struct.unpack("<Q", content[place : place + 8])[0] == 8
    content[place : place + 8] = struct.pack("<Q", 2**39)
    (tmp_path / "x.faiss").write_bytes(content)
    with pytest.raises(InputError, match="make the index again"):
        InvertedFile.read(tmp_path / "x.faiss", to_change=True)


@pytest.mark.parametrize("kind", ['{"name": ' + "9" * 5000 + "}", '{"name": "x" ' * 500, "{" * 5000, "k" * 5000])
def test_a_kind_that_is_none_is_refused_in_a_short_line(kind: str) -> None:
    with pytest.raises(InputError) as caught:
        as_kind(kind)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    "text", ["A.png=" + "9" * 5000, "A.png>=" + "x" * 5000, "like:" * 900, "area=1.." + "0" * 4000]
)
def test_a_requirement_that_is_none_is_refused_in_a_short_line(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_constraint(text, lambda _: None, "area")
    assert len(str(caught.value)) < 400


def test_pillow_says_nothing_of_a_damaged_tiff_beside_the_exception(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4, 3), 255, np.uint8)).save(tmp_path / "x.tif")
    content = bytearray((tmp_path / "x.tif").read_bytes())
    tag = content.index(struct.pack("<HHIH", 277, 3, 1, 3))  # samples per pixel
    content[tag + 8 : tag + 10] = struct.pack("<H", 65283)
    (tmp_path / "x.tif").write_bytes(content)
    script = "import pathlib, sys; from metricvae.kinds.image.io import read_image as r; r(pathlib.Path(sys.argv[1]))"
    command = [sys.executable, "-c", script, str(tmp_path / "x.tif")]
    said = subprocess.run(command, capture_output=True, text=True).stderr
    assert said.startswith("Traceback")
    assert said.splitlines()[-1].startswith("metricvae.core.errors.InputError")


def test_an_arrow_stream_of_a_foreign_type_is_refused() -> None:
    pytest.importorskip("fastapi", reason="the extra `web` is not installed")
    from metricvae.web.errors import RequestError
    from metricvae.web.streams import _arrow_pairs

    def batches() -> Any:
        raise pa.ArrowNotImplementedError("integers of 4 bits")
        yield

    with pytest.raises(RequestError, match="expected columns"):
        list(_arrow_pairs(batches()))


def test_a_header_of_numpy_whose_sides_are_no_whole_numbers_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.npy").write_bytes(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (True, 1), }", bytes(4)))
    with pytest.raises(InputError, match="declares the shape"):
        read_npy(tmp_path / "x.npy")


def test_the_columns_of_a_table_are_named_in_a_short_line(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("9" * 5_000 + "\nA\n")
    for read in (read_pair_list, listed_sites):
        with pytest.raises(InputError) as refused:
            read(tmp_path / "x.csv")
        assert len(str(refused.value)) < 1_000


def test_a_requirement_is_repeated_in_a_short_line() -> None:
    with pytest.raises(InputError) as refused:
        parse_requirement("l" * 5_000 + ">=1", {})
    assert len(str(refused.value)) < 1_000


def test_a_half_width_beyond_all_numbers_is_no_calibration() -> None:
    document = {"level": 0.9, "edges": [], "half_widths": [10**400]}
    with pytest.raises(InputError, match="no calibration"):
        Conformal.from_json(document)


def test_another_sort_of_index_is_not_taken_for_an_inverted_file(tmp_path: Path) -> None:
    faiss = pytest.importorskip("faiss")
    flat, untrained = faiss.IndexFlatIP(4), faiss.IndexIVFFlat(faiss.IndexFlatIP(4), 4, 2)
    for number, index in enumerate((flat, untrained)):
        faiss.write_index(index, str(tmp_path / f"{number}.faiss"))
        with pytest.raises(InputError, match="another sort of index"):
            InvertedFile.read(tmp_path / f"{number}.faiss")


def test_a_condition_that_divides_by_zero_is_refused() -> None:
    table = pa.table({"rings": pa.array([1, 2], pa.int32())})
    condition = parse_condition("rings / 0 > 1", {"rings": "number"})
    with pytest.raises(InputError, match="cannot be computed"):
        condition.holds(table)


def test_texts_of_a_parquet_file_that_are_not_utf_8_are_refused(tmp_path: Path) -> None:
    texts = pa.array([b"A", b"\xff"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"a": texts, "b": texts, "value": [1.0, 2.0]}), tmp_path / "x.parquet")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        PairDataset.from_parquet(tmp_path / "x.parquet", kind="sequence", value="value")


def test_a_count_of_two_thousand_digits_is_not_repeated(tmp_path: Path) -> None:
    (tmp_path / "x.xyz").write_text("9" * 2_000 + "\n\nC 0 0 0\n")
    with pytest.raises(InputError, match="declares 9999") as refusal:
        read_cloud(tmp_path / "x.xyz")
    assert len(str(refusal.value)) < 400


def test_what_a_chunk_within_an_icon_declares_is_not_allocated(tmp_path: Path) -> None:
    """An icon with a PNG whose pixels are said to take 2 GiB less a byte."""
    start = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBB", 13, b"IHDR", 16, 16, 8, 0, 0, 0, 0)
    png = start + struct.pack(">I", zlib.crc32(start[12:])) + struct.pack(">I4s", 2**31 - 1, b"IDAT") + bytes(64)
    entry = struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 8, len(png), 22)
    (tmp_path / "x.ico").write_bytes(struct.pack("<HHH", 0, 1, 1) + entry + png)
    script = f"""
import resource
from pathlib import Path
from metricvae.core.errors import InputError
from metricvae.kinds.image.io import read_image
pages = int(Path("/proc/self/statm").read_text().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 2**29,) * 2)
try:
    read_image(Path({str(tmp_path / "x.ico")!r}))
except InputError as error:
    cause = error.__cause__
    assert cause is not None and not isinstance(cause, MemoryError), repr(cause)
else:
    raise AssertionError("it was read")
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=True)


def test_headers_of_arrays_are_not_repeated_at_length(tmp_path: Path) -> None:
    for name, read in (("image", read_image), ("volume", read_npy), ("vector", read_numbers)):
        path = tmp_path / f"{name}.npy"
        path.write_bytes(npy("{'descs': '<f8'," + " " * 4_000 + "}"))
        with pytest.raises(InputError, match="cannot be read as") as refusal:
            read(path)
        assert len(str(refusal.value)) < 600


def test_a_number_of_thousands_of_digits_in_a_structure_is_not_repeated(tmp_path: Path) -> None:
    pytest.importorskip("gemmi")
    from metricvae.kinds.molecule.ligands import read_structure

    rows = "_atom_site.id\n_atom_site.Cartn_x\n_atom_site.label_seq_id\n1 0.0 " + "9" * 3_000
    (tmp_path / "x.cif").write_text(f"data_x\nloop_\n{rows}\n")
    with pytest.raises(InputError) as refusal:
        read_structure(tmp_path / "x.cif")
    assert len(str(refusal.value)) < 600


def test_a_text_that_is_longer_than_a_file_name_is_no_file() -> None:
    pytest.importorskip("rdkit")
    with pytest.raises(InputError, match="300 heavy atoms"):
        parse_requirement("similarity:" + "C" * 300 + "<0.4", forms_for(MoleculeKind()))
    assert SequenceKind().convert("A" * 300 + ".txt") == "A" * 300 + ".txt"


def test_options_of_a_file_with_a_number_of_thousands_of_digits_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text("n = " + "9" * 5_000)
    with pytest.raises(InputError, match="neither TOML nor JSON"):
        with_config(["--config", str(tmp_path / "x.toml")], lambda _: parser_of("generate"))
