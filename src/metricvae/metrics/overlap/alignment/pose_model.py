"""The pose model of the overlap: what `metricvae.core.pose.PoseModel` asks of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn

from metricvae.core.coder_config import CoderConfig
from metricvae.core.errors import InputError
from metricvae.core.kind import ObjectKind, Packed
from metricvae.core.metric import Solution
from metricvae.core.pose import Floats, ObjectPairs, PoseModel, Rows
from metricvae.kinds.silhouette.kind import SilhouetteKind
from metricvae.metrics.overlap.alignment.loss import alignment_loss, mirror_targets, reached_overlap
from metricvae.metrics.overlap.alignment.network import Curves, PoseNetwork, PoseNetworkConfig, best_proposals
from metricvae.metrics.overlap.alignment.refinement import refine
from metricvae.metrics.overlap.alignment.targets import scan_pairs
from metricvae.metrics.overlap.alignment.warping import Grids
from metricvae.metrics.overlap.solver.search import PreparedMask, check_pair


@dataclass(frozen=True)
class OverlapPoseModel(PoseModel):
    """Poses are (angle, x, y): radians counter-clockwise, and pixels right and down between the centroids."""

    def default_network(self) -> PoseNetworkConfig:
        return PoseNetworkConfig()

    def network_from_json(self, document: Mapping[str, Any]) -> PoseNetworkConfig:
        known = {field.name for field in fields(PoseNetworkConfig)}
        if unknown := sorted(set(document) - known):
            raise InputError(f"the model's aligner cannot be read (unexpected {unknown[0]}): restore config.json")
        return PoseNetworkConfig(**document)

    def build(self, config: PoseNetworkConfig) -> PoseNetwork:
        return PoseNetwork(config)

    def check_encoder(self, encoder: CoderConfig, config: PoseNetworkConfig) -> None:
        expected = ("polar", config.rings, config.sectors)
        if encoder.picture[:3] != expected:
            found = " ".join(map(str, encoder.picture))
            raise InputError(
                f"the model has the encoder {encoder.name}, which reads {found} pictures, and its poses are learned "
                f"from {' '.join(map(str, expected))} ones: give a model whose encoder is polar or contour"
            )

    def scan(self, config: PoseNetworkConfig, kind: ObjectKind, packed: Packed, first: Rows, second: Rows) -> Any:
        assert isinstance(kind, SilhouetteKind)
        return scan_pairs(packed, kind.canvas, first, second, config.rotations)

    def mirror(self, x: Tensor, targets: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        area, shift = mirror_targets(targets["area"], targets["shift"])
        return x.flip(-1), {"area": area, "shift": shift}

    def geometry(self, x: Tensor) -> Grids:
        return Grids.of(x)

    def respond(self, network: nn.Module, pairs: ObjectPairs) -> Curves:
        curves: Curves = network(pairs.pictures, pairs.first, pairs.second, pairs.geometry.size)
        return curves

    def loss(self, output: Curves, pairs: ObjectPairs, targets: Mapping[str, Tensor]) -> Tensor:
        ends = pairs.first, pairs.second
        return alignment_loss(output, pairs.geometry, *ends, targets["area"], targets["shift"])

    def share_reached(self, output: Curves, pairs: ObjectPairs, value: Tensor) -> Tensor:
        return reached_overlap(output, pairs.geometry, pairs.first, pairs.second) / value

    def encode(self, network: nn.Module, pictures: Tensor) -> Tensor:
        assert isinstance(network, PoseNetwork)
        return network.spectra(network.encode(pictures))

    def most_proposals(self, config: PoseNetworkConfig) -> int:
        return config.rotations

    def propose(
        self, network: nn.Module, left: tuple[Tensor, Tensor], right: tuple[Tensor, Tensor], count: int
    ) -> tuple[Floats, Floats]:
        assert isinstance(network, PoseNetwork)
        (spectrum, size), (other, size_other) = left, right
        angle, shift, share = best_proposals(network.compare(spectrum, other, size, size_other), count)
        poses = torch.cat([angle[..., None], shift], dim=-1).cpu().double().numpy()
        least = torch.minimum(size, size_other).cpu().double()[:, None]
        return poses, (share.cpu().double() * least).numpy()

    def check_pair(self, left: PreparedMask, right: PreparedMask) -> None:
        check_pair(left, right)

    def judge(self, left: PreparedMask, right: PreparedMask, poses: Floats, steps: int) -> Solution:
        found = refine(left, right, poses, steps)
        return Solution(found.area, found.area, found.pose)
