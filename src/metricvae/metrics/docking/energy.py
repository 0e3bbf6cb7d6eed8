"""The energy of a pose and its gradient, compiled.

Coordinates are computed fragment by fragment from the root outwards; forces on the atoms are summed to forces and
torques from the ends inwards (R. Abagyan, M. Totrov, D. Kuznetsov, J. Comput. Chem. 15 (1994) 488), so both take time
proportional to the number of atoms.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from metricvae.metrics.docking.fields import read_map
from metricvae.metrics.docking.records import Floats, Ints, LigandArrays, Maps, ReceptorAtoms
from metricvae.metrics.docking.scoring import BINS_PER_SQUARE
from metricvae.runtime.jit import jit_strict


class Field(NamedTuple):
    """What a ligand's energy is made of.

    Attributes:
        maps: of the site, for a search.
        around: atoms around the site; where there are none, the maps are read, else their energies are summed.
        table: (types, types, bins) energies of pairs of atoms by squared distance, kcal/mol.
        inside: weight of the energy of pairs inside the ligand.
        torsion: weight of the torsional energies.
        ceiling: kcal/mol that the energy of an atom in the maps approaches, where it is repelled; a low one lets a
            ligand slide through what is in its way.
    """

    maps: Maps
    around: ReceptorAtoms
    table: npt.NDArray[np.float32]
    inside: float
    torsion: float
    ceiling: float


class Frames(NamedTuple):
    """Scratch space of a ligand of n atoms and f fragments, in the frame of the site.

    Attributes:
        positions, forces: (n, 3) angstroms; kcal/mol per angstrom.
        origins, axes: (f, 3).
        rotations: (f, 3, 3).
        pulls, torques: (f, 3) sums of forces and of torques about the origin.
    """

    positions: Floats
    forces: Floats
    origins: Floats
    axes: Floats
    rotations: Floats
    pulls: Floats
    torques: Floats


@jit_strict
def frames_of(ligand: LigandArrays) -> Frames:
    """Scratch space for a ligand."""
    n, f = len(ligand.positions), len(ligand.parents)
    return Frames(
        np.zeros((n, 3)),
        np.zeros((n, 3)),
        np.zeros((f, 3)),
        np.zeros((f, 3)),
        np.zeros((f, 3, 3)),
        np.zeros((f, 3)),
        np.zeros((f, 3)),
    )


@jit_strict
def place_atoms(pose: Floats, ligand: LigandArrays, frames: Frames) -> None:
    """Compute origins, axes, rotations and positions of a pose."""
    w, x, y, z = pose[3], pose[4], pose[5], pose[6]
    turn = frames.rotations
    turn[0, 0, 0], turn[0, 0, 1], turn[0, 0, 2] = 1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)
    turn[0, 1, 0], turn[0, 1, 1], turn[0, 1, 2] = 2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)
    turn[0, 2, 0], turn[0, 2, 1], turn[0, 2, 2] = 2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)
    for r in range(3):
        frames.origins[0, r] = pose[r]
    for f in range(1, len(ligand.parents)):
        p = ligand.parents[f]
        for r in range(3):
            a, b, c = turn[p, r, 0], turn[p, r, 1], turn[p, r, 2]
            offset, axis = ligand.offsets[f], ligand.axes[f]
            frames.origins[f, r] = frames.origins[p, r] + a * offset[0] + b * offset[1] + c * offset[2]
            frames.axes[f, r] = a * axis[0] + b * axis[1] + c * axis[2]
        _turn(turn, f, p, frames.axes[f], pose[6 + f])
    for n in range(len(ligand.positions)):
        f = ligand.fragment_of[n]
        a, b, c = ligand.positions[n, 0], ligand.positions[n, 1], ligand.positions[n, 2]
        for r in range(3):
            frames.positions[n, r] = frames.origins[f, r] + turn[f, r, 0] * a + turn[f, r, 1] * b + turn[f, r, 2] * c


@jit_strict
def _turn(turn: Floats, f: int, p: int, axis: Floats, angle: float) -> None:
    """Write to `turn[f]` the rotation by an angle about an axis, after `turn[p]`."""
    cosine, sine = np.cos(angle), np.sin(angle)
    x, y, z, rest = axis[0], axis[1], axis[2], 1.0 - cosine
    for s in range(3):
        a, b, c = turn[p, 0, s], turn[p, 1, s], turn[p, 2, s]
        along = rest * (x * a + y * b + z * c)
        turn[f, 0, s] = cosine * a + sine * (y * c - z * b) + along * x
        turn[f, 1, s] = cosine * b + sine * (z * a - x * c) + along * y
        turn[f, 2, s] = cosine * c + sine * (x * b - y * a) + along * z


@jit_strict
def pair_energy(row: npt.NDArray[np.float32], square: float) -> tuple[float, float]:
    """The energy of two atoms and its derivative by the squared distance; the distance is below the cut-off."""
    place = square * BINS_PER_SQUARE
    entry = int(place)
    lower, upper = float(row[entry]), float(row[entry + 1])
    return lower + (place - entry) * (upper - lower), (upper - lower) * BINS_PER_SQUARE


@jit_strict
def energy_in_maps(ligand: LigandArrays, field: Field, frames: Frames) -> float:
    """The energy in the maps; forces are written."""
    total = 0.0
    for n in range(len(ligand.types)):
        at = frames.positions[n]
        energy, dx, dy, dz = read_map(field.maps, ligand.types[n], at[0], at[1], at[2])
        if energy > 0.0:
            share = field.ceiling / (field.ceiling + energy)
            energy *= share
            dx, dy, dz = share * share * dx, share * share * dy, share * share * dz
        total += energy
        frames.forces[n, 0], frames.forces[n, 1], frames.forces[n, 2] = dx, dy, dz
    return total


@jit_strict
def energy_of_receptor(ligand: LigandArrays, field: Field, frames: Frames) -> float:
    """The energy with each atom around; forces are written."""
    around, limit = field.around, (field.table.shape[2] - 2) / BINS_PER_SQUARE
    total = 0.0
    for n in range(len(ligand.types)):
        rows, at = field.table[ligand.types[n]], frames.positions[n]
        fx = fy = fz = 0.0
        for m in range(len(around.types)):
            dx, dy = at[0] - around.positions[m, 0], at[1] - around.positions[m, 1]
            dz = at[2] - around.positions[m, 2]
            square = dx * dx + dy * dy + dz * dz
            if square < limit:
                energy, slope = pair_energy(rows[around.types[m]], square)
                total += energy
                fx, fy, fz = fx + 2.0 * slope * dx, fy + 2.0 * slope * dy, fz + 2.0 * slope * dz
        frames.forces[n, 0], frames.forces[n, 1], frames.forces[n, 2] = fx, fy, fz
    return total


@jit_strict
def energy_inside(ligand: LigandArrays, table: npt.NDArray[np.float32], weight: float, frames: Frames) -> float:
    """The weighted energy of pairs of a ligand's own atoms; forces are added to."""
    limit = (table.shape[2] - 2) / BINS_PER_SQUARE
    total, at, forces = 0.0, frames.positions, frames.forces
    for p in range(len(ligand.pairs)):
        i, j = ligand.pairs[p, 0], ligand.pairs[p, 1]
        dx, dy, dz = at[i, 0] - at[j, 0], at[i, 1] - at[j, 1], at[i, 2] - at[j, 2]
        square = dx * dx + dy * dy + dz * dz
        if square < limit:
            energy, slope = pair_energy(table[ligand.types[i], ligand.types[j]], square)
            total += energy
            slope *= 2.0 * weight
            forces[i, 0], forces[i, 1], forces[i, 2] = (
                forces[i, 0] + slope * dx,
                forces[i, 1] + slope * dy,
                forces[i, 2] + slope * dz,
            )
            forces[j, 0], forces[j, 1], forces[j, 2] = (
                forces[j, 0] - slope * dx,
                forces[j, 1] - slope * dy,
                forces[j, 2] - slope * dz,
            )
    return weight * total


