"""What an overlay of two solid objects returns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Overlay:
    """The largest overlap volume found for two molecules, and where.

    Attributes:
        overlap: first-order Gaussian overlap volume at the pose, cubic angstroms.
        self_a, self_b: overlap of each molecule with itself, cubic angstroms.
        rotation: (3, 3) proper rotation of the second molecule.
        translation: (3,) angstroms; the second molecule's point p goes to rotation @ p + translation.
    """

    overlap: float
    self_a: float
    self_b: float
    rotation: Floats
    translation: Floats

    @property
    def tanimoto(self) -> float:
        """Shape Tanimoto, overlap / (self_a + self_b - overlap), from 0 to 1."""
        return min(1.0, self.overlap / (self.self_a + self.self_b - self.overlap))


@dataclass(frozen=True)
class Overlays:
    """The overlays of k pairs, as arrays; indexing gives the `Overlay` of one pair.

    Attributes:
        overlap, self_a, self_b: (k,) cubic angstroms.
        rotation: (k, 3, 3).
        translation: (k, 3) angstroms.
    """

    overlap: Floats
    self_a: Floats
    self_b: Floats
    rotation: Floats
    translation: Floats

    @property
    def tanimoto(self) -> Floats:
        """(k,) shape Tanimoto, from 0 to 1."""
        return np.minimum(1.0, self.overlap / (self.self_a + self.self_b - self.overlap))

    def __len__(self) -> int:
        return len(self.overlap)

    def select(self, rows: npt.NDArray[np.int64]) -> Overlays:
        """Some of the pairs."""
        parts = (self.overlap, self.self_a, self.self_b, self.rotation, self.translation)
        return Overlays(*(part[rows] for part in parts))

    def __getitem__(self, row: int) -> Overlay:
        return Overlay(
            float(self.overlap[row]),
            float(self.self_a[row]),
            float(self.self_b[row]),
            self.rotation[row],
            self.translation[row],
        )


@dataclass(frozen=True)
class ColouredOverlay(Overlay):
    """The best overlay of two molecules by shape, colour or both.

    Attributes:
        overlap: of the atoms, as for `Overlay`.
        colour: overlap of the pharmacophore features at the pose, cubic angstroms.
        colour_a, colour_b: overlaps of the features of each molecule with themselves, cubic angstroms.
        shape_tanimoto, colour_tanimoto: Tanimoto coefficients of both overlaps, from 0 to 1.
        combo: their mean.
    """

    colour: float
    colour_a: float
    colour_b: float
    shape_tanimoto: float
    colour_tanimoto: float
    combo: float
