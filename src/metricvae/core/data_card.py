"""The parts that the READMEs of data sets are made of: front matter, tables of counts and quantiles, label errors.

The front matter is what `datasets.load_dataset` reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from metricvae.core.dataset_files import LEFT, OBJECTS, PAIRS, RIGHT
from metricvae.runtime.parquet import read_schema

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


def front_matter(tables: Sequence[str]) -> str:
    """What `datasets.load_dataset` reads of a README: the pairs, and each table of objects."""
    names = "".join(f"- config_name: {Path(name).stem}\n  data_files: {name}\n" for name in tables)
    return f"---\nconfigs:\n- config_name: pairs\n  data_files: {PAIRS}\n  default: true\n{names}---\n"


FRONT_MATTER = front_matter([OBJECTS])
"""Of a data set with one table of objects."""


def quantiles_of(numbers: npt.NDArray[Any]) -> list[float]:
    """The `QUANTILES` of (n,) numbers."""
    return [round(float(number), 4) for number in np.quantile(np.asarray(numbers, np.float64), QUANTILES)]


def words_of(card: Mapping[str, Any]) -> dict[str, Any]:
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


def split_rows(counts: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Lines of a table of objects and pairs by split."""
    return [f"| {split} | {n} | {counts['pairs'].get(split, 0)} |" for split, n in sorted(counts["objects"].items())]


def quantile_table(spread: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """Quantiles as lines of Markdown; `names` are the titles of those in `spread` that are shown."""
    shares = spread["quantiles"]
    rows = [" | ".join(["| quantile", *(f"{share:.0%}" for share in shares)]) + " |"]
    rows.append("| --- |" + " ---: |" * len(shares))
    for name, title in names.items():
        rows.append(" | ".join([f"| {title}", *(f"{number:.6g}" for number in spread[name])]) + " |")
    return "\n".join(rows)


def label_error(labels: npt.NDArray[np.float64], checked: npt.NDArray[np.float64]) -> dict[str, float] | None:
    """How far labels (n,) lie below what a more thorough search says of the same pairs (n,); None without any."""
    if not len(checked):
        return None
    shortfall = 100 * (1 - labels / checked)
    return {
        "pairs": len(shortfall),
        "mean_shortfall_percent": round(float(shortfall.mean()), 4),
        "worst_shortfall_percent": round(float(shortfall.max()), 4),
        "share_within_1_percent": round(float((shortfall <= 1).mean()), 4),
    }


def error_line(error: Mapping[str, float] | None, search: str, detail: str) -> str:
    """What a README says of the label error.

    Args:
        error: of `label_error`.
        search: the more thorough search, as `dense search`.
        detail: what it does.
    """
    if error is None:
        return f"The labels were not checked against the {search} (`--check N` does that)."
    pairs, share = error["pairs"], error["share_within_1_percent"]
    mean, worst = error["mean_shortfall_percent"], error["worst_shortfall_percent"]
    return (
        f"{pairs} of the pairs were also given to the {search} ({detail}).\n"
        f"The labels lie {mean:.3f} % below it on average, {worst:.2f} % at worst; {share:.1%} are within 1 %."
    )


_TEXT = """{front}# {task}: {pairs} labelled pairs of {objects} {titles}

Made by metricvae {version} from {sources}, seed {seed}; the same plan gives the same bytes.

- {tables}: {object_columns}.
- `pairs.parquet`: {pair_columns}; value: {value}{unit}.
- Splits are by group of objects: a group keeps its split in every data set{cold}.
- `card.json` holds the plan, the counts below and the SHA-256 of each file.

| split | objects | pairs |
| --- | ---: | ---: |
{rows}

{quantiles}
"""


def default_readme(card: Mapping[str, Any], folder: Path, value: str, titles: Sequence[str]) -> str:
    """The text for a card of any metric.

    Args:
        card: see :func:`metricvae.labelling.run.label`.
        folder: of the data set, whose columns are named.
        value: what the metric is, in words.
        titles: of the kinds of objects.
    """
    files = [name for name in (OBJECTS, LEFT, RIGHT) if name in card["sha256"]]
    plan, unit = card["plan"], card["unit"]
    sources = [f"`{plan[name]}`" for name in ("objects", "right_objects") if name in plan]
    cold = {name: f"; pairs are split by their {name} object alone" for name in ("left", "right")}.get(
        plan.get("cold", ""), ""
    )
    return _TEXT.format(
        front=front_matter(files),
        titles=" and ".join(dict.fromkeys(titles)),
        tables=", ".join(f"`{name}`" for name in files),
        sources=" and ".join(sources),
        object_columns=", ".join(read_schema(folder / files[0]).names),
        pair_columns=", ".join(read_schema(folder / PAIRS).names),
        value=value,
        unit=f", {unit}" if unit else "",
        cold=cold,
        quantiles=quantile_table(card["distributions"], {"value": value}),
        **words_of(card),
    )
