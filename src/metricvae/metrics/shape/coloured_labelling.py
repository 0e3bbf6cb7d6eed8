"""Data sets of shape and colour: conformers of molecules in blocks, overlaid a shard at a time."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from metricvae.core.kind import ObjectKind
from metricvae.core.labelling import Columns, Floats
from metricvae.core.metric import Metric
from metricvae.core.sampling import Block
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.molecule.table import read_molecules
from metricvae.metrics.shape.card import COEFFICIENTS, molecules_readme
from metricvae.metrics.shape.coloured_metric import ColouredMetric
from metricvae.metrics.shape.labelling import ConformerTrials, ShapeLabelling, ShapePlan
from metricvae.metrics.shape.solver.coloured import ColouredMolecule, ColouredOverlays, coloured, overlay_coloured
from metricvae.metrics.shape.solver.overlays import THOROUGH, OverlayConfig
from metricvae.runtime.parquet import float32_lists


@dataclass(frozen=True)
class ColouredPlan(ShapePlan):
    """Everything a data set of shape and colour depends on; the fields are those of `ShapePlan`.

    Example:
        >>> ColouredPlan("fragments", 100).metric.name
        'shape+colour'
    """

    task: ClassVar[str] = "molecules-colour"
    metric: Metric = field(default_factory=ColouredMetric, kw_only=True)

    def labelling(self) -> ColouredLabelling:
        return ColouredLabelling(self)


@dataclass(frozen=True)
class ColouredLabelling(ShapeLabelling):
    """Overlays by shape and colour of the most similar conformers of two molecules."""

    def contents(self, kind: ObjectKind) -> tuple[str, ...]:
        return ("smiles", "elements", "positions", "others", "bonds", "charges")

    def label(self, left: pa.Table, right: pa.Table, blocks: Sequence[Block], device: str) -> Columns:
        """The value, the mean of both Tanimoto coefficients; `tanimoto` that of the atoms, `colour_tanimoto` that of
        the features; the motion, and which conformers of the two these are."""
        found, conformers = overlay_coloured_conformers(left, np.concatenate(blocks), self.plan.search)
        return {
            "value": pa.array(np.round(found.scores(), 6)),
            "tanimoto": pa.array(np.round(found.shape_tanimoto, 6)),
            "colour_tanimoto": pa.array(np.round(found.colour_tanimoto, 6)),
            "rotation": float32_lists(found.shape.rotation, 9),
            "translation": float32_lists(found.shape.translation, 3),
            "conformer_a": pa.array(conformers[:, 0], pa.int16()),
            "conformer_b": pa.array(conformers[:, 1], pa.int16()),
        }

    def readme(self, card: dict[str, Any], folder: Path) -> str:
        return molecules_readme(card, COEFFICIENTS)

    def check(self, left: pa.Table, right: pa.Table, pairs: Block) -> Floats:
        """Values of the thorough search."""
        return overlay_coloured_conformers(left, pairs, THOROUGH)[0].scores()


def overlay_coloured_conformers(
    table: pa.Table, pairs: Block, config: OverlayConfig
) -> tuple[ColouredOverlays, npt.NDArray[np.int64]]:
    """Overlay all conformers of each pair and choose the most similar two.

    Args:
        table: of molecules, with the column others.
        pairs: (k, 2) rows of it.
        config: of the search.

    Returns:
        the overlays, and (k, 2) which of each molecule's conformers they are of.
    """
    molecules = [_conformers(one, others) for one, others in zip(read_molecules(table), table["others"], strict=True)]
    trials = ConformerTrials.of([len(conformers) for conformers in molecules], pairs)
    found = overlay_coloured(list(itertools.chain.from_iterable(molecules)), trials.rows, "combo", config, threads=1)
    chosen = trials.best(found.scores())
    return found.select(chosen), trials.conformers(chosen)


def _conformers(molecule: Molecule, others: pa.ListScalar) -> list[ColouredMolecule]:
    places = np.concatenate([molecule.positions.ravel(), others.values.to_numpy()]).reshape(
        -1, len(molecule.elements), 3
    )
    return [coloured(replace(molecule, positions=one)) for one in places.astype(np.float64)]
