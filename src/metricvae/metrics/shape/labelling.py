"""Data sets of shape overlaps: conformers of molecules in blocks, overlaid a shard at a time."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from metricvae.core.kind import ObjectKind
from metricvae.core.labelling import BlockLabelling, Columns, Floats
from metricvae.core.metric import Metric
from metricvae.core.object_sources import SKIPPED, ObjectSource
from metricvae.core.plan import Plan, option
from metricvae.core.sampling import Block, plan_blocks
from metricvae.core.splits import Split
from metricvae.kinds.molecule.records import radii_of
from metricvae.kinds.molecule.sources import molecule_source
from metricvae.metrics.shape.card import molecule_distributions, molecules_readme
from metricvae.metrics.shape.conformers_table import MOLECULE_SCHEMA, fragments_part, records_part
from metricvae.metrics.shape.metric import ShapeMetric
from metricvae.metrics.shape.solver.gaussian_molecule import PreparedMolecule, prepare
from metricvae.metrics.shape.solver.overlays import THOROUGH, OverlayConfig, overlay_many
from metricvae.metrics.shape.solver.records import Overlays
from metricvae.runtime.parquet import float32_lists

STORED_NAMES = {"optimised": "climbs", "refined": "kept", "final": "last"}
"""Names of `OverlayConfig` in the plans of data sets, the same since version 0.1."""

STAGE = "making conformers"


@dataclass(frozen=True)
class ShapePlan(Plan):
    """Everything a data set of shape overlaps depends on.

    Attributes:
        objects: `fragments`, or a file of molecules (SMILES, CSV, SDF, mol2; gzipped or not).
        partners: how many others each molecule meets at a time (pairs come in blocks of partners + 1 molecules).
        molecules: at most so many are taken, evenly spaced in the file; None takes all of a file, and as many fragments
            as the pairs need.
        conformers: how many each molecule of a SMILES gets; a pair is as similar as the most similar two.
        search: the configuration of the overlay.
        check: how many of the pairs are also given to the thorough search, for the label error in the card.

    Example:
        >>> ShapePlan("fragments", 100).facts()["effort"]
        {'starts': 192, 'climbs': 96, 'kept': 32, 'last': 16}
    """

    task: ClassVar[str] = "molecules"
    metric: Metric = field(default_factory=ShapeMetric, kw_only=True)
    partners: int = option(15, "how many others each object meets", least=1)
    molecules: int | None = option(None, "take at most so many of the file", least=2)
    conformers: int = option(1, "of each; a pair is as similar as the most similar two", least=1)
    search: OverlayConfig = field(default_factory=OverlayConfig)
    check: int = option(0, "pairs to check against a better search, for the card", least=0)

    def labelling(self) -> ShapeLabelling:
        return ShapeLabelling(self)

    def facts(self) -> dict[str, Any]:
        """As `Plan.facts`; `effort` is the configuration of the overlay."""
        facts = super().facts()
        return facts | {"effort": {STORED_NAMES.get(name, name): value for name, value in facts.pop("search").items()}}


OVERLAY_SCHEMA = pa.schema(
    [
        ("a", pa.string()),
        ("b", pa.string()),
        ("value", pa.float64()),
        ("tanimoto", pa.float64()),
        ("rotation", pa.list_(pa.float32(), 9)),
        ("translation", pa.list_(pa.float32(), 3)),
        ("conformer_a", pa.int16()),
        ("conformer_b", pa.int16()),
        ("split", pa.string()),
    ]
)
"""Value: the largest overlap volume, cubic angstroms; point p of the second goes to rotation p + translation.

Of molecules with several conformers, the most similar two; the value is then the overlap of molecules with the first
conformers' self-overlaps at that Tanimoto coefficient."""


