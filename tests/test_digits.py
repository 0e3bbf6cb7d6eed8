"""Digits from scikit-learn and from MNIST's files, and files that are none."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from metricvae.core.errors import InputError
from metricvae.kinds.silhouette.digits import SIDE, read_digits
from metricvae.reproduction.config import DigitsConfig
from metricvae.reproduction.digits import digit_pairs, digits_section

COUNT = 20
LABELS = (np.arange(COUNT) % 10).astype(np.uint8)


def pictures() -> np.ndarray:
    """Digit k has its k-th row lit."""
    images = np.zeros((COUNT, SIDE, SIDE), np.uint8)
    images[np.arange(COUNT), LABELS] = 200
    return images


def write_idx(folder: Path, suffix: str = "", *, sides: tuple[int, int] = (SIDE, SIDE), cut: int = 0) -> Path:
    opened = gzip.open if suffix else open
    data = pictures().tobytes()
    with opened(folder / f"train-images-idx3-ubyte{suffix}", "wb") as file:
        file.write(struct.pack(">IIII", 0x803, COUNT, *sides) + data[: len(data) - cut])
    with opened(folder / f"train-labels-idx1-ubyte{suffix}", "wb") as file:
        file.write(struct.pack(">II", 0x801, COUNT) + LABELS.tobytes())
    return folder / f"train-images-idx3-ubyte{suffix}"


def write_npz(folder: Path) -> Path:
    np.savez(folder / "mnist.npz", x_train=pictures(), y_train=LABELS)
    return folder / "mnist.npz"


def test_the_default_needs_no_file() -> None:
    digits = read_digits()
    assert digits.masks.shape == (1797, SIDE, SIDE)
    assert set(digits.labels.tolist()) == set(range(10))
    assert 0.08 < digits.masks.mean() < 0.5


@pytest.mark.parametrize(
    "write", [write_idx, lambda folder: write_idx(folder, ".gz"), write_npz], ids=("idx", "gz", "npz")
)
def test_all_formats_of_mnist_are_read(write: Callable[[Path], Path], tmp_path: Path) -> None:
    digits = read_digits(write(tmp_path))
    assert digits.labels.tolist() == LABELS.tolist()
    assert np.array_equal(digits.masks, pictures() > 0)


def spoilt(folder: Path, kind: str) -> Path:
    if kind == "missing":
        return folder / "absent"
    if kind == "text":
        (folder / "train-images-idx3-ubyte").write_text("these are no digits")
        (folder / "train-labels-idx1-ubyte").write_text("nor these")
        return folder / "train-images-idx3-ubyte"
    if kind == "no labels":
        file = write_idx(folder)
        (folder / "train-labels-idx1-ubyte").unlink()
        return file
    if kind == "cut":
        return write_idx(folder, cut=5)
    if kind == "large":
        return write_idx(folder, sides=(2**31, 2**31))
    if kind == "pickle":
        np.savez(folder / "mnist.npz", x_train=np.array([{}], dtype=object), y_train=LABELS)
    elif kind == "labels":
        np.savez(folder / "mnist.npz", x_train=pictures(), y_train=LABELS + 5)
    elif kind == "sizes":
        np.savez(folder / "mnist.npz", x_train=pictures()[:, :20], y_train=LABELS)
    elif kind == "floats":
        np.savez(folder / "mnist.npz", x_train=pictures() / 255, y_train=LABELS)
    else:
        np.savez(folder / "mnist.npz", images=pictures())
    return folder / "mnist.npz"


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("missing", "is not a file"),
        ("text", "is not MNIST"),
        ("no labels", "are not beside it"),
        ("cut", "has 15675 bytes where it says 15680"),
        ("large", "says it has 20 entries"),
        ("pickle", "is not MNIST"),
        ("labels", "labels from 5 to 14"),
        ("sizes", "expected \\(n, 28, 28\\)"),
        ("floats", "is of type float64"),
        ("names", "is not MNIST"),
    ],
)
def test_what_is_no_mnist_is_refused(kind: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        read_digits(spoilt(tmp_path, kind))


# Figure 1.1


def test_half_of_the_pairs_are_of_one_digit() -> None:
    digits = read_digits()
    data = digit_pairs(digits, np.arange(500), 2_000, seed=1)
    same = digits.labels[data.first] == digits.labels[data.second]
    assert np.array_equal(data.value, same)
    assert 0.5 < data.value.mean() < 0.62
    assert torch.equal(data.left.tensor(np.arange(3)), torch.from_numpy(digits.masks[:3])[:, None].float())


def test_the_figure_of_digits(tmp_path: Path) -> None:
    seen = []
    config = DigitsConfig(write_npz_of_sklearn(tmp_path), pairs=2_000, points=4)
    section = digits_section(config, tmp_path / "work", 2, 0, lambda *now: seen.append(now))
    assert section.figures[0].png.startswith(b"\x89PNG")
    assert [row[0] for row in section.tables[0].rows] == [
        "without deformation and metric loss",
        "with deformation and metric loss",
    ]
    assert "MNIST" in section.text
    assert {name for name, *_ in seen} == {"training on digits, 2 dimensions", "training on digits, 20 dimensions"}


def write_npz_of_sklearn(folder: Path) -> Path:
    digits = read_digits()
    np.savez(folder / "digits.npz", x_train=255 * digits.masks[:300], y_train=digits.labels[:300])
    return folder / "digits.npz"


def test_too_few_digits_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="got 20 digits: expected at least 100"):
        digits_section(DigitsConfig(write_npz(tmp_path)), tmp_path / "work", 1, 0, lambda *_: None)
