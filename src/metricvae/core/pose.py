"""The interface by which a metric has poses learned and predicted in one shot.

A pose model is a network over codes that keep how an object lies. For a pair it proposes motions of the right object,
which are refined and judged by the exact objective of the metric. Training and storing are the same for all of them
(`metricvae.alignment`); what follows is what differs.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from metricvae.core.metric import METRICS, Metric, Solution

if TYPE_CHECKING:
    from torch import Tensor, nn

    from metricvae.core.coder_config import CoderConfig
    from metricvae.core.kind import ObjectKind, Packed

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ObjectPairs:
    """n pairs of m objects, as a pose model takes them.

    Attributes:
        geometry: what `PoseModel.geometry` makes of the objects.
        pictures: (m, 1, ...) that the encoder of the model sees of them.
        first, second: (n,) int64 rows.
    """

    geometry: Any
    pictures: Tensor
    first: Tensor
    second: Tensor


class PoseModel(abc.ABC):
    """Poses of a metric between objects of one kind. Subclasses are frozen dataclasses, and can be sent to processes.

    Poses are (..., p) numbers of the metric's own; q is a number of poses, k of proposals.
    """

    # The network

    @abc.abstractmethod
    def default_network(self) -> Any:
        """Hyperparameters of the network where none are given, a frozen dataclass of plain values."""

    @abc.abstractmethod
    def network_from_json(self, document: Mapping[str, Any]) -> Any:
        """Hyperparameters from their fields; those that are missing have their default.

        Raises:
            InputError: not such fields.
        """

    @abc.abstractmethod
    def build(self, config: Any) -> nn.Module:
        """The network with initial weights from PyTorch's global generator."""

    @abc.abstractmethod
    def check_encoder(self, encoder: CoderConfig, config: Any) -> None:
        """Raise InputError unless the network reads the pictures of this encoder."""

    # Learning

    @abc.abstractmethod
    def scan(self, config: Any, kind: ObjectKind, packed: Packed, first: Rows, second: Rows) -> dict[str, Any]:
        """What the network learns of n pairs of m packed objects, by name: arrays (n, ...) in the precision in which
        they are stored. Runs in worker processes."""

    @abc.abstractmethod
    def mirror(self, x: Tensor, targets: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Mirror images of objects (m, ...), and the targets (n, ...) of pairs of them."""

    @abc.abstractmethod
    def geometry(self, x: Tensor) -> Any:
        """What the loss asks of objects (m, ...)."""

    @abc.abstractmethod
    def respond(self, network: nn.Module, pairs: ObjectPairs) -> Any:
        """The output of the network for pairs, in whatever precision is switched on."""

    @abc.abstractmethod
    def loss(self, output: Any, pairs: ObjectPairs, targets: Mapping[str, Tensor]) -> Tensor:
        """The loss of n pairs, 0-d."""

    @abc.abstractmethod
    def share_reached(self, output: Any, pairs: ObjectPairs, value: Tensor) -> Tensor:
        """(n,) the metric at the first proposal, as a share of the true `value` (n,)."""

    # Predicting

    @abc.abstractmethod
    def encode(self, network: nn.Module, pictures: Tensor) -> Tensor:
        """(m, ...) codes that keep how objects lie, of what the encoder sees of them."""

    @abc.abstractmethod
    def most_proposals(self, config: Any) -> int:
        """Proposals that there are for a pair, at most."""

    @abc.abstractmethod
    def propose(
        self, network: nn.Module, left: tuple[Tensor, Tensor], right: tuple[Tensor, Tensor], count: int
    ) -> tuple[Floats, Floats]:
        """`count` poses for each of n pairs, (n, k, p), the best one first, and the values expected there, (n, k).

        Args:
            network: as it was trained.
            left, right: codes (n, ...) and magnitudes (n,) of the objects that stay and of those that move.
            count: of proposals.
        """

    @abc.abstractmethod
    def check_pair(self, left: Any, right: Any) -> None:
        """Raise InputError unless two objects, as the metric's solver prepares them, can be laid on one another."""

    @abc.abstractmethod
    def judge(self, left: Any, right: Any, poses: Floats, steps: int) -> Solution:
        """The best of the poses (k, p) of a pair by the exact objective, after some steps of local optimisation.

        Args:
            left, right: the objects as the metric's solver prepares them.
            poses: proposals.
            steps: of each; 0 judges the proposals as they are.
        """


def metrics_with_poses() -> list[str]:
    """Names of the metrics that have a pose model."""
    return [name for name in METRICS.names() if METRICS.get(name).pose_model is not Metric.pose_model]