@jit_strict
def energy_of_torsions(ligand: LigandArrays, pose: Floats, weight: float, gradient: Floats) -> float:
    """The weighted energy of torsions above its lowest; the gradient is added to."""
    total = -ligand.torsion_floor
    for f in range(1, len(ligand.parents)):
        cosine, sine = np.cos(pose[6 + f]), np.sin(pose[6 + f])
        c, s, slope = cosine, sine, 0.0
        for k in range(ligand.cosines.shape[1]):
            a, b = ligand.cosines[f, k], ligand.sines[f, k]
            total += a * c + b * s
            slope += (k + 1) * (b * c - a * s)
            c, s = c * cosine - s * sine, s * cosine + c * sine
        gradient[5 + f] += weight * slope
    return weight * total


@jit_strict
def _gather(ligand: LigandArrays, frames: Frames, gradient: Floats) -> None:
    """Write to `gradient` what the forces on the atoms amount to: force, torque about the root's origin, torsions."""
    frames.pulls[:] = 0.0
    frames.torques[:] = 0.0
    for n in range(len(ligand.fragment_of)):
        f = ligand.fragment_of[n]
        _add_torque(frames.torques[f], frames.positions[n], frames.origins[f], frames.forces[n])
        for r in range(3):
            frames.pulls[f, r] += frames.forces[n, r]
    for back in range(len(ligand.parents) - 1):
        f = len(ligand.parents) - 1 - back
        p, axis, torque = ligand.parents[f], frames.axes[f], frames.torques[f]
        gradient[5 + f] = torque[0] * axis[0] + torque[1] * axis[1] + torque[2] * axis[2]
        _add_torque(frames.torques[p], frames.origins[f], frames.origins[p], frames.pulls[f])
        for r in range(3):
            frames.pulls[p, r] += frames.pulls[f, r]
            frames.torques[p, r] += torque[r]
    for r in range(3):
        gradient[r], gradient[3 + r] = frames.pulls[0, r], frames.torques[0, r]


