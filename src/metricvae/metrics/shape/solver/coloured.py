"""The best overlay of two molecules by shape and colour: atoms and pharmacophore features together.

Each type of feature is a channel of Gaussians of its own beside that of the atoms, and only Gaussians of one channel
overlap. So all that holds of the overlap of atoms holds of each channel, kernels and derivatives included, and the
search is that of molecules (`metricvae.metrics.shape.solver.search`).

What is maximised is (1 - w) T_shape + w T_colour, the Tanimoto coefficients of the atoms' overlap and of the sum of the
features' overlaps, for a share w of colour: 0 for shape, 1 for colour, 1/2 for the mean of both ("combo"). With an
overlap V and the overlaps S_a and S_b of the molecules with themselves, dT/dV = (S_a + S_b) / (S_a + S_b - V)^2. The
search maximises a sum of overlaps under the weights that these derivatives have at typical coefficients; of its best
poses the scores are computed, and the refinement follows the derivatives.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.pharmacophore import TYPES, Pharmacophore, pharmacophore_of
from metricvae.kinds.molecule.records import Molecule
from metricvae.metrics.shape.solver.coloured_search import search_coloured_pairs
from metricvae.metrics.shape.solver.gaussian_molecule import PreparedMolecule, atom_rows, exponents, prepare
from metricvae.metrics.shape.solver.initial_rotations import IMAGES, initial_rotations
from metricvae.metrics.shape.solver.overlays import (
    Found,
    OverlayConfig,
    Pairs,
    over_tasks,
    overlay_pairs,
    pack_atoms,
)
from metricvae.metrics.shape.solver.pose_batch import Atoms, Whole
from metricvae.metrics.shape.solver.records import ColouredOverlay, Overlays
from metricvae.metrics.shape.solver.volumes import Channels, overlap_volume

Floats = npt.NDArray[np.float64]

FEATURE_RADIUS = 1.7
"""Angstroms, of the Gaussian of a feature: that of a carbon atom."""

CHANNELS = 1 + len(TYPES)
"""Atoms, and each type of feature."""

By = Literal["shape", "colour", "combo"]

SHARES: dict[By, float] = {"shape": 0.0, "colour": 1.0, "combo": 0.5}
"""Share of colour in what an overlay maximises, by name."""


@dataclass(frozen=True, eq=False)
class ColouredMolecule:
    """A molecule's atoms and features as Gaussians, in channels.

    Attributes:
        molecule: atoms, then features, on the principal axes of the atoms; `volume` is the atoms' overlap with
            themselves.
        channels: (m,) int64; 0 for the atoms of a run, 1 + type for features.
        starts: (CHANNELS + 1,) int64; where each channel starts among the Gaussians.
        colour_volume: the features' overlap with themselves, cubic angstroms, at a height of 1.
        height: what all Gaussians are multiplied by: 1 / n for the mean of n molecules.
    """

    molecule: PreparedMolecule
    channels: Whole
    starts: Whole
    colour_volume: float
    height: float = 1.0

    @property
    def volumes(self) -> tuple[float, float]:
        """Overlaps with itself, of the atoms and of the features."""
        return self.height**2 * self.molecule.volume, self.height**2 * self.colour_volume


def coloured(molecule: Molecule) -> ColouredMolecule:
    """A molecule with its features, as the search takes it.

    Raises:
        InputError: as `prepare` and `pharmacophore_of`.
    """
    return prepare_coloured(molecule.positions, molecule.radii, pharmacophore_of(molecule))


def coloured_channels(molecule: ColouredMolecule) -> Channels:
    """Atoms and features on the molecule's axes, as the refinement takes them."""
    atoms = molecule.molecule.atoms
    return Channels(atoms.positions, np.repeat(atoms.alpha, np.diff(atoms.runs)), molecule.starts)


def consensus(molecules: Sequence[Molecule]) -> ColouredMolecule:
    """The mean of several molecules where they lie, as one: what most of them share weighs most.

    Raises:
        InputError: no molecules, or as `prepare` and `pharmacophore_of`.
    """
    if not molecules:
        raise InputError("got no molecules for a consensus: give at least one")
    features = [pharmacophore_of(one) for one in molecules]
    together = Pharmacophore(
        np.concatenate([one.types for one in features]), np.concatenate([one.positions for one in features])
    )
    positions = np.concatenate([one.positions for one in molecules])
    found = prepare_coloured(positions, np.concatenate([one.radii for one in molecules]), together)
    return replace(found, height=1.0 / len(molecules))


