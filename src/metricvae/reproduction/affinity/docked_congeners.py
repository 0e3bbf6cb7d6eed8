"""Poses of congeners that have none: each is docked where the reference ligand of its system lies."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from metricvae.core.array_files import ArrayFiles
from metricvae.core.errors import InputError
from metricvae.kinds.molecule.conformers import conform
from metricvae.kinds.pocket.sites import of_ligand
from metricvae.metrics.affinity.features.records import posed_complex
from metricvae.metrics.affinity.features.vector import NAMES, features_of
from metricvae.metrics.affinity.posing import ComplexReader, check_pose
from metricvae.metrics.docking.config import DockingConfig, TemplateConfig
from metricvae.metrics.docking.dock import dock_conformers, site_of
from metricvae.metrics.docking.template import template_of
from metricvae.reproduction.affinity.complexes import Entry
from metricvae.runtime.files import read_json, write_bytes, write_json

Floats = npt.NDArray[np.float64]

OnStep = Callable[[int, int], None]

LED = DockingConfig(
    poses=1,
    kept=4,
    template=TemplateConfig(conformers=8, overlays=2, chains=4, rounds=1, random=0),
)
"""A third of a second a molecule: the reference shows where a congener lies."""


@dataclass(frozen=True)
class DockedTask:
    """Congeners of one structure.

    Attributes:
        entry: the complex whose ligand is their reference.
        names, smiles: of the congeners.
        path: of their features.
    """

    entry: Entry
    names: tuple[str, ...]
    smiles: tuple[str, ...]
    path: Path


def docked_features(
    folder: Path,
    tasks: Sequence[DockedTask],
    pool: Executor,
    on_step: OnStep = lambda *_: None,
) -> dict[tuple[str, str], Floats]:
    """Features of congeners where docking lays them, by the id of the reference complex and their name; those without
    a pose that can be used are left out.

    Args:
        folder: of affinities.
        tasks: congeners, those of one structure together; what an earlier run did is read.
        pool: of processes.
        on_step: told how many of how many structures are done.
    """
    found: dict[tuple[str, str], Floats] = {}
    for done, task in enumerate(pool.map(partial(dock_congeners, folder), tasks), start=1):
        keys = [(task.entry.id, name) for name in read_json(task.path.with_suffix(".json"))["posed"]]
        found |= zip(keys, ArrayFiles().read(task.path, "features").astype(np.float64), strict=True)
        on_step(done, len(tasks))
    return found


def dock_congeners(folder: Path, task: DockedTask) -> DockedTask:
    """Write the features of congeners of one structure, unless that is done; returns the task."""
    document = task.path.with_suffix(".json")
    if document.exists() and read_json(document)["asked"] == list(task.names):
        return task
    reader = ComplexReader()
    structure = reader.receptor_of(str(folder / task.entry.protein))
    reference = reader.ligand_of(str(folder / task.entry.ligand), task.entry.title)
    receptor, template = of_ligand(structure, reference.positions).receptor, template_of(reference)
    site = site_of(receptor, reference.centre, LED)
    names, features = [], []
    for name, smiles in zip(task.names, task.smiles, strict=True):
        try:
            made = conform(smiles, LED.seed + 1, LED.template.conformers, name=name, distinct=0.1)
            posed = posed_complex(receptor, dock_conformers(site, made, LED, template, check=False)[0].molecule)
            check_pose(posed)
            features.append(features_of(posed))
        except (InputError, IndexError):
            continue
        names.append(name)
    task.path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, features=np.array(features, np.float32).reshape(-1, len(NAMES)))
    write_bytes(task.path, buffer.getvalue())
    write_json(document, {"asked": task.names, "posed": names})
    return task
