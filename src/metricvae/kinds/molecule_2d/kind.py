"""The kind `molecule-2d`: molecules as graphs of atoms and bonds; coordinates are neither needed nor looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from metricvae.core.coder_config import CoderConfig
from metricvae.kinds.molecule.conformers import flat
from metricvae.kinds.molecule.kind import GRID_SIDE, GRID_SPACING, WIDTHS, MoleculeKind
from metricvae.kinds.molecule.records import Molecule

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Molecule2dKind(MoleculeKind):
    """`Molecule` records without coordinates; those with coordinates serve as well."""

    name: ClassVar[str] = "molecule-2d"
    accepts: ClassVar[tuple[str, ...]] = ("molecule",)
    caveats: ClassVar[str] = (
        "Molecules of 4 to 100 heavy atoms, as atoms and bonds alone: an answer for a molecule that can take many\n"
        "shapes is one for all of them, and stereo is not seen."
    )
    needs_conformers: ClassVar[bool] = False

    def _of_smiles(self, smiles: str) -> Molecule:
        return flat(smiles)

    def move(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """As they are: a graph has no pose."""
        return x

    @property
    def encoders(self) -> tuple[type[CoderConfig], ...]:
        from metricvae.kinds.molecule_2d.encoders.graph import GraphEncoderConfig

        return (GraphEncoderConfig,)

    def default_encoder(self, objects: int | None = None) -> CoderConfig:
        """Convolutions along the bonds, beside what counts of substructures say."""
        from metricvae.kinds.molecule_2d.encoders.graph import GraphEncoderConfig

        return GraphEncoderConfig(
            WIDTHS, mixing="convolution", grid_side=GRID_SIDE, grid_spacing=GRID_SPACING, known=True
        )

    def default_latent(self, objects: int | None = None) -> int:
        """As many as keep most of the products of counts of substructures."""
        return 256
