"""Pictures, lists and small settings for the tests of the command line, and ways to spoil them."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from metricvae.kinds.half.kind import HalfKind
from metricvae.kinds.silhouette.decoders.canonical import CanonicalDecoderConfig
from metricvae.kinds.silhouette.decoders.dense import DenseDecoderConfig
from metricvae.kinds.silhouette.encoders.contour import ContourEncoderConfig
from metricvae.kinds.silhouette.encoders.dense import DenseEncoderConfig
from metricvae.kinds.silhouette.kind import SilhouetteKind
from metricvae.metrics.match.metric import MatchMetric
from metricvae.metrics.overlap.metric import OverlapMetric
from metricvae.nn.autoencoder import ModelConfig, TowerConfig
from metricvae.nn.heads import CosineDistance
from metricvae.training.config import TrainingConfig
from metricvae.training.presets import ChosenPreset


@dataclass(frozen=True)
class Outcome:
    """What a command came to."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout, of a command that said nothing else."""
        assert (self.status, self.err) == (0, "")
        return json.loads(self.out)


Command = Callable[..., Outcome]


TRAINING = [
    *("--training.steps", "3"),
    *("--training.batch_pairs", "56"),
    *("--training.copies", "1"),
    *("--training.evaluate_every", "1"),
    *("--training.threads", "1"),
]
"""Options that make a training as short as it can be."""

SMALL = ChosenPreset(
    ModelConfig(
        OverlapMetric(), TowerConfig(SilhouetteKind(), DenseEncoderConfig((16,)), DenseDecoderConfig((16,))), latent=4
    ),
    TrainingConfig(steps=2, batch_pairs=24, threads=1),
)
"""A preset whose network is the paper's, but tiny."""

HALVES_TOWER = TowerConfig(HalfKind(), ContourEncoderConfig((16, 16, 16)), CanonicalDecoderConfig((16, 16)))
"""Small networks of halves."""

SMALL_HALVES = ChosenPreset(
    ModelConfig(MatchMetric(), HALVES_TOWER, latent=8, head=CosineDistance(swapped=True)),
    TrainingConfig(steps=2, batch_pairs=24, metric_loss="contrastive", threads=1),
)
"""The same for halves."""

SMALL_PRESETS = {"overlap": SMALL, "overlap-adversarial": SMALL, "paper": SMALL, "halves": SMALL_HALVES}
"""What the experiments train, by the names of the presets that they stand for."""


def disc(radius: float, x: float = 99.5, y: float = 99.5, shape: tuple[int, int] = (200, 200)) -> np.ndarray:
    """A disc, 0 and 255, as a picture of `shape` rows and columns."""
    rows, columns = np.indices(shape)
    return np.uint8(255) * ((rows - y) ** 2 + (columns - x) ** 2 <= radius**2)


def draw_pictures(folder: Path) -> Path:
    """`small.png` lies wholly inside `large.png`; `moved.png` is an L that `l.png` is when turned and shifted;
    `wide.png` is of another size. `pairs.csv` lists three pairs."""
    folder.mkdir()
    ell = np.zeros((200, 200), np.uint8)
    ell[60:140, 60:90] = ell[110:140, 60:130] = 255
    pictures = {
        "small": disc(30, 80, 110),
        "large": disc(60),
        "l": ell,
        "moved": np.roll(np.rot90(ell), (7, -12), (0, 1)),
        "wide": disc(100, 200, 150, (300, 400)),
    }
    for name, picture in pictures.items():
        Image.fromarray(picture).save(folder / f"{name}.png")
    (folder / "pairs.csv").write_text("a,b\nsmall.png,large.png\nl.png,moved.png\nlarge.png,small.png\n")
    return folder


def bomb(path: Path, side: int = 20_000) -> None:
    """A PNG that says it has `side` x `side` pixels, and has none."""
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunk = b"IHDR" + header
    content = struct.pack(">I", len(header)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content + b"\0\0\0\0IDAT" + struct.pack(">I", zlib.crc32(b"IDAT")))


def truncated(path: Path) -> None:
    """The first half of a picture of noise."""
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 200), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def picture(values: np.ndarray) -> Callable[[Path], None]:
    return lambda path: Image.fromarray(values).save(path)


BAD_IMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "blank": (picture(np.zeros((200, 200), np.uint8)), "blank: expected a white shape on black"),
    "all white": (picture(np.full((200, 200), 255, np.uint8)), "white all over: expected a white shape on black"),
    "wrong size": (
        picture(disc(40, shape=(100, 300), y=50)),
        "300x100 pixels, expected 200x200: scale it, or use --fit",
    ),
    "truncated": (truncated, "save or copy it again"),
    "bomb": (bomb, "larger than 4096x4096: scale it down"),
    "text": (lambda path: path.write_text("no picture\n"), "expected PNG or another image format"),
    "empty": (lambda path: path.write_bytes(b""), "expected PNG or another image format"),
    "missing": (lambda path: None, "does not exist: give the path of an image"),
    "folder": (lambda path: path.mkdir(), "not a file: give the path of an image"),
}
"""What makes a bad picture at a path, and what is said of it."""

BAD_LISTS: dict[str, tuple[str, str]] = {
    "no column b": ("a,c\nsmall.png,large.png\n", "has columns a, c: expected a and b"),
    "no such file": ("a,b\nsmall.png,large.png\nsmall.png,gone.png\n", "row 2: there is no file 'gone.png'"),
    "a name left out": ("a,b\nsmall.png\n", "row 1 lacks a file name"),
    "no rows": ("a,b\n", "holds no pairs"),
    "nothing": ("", "has columns none: expected a and b"),
}
"""The text of a bad list of pairs, and what is said of it."""