@dataclass(frozen=True)
class ShapeLabelling(BlockLabelling[ShapePlan]):
    """Overlays of the most similar conformers of two molecules."""

    def sources(self, work: Path) -> tuple[ObjectSource, ...]:
        """Molecules assembled from fragments, or those of a file, with notes on what was skipped."""
        plan = self.plan
        settings = (plan.seed, plan.conformers)
        return (molecule_source(plan, work, settings, STAGE, fragments_part, records_part),)

    def object_schema(self, kind: ObjectKind) -> pa.Schema:
        return MOLECULE_SCHEMA.remove(MOLECULE_SCHEMA.get_field_index(SKIPPED.name))

    def contents(self, kind: ObjectKind) -> tuple[str, ...]:
        return ("elements", "positions", "others")

    def blocks(self, splits: Sequence[Sequence[Split]]) -> dict[Split, list[Block]]:
        return plan_blocks(splits[0], self.plan.pairs, self.plan.partners, self.plan.seed)

    def label(self, left: pa.Table, right: pa.Table, blocks: Sequence[Block], device: str) -> Columns:
        """Columns of `OVERLAY_SCHEMA`."""
        found = overlay_conformers(left, np.concatenate(blocks), self.plan.search)
        return {
            "value": pa.array(np.round(found.value, 4)),
            "tanimoto": pa.array(np.round(found.best.tanimoto, 6)),
            "rotation": float32_lists(found.best.rotation, 9),
            "translation": float32_lists(found.best.translation, 3),
            "conformer_a": pa.array(found.conformers[:, 0], pa.int16()),
            "conformer_b": pa.array(found.conformers[:, 1], pa.int16()),
        }

    @property
    def checks(self) -> int:
        return self.plan.check

    def check(self, left: pa.Table, right: pa.Table, pairs: Block) -> Floats:
        """Values of the thorough search."""
        return overlay_conformers(left, pairs, THOROUGH).value

    def describe(self, folder: Path, error: dict[str, float] | None) -> dict[str, Any]:
        return {"distributions": molecule_distributions(folder), "label_error": error}

    def readme(self, card: dict[str, Any], folder: Path) -> str:
        return molecules_readme(card)


@dataclass(frozen=True)
class ConformerOverlays:
    """The overlays of k pairs of molecules, each of its most similar two conformers.

    Attributes:
        best: the overlays of the chosen conformers.
        conformers: (k, 2) which of each molecule's conformers these are.
        value: (k,) as `OVERLAY_SCHEMA` has it.
    """

    best: Overlays
    conformers: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]


def overlay_conformers(table: pa.Table, pairs: Block, config: OverlayConfig) -> ConformerOverlays:
    """Overlay all conformers of each pair and choose the most similar two.

    Args:
        table: with the columns elements, positions and others.
        pairs: (k, 2) rows of it.
        config: of the search.
    """
    molecules = _prepare_conformers(table)
    trials = ConformerTrials.of([len(conformers) for conformers in molecules], pairs)
    flat = list(itertools.chain.from_iterable(molecules))
    found = overlay_many(flat, trials.rows, config, threads=1)
    chosen = trials.best(found.tanimoto)
    best = found.select(chosen)
    sizes = np.array([conformers[0].volume for conformers in molecules])[pairs].sum(axis=1)
    return ConformerOverlays(best, trials.conformers(chosen), best.tanimoto * sizes / (1 + best.tanimoto))


@dataclass(frozen=True)
class ConformerTrials:
    """All conformers of one molecule with all of another, for k pairs of molecules.

    Attributes:
        rows: (t, 2) conformers by number, those of all molecules one after the other.
        owner: (t,) the pair that a trial belongs to.
        starts: (k, 2) numbers of the first conformers of both molecules of each pair.
    """

    rows: npt.NDArray[np.int64]
    owner: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]

    @classmethod
    def of(cls, counts: Sequence[int], pairs: Block) -> ConformerTrials:
        """The trials of pairs (k, 2) of molecules that have so many conformers each."""
        starts = np.cumsum([0, *counts])
        rows: list[tuple[int, int]] = []
        owner: list[int] = []
        for pair, (a, b) in enumerate(pairs.tolist()):
            rows += itertools.product(range(starts[a], starts[a + 1]), range(starts[b], starts[b + 1]))
            owner += [pair] * (counts[a] * counts[b])
        return cls(np.array(rows), np.array(owner), starts[pairs])

    def best(self, scores: Floats) -> npt.NDArray[np.int64]:
        """(k,) the trial of each pair that has the highest of scores (t,)."""
        order = np.lexsort((-scores, self.owner))
        found: npt.NDArray[np.int64] = order[np.unique(self.owner[order], return_index=True)[1]]
        return found

    def conformers(self, chosen: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """(k, 2) which of each molecule's conformers the chosen trials are of."""
        return self.rows[chosen] - self.starts


def _prepare_conformers(table: pa.Table) -> list[list[PreparedMolecule]]:
    """The conformers of each molecule of a table as `overlay_conformers` takes it, the first one first."""
    found = []
    for elements, *positions in zip(*(table[name] for name in ("elements", "positions", "others")), strict=True):
        radii = radii_of(elements.values.to_numpy())
        flat = np.concatenate([each.values.to_numpy() for each in positions])
        found.append([prepare(places, radii) for places in flat.reshape(-1, len(radii), 3)])
    return found
