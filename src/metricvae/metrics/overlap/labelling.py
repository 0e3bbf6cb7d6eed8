"""Data sets of overlaps: silhouettes in blocks, labelled by the search on CPUs or, many at a time, on a GPU."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from metricvae.core.data_card import FRONT_MATTER, QUANTILES, error_line, quantile_table, quantiles_of, words_of
from metricvae.core.dataset_files import OBJECTS, PAIRS
from metricvae.core.labelling import Columns, Floats, SolverLabelling
from metricvae.core.metric import Metric
from metricvae.core.plan import MetricPlan, option
from metricvae.core.sampling import Block
from metricvae.metrics.overlap.metric import OverlapMetric
from metricvae.metrics.overlap.solver.dense import solve_dense
from metricvae.metrics.overlap.solver.records import Overlap
from metricvae.metrics.overlap.solver.search import SOLVER_VERSION, PreparedMask, SearchConfig, solve
from metricvae.runtime.parquet import read_table

ANGLE_CLASS = 30
"""Degrees in a class of angles."""

STORED_NAMES = {"frequencies": "waves", "local_optimisations": "climbs", "refinements": "finishes"}
"""Names of `SearchConfig` in the plans of data sets, the same since version 0.1."""

VALUE_DIGITS, POSE_DIGITS = 3, 4
"""Decimal places of overlaps, and of angles and shifts, in tables."""


@dataclass(frozen=True)
class OverlapPlan(MetricPlan):
    """Everything a data set of overlaps depends on.

    Attributes:
        search: the configuration of the solver.
        batched: whether pairs go through the search for GPUs, whose answers agree to rounding, not to bits.
        check: how many of the pairs are also given to the dense search, for the label error in the card.
    """

    task: ClassVar[str] = "overlap"
    metric: Metric = field(default_factory=OverlapMetric, kw_only=True)
    search: SearchConfig = field(default_factory=SearchConfig)
    batched: bool = False
    check: int = option(0, "pairs to check against a better search, for the card", least=0)

    def labelling(self) -> OverlapLabelling:
        return OverlapLabelling(self)

    def on_device(self, device: str) -> Self:
        return replace(self, batched=True)

    def facts(self) -> dict[str, Any]:
        """As `Plan.facts`; `effort` is the configuration of the solver, `solver` its version."""
        facts = super().facts()
        search = {STORED_NAMES.get(name, name): value for name, value in facts.pop("search").items()}
        return facts | {"effort": search, "solver": SOLVER_VERSION}


@dataclass(frozen=True)
class OverlapLabelling(SolverLabelling[OverlapPlan]):
    """Overlaps with the poses that give them."""

    @property
    def in_this_process(self) -> bool:
        return self.plan.batched

    def label(self, left: pa.Table, right: pa.Table, blocks: Sequence[Block], device: str) -> Columns:
        """Overlap in pixels, and the pose of the second mask."""
        together = [np.concatenate(blocks)] if self.plan.batched else blocks
        return overlap_columns([one for block in together for one in self._overlaps(left, right, block, device)])

    def _overlaps(self, left: pa.Table, right: pa.Table, pairs: Block, device: str) -> list[Overlap]:
        masks, ends = self._masks(left, right, pairs)
        if not self.plan.batched:
            return [solve(masks[a], masks[b], self.plan.search) for a, b in ends.tolist()]
        from metricvae.metrics.overlap.solver.batched import solve_batch  # here, so that workers do without torch

        return solve_batch(masks, ends, self.plan.search, device=device)

    def _masks(self, left: pa.Table, right: pa.Table, pairs: Block) -> tuple[list[PreparedMask], Block]:
        """The prepared masks of some pairs, each once, and the pairs (k, 2) as places among them."""
        sides = [(left, pairs.ravel())] if left is right else list(zip((left, right), pairs.T, strict=True))
        masks: list[PreparedMask] = []
        places: list[npt.NDArray[np.int64]] = []
        for kind, (table, rows) in zip((self.kinds[0], self.kinds[-1]), sides, strict=False):
            used, local = np.unique(rows, return_inverse=True)
            places.append(local.ravel() + len(masks))
            masks += map(PreparedMask, kind.from_table(table.take(pa.array(used)).combine_chunks()))
        return masks, places[0].reshape(-1, 2) if left is right else np.stack(places, axis=1)

    @property
    def checks(self) -> int:
        return self.plan.check

    def check(self, left: pa.Table, right: pa.Table, pairs: Block) -> Floats:
        """Overlaps of the dense search."""
        masks, ends = self._masks(left, right, pairs)
        return np.array([solve_dense(masks[a], masks[b]).area for a, b in ends.tolist()])

    def describe(self, folder: Path, error: dict[str, float] | None) -> dict[str, Any]:
        if len(self.kinds) > 1:
            return super().describe(folder, error) | {"label_error": error}
        return {"distributions": distributions(folder), "label_error": error}

    def readme(self, card: dict[str, Any], folder: Path) -> str:
        return overlap_readme(card) if len(self.kinds) == 1 else super().readme(card, folder)


def overlap_columns(found: Sequence[Overlap]) -> Columns:
    """Overlaps and their poses as columns, rounded as tables keep them."""
    columns = {"value": [round(one.area, VALUE_DIGITS) for one in found]}
    for name in ("angle_deg", "dx", "dy"):
        columns[name] = [round(dataclasses.asdict(one.pose)[name], POSE_DIGITS) for one in found]
    return {name: pa.array(numbers, pa.float64()) for name, numbers in columns.items()}


_TEXT = (
    FRONT_MATTER
    + """# {task}: {pairs} labelled pairs of {objects} shapes

