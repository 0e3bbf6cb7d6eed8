"""The kind `pocket-lining`: pockets as counts of the residues and atoms that line them, and the form of their image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.spatial import cKDTree

from metricvae.core.kind import Object
from metricvae.kinds.described import DescribedKind, Rows
from metricvae.kinds.molecule.pharmacophore import TYPES
from metricvae.kinds.pocket.kind import PocketKind
from metricvae.kinds.pocket.lining import LINING, lining
from metricvae.kinds.pocket.records import Floats, Pocket

REACHES = (4.5, 6.0, 8.0)
"""Angstroms from the image within which residues and atoms count."""

FORM = 7
"""Numbers of the image's own: pseudo-atoms, mean, spread and upper decile of buriedness, and three extents."""


@dataclass(frozen=True)
class PocketLiningKind(DescribedKind, PocketKind):
    """`Pocket` records, of which encoders see what lines the image: residues by name, atoms by element and by role.

    For few proteins with measured values: a pocket's image alone says little of the protein.
    """

    name: ClassVar[str] = "pocket-lining"
    same_records: ClassVar[tuple[str, ...]] = ("pocket",)
    count: ClassVar[int] = len(REACHES) * len(LINING) + FORM + len(TYPES)

    def numbers(self, objects: Sequence[Object]) -> Rows:
        return np.array([_numbers(one) for one in objects], np.float32)


def _numbers(pocket: Pocket) -> Floats:
    nearest = cKDTree(pocket.image).query(pocket.receptor.positions)[0]
    features = np.bincount(pocket.feature_types, minlength=len(TYPES))
    return np.concatenate(
        [*(lining(pocket.receptor.select(nearest <= reach)) for reach in REACHES), _form(pocket), features]
    )


def _form(pocket: Pocket) -> Floats:
    buried = pocket.buriedness
    spread = np.linalg.eigvalsh(np.cov(pocket.image.T)).clip(min=0.0) ** 0.5
    return np.array([len(pocket.image), buried.mean(), buried.std(), np.quantile(buried, 0.9), *spread])