def prepare_coloured(positions: npt.ArrayLike, radii: npt.ArrayLike, features: Pharmacophore) -> ColouredMolecule:
    """Atoms and features as the search takes them.

    Args:
        positions: (n, 3) of the atoms, angstroms.
        radii: (n,) of them, angstroms.
        features: of the molecule, where its atoms lie.

    Raises:
        InputError: as `metricvae.metrics.shape.solver.gaussian_molecule.prepare`.
    """
    bare = prepare(positions, radii)
    own = (features.positions - bare.centre) @ bare.axes
    order = np.lexsort((*own.T, features.types))
    own, types = own[order], features.types[order]
    starts = len(bare.atoms.positions) + np.searchsorted(types, np.arange(len(TYPES) + 1))
    there = np.flatnonzero(np.bincount(types, minlength=len(TYPES)))
    alpha = float(exponents(np.array([FEATURE_RADIUS]))[0])
    places = np.concatenate([bare.atoms.positions, own])
    atoms = Atoms(
        np.concatenate([bare.atoms.rows, atom_rows(own)]),
        np.concatenate([bare.atoms.runs, starts[there + 1]]),
        np.concatenate([bare.atoms.alpha, np.full(len(there), alpha)]),
        places,
    )
    widths = np.full(len(own), alpha)
    volume = sum(
        overlap_volume(own[types == number], widths[types == number], own[types == number], widths[types == number])
        for number in there.tolist()
    )
    return ColouredMolecule(
        PreparedMolecule(atoms, bare.centre, bare.axes, bare.volume),
        np.concatenate([np.zeros(len(bare.atoms.alpha), np.int64), 1 + there]),
        np.concatenate([[0], starts]).astype(np.int64),
        float(volume),
    )


@dataclass(frozen=True)
class ColouredOverlays:
    """The overlays of k pairs of molecules with features.

    Attributes:
        shape: overlaps of the atoms, and the poses.
        colour: (k,) overlaps of the features at the poses, cubic angstroms.
        colour_a, colour_b: (k,) overlaps of the features of each molecule with themselves, cubic angstroms.
    """

    shape: Overlays
    colour: Floats
    colour_a: Floats
    colour_b: Floats

    def __len__(self) -> int:
        return len(self.colour)

    def select(self, rows: npt.NDArray[np.int64]) -> ColouredOverlays:
        """Some of the pairs."""
        return ColouredOverlays(self.shape.select(rows), self.colour[rows], self.colour_a[rows], self.colour_b[rows])

    def __getitem__(self, row: int) -> ColouredOverlay:
        shape, colour = float(self.shape_tanimoto[row]), float(self.colour_tanimoto[row])
        return ColouredOverlay(
            **vars(self.shape[row]),
            colour=float(self.colour[row]),
            colour_a=float(self.colour_a[row]),
            colour_b=float(self.colour_b[row]),
            shape_tanimoto=shape,
            colour_tanimoto=colour,
            combo=(shape + colour) / 2,
        )

    @property
    def shape_tanimoto(self) -> Floats:
        """(k,) Tanimoto coefficients of the atoms, from 0 to 1."""
        return self.shape.tanimoto

    @property
    def colour_tanimoto(self) -> Floats:
        """(k,) Tanimoto coefficients of the features, from 0 to 1; 1 where neither molecule has any."""
        union = self.colour_a + self.colour_b - self.colour
        return np.minimum(1.0, np.where(union > 0, self.colour / np.where(union > 0, union, 1.0), 1.0))

    def scores(self, by: By = "combo") -> Floats:
        """(k,) what was maximised: the coefficient of `by`, from 0 to 1."""
        share = SHARES[by]
        return (1.0 - share) * self.shape_tanimoto + share * self.colour_tanimoto

    def tversky(self, by: By = "combo", alpha: float = 0.95) -> Floats:
        """(k,) Tversky indices, V / (alpha S_a + (1 - alpha) S_b): how much of the first is in the second.

        With `alpha` near 1 a fragment in a larger molecule scores near 1; it may be above 1 for a dense second one
        (A. Tversky, Psychological Review 84 (1977) 327; as OpenEye's ROCS defines it).

        Args:
            by: as for `scores`.
            alpha: weight of the first molecule, from 0 to 1.
        """
        shape = self.shape.overlap / (alpha * self.shape.self_a + (1.0 - alpha) * self.shape.self_b)
        whole = alpha * self.colour_a + (1.0 - alpha) * self.colour_b
        colour = np.where(whole > 0, self.colour / np.where(whole > 0, whole, 1.0), 1.0)
        share = SHARES[by]
        return np.asarray((1.0 - share) * shape + share * colour)