Made by metricvae {version} from `{source}`, seed {seed}; the same plan gives the same bytes.

- `objects.parquet`: id, image (200x200 PNG, white shape on black), source, family, group, area (pixels), split.
- `pairs.parquet`: a, b (ids), value ({unit}), angle_deg, dx, dy, split. Rotating b by `angle_deg` counter-clockwise
  about the canvas centre and then shifting it `dx` pixels right and `dy` down gives the overlap `value`.
- Splits are by group of shapes: no pair holds shapes of two splits, and a group keeps its split in every data set.
- `card.json` holds the plan, the counts below and the SHA-256 of both files.

| split | objects | pairs |
| --- | ---: | ---: |
{rows}

{quantiles}

Objects with the very pixels of an earlier one: {duplicates}. Optimal angles by classes of {angle_class} degrees from
-180 on: {angles}.

{label_error}
"""
)

_NAMES = {"value": "overlap, pixels", "area": "area, pixels", "covered": "overlap / smaller area"}


def distributions(folder: Path) -> dict[str, Any]:
    """Quantiles of values, areas and covered shares, optimal angles by class, and how many objects are copies.

    Args:
        folder: the joined `objects.parquet` and `pairs.parquet`; images are read a batch at a time.
    """
    names, areas, images, copies = [], [], set(), 0
    file = pq.ParquetFile(folder / OBJECTS)
    for batch in file.iter_batches(1024, columns=["id", "area", "image"]):
        names.append(batch["id"])
        areas.append(np.asarray(batch["area"]))
        for image in batch["image"].field("bytes"):
            key = hashlib.sha256(image.as_py()).digest()
            copies += key in images
            images.add(key)
    area = np.concatenate(areas).astype(np.float64)
    ids = pa.chunked_array(names).combine_chunks()
    pairs = read_table(folder / PAIRS, ["a", "b", "value", "angle_deg"])
    first, second = (pc.index_in(pairs[side], ids).to_numpy() for side in "ab")
    value, angle = pairs["value"].to_numpy(), pairs["angle_deg"].to_numpy()
    classes = np.histogram(angle, bins=np.arange(-180, 181, ANGLE_CLASS))[0]
    return {
        "quantiles": list(QUANTILES),
        "value": quantiles_of(value),
        "area": quantiles_of(area),
        "covered": quantiles_of(value / np.minimum(area[first], area[second])),
        "angle_classes": classes.tolist(),
        "duplicate_objects": copies,
    }


def overlap_readme(card: dict[str, Any]) -> str:
    """The text for a card (see :func:`metricvae.labelling.run.label`)."""
    spread = card["distributions"]
    return _TEXT.format(
        quantiles=quantile_table(spread, _NAMES),
        duplicates=spread["duplicate_objects"],
        angle_class=ANGLE_CLASS,
        angles=", ".join(map(str, spread["angle_classes"])),
        label_error=error_line(card["label_error"], "dense search", "every half degree and pixel, then off the grid"),
        unit=card["unit"],
        **words_of(card),
    )
