"""Poses in one shot: proposals of an aligner, refined and judged by the exact objective of the metric.

An aligner proposes for a pair of codes motions that lay the second object best on the first. Each is refined by a few
steps and judged, and the best one is the answer: its value is exact, whatever the network expected, and can only be
less than the maximum.
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
from torch import Tensor, nn

from metricvae.alignment import STEPS, TRIES
from metricvae.core.errors import InputError
from metricvae.core.kind import Object
from metricvae.core.metric import Metric, Solution, Solver
from metricvae.core.pose import PoseModel, metrics_with_poses
from metricvae.nn.layers import seeded_weights
from metricvae.prediction.predictor import OnProgress, Predictor
from metricvae.runtime.files import check_sha256, sha256_of
from metricvae.training.checkpoint import load_weights, read_tensors, rounded, write_tensors

FILE = "aligner.safetensors"

COMPARED_AT_ONCE = 256

PREPARED = 512
"""Prepared objects in memory, about 1 MB each."""

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PoseCodes:
    """Codes of m objects that keep how they lie.

    Attributes:
        codes: (m, ...), complex where the network's are.
        magnitudes: (m,) of the objects: areas, self-overlaps.
    """

    codes: Tensor
    magnitudes: Tensor

    def __getitem__(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        return self.codes[rows], self.magnitudes[rows]


@dataclass(frozen=True)
class Proposals:
    """Motions that may lay the second objects of n pairs on the first, the most promising first.

    Attributes:
        poses: (n, k, p) float64, in the numbers of the metric's pose model.
        expected: (n, k) the metric's value that the network expects there, in its unit.
    """

    poses: Floats
    expected: Floats


@dataclass(frozen=True)
class Alignment:
    """The best of the proposals.

    Attributes:
        solution: the pose of the second object, and the value there, exactly.
        expected: the value that the network expected of its first proposal.
    """

    solution: Solution
    expected: float


class Aligner:
    """A model with an aligner.

    Args:
        predictor: of a model that was given one.

    Attributes:
        pose_model: of the metric.
        solver: of the metric.
        network: that proposes poses.
        config: its hyperparameters.

    Raises:
        InputError: the model has no aligner.
    """

    def __init__(self, predictor: Predictor) -> None:
        loaded = predictor.loaded
        if "aligner" not in loaded.calibration:
            advice = "" if predictor.metric.pose_model is None else ", or run `metricvae train DATASET --aligner MODEL`"
            raise InputError(
                f"the model in {loaded.folder} was never taught where shapes go: give one that was{advice}"
            )
        self.predictor, self.pose_model = predictor, require_pose_model(predictor.metric, loaded.folder)
        self.solver = _solver_of(predictor.metric)
        document = dict(loaded.calibration["aligner"])
        self.config = self.pose_model.network_from_json(document.get("network") or {})
        with seeded_weights(0):  # they are replaced
            network = self.pose_model.build(self.config)
        self.network = _read(network, loaded.folder, document).to(predictor.device)

    def encode(self, objects: Sequence[Object], *, on_progress: OnProgress | None = None) -> PoseCodes:
        """Codes of objects as the model's kind reads them; a lazy sequence is read a few at a time."""
        encoder, kind = self.predictor.tower().encoder, self.predictor.kind()
        codes, magnitudes = [], []
        with torch.inference_mode():
            for x in self.predictor.batches(objects, on_progress=on_progress):
                codes.append(self.pose_model.encode(self.network, encoder.pictures(encoder.prepare(x))))
                magnitudes.append(kind.magnitudes(x))
        return PoseCodes(torch.cat(codes), torch.cat(magnitudes))

    @torch.inference_mode()
    def propose(self, codes: PoseCodes, first: Rows, second: Rows, count: int = TRIES) -> Proposals:
        """`count` motions for each of n pairs of encoded objects.

        Raises:
            InputError: no motion is asked for, or more than there are.
        """
        most = self.pose_model.most_proposals(self.config)
        if not 1 <= count <= most:
            raise InputError(f"{count} motions are asked for: expected at least 1 and at most {most}")
        found = []
        for start in range(0, len(first), COMPARED_AT_ONCE):
            ends = (torch.from_numpy(rows[start : start + COMPARED_AT_ONCE].copy()) for rows in (first, second))
            a, b = (codes[rows.to(codes.magnitudes.device)] for rows in ends)
            found.append(self.pose_model.propose(self.network, a, b, count))
        poses, expected = zip(*found, strict=True)
        return Proposals(np.concatenate(poses), np.concatenate(expected))

    def align(self, left: Object, right: Object, tries: int = TRIES, steps: int = STEPS) -> Alignment:
        """Lay one object on another.

        Args:
            left, right: the object that stays and the one that moves.
            tries: proposals that are judged.
            steps: of local optimisation that each takes first; 0 judges the network's poses as they are.

        Raises:
            InputError: an object is blank, no proposal is asked for, or fewer steps than none.
        """
        a, b = self.solver.prepare(left), self.solver.prepare(right)
        self.pose_model.check_pair(a, b)
        codes = self.encode([left, right])
        made = self.propose(codes, np.array([0]), np.array([1]), tries)
        return self.judge(a, b, made.poses[0], made.expected[0], steps)

    def judge(self, left: Any, right: Any, poses: Floats, expected: Floats, steps: int = STEPS) -> Alignment:
        """The best of the proposals of a pair of prepared objects, (k, p) and (k,); see `align`.

        Raises:
            InputError: an object is blank, or fewer steps than none.
        """
        if steps < 0:
            raise InputError(f"steps is {steps}: expected at least 0")
        self.pose_model.check_pair(left, right)
        return Alignment(self.pose_model.judge(left, right, poses, steps), float(expected[0]))

    def align_all(
        self,
        objects: Sequence[Object],
        first: Rows,
        second: Rows,
        *,
        tries: int = TRIES,
        steps: int = STEPS,
        on_encoded: Callable[[int, int], None] | None = None,
    ) -> Iterator[Alignment]:
        """Lay objects on one another, in the order of the pairs, as they become known.

        Args:
            objects: a sequence that may read them when they are asked for; few are in memory at once.
            first, second: (n,) places of the two objects of each pair.
            tries, steps: see `align`.
            on_encoded: told how many objects of how many are encoded.

        Raises:
            InputError: an object that cannot be used, or no proposal is asked for.
        """
        codes = self.encode(objects, on_progress=on_encoded)
        prepared = functools.lru_cache(maxsize=PREPARED)(lambda place: self.solver.prepare(objects[place]))
        for start in range(0, len(first), COMPARED_AT_ONCE):
            ends = first[start : start + COMPARED_AT_ONCE], second[start : start + COMPARED_AT_ONCE]
            made = self.propose(codes, *ends, tries)
            for a, b, poses, expected in zip(*(end.tolist() for end in ends), made.poses, made.expected, strict=True):
                yield self.judge(prepared(a), prepared(b), poses, expected, steps)