@jit_strict
def _add_torque(torque: Floats, at: Floats, origin: Floats, force: Floats) -> None:
    x, y, z = at[0] - origin[0], at[1] - origin[1], at[2] - origin[2]
    torque[0] += y * force[2] - z * force[1]
    torque[1] += z * force[0] - x * force[2]
    torque[2] += x * force[1] - y * force[0]


@jit_strict
def energy_of(pose: Floats, ligand: LigandArrays, field: Field, frames: Frames, gradient: Floats) -> float:
    """The energy of a pose in kcal/mol.

    Args:
        pose: (7 + torsions,), see `LigandArrays`.
        ligand: the ligand.
        field: the site.
        frames: scratch space; positions are written.
        gradient: (6 + torsions,), written: by a shift, by a rotation vector about the root's origin, by torsions.
    """
    place_atoms(pose, ligand, frames)
    if len(field.around.types):
        total = energy_of_receptor(ligand, field, frames)
    else:
        total = energy_in_maps(ligand, field, frames)
    total += energy_inside(ligand, field.table, field.inside, frames)
    _gather(ligand, frames, gradient)
    if field.torsion != 0.0:
        total += energy_of_torsions(ligand, pose, field.torsion, gradient)
    return total


def coordinates(ligand: LigandArrays, pose: Floats) -> Floats:
    """(n, 3) positions of a pose's atoms, angstroms."""
    frames = frames_of(ligand)
    place_atoms(pose, ligand, frames)
    return frames.positions


def no_receptor_atoms() -> ReceptorAtoms:
    """A field without atoms of its own: its maps are read."""
    return ReceptorAtoms(np.zeros((0, 3)), np.zeros(0, np.int64))


def no_maps(types: int) -> Maps:
    """Maps of nothing, for a field that sums over the atoms around."""
    return Maps(np.zeros((types, 2, 2, 2), np.float32), np.zeros(3), 1.0)


__all__ = ["Field", "Frames", "Ints", "coordinates", "energy_of", "frames_of", "no_maps", "no_receptor_atoms"]
