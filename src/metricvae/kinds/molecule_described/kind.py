"""The kind `molecule-described`: molecules in space, with what their formulas alone say, for codes of many metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from metricvae.core.coder_config import CoderConfig
from metricvae.core.kind import Object, Packed
from metricvae.kinds.molecule.kind import MoleculeKind
from metricvae.kinds.molecule_described.packing import NUMBERS, apart, together
from metricvae.kinds.molecule_fingerprint.kind import MoleculeFingerprintKind

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class MoleculeDescribedKind(MoleculeKind):
    """`Molecule` records, of which encoders see the atoms in space, and the numbers of `molecule-fingerprint`.

    What lies in a code because of the conformer and what does not have columns of their own, so properties, and metrics
    of formulas, need no conformer.
    """

    name: ClassVar[str] = "molecule-described"
    same_records: ClassVar[tuple[str, ...]] = ("molecule", "molecule-2d", "molecule-fingerprint")
    caveats: ClassVar[str] = (
        "Molecules of 4 to 100 heavy atoms. Shape is that of the conformers that are given; properties, and\n"
        "similarity by substructures, are read off the formula, and neither conformers nor stereo are seen."
    )

    def pack(self, objects: Sequence[Object]) -> Packed:
        """The numbers as float32, then the atoms (`metricvae.kinds.molecule.packing`), in bytes."""
        numbers = MoleculeFingerprintKind().pack(objects)
        return np.hstack([numbers, super().pack(objects)])

    def unpack(self, packed: Packed, device: torch.device | str = "cpu") -> Tensor:
        """(m, NUMBERS + A (6 + A)) float32."""
        import torch

        numbers = np.array(packed).view(np.float32).reshape(len(packed), -1)
        return torch.from_numpy(numbers).to(device)

    def concatenate(self, parts: Sequence[Packed]) -> Packed:
        width = 4 * NUMBERS
        atoms = super().concatenate([np.ascontiguousarray(part[:, width:]) for part in parts])
        return np.hstack([np.concatenate([part[:, :width] for part in parts]), atoms])

    def move(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Each molecule under a rigid motion of its own."""
        numbers, molecules = apart(x)
        return together(numbers, super().move(molecules, generator))

    def without_pose(self, x: Tensor) -> Tensor:
        """The numbers without the atoms."""
        return x[:, :NUMBERS]

    def magnitudes(self, x: Tensor) -> Tensor:
        return super().magnitudes(apart(x)[1])

    @property
    def encoders(self) -> tuple[type[CoderConfig], ...]:
        from metricvae.kinds.molecule_described.encoders.described import DescribedEncoderConfig

        return (DescribedEncoderConfig,)

    def default_encoder(self, objects: int | None = None) -> CoderConfig:
        """Convolutions between atoms beside perceptrons of the numbers, an equal part of the code each."""
        from metricvae.kinds.molecule.kind import WIDTHS
        from metricvae.kinds.molecule_described.encoders.described import DescribedEncoderConfig

        return DescribedEncoderConfig(WIDTHS, mixing="convolution")

    @property
    def decoders(self) -> tuple[type[CoderConfig], ...]:
        return ()

    def default_decoder(self, objects: int | None = None) -> CoderConfig | None:
        """None: codes are of several metrics, and density maps are of one."""
        return None
