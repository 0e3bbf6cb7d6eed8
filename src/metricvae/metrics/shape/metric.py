"""The metric `shape`: the largest Gaussian overlap volume of two molecules over all rotations and translations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from metricvae.core.metric import Description, Floats, Metric, Preset, Solution, Solver
from metricvae.kinds.molecule.kind import with_coordinates
from metricvae.kinds.molecule.records import Molecule
from metricvae.metrics.shape.solver.coloured import SHARES, By, ColouredMolecule, coloured, consensus, overlay_coloured
from metricvae.metrics.shape.solver.gaussian_molecule import PreparedMolecule, prepare
from metricvae.metrics.shape.solver.overlays import OverlayConfig, overlay_many

if TYPE_CHECKING:
    from metricvae.core.hits import HitDrawer, HitPage
    from metricvae.core.kind import Object
    from metricvae.core.own_prediction import OwnPredictors
    from metricvae.core.plan import Plan
    from metricvae.core.requirements import RequirementForm
    from metricvae.nn.heads import Head


@dataclass(frozen=True)
class ShapeSolver:
    """The exact overlay of two molecules; see `metricvae.metrics.shape.solver.overlays.overlay`.

    Attributes:
        search: how hard it searches.
    """

    score_name = "tanimoto"
    search: OverlayConfig | None = None

    def prepare(self, value: Molecule) -> PreparedMolecule:
        """What a molecule costs once; one without coordinates gets a conformer."""
        molecule = with_coordinates(value)
        return prepare(molecule.positions, molecule.radii)

    def solve(self, left: PreparedMolecule, right: PreparedMolecule) -> Solution:
        """The overlap volume, the shape Tanimoto as its score, and the `Overlay` that gives it."""
        return self.solve_pairs([left, right], np.array([[0, 1]]), threads=1)[0]

    def solve_pairs(
        self, prepared: Sequence[PreparedMolecule], pairs: npt.NDArray[np.int64], threads: int | None = None
    ) -> list[Solution]:
        """`solve` for many pairs; see `metricvae.core.metric.BatchSolver`."""
        found = overlay_many(prepared, pairs, self.search, threads)
        return [Solution(one.overlap, one.tanimoto, one) for one in (found[row] for row in range(len(found)))]


SCORE_NAMES: dict[By, str] = {"shape": "shape_tanimoto", "colour": "colour_tanimoto", "combo": "combo"}
"""Columns of the Tanimoto coefficients."""


@dataclass(frozen=True)
class ColourSolver:
    """The exact overlay of two molecules by shape, colour or both (`metricvae.metrics.shape.solver.coloured`).

    Attributes:
        by: what is maximised.
        tversky: whether hits are ordered by the Tversky index, for a query that is a part of what is looked for; else
            by the Tanimoto coefficient.
        search: how hard it searches.
    """

    by: By = "combo"
    tversky: bool = False
    search: OverlayConfig | None = None

    @classmethod
    def objectives(cls) -> dict[str, Solver]:
        """Solvers of this class by what they maximise: each of `SHARES`, and the Tversky index of each."""
        plain: dict[str, Solver] = {by: cls(by) for by in SHARES}
        return plain | {f"{by}-tversky": cls(by, tversky=True) for by in SHARES}

    @property
    def score_name(self) -> str:
        """`combo`, `colour_tanimoto`, `tversky`, ..."""
        return (
            "tversky"
            if self.tversky
            else {"shape": "shape_tanimoto", "colour": "colour_tanimoto"}.get(self.by, self.by)
        )

    def prepare(self, value: Molecule) -> ColouredMolecule:
        """What a molecule costs once; one without coordinates gets a conformer."""
        return coloured(with_coordinates(value))

    def prepare_mean(self, values: Sequence[Molecule]) -> ColouredMolecule:
        """The mean of molecules that lie on one another (`metricvae.metrics.shape.solver.coloured.consensus`)."""
        return consensus([with_coordinates(value) for value in values])

    def solve(self, left: ColouredMolecule, right: ColouredMolecule) -> Solution:
        """The overlap volume of the atoms, the score, and the `ColouredOverlay` that gives it."""
        return self.solve_pairs([left, right], np.array([[0, 1]]), threads=1)[0]

    def solve_pairs(
        self, prepared: Sequence[ColouredMolecule], pairs: npt.NDArray[np.int64], threads: int | None = None
    ) -> list[Solution]:
        """`solve` for many pairs; see `metricvae.core.metric.BatchSolver`."""
        found = overlay_coloured(prepared, pairs, self.by, self.search, threads)
        scores = found.tversky(self.by) if self.tversky else found.scores(self.by)
        rows = range(len(found))
        return [Solution(float(found.shape.overlap[row]), float(scores[row]), found[row]) for row in rows]


@dataclass(frozen=True)
class ShapeMetric(Metric):
    """Maximum overlap volume of two molecules, in cubic angstroms."""

    name: ClassVar[str] = "shape"
    unit = "cubic angstroms"
    left = "molecule"
    right = "molecule"
    value_exponent = 3.0
    self_is_magnitude = True

    @property
    def description(self) -> Description:
        return Description(
            predicts=(
                "the maximum overlap volume of two molecules, over all rotations and translations, in cubic angstroms, "
                "and with\nit their shape Tanimoto, which is the cosine of their codes"
            ),
            value="maximum overlap",
            labels="labels by metricvae's exact overlay",
            exact="metricvae solve",
            limits="Shape alone: nothing of charges or hydrogen bonds.",
        )

    def default_head(self, values: Floats) -> Head:
        from metricvae.nn.heads import CosineTanimoto

        return CosineTanimoto()

    def limits(self, left: Floats, right: Floats) -> tuple[Floats, Floats]:
        """Between nothing and the geometric mean of the self-overlaps (Cauchy and Schwarz)."""
        return np.zeros_like(left), np.sqrt(left * right)

    def retrieval_score(self, value: Floats, left: Floats, right: Floats) -> Floats:
        """The shape Tanimoto."""
        return tanimoto(value, left, right)

    def answers(self, value: Floats, left: Floats, right: Floats) -> dict[str, Floats]:
        """`tanimoto`: the shape Tanimoto, from 0 to 1."""
        return {"tanimoto": tanimoto(value, left, right)}

    @property
    def solver(self) -> ShapeSolver:
        return ShapeSolver()

    @property
    def objectives(self) -> Mapping[str, Solver]:
        """`shape`, `colour`, `combo` (the mean of both Tanimoto coefficients), and Tversky indices of each."""
        return ColourSolver.objectives() | {"shape": self.solver}

    @classmethod
    def requirements(cls, own: OwnPredictors) -> Mapping[str, RequirementForm]:
        """`shape`, `colour` and `combo` of what is made with a molecule."""
        from metricvae.metrics.shape.requirements import FORMS

        return FORMS

    @property
    def plan_type(self) -> type[Plan]:
        from metricvae.metrics.shape.labelling import ShapePlan

        return ShapePlan

    @property
    def hit_drawer(self) -> HitDrawer:
        from metricvae.kinds.molecule.drawing import draw_found

        return draw_found

    def overlay(self, left: Object, right: Object, pose: Any) -> str:
        """The bonds of both molecules in space, the left one grey."""
        from metricvae.core.display import picture_html
        from metricvae.kinds.molecule.drawing import space_picture
        from metricvae.kinds.molecule.kind import posed

        picture = np.asarray(space_picture(posed(left, None), posed(right, pose)))
        return picture_html(picture, side=None, alt="two molecules laid on one another")

    @property
    def hit_page(self) -> HitPage:
        from metricvae.kinds.molecule.page.overlay_page import overlay_page

        return overlay_page

    @property
    def presets(self) -> Mapping[str, Callable[[], Preset]]:
        from metricvae.metrics.shape import presets

        return presets.PRESETS


def tanimoto(overlap: Floats, left: Floats, right: Floats) -> Floats:
    """(n,) Tanimoto coefficients, overlap / (left + right - overlap), of overlaps and self-overlaps (n,)."""
    found: Floats = overlap / (left + right - overlap)
    return found
