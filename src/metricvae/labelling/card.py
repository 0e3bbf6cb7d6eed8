"""What a data set says of itself: how its values, areas and angles lie, how good its labels are, and its README.md.

The README has the front matter that `datasets.load_dataset` reads.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from metricvae.core.dataset import OBJECTS, PAIRS

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
TURN = 30
"""Degrees in a class of angles."""

FRONT_MATTER = """---
configs:
- config_name: pairs
  data_files: pairs.parquet
  default: true
- config_name: objects
  data_files: objects.parquet
---
"""
"""What `datasets.load_dataset` reads of a README.md."""

_TEXT = (
    FRONT_MATTER
    + """# {task}: {pairs} labelled pairs of {objects} shapes

Made by metricvae {version} from `{source}`, seed {seed}; the same plan gives the same bytes.

- `objects.parquet`: id, image (200x200 PNG, white shape on black), source, family, group, area (pixels), split.
- `pairs.parquet`: a, b (ids), value ({unit}), angle_deg, dx, dy, split. Turning b by `angle_deg` counter-clockwise
  about the canvas centre and then shifting it `dx` pixels right and `dy` down gives the overlap `value`.
- Splits are by group of shapes: no pair holds shapes of two splits, and a group keeps its split in every data set.
- `card.json` holds the plan, the counts below and the SHA-256 of both files.

| split | objects | pairs |
| --- | ---: | ---: |
{rows}

{quantiles}

Objects with the very pixels of an earlier one: {duplicates}. Optimal angles by classes of {turn} degrees from -180 on:
{angles}.

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
    pairs = pq.read_table(folder / PAIRS, columns=["a", "b", "value", "angle_deg"])
    first, second = (pc.index_in(pairs[side], ids).to_numpy() for side in "ab")
    value, angle = pairs["value"].to_numpy(), pairs["angle_deg"].to_numpy()
    turns = np.histogram(angle, bins=np.arange(-180, 181, TURN))[0]
    return {
        "quantiles": list(QUANTILES),
        "value": quantiles_of(value),
        "area": quantiles_of(area),
        "covered": quantiles_of(value / np.minimum(area[first], area[second])),
        "angle_classes": turns.tolist(),
        "duplicate_objects": copies,
    }


def quantiles_of(numbers: npt.NDArray[np.float64]) -> list[float]:
    """The `QUANTILES` of some numbers."""
    return [round(float(number), 4) for number in np.quantile(numbers, QUANTILES)]


def words_of(card: dict[str, Any]) -> dict[str, Any]:
    """What the text of every card says: the task, where the data come from, and how many there are by split."""
    counts, plan = card["counts"], card["plan"]
    return {
        "task": card["task"],
        "version": card["version"],
        "source": plan["objects"],
        "seed": plan["seed"],
        "pairs": sum(counts["pairs"].values()),
        "objects": sum(counts["objects"].values()),
        "rows": "\n".join(split_rows(counts)),
    }


def quantile_table(spread: dict[str, Any], names: dict[str, str]) -> str:
    """Quantiles as lines of Markdown; `names` are the titles of those in `spread` that are shown."""
    shares = spread["quantiles"]
    rows = [" | ".join(["| quantile", *(f"{share:.0%}" for share in shares)]) + " |"]
    rows.append("| --- |" + " ---: |" * len(shares))
    for name, title in names.items():
        rows.append(" | ".join([f"| {title}", *(f"{number:.6g}" for number in spread[name])]) + " |")
    return "\n".join(rows)


def label_error(labels: npt.NDArray[np.float64], dense: npt.NDArray[np.float64]) -> dict[str, float] | None:
    """How far labels (n,) lie below what the dense search says of the same pairs (n,); None without any."""
    if not len(dense):
        return None
    shortfall = 100 * (1 - labels / dense)
    return {
        "pairs": len(shortfall),
        "mean_shortfall_percent": round(float(shortfall.mean()), 4),
        "worst_shortfall_percent": round(float(shortfall.max()), 4),
        "share_within_1_percent": round(float((shortfall <= 1).mean()), 4),
    }


def dataset_readme(card: dict[str, Any]) -> str:
    """The text for a card (see :func:`metricvae.labelling.run.label`)."""
    spread = card["distributions"]
    return _TEXT.format(
        quantiles=quantile_table(spread, _NAMES),
        duplicates=spread["duplicate_objects"],
        turn=TURN,
        angles=", ".join(map(str, spread["angle_classes"])),
        label_error=_error_line(card["label_error"]),
        unit=card["unit"],
        **words_of(card),
    )


def _error_line(error: dict[str, float] | None) -> str:
    if error is None:
        return "The labels were not checked against the dense search (`--check N` does that)."
    pairs, share = error["pairs"], error["share_within_1_percent"]
    mean, worst = error["mean_shortfall_percent"], error["worst_shortfall_percent"]
    return (
        f"{pairs} of the pairs were also given to the dense search (every half degree and pixel, then off the grid).\n"
        f"The labels lie {mean:.3f} % below it on average, {worst:.2f} % at worst; {share:.1%} are within 1 %."
    )


def split_rows(counts: dict[str, dict[str, int]]) -> list[str]:
    """Lines of a table of objects and pairs by split."""
    return [f"| {split} | {n} | {counts['pairs'].get(split, 0)} |" for split, n in sorted(counts["objects"].items())]
