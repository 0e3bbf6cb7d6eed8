"""The convolutional network of Gnina on given poses, as Rustina runs it; computed once, kept in parts, resumed.

The network is `fast` of GNINA 1.3.2 (A. T. McNutt et al., J. Cheminform. 13 (2021) 43; 17 (2025) 28). It was trained on
PDBbind and CrossDocked2020, so it has seen many of the proteins here, and complexes of them.
"""

from __future__ import annotations

import tempfile
from concurrent.futures import Executor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from metricvae.core.errors import InputError
from metricvae.kinds.pocket.records import Receptor
from metricvae.kinds.pocket.sites import of_ligand
from metricvae.metrics.affinity.features.records import PosedComplex, posed_complex
from metricvae.metrics.affinity.posing import ComplexReader
from metricvae.metrics.docking.engines.pdbqt import mol_pdbqt, receptor_pdbqt
from metricvae.reproduction.affinity.complexes import Entry, parts_of
from metricvae.reproduction.inputs import OnStep
from metricvae.runtime.extras import require
from metricvae.runtime.files import read_json, write_json

WIDTH = 30.0
"""Angstroms of the cube of receptor atoms, before the margin of the preparation; the network sees 24."""

PART = 50
"""Complexes whose scores are kept in one file."""


def gnina_is_there() -> bool:
    """Whether Rustina and what prepares ligands for it are installed."""
    return all(find_spec(name) is not None for name in ("rustina", "meeko"))


def gnina_scores(
    folder: Path, chosen: list[Entry], cache: Path, pool: Executor, on_step: OnStep
) -> dict[str, float | None]:
    """pK of complexes by id, None where the network gives none.

    Args:
        folder: of affinities.
        chosen: complexes.
        cache: of the scores.
        pool: that computes them.
        on_step: told how far it is.

    Raises:
        InputError: Rustina is not installed.
    """
    require("rustina", "rustina", "the network of Gnina")
    parts = parts_of(chosen, PART)
    paths = [cache / f"gnina-{parts[number][0].set}-{number:04d}.json" for number in range(len(parts))]
    found: dict[str, float | None] = {}
    for done, path in enumerate(pool.map(score_part, [folder] * len(parts), parts, paths)):
        on_step("network of Gnina", done, len(parts))
        found |= read_json(path)
    return found


def score_part(folder: Path, part: list[Entry], path: Path) -> Path:
    """Write scores of some complexes, unless that is done for these; returns the path."""
    if path.exists() and list(read_json(path)) == [one.id for one in part]:
        return path
    reader = ComplexReader()
    scores: dict[str, float | None] = {}
    for entry in part:
        try:
            structure = reader.receptor_of(str(folder / entry.protein))
            molecule = reader.ligand_of(str(folder / entry.ligand), entry.title)
            receptor = of_ligand(structure, molecule.positions).receptor
            scores[entry.id] = network_scores(receptor, posed_complex(receptor, molecule))[AFFINITY]
        except InputError:
            scores[entry.id] = None
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, scores)
    return path


AFFINITY, POSE = "cnn_affinity", "cnn_score"
"""What the network says: pK, and the probability that the pose is right."""


def network_scores(receptor: Receptor, posed: PosedComplex) -> dict[str, float]:
    """`AFFINITY` and `POSE` of a ligand as it lies in a whole receptor.

    Raises:
        InputError: Rustina is not installed, or the complex cannot be prepared.
    """
    engine, ligand = require("rustina", "rustina", "the network of Gnina"), posed.molecule
    with tempfile.TemporaryDirectory() as folder:
        paths = Path(folder) / "receptor.pdbqt", Path(folder) / "ligand.pdbqt"
        texts = receptor_pdbqt(receptor, ligand.centre, WIDTH), mol_pdbqt(posed.mol, ligand.id, "rustina")
        for path, text in zip(paths, texts, strict=True):
            path.write_text(text, encoding="ascii")
        try:
            found: dict[str, Any] = engine.score_cnn(*map(str, paths))
        except (RuntimeError, ValueError) as error:
            raise InputError(f"rustina cannot score {ligand.id}: {' '.join(str(error).split())}") from error
    return {name: float(found[name]) for name in (AFFINITY, POSE)}