def overlay_coloured(
    molecules: Sequence[ColouredMolecule],
    pairs: npt.ArrayLike,
    by: By = "combo",
    config: OverlayConfig | None = None,
    threads: int | None = None,
    poses: int = 1,
) -> ColouredOverlays:
    """The overlays of many pairs, by shape, by colour or by both; the same whatever the number of threads.

    Args:
        molecules: every molecule that a pair names.
        pairs: (k, 2) rows of `molecules`; the second of each pair moves.
        by: what is maximised; see the top of this module.
        config: of the search; the default is the measured one.
        threads: at once; default all cores.
        poses: distinct ones of each pair, best first: there are then poses * k overlays, those of a pair one after the
            other, with overlaps of nan where a pair has fewer.

    Raises:
        InputError: pairs that are not (k, 2) whole numbers or name no molecule, or fewer than one thread.

    Example:
        >>> from metricvae.kinds.molecule.conformers import conform
        >>> one = coloured(conform("NCCc1c[nH]c2ccccc12", seed=1)[0])
        >>> overlay_coloured([one], [(0, 0)]).scores().round(6).tolist()
        [1.0]
    """
    if threads is not None and threads < 1:
        raise InputError(f"threads is {threads}: expected at least 1")
    settings, at_once = config or OverlayConfig(), threads or os.cpu_count() or 1
    volumes = np.array([one.volumes for one in molecules]).reshape(-1, 2)
    overlaps = np.zeros((0, 2))

    def search(ordered: Pairs) -> Found:
        nonlocal overlaps
        found = _search(molecules, volumes, ordered[::poses], SHARES[by], settings, at_once, poses)
        overlaps = found[0].reshape(-1, 2)
        return overlaps[:, 0], found[1].reshape(-1, 3, 3), found[2].reshape(-1, 3)

    every = np.repeat(np.asarray(pairs), poses, axis=0)
    shape = overlay_pairs([one.molecule for one in molecules], every, search)
    first, second = every.astype(np.int64).reshape(-1, 2).T
    shape = replace(shape, self_a=volumes[first, 0], self_b=volumes[second, 0])
    return ColouredOverlays(shape, overlaps[:, 1], volumes[first, 1], volumes[second, 1])


def _search(
    molecules: Sequence[ColouredMolecule],
    volumes: Floats,
    pairs: Pairs,
    share: float,
    config: OverlayConfig,
    threads: int,
    poses: int,
) -> Found:
    """Overlaps (k, poses, 2) of atoms and features, rotations and translations, split over threads."""
    used, where = np.unique(pairs, return_inverse=True)
    chosen, local = [molecules[i] for i in used], where.reshape(pairs.shape)
    packed = pack_atoms([one.molecule for one in chosen])
    # a row more for each molecule, as the runs of packed molecules have
    channels = np.concatenate([np.append(one.channels, -1) for one in chosen])
    starts, heights = np.array([one.starts for one in chosen]), np.array([one.height for one in chosen])
    quaternions = initial_rotations(config.starts // IMAGES).reshape(-1, 4 * IMAGES)
    found = (
        np.empty((len(pairs), poses, 2)),
        np.empty((len(pairs), poses, 3, 3)),
        np.empty((len(pairs), poses, 3)),
    )
    stages = config.optimised, config.refined, config.final

    def work(part: slice) -> None:
        columns = [column[part] for column in found]
        search_coloured_pairs(
            packed, channels, starts, heights, volumes[used], local[part], share, quaternions, *stages, *columns
        )

    over_tasks(work, len(pairs), threads)
    return found
