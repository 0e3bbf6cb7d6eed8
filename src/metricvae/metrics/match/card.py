"""The card of a data set of halves: the accuracy of area and boundary length alone, and the text of its README.md."""

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
from metricvae.core.data_card import FRONT_MATTER, words_of
from metricvae.core.dataset_files import OBJECTS, PAIRS
from metricvae.core.sampling import evenly_spaced
from metricvae.kinds.silhouette.io import decode_png
from metricvae.kinds.silhouette.records import Mask
from metricvae.runtime.parquet import read_table

BASELINE_PAIRS = 50_000
"""Most pairs of a split that the baselines are measured on."""

_MISMATCHES = ("easy", "family", "hard")

_HALVES_TEXT = (
    FRONT_MATTER
    + """# {task}: {pairs} pairs of {objects} halves of shapes

Made by metricvae {version} from `{source}`, seed {seed}, cut along lines that are {cuts}; the same plan gives the same
bytes.

- `objects.parquet`: id, image (200x200 PNG, white on black), source, family, group, area (pixels), split; the shape
  that the half is a piece of, the kind and number of the cut, and the random motion of the half (angle_deg, dx, dy).
- `pairs.parquet`: a, b (ids), value (1 for two pieces of one cut, else 0), split, grade; for a match also
  angle_deg, dx, dy: rotating b by `angle_deg` counter-clockwise about the canvas centre and then shifting it `dx`
  pixels right and `dy` down puts it where it was cut from a. Pairs that are not listed do not match.
- Splits are by group of shapes: no pair has halves of two splits, and a group is in the same split in every data set.
- `card.json` holds the plan, the counts below and the SHA-256 of both files.

| split | halves | pairs |
| --- | ---: | ---: |
{rows}

| grade | pairs |
| --- | ---: |
{grades}

Baselines on the test pairs from one number of each half, with the threshold of the training pairs:

| predicted from | accuracy | {auc_names} |
| --- | ---: |{auc_rules}
{baselines}
"""
)


def halves_baselines(folder: Path) -> dict[str, dict[str, float | None]]:
    """Accuracy and AUC of area alone and of boundary length alone, with `size_similarity` as the score of a pair.

    Args:
        folder: of `objects.parquet` and `pairs.parquet`; images are read in batches, and at most `BASELINE_PAIRS`
            training and test pairs are used.

    Returns:
        For `area` and `boundary`: `accuracy` on the test pairs, the threshold from the training pairs, and `auc_easy`,
        `auc_family`, `auc_hard` of the test matches against mismatches of that grade (None if there are none).
    """
    pairs = _sample_pairs(read_table(folder / PAIRS, ["a", "b", "value", "grade", "split"]))
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
    scores = size_similarity(sizes, first, second)
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


def _sample_pairs(pairs: pa.Table) -> pa.Table:
    """The training and the test pairs, at most `BASELINE_PAIRS` of each, evenly spaced."""
    parts = [pairs.filter(pc.field("split") == split) for split in ("train", "test")]
    spaced = [evenly_spaced(np.arange(len(part)), BASELINE_PAIRS) for part in parts]
    return pa.concat_tables([part.take(rows) for part, rows in zip(parts, spaced, strict=True)])


def size_similarity(
    sizes: Sequence[tuple[int, int]], first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Minus the absolute difference of the logarithms of areas, and of boundary lengths, of n pairs: (n, 2).

    Args:
        sizes: (m,) of the halves, as `area_and_boundary` gives them.
        first, second: (n,) halves of each pair.
    """
    logs = np.log(np.array(sizes, dtype=np.float64))
    similarity: npt.NDArray[np.float64] = -np.abs(logs[first] - logs[second])
    return similarity


def area_and_boundary(mask: Mask) -> tuple[int, int]:
    """Area in pixels, and number of pixel edges between inside and outside.

    >>> area_and_boundary(np.ones((2, 3), np.uint8))
    (6, 10)
    """
    padded = np.pad(mask, 1)
    return int(mask.sum(dtype=np.int64)), sum(int((np.diff(padded, axis=axis) != 0).sum()) for axis in (0, 1))


def halves_readme(card: dict[str, Any]) -> str:
    """The text of README.md from the card of a data set of halves."""
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
