"""What a data set of halves says of itself: counts, what area or boundary length alone would reach, its README.md."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from metricvae.core.binary_scores import accuracy, auc, best_threshold
from metricvae.core.dataset import OBJECTS, PAIRS
from metricvae.kinds.silhouette.io import decode_png
from metricvae.kinds.silhouette.records import Mask
from metricvae.labelling.card import FRONT_MATTER, words_of

MEASURED = 50_000
"""Pairs of a split that the baselines are measured on, at most."""

_MISMATCHES = ("easy", "family", "hard")

_HALVES_TEXT = (
    FRONT_MATTER
    + """# {task}: {pairs} pairs of {objects} halves of shapes

Made by metricvae {version} from `{source}`, seed {seed}, cut along lines that are {cuts}; the same plan gives the same
bytes.

- `objects.parquet`: id, image (200x200 PNG, white on black), source, family, group, area (pixels), split; the shape a
  half is of, the kind of its cut, the number of the cut, and the motion the half was given (angle_deg, dx, dy).
- `pairs.parquet`: a, b (ids), value (1 where the two belong together, 0 where not), split, grade; for a match also
  angle_deg, dx, dy: turning b by `angle_deg` counter-clockwise about the canvas centre and then shifting it `dx` pixels
  right and `dy` down puts it where it was cut from a. Pairs that are not listed do not belong together.
- Splits are by group of shapes: no pair holds halves of two splits, and a group keeps its split in every data set.
- `card.json` holds the plan, the counts below and the SHA-256 of both files.

| split | halves | pairs |
| --- | ---: | ---: |
{rows}

| grade | pairs |
| --- | ---: |
{grades}

What one number of each half reaches on the test pairs, its threshold taken from the training pairs:

| told by | accuracy | {auc_names} |
| --- | ---: |{auc_rules}
{baselines}
"""
)


def halves_baselines(folder: Path) -> dict[str, dict[str, float | None]]:
    """How well area alone and boundary length alone tell matches from mismatches.

    The score of a pair is that of `size_likeness`.

    Args:
        folder: the joined `objects.parquet` and `pairs.parquet`; images are read a batch at a time, and no more than
            `MEASURED` training and test pairs are looked at.

    Returns:
        for `area` and `boundary`: `accuracy` on the test pairs, the threshold from the training pairs, and `auc_easy`,
        `auc_family`, `auc_hard` of the test matches against mismatches of that grade (None where there are none).
    """
    pairs = _measured(pq.read_table(folder / PAIRS, columns=["a", "b", "value", "grade", "split"]))
    names = pc.unique(pa.chunked_array([*pairs["a"].chunks, *pairs["b"].chunks]))
    sizes = [(0, 0)] * len(names)
    for batch in pq.ParquetFile(folder / OBJECTS).iter_batches(1024, columns=["id", "image"]):
        places = pc.index_in(batch["id"], names).to_pylist()
        for place, image in zip(places, batch["image"].field("bytes"), strict=True):
            if place is not None:
                sizes[place] = area_and_boundary(decode_png(image.as_py()))
    first, second = (pc.index_in(pairs[side], names).to_numpy() for side in "ab")
    match, grade = pairs["value"].to_numpy() == 1, np.array(pairs["grade"].to_pylist())
    train, test = (np.array(pairs["split"].to_pylist()) == split for split in ("train", "test"))
    scores = size_likeness(sizes, first, second)
    found: dict[str, dict[str, float | None]] = {}
    for column, name in enumerate(("area", "boundary")):
        score = scores[:, column]
        threshold = best_threshold(score[train], match[train])
        found[name] = {"accuracy": round(accuracy(score[test], match[test], threshold), 4)}
        for which in _MISMATCHES:
            rows = test & (match | (grade == which))
            some = bool((grade[rows] == which).any())
            found[name][f"auc_{which}"] = round(auc(score[rows], match[rows]), 4) if some else None
    return found


def _measured(pairs: pa.Table) -> pa.Table:
    """The training and the test pairs, at most `MEASURED` of each, evenly spaced."""
    parts = [pairs.filter(pc.field("split") == split) for split in ("train", "test")]
    spaced = [np.unique(np.linspace(0, len(part) - 1, min(len(part), MEASURED)).astype(np.int64)) for part in parts]
    return pa.concat_tables([part.take(rows) for part, rows in zip(parts, spaced, strict=True)])


def size_likeness(
    sizes: Sequence[tuple[int, int]], first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Minus the difference of the logarithms of areas, and of boundary lengths, of n pairs, (n, 2).

    Args:
        sizes: (m,) of the halves, as `area_and_boundary` gives them.
        first, second: (n,) halves of each pair.
    """
    logs = np.log(np.array(sizes, dtype=np.float64))
    likeness: npt.NDArray[np.float64] = -np.abs(logs[first] - logs[second])
    return likeness


def area_and_boundary(mask: Mask) -> tuple[int, int]:
    """Pixels, and edges between a pixel inside and one outside."""
    padded = np.pad(mask, 1)
    return int(mask.sum(dtype=np.int64)), sum(int((np.diff(padded, axis=axis) != 0).sum()) for axis in (0, 1))


def halves_readme(card: dict[str, Any]) -> str:
    """The text for the card of a data set of halves."""
    columns = ["accuracy", *(f"auc_{grade}" for grade in _MISMATCHES)]
    baselines = [
        " | ".join([f"| {name}", *("-" if one[key] is None else f"{one[key]:.3f}" for key in columns)]) + " |"
        for name, one in card["baselines"].items()
    ]
    return _HALVES_TEXT.format(
        cuts=" or ".join(card["plan"]["cuts"]),
        grades="\n".join(f"| {grade} | {n} |" for grade, n in card["counts"]["grades"].items()),
        auc_names=" | ".join(f"AUC, {grade}" for grade in _MISMATCHES),
        auc_rules=" ---: |" * len(_MISMATCHES),
        baselines="\n".join(baselines),
        **words_of(card),
    )
