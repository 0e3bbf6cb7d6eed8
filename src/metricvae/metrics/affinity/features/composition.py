"""What lines the pocket: residues and elements of the receptor near the ligand, whatever the ligand's pose."""

from __future__ import annotations

import numpy as np

from metricvae.kinds.pocket.lining import LINING, lining
from metricvae.metrics.affinity.features.records import Floats, PosedComplex

REACHES = (5.0, 8.0)
"""Angstroms from the ligand within which residues and atoms count."""

NAMES = tuple(f"pocket.{reach:g}.{name}" for reach in REACHES for name in LINING)


def composition(posed: PosedComplex) -> Floats:
    """(len(NAMES),) residues by name, atoms by element and by role, and totals, within each of `REACHES`."""
    nearest = posed.distances.min(axis=0)
    return np.concatenate([lining(posed.receptor.select(nearest <= reach)) for reach in REACHES])
