"""Largest correlation of small density maps over all rotations and translations: maps of molecules, labelled from their
atoms by the package's own overlay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from metricvae.kinds.molecule.fragments import draw
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.molecule.scaffolds import scaffold_group
from metricvae.kinds.volume.records import Values
from metricvae.kinds.volume.simulation import density
from metricvae.metrics.correlation.solver.atoms import atomic_map, correlate_many, correlations
from metricvae.reproduction.any_metric.labels.descriptors import quantiles, sorted_distances
from metricvae.reproduction.any_metric.labels.writers import write_array
from metricvae.reproduction.any_metric.records import Floats, MadeObjects, Measure, Rows

FIRST_SEED = 8_000
"""Seed of the molecules is added to it, so that no shipped model was trained on them."""

RESOLUTION, SPACING, MARGIN = 4.0, 1.5, 4.0
"""Of the maps, in angstroms: how far details are apart, grid points, and the faces of the box from the atoms."""


@dataclass(frozen=True)
class MappedMolecule:
    """A molecule as it lies, and its map (nx, ny, nz), which is all that the model sees."""

    molecule: Molecule
    map: Values


def make_maps(count: int, seed: int) -> MadeObjects:
    """Maps of molecules of the source `fragments` in any orientation; those of one scaffold share a split."""
    rng = np.random.default_rng([seed, 11])
    values = []
    for molecule in draw(count, FIRST_SEED + seed):
        moved = molecule.moved(Rotation.random(rng=rng).as_matrix())
        values.append(MappedMolecule(moved, density(moved, RESOLUTION, SPACING, MARGIN).values))
    scaffolds = [scaffold_group(one.molecule.smiles, one.molecule.id) for one in values]
    groups = np.unique(scaffolds, return_inverse=True)[1]
    magnitudes = np.array([_magnitudes(one.map) for one in values])
    return MadeObjects(values, groups, groups, magnitudes, np.array([_profile(one.map) for one in values]))


def write_volume(path: Path, value: MappedMolecule) -> Path:
    """The map as a NumPy file."""
    return write_array(path, value.map)


def measure_correlation(values: Sequence[MappedMolecule]) -> Measure:
    """Largest normalised correlations of pairs of maps, from the atoms that they show."""
    maps = [atomic_map(one.molecule, RESOLUTION) for one in values]

    def largest(first: Rows, second: Rows) -> Floats:
        return correlations(correlate_many(maps, np.stack([first, second], axis=1)))

    return largest


def _dense(values: Values) -> Floats:
    """(n, 3) grid points whose density is above a third of the greatest, in grid steps."""
    return np.argwhere(values > values.max() / 3).astype(np.float64)


def _magnitudes(values: Values) -> list[float]:
    """Sum, norm, greatest density, and spreads of the density along its principal axes."""
    places = np.indices(values.shape).reshape(3, -1).astype(np.float64)
    mass = values.ravel().astype(np.float64) / values.sum()
    centred = places - (places @ mass)[:, None]
    spreads = np.sqrt(np.maximum(np.linalg.eigvalsh(centred * mass @ centred.T), 0))
    return [float(values.sum()), float(np.linalg.norm(values)), float(values.max()), *spreads.tolist()]


def _profile(values: Values) -> Floats:
    """Quantiles of distances between dense grid points, and of the densities of these."""
    return np.concatenate([sorted_distances(_dense(values), 24), quantiles(values[values > values.max() / 3], 12)])
