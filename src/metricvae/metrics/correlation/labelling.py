"""Data sets of correlations: maps of molecules, labelled from their atoms, or maps of a library, overlaid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from metricvae.core.data_card import QUANTILES, error_line, quantiles_of
from metricvae.core.dataset_files import PAIRS
from metricvae.core.errors import InputError
from metricvae.core.kind import ObjectKind
from metricvae.core.labelling import BlockLabelling, Columns, Floats, Labelling, SolverLabelling
from metricvae.core.object_sources import ObjectSource
from metricvae.core.plan import MetricPlan, option
from metricvae.core.sampling import Block, plan_blocks
from metricvae.core.splits import Split
from metricvae.kinds.molecule.listing import READERS, suffix_of
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.molecule.sources import molecule_source
from metricvae.kinds.volume.random_maps import RESOLUTIONS
from metricvae.metrics.correlation.maps_table import ATOMS, atoms_schema, fragments_part, records_part
from metricvae.metrics.correlation.solver.atoms import AtomicMap, atomic_map, correlate_many, correlations
from metricvae.metrics.shape.solver.overlays import THOROUGH, OverlayConfig
from metricvae.metrics.shape.solver.records import Overlays
from metricvae.runtime.parquet import float32_lists, read_table

SEARCH = OverlayConfig(starts=192, optimised=96, refined=16, final=8)
"""The search for maps of molecules, which are smoother than molecules: it loses 1e-6 of a correlation at most."""

STAGE = "making maps"


@dataclass(frozen=True)
class CorrelationPlan(MetricPlan):
    """Everything a data set of correlations depends on.

    Attributes:
        objects: `fragments`, or a file of molecules (SMILES, CSV, SDF, mol2; gzipped or not), of each of which a map
            is made; or a folder of maps, which are overlaid as they are.
        molecules: at most so many are taken, evenly spaced in the file; None takes all.
        resolution: of the maps of molecules, angstroms: a number, or the ends of a range as in 3-5, from which each map
            has its own. Orientation, grid and box of every map are random.
        check: how many of the pairs of maps of molecules are also given to a thorough search, for the card.
    """

    molecules: int | None = option(None, "take at most so many of the file", least=2)
    resolution: str = option("-".join(f"{end:g}" for end in RESOLUTIONS), "of maps of molecules, angstroms")
    check: int = option(0, "pairs to check against a better search, for the card", least=0)

    def labelling(self) -> Labelling[Any]:
        return MoleculeMapLabelling(self) if self.of_molecules else SolverLabelling(self)

    @property
    def of_molecules(self) -> bool:
        """Whether maps are made of molecules."""
        return self.objects in self.source_kind.sources or suffix_of(self.objects) in READERS

    def facts(self) -> dict[str, Any]:
        if self.of_molecules:
            if self.fit or self.right_objects is not None:
                raise InputError("maps of molecules come from one source: leave out --fit and --right-objects")
            parse_resolutions(self.resolution)
            return super().facts()
        return {
            name: value for name, value in super().facts().items() if name not in ("molecules", "resolution", "check")
        }


def parse_resolutions(text: str) -> tuple[float, float]:
    """The finest and the coarsest resolution, angstroms, of `4` or `3-5`.

    Raises:
        InputError: it is neither a number nor a range, from 1 to 20.
    """
    try:
        ends = [float(end) for end in text.split("-")]
    except ValueError:
        ends = []
    if len(ends) not in (1, 2) or not 1 <= ends[0] <= ends[-1] <= 20:
        raise InputError(f"resolution is {text!r}: expected angstroms from 1 to 20, as 4 or 3-5")
    return ends[0], ends[-1]


@dataclass(frozen=True)
class MoleculeMapLabelling(BlockLabelling[CorrelationPlan]):
    """Maps of molecules, labelled from their atoms."""

    def sources(self, work: Path) -> tuple[ObjectSource, ...]:
        """Molecules assembled from fragments, or those of a file, with notes on what was skipped."""
        plan = self.plan
        settings = (plan.seed, parse_resolutions(plan.resolution))
        return (molecule_source(plan, work, settings, STAGE, fragments_part, records_part),)

    def object_schema(self, kind: ObjectKind) -> pa.Schema:
        return atoms_schema(kind)

    def contents(self, kind: ObjectKind) -> tuple[str, ...]:
        return ATOMS

    def blocks(self, splits: Sequence[Sequence[Split]]) -> dict[Split, list[Block]]:
        return plan_blocks(splits[0], self.plan.pairs, self.plan.partners, self.plan.seed)

    def label(self, left: pa.Table, right: pa.Table, blocks: Sequence[Block], device: str) -> Columns:
        """The correlation, and the motion of the second map that gives it."""
        found = overlay_rows(left, np.concatenate(blocks), SEARCH)
        return {
            "value": pa.array(np.round(correlations(found), 6)),
            "rotation": float32_lists(found.rotation, 9),
            "translation": float32_lists(found.translation, 3),
        }

    @property
    def checks(self) -> int:
        return self.plan.check

    def check(self, left: pa.Table, right: pa.Table, pairs: Block) -> Floats:
        """Values of the thorough search."""
        return correlations(overlay_rows(left, pairs, THOROUGH))

    def describe(self, folder: Path, error: dict[str, float] | None) -> dict[str, Any]:
        value = read_table(folder / PAIRS, ["value"])["value"].to_numpy()
        spread = {"quantiles": list(QUANTILES), "value": quantiles_of(value)}
        return {"distributions": spread, "label_error": error}

    def readme(self, card: dict[str, Any], folder: Path) -> str:
        text = super().readme(card, folder)
        return f"{text}\n{error_line(card['label_error'], 'thorough search', 'from a thousand starts')}\n"


def overlay_rows(table: pa.Table, pairs: Block, config: OverlayConfig) -> Overlays:
    """The best overlays of the maps of pairs (k, 2) of rows of a table with the columns `ATOMS`."""
    used, where = np.unique(pairs, return_inverse=True)
    maps = [_atomic_map(row) for row in table.select(ATOMS).take(pa.array(used)).to_pylist()]
    return correlate_many(maps, where.reshape(pairs.shape), config)


def _atomic_map(row: dict[str, Any]) -> AtomicMap:
    places = np.asarray(row["positions"], np.float64).reshape(-1, 3)
    return atomic_map(Molecule("", "", np.asarray(row["elements"], np.uint8), places), row["resolution"])
