"""Data sets of halves: shapes cut in two, and pairs of pieces whose values are known from how they were made."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from metricvae.core.dataset_files import PAIRS
from metricvae.core.errors import InputError
from metricvae.core.kind import ObjectKind, ReadOptions
from metricvae.core.labelling import KnownPairsLabelling
from metricvae.core.libraries import Library
from metricvae.core.metric import Metric
from metricvae.core.object_sources import GeneratedSource, ObjectSource
from metricvae.core.plan import Plan, option
from metricvae.core.splits import Split
from metricvae.kinds.half.cutting import CUTS, Cut
from metricvae.kinds.silhouette.kind import SilhouetteKind
from metricvae.metrics.match.card import halves_baselines, halves_readme
from metricvae.metrics.match.metric import MatchMetric
from metricvae.metrics.match.pairs import (
    HALF_SCHEMA,
    SHAPES_PER_BLOCK,
    CutConfig,
    cut_library_part,
    cut_part,
    has_too_few_pieces,
    pair_table,
)
from metricvae.runtime.parquet import read_table
from metricvae.runtime.parts import Work

STAGE = "cutting shapes"


@dataclass(frozen=True)
class MatchPlan(Plan):
    """Everything a data set of halves depends on; half of its pairs match.

    Attributes:
        objects: `glyphs`, `procedural`, `mixed`, or the path of a folder of images.
        fit: scale and centre images that are not 200x200.
        cuts: kinds of line, one of them drawn for each cut.
        middle: cut through the centroid, the paper's setting, not anywhere.
        times: how often each shape is cut; shapes of a folder are cut more often where they are too few.
    """

    task: ClassVar[str] = "halves"
    metric: Metric = field(default_factory=MatchMetric, kw_only=True)
    fit: bool = option(False, "scale and centre images of other sizes")
    cuts: tuple[Cut, ...] = option(("zigzag", "curved"), "straight,zigzag,curved or some of them")
    middle: bool = option(False, "cut through the centroid, not anywhere")
    times: int = option(2, "how often each shape is cut, at least", least=2)

    @property
    def source_kind(self) -> ObjectKind:
        return SilhouetteKind()

    def labelling(self) -> MatchLabelling:
        return MatchLabelling(self)

    def facts(self) -> dict[str, Any]:
        facts = super().facts()
        if not self.cuts or set(self.cuts) - set(CUTS):
            raise InputError(f"cuts is {', '.join(self.cuts) or 'empty'}: expected some of {', '.join(CUTS)}")
        return facts


@dataclass(frozen=True)
class CutLibrary(ObjectSource):
    """The pieces of the shapes of a library."""

    library: Library
    name: str
    config: CutConfig
    stage: str = STAGE

    @property
    def portable(self) -> bool:
        return self.library.portable

    @property
    def work(self) -> Work:
        settings = (self.name, self.library.loader, self.config)
        return Work(cut_library_part, settings, read=functools.partial(_library_item, self.library))

    def rounds(self) -> Iterator[list[tuple[int, int]]]:
        count, at_once = self.library.count, self.library.at_once
        yield [(part, min(at_once, count - part * at_once)) for part in range(self.library.parts)]


def _library_item(library: Library, part: int) -> tuple[int, Any]:
    return part * library.at_once, library.item(part)


@dataclass(frozen=True)
class MatchLabelling(KnownPairsLabelling[MatchPlan]):
    """Pieces, and which of them belong together."""

    def sources(self, work: Path) -> tuple[ObjectSource, ...]:
        """Pieces of generated shapes, or of the images of a folder."""
        plan, kind = self.plan, self.plan.source_kind
        config = CutConfig(plan.seed, plan.cuts, plan.times, plan.middle)
        if plan.objects in kind.sources:
            total = math.ceil(1.08 * plan.pairs / 2 / plan.times) + 2 * SHAPES_PER_BLOCK
            return (GeneratedSource(Work(cut_part, (plan.objects, config)), total, STAGE),)
        library = kind.open_library(Path(plan.objects), work, ReadOptions(fit=plan.fit))
        times = max(plan.times, 2 * math.ceil(1.3 * plan.pairs / 4 / library.count))
        config = CutConfig(plan.seed, plan.cuts, times, plan.middle)
        return (CutLibrary(library, Path(plan.objects).resolve().name, config),)

    def object_schema(self, kind: ObjectKind) -> pa.Schema:
        return HALF_SCHEMA

    def contents(self, kind: ObjectKind) -> tuple[str, ...]:
        """None: no pair is solved."""
        return ()

    def lacks(self, parts: Sequence[Path], splits: Sequence[Split]) -> bool:
        names = ["shape", "family", "split"]
        pieces = pa.concat_tables([read_table(path, names) for path in parts])
        return has_too_few_pieces(pieces, self.plan.pairs, self.plan.seed)

    def known_pairs(self, objects: Path) -> pa.Table:
        names = ["id", "shape", "family", "split", "angle_deg", "dx", "dy"]
        return pair_table(read_table(objects, names), self.plan.pairs, self.plan.seed)

    @property
    def unit(self) -> str:
        return "1 where two halves belong together, 0 where not"

    def counts(self, folder: Path) -> dict[str, Any]:
        grades = read_table(folder / PAIRS, ["grade"])["grade"].value_counts()
        return {"grades": {row["values"]: row["counts"] for row in grades.to_pylist()}}

    def describe(self, folder: Path, error: dict[str, float] | None) -> dict[str, Any]:
        """What one number of each half would reach, as a baseline."""
        return {"baselines": halves_baselines(folder)}

    def readme(self, card: dict[str, Any], folder: Path) -> str:
        return halves_readme(card)
