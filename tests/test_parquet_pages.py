"""Page headers of Parquet files: every one that Arrow writes is taken, and one that declares too much is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from metricvae.core.dataset import PairDataset
from metricvae.core.errors import InputError
from metricvae.runtime import parquet_pages
from metricvae.runtime.parquet import read_group, read_rows, read_table

ROWS = 5_000


def _table() -> pa.Table:
    rng = np.random.default_rng(0)
    return pa.table(
        {
            "number": rng.normal(size=ROWS),
            "few": rng.integers(3, size=ROWS),
            "text": [f"{row:09d}" * (row % 4) for row in range(ROWS)],
            "list": pa.array([[float(row)] * (row % 5) for row in range(ROWS)]),
            "struct": pa.array([{"x": row, "y": b"\x00" * (row % 9)} for row in range(ROWS)]),
            "none": pa.nulls(ROWS, pa.float32()),
        }
    )


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "zstd", "lz4", "brotli"])
@pytest.mark.parametrize("dictionary", [True, False])
def test_whatever_arrow_writes_is_read(tmp_path: Path, version: str, compression: str, dictionary: bool) -> None:
    settings: dict[str, Any] = {"data_page_version": version, "compression": compression, "use_dictionary": dictionary}
    path = tmp_path / "x.parquet"
    pq.write_table(_table(), path, row_group_size=1_500, data_page_size=2_000, write_page_checksum=True, **settings)
    assert read_table(path).equals(_table())
    assert read_group(path, 2).num_rows == 1_500
    assert read_rows(path, [4_999, 0], ["text", "list"]).equals(_table().select(["text", "list"]).take([4_999, 0]))


@pytest.mark.parametrize("rows", [0, 1])
def test_groups_without_rows_are_read(tmp_path: Path, rows: int) -> None:
    path, table = tmp_path / "x.parquet", _table().slice(0, rows)
    with pq.ParquetWriter(path, table.schema) as writer:
        writer.write_table(table.slice(0, 0))
        writer.write_table(table)
        writer.write_table(table.slice(0, 0))
    assert read_table(path).equals(table)


def test_a_header_larger_than_the_first_window_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_pages, "WINDOW", 8)
    pq.write_table(_table(), tmp_path / "x.parquet", use_dictionary=False)
    assert read_table(tmp_path / "x.parquet").equals(_table())


def _declaring(path: Path, size: int) -> None:
    """Write a file of one column whose page declares so many bytes where it has 16."""
    pq.write_table(
        pa.table({"value": [1.0, 2.0]}), path, use_dictionary=False, compression="zstd", write_statistics=False
    )
    content = path.read_bytes()
    at = 4
    assert content[at : at + 3] == b"\x15\x00\x15", "a data page, then its size"
    number, declared = size << 1, bytearray()
    while number > 127:
        declared.append(number & 127 | 128)
        number >>= 7
    declared.append(number)
    end = at + 4
    while content[end - 1] & 128:
        end += 1
    # the header grows, and the page with it moves on: what follows is read for its sizes alone
    path.write_bytes(content[: at + 3] + bytes(declared) + content[end:])


def test_footers_are_read_as_arrow_reads_them(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(_table(), path, row_group_size=1_500)
    found, metadata = path.stat(), pq.read_metadata(path)
    groups = parquet_pages.footer(path, found.st_size, found.st_mtime_ns, found.st_ino)
    assert len(groups) == metadata.num_row_groups == 4
    for number, group in enumerate(groups):
        ends = [metadata.row_group(number).column(place) for place in range(metadata.num_columns)]
        assert [one.name for one in group] == [end.path_in_schema.split(".")[0] for end in ends]
        assert [one.end - one.start for one in group] == [end.total_compressed_size for end in ends]
        assert [one.start for one in group[1:]] == [one.end for one in group[:-1]]


def test_a_changed_byte_of_a_footer_never_ends_the_process(tmp_path: Path) -> None:
    """PyArrow aborts where it describes a column whose histogram of levels has another length."""
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"list": [[1.0], [], [2.0, 3.0]], "text": ["a", "bb", "a"]}), path)
    content = path.read_bytes()
    length = int.from_bytes(content[-8:-4], "little")
    refused = 0
    for at in range(len(content) - 8 - length, len(content), 3):
        path.write_bytes(content[:at] + bytes([content[at] ^ 32]) + content[at + 1 :])
        try:
            assert len(read_table(path)) <= 3
        except InputError:
            refused += 1
    assert refused > 20


@pytest.mark.parametrize("size", [2**31 - 1, 2**30, 2**27])
def test_a_page_that_declares_too_much_is_refused(tmp_path: Path, size: int) -> None:
    _declaring(tmp_path / "x.parquet", size)
    with pytest.raises(InputError, match="cannot be read"):
        read_table(tmp_path / "x.parquet")
    with (tmp_path / "x.parquet").open("rb") as file:
        header, _, declared = parquet_pages._page(file, 4)
    assert (declared, header > 0) == (size, True)


def test_a_table_of_pairs_with_such_a_page_is_refused(tmp_path: Path) -> None:
    texts = ["ACDEFGHIKLMNPQRSTVWY"] * 40
    pq.write_table(pa.table({"a": texts, "b": texts, "value": np.arange(40.0)}), tmp_path / "x.parquet")
    content = bytearray((tmp_path / "x.parquet").read_bytes())
    at = 4
    assert content[at : at + 3] == b"\x15\x04\x15", "a dictionary page, then its size"
    content[at + 3] = 127  # an odd number stands for a negative one
    (tmp_path / "x.parquet").write_bytes(content)
    with pytest.raises(InputError, match=r"cannot be read as Parquet .*does not end within the column"):
        PairDataset.from_parquet(tmp_path / "x.parquet", kind="sequence", value="value")


def test_structures_without_end_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\x1c" * 100_000)
    with (tmp_path / "x").open("rb") as file, pytest.raises(ValueError, match="structures in structures"):
        parquet_pages._page(file, 0)
    (tmp_path / "x").write_bytes(b"\x19\xf1" + b"\xff" * 4 + b"\x0f")
    with (tmp_path / "x").open("rb") as file, pytest.raises(ValueError, match="not whole"):
        parquet_pages._page(file, 0)