def require_pose_model(metric: Metric, name: str | Path) -> PoseModel:
    """The pose model of a metric.

    Args:
        metric: of a model.
        name: of the model, in the message.

    Raises:
        InputError: the metric has none.
    """
    found = metric.pose_model
    if found is None:
        raise InputError(
            f"the model in {name} predicts the metric {metric.name}, which has no poses to learn: only a model of the "
            f"{' or the '.join(metrics_with_poses())} learns where objects go on one another"
        )
    return found


def write_aligner(network: nn.Module, config: Any, folder: Path) -> dict[str, Any]:
    """Put an aligner into a model's folder, in half precision; returns what `config.json` is to say of it."""
    write_tensors(folder / FILE, rounded(network.state_dict(), "float16"), {})
    return {"sha256": sha256_of(folder / FILE), "network": asdict(config)}


def _read(network: nn.Module, folder: Path, document: dict[str, Any]) -> nn.Module:
    check_sha256(folder / FILE, str(document.get("sha256")))
    load_weights(network, read_tensors(folder / FILE).tensors, folder / FILE)
    return network.eval()


def _solver_of(metric: Metric) -> Solver:
    """The solver that judges poses; a metric with a pose model has one."""
    if metric.solver is None:
        raise InputError(f"the metric {metric.name} has no exact solver, which poses are judged by: give another model")
    return metric.solver
