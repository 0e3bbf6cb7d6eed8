"""The largest correlation of the maps of two molecules, from their atoms.

The map of a molecule at a resolution is a sum of Gaussians (`metricvae.kinds.volume.simulation`), so the inner product
of two maps is a sum over pairs of atoms. The search for the best pose is that of molecules
(`metricvae.metrics.shape.solver.search`) with one Gaussian for each atom, of the integral and the mean width of its
five; at the pose that it finds, the correlation is computed with all five. As the correlation is flat there, the error
in the pose hardly counts. No grid is involved: this is what `overlay_maps` approaches on fine grids.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.volume.simulation import element_gaussians
from metricvae.metrics.shape.solver.gaussian_molecule import PreparedMolecule, atom_rows, principal_axes
from metricvae.metrics.shape.solver.initial_rotations import IMAGES, initial_rotations
from metricvae.metrics.shape.solver.overlays import (
    Found,
    OverlayConfig,
    Pairs,
    over_tasks,
    overlay_pairs,
    pack_atoms,
)
from metricvae.metrics.shape.solver.pose_batch import Atoms, Single
from metricvae.metrics.shape.solver.records import Overlays
from metricvae.metrics.shape.solver.search import PackedMolecules, best_pose, unpack
from metricvae.runtime.jit import jit_strict

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class AtomicMap:
    """The map of a molecule as Gaussians.

    Attributes:
        molecule: its atoms, those of one element in one run, with one Gaussian each; `volume` is the inner product of
            the map with itself.
        integrals: (m, 5) of the Gaussians of each run's atoms.
        exponents: (m, 5) of them, 1 / angstrom^2.
    """

    molecule: PreparedMolecule
    integrals: Floats
    exponents: Floats


def atomic_map(molecule: Molecule, resolution: float) -> AtomicMap:
    """The map of a molecule at a resolution in angstroms.

    Raises:
        InputError: no atoms, a resolution that is not above 0, or an element that has no electron scattering factor.
    """
    if not 0 < resolution < math.inf or not len(molecule.elements):
        raise InputError(f"resolution is {resolution}: expected angstroms above 0, and a molecule with atoms")
    order = np.argsort(molecule.elements, kind="stable")
    elements, places = molecule.elements[order], np.asarray(molecule.positions, np.float64)[order]
    firsts = np.flatnonzero(np.diff(elements.astype(int), prepend=-1) != 0)
    integrals, widths = element_gaussians(elements[firsts].tolist(), resolution)
    runs = np.append(firsts, len(elements))
    total = integrals.sum(axis=1)
    mass = np.repeat(total, np.diff(runs))
    centre = mass @ places / mass.sum()
    axes = principal_axes(places - centre, mass)
    own = np.ascontiguousarray((places - centre) @ axes)
    alpha = 4 * math.pi**2 * total / (integrals * widths).sum(axis=1)
    atoms, exponents = Atoms(atom_rows(own), runs, alpha, own), 4 * math.pi**2 / widths
    size = inner_product(atoms, integrals, exponents, atoms, integrals, exponents, np.eye(3), np.zeros(3))
    return AtomicMap(PreparedMolecule(atoms, centre, axes, size), integrals, exponents)


def correlate_many(
    maps: Sequence[AtomicMap], pairs: npt.ArrayLike, config: OverlayConfig | None = None, threads: int = 1
) -> Overlays:
    """The best overlays of many pairs of maps; `correlations` gives their values.

    Args:
        maps: every map that a pair names.
        pairs: (k, 2) rows of `maps`; the second of each pair moves.
        config: of the search.
        threads: at once.

    Raises:
        InputError: pairs that are not (k, 2) whole numbers or name no map.
    """
    settings = config or OverlayConfig()
    return overlay_pairs(
        [one.molecule for one in maps], pairs, lambda ordered: _search(maps, ordered, settings, threads)
    )


def correlations(found: Overlays) -> Floats:
    """(k,) normalised correlations of overlays of maps."""
    return np.asarray(found.overlap / np.sqrt(found.self_a * found.self_b))


def _search(maps: Sequence[AtomicMap], pairs: Pairs, config: OverlayConfig, threads: int) -> Found:
    used, where = np.unique(pairs, return_inverse=True)
    chosen, local = [maps[i] for i in used], where.reshape(pairs.shape)
    packed = pack_atoms([one.molecule for one in chosen])
    # a row more for each map, as the runs of packed molecules have
    integrals, exponents = (
        np.concatenate([np.concatenate([getattr(one, name), np.ones((1, 5))]) for one in chosen])
        for name in ("integrals", "exponents")
    )
    quaternions = initial_rotations(config.starts // IMAGES).reshape(-1, 4 * IMAGES)
    found = np.empty(len(pairs)), np.empty((len(pairs), 3, 3)), np.empty((len(pairs), 3))
    stages = config.optimised, config.refined, config.final

    def work(part: slice) -> None:
        columns = [column[part] for column in found]
        correlate_pairs(packed, integrals, exponents, local[part], quaternions, *stages, *columns)

    over_tasks(work, len(pairs), min(threads, os.cpu_count() or 1))
    return found


@jit_strict
def gaussian_tables(alpha_a: Floats, totals_a: Floats, alpha_b: Floats, totals_b: Floats) -> tuple[Single, Single]:
    """Exponent and height of the inner product of two Gaussians of each pair of runs, (m_a, m_b) float32 each."""
    k, c = np.empty((len(alpha_a), len(alpha_b)), np.float32), np.empty((len(alpha_a), len(alpha_b)), np.float32)
    for p in range(len(alpha_a)):
        for q in range(len(alpha_b)):
            k[p, q] = alpha_a[p] * alpha_b[q] / (alpha_a[p] + alpha_b[q])
            c[p, q] = totals_a[p] * totals_b[q] * (k[p, q] / np.pi) ** 1.5
    return k, c


@jit_strict
def inner_product(
    a: Atoms,
    integrals_a: Floats,
    exponents_a: Floats,
    b: Atoms,
    integrals_b: Floats,
    exponents_b: Floats,
    rotation: Floats,
    translation: Floats,
) -> float:
    """The integral of the product of two maps, the second after a rotation (3, 3) and a translation (3,).

    sum_ij w_i w_j (k / pi)^(3/2) exp(-k |x_i - x_j|^2) over all Gaussians, k = e_i e_j / (e_i + e_j), of the integrals
    w and the exponents e.
    """
    total = 0.0
    count = integrals_a.shape[1]
    k, c = np.empty(count * count), np.empty(count * count)
    for p in range(len(a.alpha)):
        for q in range(len(b.alpha)):
            for r in range(count):
                for s in range(count):
                    both = exponents_a[p, r] * exponents_b[q, s] / (exponents_a[p, r] + exponents_b[q, s])
                    k[r * count + s] = both
                    c[r * count + s] = integrals_a[p, r] * integrals_b[q, s] * (both / math.pi) ** 1.5
            for j in range(b.runs[q], b.runs[q + 1]):
                x, y, z = rotation @ b.positions[j] + translation
                for i in range(a.runs[p], a.runs[p + 1]):
                    dx, dy, dz = a.positions[i, 0] - x, a.positions[i, 1] - y, a.positions[i, 2] - z
                    square = dx * dx + dy * dy + dz * dz
                    for r in range(count * count):
                        total += c[r] * math.exp(-k[r] * square)
    return total


@jit_strict
def correlate_pairs(
    packed: PackedMolecules,
    integrals: Floats,
    exponents: Floats,
    pairs: Pairs,
    quaternions: Single,
    optimised: int,
    refined: int,
    final: int,
    overlaps: Floats,
    rotations: Floats,
    translations: Floats,
) -> None:
    """Search for each of some pairs, and take the inner product of the maps there.

    Args:
        packed: the molecules.
        integrals, exponents: rows of all their runs, as `packed.alpha` has them.
        pairs, quaternions, optimised, refined, final, overlaps, rotations, translations: as in
            `metricvae.metrics.shape.solver.search.search_pairs`.
    """
    for row in range(len(pairs)):
        first, second = pairs[row, 0], pairs[row, 1]
        a, b = unpack(packed, first), unpack(packed, second)
        start, end = packed.run_starts[first], packed.run_starts[first + 1] - 1
        weights_a, widths_a = integrals[start:end], exponents[start:end]
        start, end = packed.run_starts[second], packed.run_starts[second + 1] - 1
        weights_b, widths_b = integrals[start:end], exponents[start:end]
        k, c = gaussian_tables(a.alpha, weights_a.sum(axis=1), b.alpha, weights_b.sum(axis=1))
        rotation, translation = best_pose(a, b, k, c, quaternions, optimised, refined, final)
        overlaps[row] = inner_product(a, weights_a, widths_a, b, weights_b, widths_b, rotation, translation)
        rotations[row], translations[row] = rotation, translation
