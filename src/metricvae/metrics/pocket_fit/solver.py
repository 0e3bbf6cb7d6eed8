"""The exact fit of a molecule in a pocket: the mean of the Tanimoto coefficients of shape and colour with the pocket's
image, less the share of the molecule's volume that lies on the receptor.

The search is that of overlays by shape and colour (`metricvae.metrics.shape.solver.coloured`), which knows nothing of
the receptor; the distinct poses that it ends with are optimised further under the weights that the score has at the
best of them, and the one of the largest fit is the answer.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from metricvae.core.errors import InputError
from metricvae.core.kind import Object
from metricvae.core.metric import Floats, Solution
from metricvae.kinds.molecule.kind import with_coordinates
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.pocket.records import Pocket
from metricvae.metrics.pocket_fit.fit_search import search_fits
from metricvae.metrics.pocket_fit.receptor_cells import ReceptorCells, receptor_cells
from metricvae.metrics.shape.solver.coloured import ColouredMolecule, coloured, prepare_coloured
from metricvae.metrics.shape.solver.gaussian_molecule import exponents
from metricvae.metrics.shape.solver.initial_rotations import IMAGES, initial_rotations
from metricvae.metrics.shape.solver.overlays import OverlayConfig, over_tasks, pack_atoms
from metricvae.metrics.shape.solver.records import ColouredOverlay

SEARCH = OverlayConfig()
"""The default search; benchmarks/RESULTS-pockets.md has what it loses."""


@dataclass(frozen=True, eq=False)
class PreparedPocket:
    """A pocket as the search takes it.

    Attributes:
        image: its negative image with what the protein asks for.
        cells: the receptor around it, on the principal axes of the image.
    """

    image: ColouredMolecule
    cells: ReceptorCells


@dataclass(frozen=True)
class FitOverlay(ColouredOverlay):
    """How a molecule lies in a pocket.

    Attributes:
        clash: overlap of the molecule with the protein, a share of its overlap with itself.
        fit: the mean of both coefficients less the clash.
    """

    clash: float
    fit: float


@dataclass(frozen=True)
class FitSolver:
    """The exact fit of a molecule in a pocket; see the top of this module.

    Attributes:
        search: how hard it searches.
    """

    score_name = "fit"
    search: OverlayConfig = SEARCH

    def prepare(self, value: Object) -> PreparedPocket | ColouredMolecule:
        """What a pocket or a molecule costs once; a molecule without coordinates gets a conformer."""
        if isinstance(value, Molecule):
            return coloured(with_coordinates(value))
        if not isinstance(value, Pocket):
            raise InputError(f"got {type(value).__name__}: expected a pocket and a molecule")
        image = prepare_coloured(value.image, value.radii, value.pharmacophore)
        positions, radii = value.exclusion
        own = (np.asarray(positions, np.float64) - image.molecule.centre) @ image.molecule.axes
        return PreparedPocket(image, receptor_cells(own, exponents(radii)))

    def solve(self, left: Any, right: Any) -> Solution:
        """The fit of a molecule on the right in a pocket on the left, and the `FitOverlay` that gives it."""
        return self.solve_pairs([left, right], np.array([[0, 1]]), threads=1)[0]

    def solve_pairs(
        self,
        prepared: Sequence[PreparedPocket | ColouredMolecule],
        pairs: npt.NDArray[np.int64],
        threads: int | None = None,
    ) -> list[Solution]:
        """`solve` for many pairs, pocket by pocket; see `metricvae.core.metric.BatchSolver`."""
        found: list[Solution | None] = [None] * len(pairs)
        for number in np.unique(pairs[:, 0]).tolist():
            rows = np.flatnonzero(pairs[:, 0] == number)
            pocket, molecules = prepared[number], [prepared[one] for one in pairs[rows, 1].tolist()]
            if not isinstance(pocket, PreparedPocket) or any(isinstance(one, PreparedPocket) for one in molecules):
                raise InputError("got a pair of other objects: expected a pocket on the left, a molecule on the right")
            answers = fit_molecules(pocket, molecules, self.search, threads)  # type: ignore[arg-type]
            for row, answer in zip(rows.tolist(), answers, strict=True):
                found[row] = Solution(answer.fit, answer.fit, answer)
        return [one for one in found if one is not None]


def fit_molecules(
    pocket: PreparedPocket,
    molecules: Sequence[ColouredMolecule],
    search: OverlayConfig = SEARCH,
    threads: int | None = None,
) -> list[FitOverlay]:
    """How each of many molecules lies in a pocket at its best; the same whatever the number of threads.

    Args:
        pocket: as `FitSolver.prepare` gives it.
        molecules: likewise.
        search: how hard it searches.
        threads: at once; default all cores.
    """
    overlaps, rotations, translations = _search(pocket, molecules, search, threads or os.cpu_count() or 1)
    image, volumes = pocket.image, np.array([one.volumes for one in molecules]).reshape(-1, 2)
    axes = np.array([one.molecule.axes for one in molecules]).reshape(-1, 3, 3)
    centres = np.array([one.molecule.centre for one in molecules]).reshape(-1, 3)
    rotations = image.molecule.axes @ rotations @ axes.transpose(0, 2, 1)
    translations = (
        image.molecule.centre + translations @ image.molecule.axes.T - np.einsum("kij,kj->ki", rotations, centres)
    )
    whole = np.array(image.volumes) + volumes
    union = whole - overlaps[:, :2]
    tanimoto = np.minimum(1.0, np.divide(overlaps[:, :2], union, out=np.zeros_like(union), where=union > 0))
    clash = overlaps[:, 2] / volumes[:, 0]
    combo = tanimoto.mean(axis=1)
    columns = (overlaps[:, 0], volumes[:, 0], overlaps[:, 1], volumes[:, 1], *tanimoto.T, combo, clash, combo - clash)
    numbers = zip(*(column.tolist() for column in columns), strict=True)
    return [
        FitOverlay(
            overlap=atoms,
            self_a=image.volumes[0],
            self_b=atoms_b,
            rotation=rotation,
            translation=translation,
            colour=features,
            colour_a=image.volumes[1],
            colour_b=features_b,
            shape_tanimoto=shape,
            colour_tanimoto=colour,
            combo=both,
            clash=spent,
            fit=fit,
        )
        for (atoms, atoms_b, features, features_b, shape, colour, both, spent, fit), rotation, translation in zip(
            numbers, rotations, translations, strict=True
        )
    ]


def _search(
    pocket: PreparedPocket, molecules: Sequence[ColouredMolecule], config: OverlayConfig, threads: int
) -> tuple[Floats, Floats, Floats]:
    """Overlaps (k, 3), rotations and translations about the own axes of both, split over threads."""
    packed = pack_atoms([one.molecule for one in molecules])
    channels = np.concatenate([np.append(one.channels, -1) for one in molecules])
    starts, volumes = np.array([one.starts for one in molecules]), np.array([one.volumes for one in molecules])
    quaternions = initial_rotations(config.starts // IMAGES).reshape(-1, 4 * IMAGES)
    image = pocket.image
    own = image.molecule.atoms, image.channels, image.starts, np.array(image.volumes)
    rows = np.arange(len(molecules))
    found = np.empty((len(rows), 3)), np.empty((len(rows), 3, 3)), np.empty((len(rows), 3))

    def work(part: slice) -> None:
        columns = [column[part] for column in found]
        settings = quaternions, config.optimised, config.refined, config.final
        search_fits(*own, pocket.cells, packed, channels, starts, volumes, rows[part], *settings, *columns)

    over_tasks(work, len(rows), threads)
    return found
