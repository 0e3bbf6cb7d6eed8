"""Where one shape goes on another, in one shot: offers of an aligner, applied and judged by what they give.

An aligner (`network`) says for a pair of codes which motions lay the second shape best on the first.
Each is walked a few steps uphill and applied to the pixels, and the best one is the answer: its overlap is a fact,
whatever the network believed, and can only be less than the maximum.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from metricvae.alignment import STEPS, TRIES
from metricvae.core.errors import InputError
from metricvae.kinds.silhouette.io import read_image
from metricvae.kinds.silhouette.records import Mask
from metricvae.metrics.overlap.alignment.network import Aligner, AlignerConfig, offers
from metricvae.metrics.overlap.solver.kernels import overlap_at
from metricvae.metrics.overlap.solver.poses import PoseArray
from metricvae.metrics.overlap.solver.records import Overlap
from metricvae.metrics.overlap.solver.search import (
    COMPARED_POSES,
    PreparedMask,
    check_pair,
    optimise_poses,
    overlap_record,
)
from metricvae.prediction.predictor import Predictor
from metricvae.runtime.files import check_sha256, sha256_of
from metricvae.training.checkpoint import load_weights, read_tensors, rounded, write_tensors

FILE = "aligner.safetensors"

COMPARED_AT_ONCE = 256

KEPT = 512
"""Prepared shapes that are kept, about 1 MB each."""

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class AngleCodes:
    """Codes of m shapes that keep the angle.

    Attributes:
        spectra: (m, channels, directions) complex.
        sizes: (m,) areas in pixels.
    """

    spectra: Tensor
    sizes: Tensor


@dataclass(frozen=True)
class Offers:
    """Motions that may lay the second shapes of n pairs on the first, the most promising first.

    Attributes:
        frames: (n, k, 3) float64 about the centroids: radians, pixels right, pixels down.
        share: (n, k) expected overlap there, as a share of the smaller area.
    """

    frames: npt.NDArray[np.float64]
    share: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Alignment:
    """The best of the offers.

    Attributes:
        overlap: what it gives, computed from the pixels.
        expected: the overlap in pixels that the network expected of its first offer.
    """

    overlap: Overlap
    expected: float


class Alignments:
    """A model that says where shapes go on one another.

    Args:
        predictor: of a model that was taught to.

    Raises:
        InputError: the model has no aligner.
    """

    def __init__(self, predictor: Predictor) -> None:
        loaded = predictor.loaded
        if "aligner" not in loaded.calibration:
            raise InputError(
                f"the model in {loaded.folder} was never taught where shapes go: give `overlap`, or run `metricvae "
                "train DATASET --aligner MODEL`"
            )
        self.predictor = predictor
        self.network = _read(loaded.folder, loaded.calibration["aligner"]).to(predictor.device)

    @torch.inference_mode()
    def encode(
        self,
        mask_of: Callable[[int], Mask],
        count: int,
        *,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> AngleCodes:
        """Codes of `count` shapes; `mask_of(i)` gives the (200, 200) mask of the i-th."""
        spectra, sizes = [], []
        for x, features in self.predictor.prepared(mask_of, count, on_progress):
            pictures = self.predictor.model.encoder.pictures(features)
            spectra.append(self.network.spectra(self.network.encode(pictures)))
            sizes.append(x.sum((1, 2, 3)))
        return AngleCodes(torch.cat(spectra), torch.cat(sizes))

    @torch.inference_mode()
    def offers(self, codes: AngleCodes, first: Rows, second: Rows, count: int = TRIES) -> Offers:
        """`count` motions for each of n pairs of encoded shapes.

        Raises:
            InputError: no motion is asked for, or more than there are turns.
        """
        most = self.network.config.rotations
        if not 1 <= count <= most:
            raise InputError(f"{count} motions are asked for: expected at least 1 and at most {most}")
        frames, shares = [], []
        for start in range(0, len(first), COMPARED_AT_ONCE):
            a, b = (torch.from_numpy(rows[start : start + COMPARED_AT_ONCE].copy()) for rows in (first, second))
            a, b = a.to(codes.sizes.device), b.to(codes.sizes.device)
            curves = self.network.compare(codes.spectra[a], codes.spectra[b], codes.sizes[a], codes.sizes[b])
            turn, shift, share = offers(curves, count)
            frames.append(torch.cat([turn[..., None], shift], dim=-1).cpu().double().numpy())
            shares.append(share.cpu().double().numpy())
        return Offers(np.concatenate(frames), np.concatenate(shares))

    def align(self, a: PreparedMask, b: PreparedMask, tries: int = TRIES, steps: int = STEPS) -> Alignment:
        """Lay one shape on another.

        Args:
            a, b: the shape that stays and the one that moves.
            tries: offers that are applied.
            steps: that each walks uphill first; 0 takes the network's word.

        Raises:
            InputError: a shape is blank, no offer is asked for, or fewer steps than none.
        """
        check_pair(a, b)
        codes = self.encode(lambda i: (a, b)[i].mask, 2)
        made = self.offers(codes, np.array([0]), np.array([1]), tries)
        return judged(a, b, made.frames[0], made.share[0], steps)


def judged(
    a: PreparedMask, b: PreparedMask, frames: PoseArray, share: npt.NDArray[np.float64], steps: int = STEPS
) -> Alignment:
    """The best of the offers of a pair, (k, 3) and (k,), by the overlap it gives after some steps uphill.

    Raises:
        InputError: a shape is blank, or fewer steps than none.
    """
    check_pair(a, b)
    if steps < 0:
        raise InputError(f"steps is {steps}: expected at least 0")
    if steps:
        frames = optimise_poses(a, b, frames, steps)[:COMPARED_POSES]
    return Alignment(best_offer(a, b, frames), float(share[0]) * min(a.area, b.area))


def align_files(
    aligner: Alignments,
    files: Sequence[Path],
    first: Rows,
    second: Rows,
    *,
    tries: int = TRIES,
    steps: int = STEPS,
    fit: bool = False,
    on_encoded: Callable[[int, int], None] | None = None,
) -> Iterator[Alignment]:
    """Lay images on one another, in the order of the pairs, as they become known; few images are in memory at once.

    Raises:
        InputError: an image that cannot be used, or no offer is asked for.
    """
    codes = aligner.encode(lambda i: read_image(files[i], fit=fit), len(files), on_progress=on_encoded)
    shape = functools.lru_cache(maxsize=KEPT)(lambda i: PreparedMask(read_image(files[i], fit=fit)))
    for start in range(0, len(first), COMPARED_AT_ONCE):
        ends = first[start : start + COMPARED_AT_ONCE], second[start : start + COMPARED_AT_ONCE]
        made = aligner.offers(codes, *ends, tries)
        for a, b, frames, share in zip(*(end.tolist() for end in ends), made.frames, made.share, strict=True):
            yield judged(shape(a), shape(b), frames, share, steps)


def best_offer(a: PreparedMask, b: PreparedMask, frames: PoseArray) -> Overlap:
    """The motion of `b` among `frames` (k, 3) that overlaps `a` most, and by how much."""
    areas = [overlap_at(a.points, b.image, frame) for frame in frames]
    best = int(np.argmax(areas))
    return overlap_record(a, b, areas[best], frames[best])


def write_aligner(network: Aligner, folder: Path) -> dict[str, Any]:
    """Put an aligner into a model's folder, in half precision; returns what `config.json` is to say of it."""
    write_tensors(folder / FILE, rounded(network.state_dict(), "float16"), {})
    return {"sha256": sha256_of(folder / FILE), "network": asdict(network.config)}


def _read(folder: Path, document: dict[str, Any]) -> Aligner:
    check_sha256(folder / FILE, str(document.get("sha256")))
    try:
        network = Aligner(AlignerConfig(**document["network"]))
    except (KeyError, TypeError) as error:
        raise InputError(f"the model's aligner cannot be read ({error}): restore config.json") from None
    load_weights(network, read_tensors(folder / FILE).tensors, folder / FILE)
    return network.eval()
