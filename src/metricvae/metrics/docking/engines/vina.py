"""AutoDock Vina (J. Eberhardt, D. Santos-Martins, A. F. Tillack, S. Forli, J. Chem. Inf. Model. 61 (2021) 3891)."""

from __future__ import annotations

import tempfile
from pathlib import Path

from metricvae.core.errors import InputError
from metricvae.metrics.docking.engines.engine import EngineJob
from metricvae.metrics.docking.engines.pdbqt import ligand_pdbqt, positions_of, receptor_pdbqt
from metricvae.metrics.docking.records import Floats
from metricvae.runtime.extras import require

WINDOW = 100.0
"""kcal/mol above the best within which poses are wanted: all of them."""


def vina_poses(job: EngineJob) -> list[Floats]:
    """Poses by AutoDock Vina, on one thread.

    Raises:
        InputError: Vina or meeko is not installed, or cannot dock the molecule.
    """
    vina = require("vina", "vina", "the engine vina")
    ligand = ligand_pdbqt(job.molecule, "vina")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "receptor.pdbqt"
        path.write_text(receptor_pdbqt(job.receptor, job.centre, job.width), encoding="ascii")
        engine = vina.Vina(sf_name="vina", cpu=1, seed=job.seed + 1, verbosity=0)
        try:
            engine.set_receptor(str(path))
            engine.set_ligand_from_string(ligand)
            engine.compute_vina_maps([float(one) for one in job.centre], [job.width] * 3)
            engine.dock(exhaustiveness=job.exhaustiveness, n_poses=job.poses)
            text = engine.poses(n_poses=job.poses, energy_range=WINDOW)
        except (RuntimeError, ValueError, TypeError) as error:
            raise InputError(f"vina cannot dock {job.molecule.id}: {' '.join(str(error).split())}") from error
    return positions_of(text, job.molecule, "vina")
