"""Rustina: the search of QuickVina 2 in Rust, with Vinardo's scoring function."""

from __future__ import annotations

import tempfile
from pathlib import Path

from metricvae.core.errors import InputError
from metricvae.metrics.docking.engines.engine import EngineJob
from metricvae.metrics.docking.engines.pdbqt import ligand_pdbqt, positions_of, receptor_pdbqt
from metricvae.metrics.docking.records import Floats
from metricvae.runtime.extras import require


def rustina_poses(job: EngineJob) -> list[Floats]:
    """Poses by Rustina, on one thread, without its neural networks; `exhaustiveness` is the number of its runs.

    Raises:
        InputError: Rustina or meeko is not installed, or cannot dock the molecule.
    """
    engine = require("rustina", "rustina", "the engine rustina")
    with tempfile.TemporaryDirectory() as folder:
        receptor, ligand = Path(folder) / "receptor.pdbqt", Path(folder) / "ligand.pdbqt"
        receptor.write_text(receptor_pdbqt(job.receptor, job.centre, job.width), encoding="ascii")
        ligand.write_text(ligand_pdbqt(job.molecule, "rustina"), encoding="ascii")
        cube = (*map(float, job.centre), *[job.width] * 3)
        try:
            found = engine.dock(
                str(receptor),
                str(ligand),
                *cube,
                search_mode="qvina2",
                runs=job.exhaustiveness,
                pose_pool_size=max(10, job.poses),
                num_modes=job.poses,
                seed=job.seed + 1,
                skip_cnn=True,
                threads=1,
            )
        except (RuntimeError, ValueError) as error:
            raise InputError(f"rustina cannot dock {job.molecule.id}: {' '.join(str(error).split())}") from error
    return [pose for one in found for pose in positions_of(one["pdbqt"], job.molecule, "rustina")]
