"""The metric `pocket-fit`: how well a molecule fills a pocket in shape and in what the protein asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from metricvae.core.errors import InputError
from metricvae.core.kind import Object
from metricvae.core.metric import Description, Floats, Metric, Solution
from metricvae.kinds.molecule.kind import with_coordinates
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.pocket.records import Pocket
from metricvae.metrics.shape.solver.coloured import (
    ColouredMolecule,
    coloured,
    coloured_channels,
    overlay_coloured,
    prepare_coloured,
)
from metricvae.metrics.shape.solver.gaussian_molecule import exponents
from metricvae.metrics.shape.solver.overlays import OverlayConfig
from metricvae.metrics.shape.solver.records import ColouredOverlay
from metricvae.metrics.shape.solver.volumes import overlap_volume

if TYPE_CHECKING:
    from metricvae.core.own_prediction import OwnPredictors
    from metricvae.core.requirements import RequirementForm
    from metricvae.nn.heads import Head

POSES = 8
"""Distinct poses in the image, of which the one of the best fit is taken."""


@dataclass(frozen=True, eq=False)
class PreparedPocket:
    """A pocket as the overlay takes it.

    Attributes:
        image: its negative image with what the protein asks for.
        positions: (n, 3) atoms of the protein around it, angstroms.
        alpha: (n,) their exponents, 1 / angstrom^2.
    """

    image: ColouredMolecule
    positions: Floats
    alpha: Floats


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
    """The exact fit: of the best distinct overlays by shape and colour with the pocket's image
    (`metricvae.metrics.shape.solver.coloured`) the one that loses least to the protein.

    Attributes:
        poses: that are looked at.
        search: how hard it searches.
    """

    score_name = "fit"
    poses: int = POSES
    search: OverlayConfig | None = None

    def prepare(self, value: Object) -> PreparedPocket | ColouredMolecule:
        """What a pocket or a molecule costs once; a molecule without coordinates gets a conformer."""
        if isinstance(value, Molecule):
            return coloured(with_coordinates(value))
        if not isinstance(value, Pocket):
            raise InputError(f"got {type(value).__name__}: expected a pocket and a molecule")
        image = prepare_coloured(value.image, value.radii, value.pharmacophore)
        positions, radii = value.exclusion
        return PreparedPocket(image, np.asarray(positions, np.float64), exponents(radii))

    def solve(self, left: Any, right: Any) -> Solution:
        """The fit of a molecule on the right in a pocket on the left, and the `FitOverlay` that gives it."""
        return self.solve_pairs([left, right], np.array([[0, 1]]), threads=1)[0]

    def solve_pairs(
        self,
        prepared: Sequence[PreparedPocket | ColouredMolecule],
        pairs: npt.NDArray[np.int64],
        threads: int | None = None,
    ) -> list[Solution]:
        """`solve` for many pairs; see `metricvae.core.metric.BatchSolver`."""
        images = [one.image if isinstance(one, PreparedPocket) else one for one in prepared]
        found = overlay_coloured(images, pairs, "combo", self.search, threads, self.poses)
        scores = found.scores().reshape(len(pairs), self.poses)
        solutions = []
        for row, (pocket, molecule) in enumerate(pairs.tolist()):
            places = row * self.poses + np.flatnonzero(np.isfinite(scores[row]))
            atoms = _own_atoms(prepared[molecule])
            laid = [_fit(prepared[pocket], *atoms, found[place]) for place in places.tolist()]
            best = max(laid, key=lambda one: one.fit)
            solutions.append(Solution(best.fit, best.fit, best))
        return solutions


def _own_atoms(molecule: Any) -> tuple[Floats, Floats, float]:
    """Positions (n, 3) of a molecule's atoms in its own coordinates, their exponents, and their overlap with
    themselves."""
    atoms, body = coloured_channels(molecule), molecule.molecule
    count = atoms.starts[1]
    return atoms.positions[:count] @ body.axes.T + body.centre, atoms.alpha[:count], body.volume


def _fit(pocket: Any, positions: Floats, alpha: Floats, volume: float, laid: ColouredOverlay) -> FitOverlay:
    """An overlay with what it costs on the protein."""
    there = positions @ laid.rotation.T + laid.translation
    near = np.linalg.norm(pocket.positions - there.mean(axis=0), axis=1) < _reach(there) + NEAR
    spent = overlap_volume(pocket.positions[near], pocket.alpha[near], there, alpha)
    clash = float(spent / volume)
    return FitOverlay(**vars(laid), clash=clash, fit=laid.combo - clash)


NEAR = 8.0
"""Angstroms from an atom beyond which another does not overlap with it."""


def _reach(positions: Floats) -> float:
    return float(np.linalg.norm(positions - positions.mean(axis=0), axis=1).max())


@dataclass(frozen=True)
class FitMetric(Metric):
    """The mean of the Tanimoto coefficients of shape and colour of a molecule with a pocket's negative image, less the
    share of its volume that lies on the protein."""

    name: ClassVar[str] = "pocket-fit"
    left = "pocket"
    right = "molecule"
    symmetric = False
    value_exponent = 0.0

    @property
    def description(self) -> Description:
        return Description(
            predicts=(
                "how well a molecule fills a pocket: the mean of the Tanimoto coefficients of shape and pharmacophore "
                "with the\npocket's negative image, over all rotations and translations, less what lies on the protein"
            ),
            value="fit",
            labels="labels by metricvae's exact overlay",
            exact="metricvae.metrics.pocket_fit",
        )

    def default_head(self, values: Floats) -> Head:
        from metricvae.nn.heads import CosineSimilarity

        return CosineSimilarity()

    def limits(self, left: Floats, right: Floats) -> tuple[Floats, Floats]:
        """At most 1; a molecule that lies on the protein has less than 0."""
        return np.full_like(left, -1.0), np.ones_like(left)

    @property
    def solver(self) -> FitSolver:
        return FitSolver()

    @classmethod
    def requirements(cls, own: OwnPredictors) -> Mapping[str, RequirementForm]:
        """`pocket`: the fit of what is made in a pocket."""
        from metricvae.metrics.pocket_fit.requirements import FORMS

        return FORMS
