"""The metric `pocket-similarity`: how alike two binding sites are in shape and in what they ask of a ligand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from metricvae.core.errors import InputError
from metricvae.core.kind import Object
from metricvae.core.metric import Description, Floats, Metric, Preset, Solver
from metricvae.kinds.pocket.records import Pocket
from metricvae.metrics.shape.metric import ColourSolver
from metricvae.metrics.shape.solver.coloured import ColouredMolecule, prepare_coloured

if TYPE_CHECKING:
    from metricvae.nn.heads import Head


@dataclass(frozen=True)
class PocketSolver(ColourSolver):
    """The exact overlay of the negative images of two pockets by shape, colour or both, as of molecules."""

    def prepare(self, value: Object) -> ColouredMolecule:
        """What a pocket costs once.

        Raises:
            InputError: no pocket.
        """
        if not isinstance(value, Pocket):
            raise InputError(f"got {type(value).__name__}: expected a pocket")
        return prepare_coloured(value.image, value.radii, value.pharmacophore)


@dataclass(frozen=True)
class PocketSimilarity(Metric):
    """The largest mean of the Tanimoto coefficients of pseudo-atoms and of features of two pockets' negative images,
    from 0 to 1."""

    name: ClassVar[str] = "pocket-similarity"
    left = "pocket"
    right = "pocket"
    value_exponent = 0.0

    @property
    def description(self) -> Description:
        return Description(
            predicts=(
                "how alike two binding sites are: the largest mean of the Tanimoto coefficients of shape and "
                "pharmacophore of their\nnegative images over all rotations and translations, which is the cosine of "
                "their codes"
            ),
            value="similarity of pockets",
            labels="labels by metricvae's exact overlay",
            exact="metricvae.metrics.pocket_similarity",
        )

    def default_head(self, values: Floats) -> Head:
        from metricvae.nn.heads import CosineSimilarity

        return CosineSimilarity()

    def limits(self, left: Floats, right: Floats) -> tuple[Floats, Floats]:
        """From 0 to 1."""
        return np.zeros_like(left), np.ones_like(left)

    @property
    def solver(self) -> PocketSolver:
        return PocketSolver("combo")

    @property
    def objectives(self) -> Mapping[str, Solver]:
        """`combo` (the mean of both Tanimoto coefficients, the default), `shape`, `colour`, and Tversky indices of
        each."""
        return PocketSolver.objectives()

    @property
    def presets(self) -> Mapping[str, Callable[[], Preset]]:
        from metricvae.metrics.pocket_similarity import presets

        return presets.PRESETS
