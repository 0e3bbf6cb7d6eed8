"""The README.md of a data-set folder, with the front matter that `datasets.load_dataset` reads."""

from __future__ import annotations

from typing import Any

_TEXT = """---
configs:
- config_name: pairs
  data_files: pairs.parquet
  default: true
- config_name: objects
  data_files: objects.parquet
---
# {task}: {pairs} labelled pairs of {objects} shapes

Made by metricvae {version} from `{source}`, seed {seed}; the same plan gives the same bytes.

- `objects.parquet`: id, image (200x200 PNG, white shape on black), source, family, group, area (pixels), split.
- `pairs.parquet`: a, b (ids), value ({unit}), angle_deg, dx, dy, split. Turning b by `angle_deg` counter-clockwise
  about the canvas centre and then shifting it `dx` pixels right and `dy` down gives the overlap `value`.
- Splits are by group of shapes: no pair holds shapes of two splits, and a group keeps its split in every data set.
- `card.json` holds the plan, the counts below and the SHA-256 of both files.

| split | objects | pairs |
| --- | ---: | ---: |
{rows}
"""


def dataset_readme(card: dict[str, Any]) -> str:
    """The text for a card (see :func:`metricvae.pairs.labelling.label`)."""
    counts = card["counts"]
    rows = [f"| {split} | {n} | {counts['pairs'].get(split, 0)} |" for split, n in sorted(counts["objects"].items())]
    return _TEXT.format(
        task=card["task"],
        unit=card["unit"],
        version=card["version"],
        source=card["plan"]["objects"],
        seed=card["plan"]["seed"],
        pairs=sum(counts["pairs"].values()),
        objects=sum(counts["objects"].values()),
        rows="\n".join(rows),
    )
