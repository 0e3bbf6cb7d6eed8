"""A target of DUD-E, and what a ranking of its molecules is worth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from metricvae.core.binary_scores import auc
from metricvae.kinds.molecule.readers import read
from metricvae.kinds.molecule.records import Molecule

Floats = npt.NDArray[np.float64]

SHARE = 0.01
"""Of a ranking, whose enrichment is told."""


def read_target(folder: Path) -> tuple[list[Molecule], npt.NDArray[np.bool_]]:
    """The ligand of the crystal, actives and decoys, with the conformers of the files; and which of all but the first
    are active."""
    kinds = ("crystal_ligand.mol2", "actives_final.mol2.gz", "decoys_final.mol2.gz")
    ligands, actives, decoys = ([one for one in read(folder / kind) if isinstance(one, Molecule)] for kind in kinds)
    return [ligands[0], *actives, *decoys], np.arange(len(actives) + len(decoys)) < len(actives)


def enrichment(scores: Floats, active: npt.NDArray[np.bool_], share: float = SHARE) -> float:
    """The share of actives among the first by (n,) scores, over that among all."""
    first = np.argsort(-scores, kind="stable")[: max(1, round(share * len(active)))]
    return float(active[first].mean() / active.mean())


def figures(scores: Floats, exact: Floats, active: npt.NDArray[np.bool_]) -> dict[str, float]:
    """Of (n,) scores of molecules, and exact ones."""
    return {
        "auc": auc(scores, active),
        "ef_1_percent": enrichment(scores, active),
        "correlation_with_exact": float(np.corrcoef(scores, exact)[0, 1]),
    }
