"""Which part of a data set a shape belongs to."""

from __future__ import annotations

import hashlib
import itertools
from typing import Literal

Split = Literal["train", "validation", "calibration", "test"]

SPLITS: dict[Split, float] = {"train": 0.80, "validation": 0.05, "calibration": 0.05, "test": 0.10}
"""Share of each split: training, early stopping, the width of intervals, and what nothing was tuned on."""


def split_of(group: str) -> Split:
    """The split that a group of shapes belongs to in every data set.

    It is a hash of the group's name alone, whatever the seed, so no test glyph is ever trained on anywhere.
    """
    place = int.from_bytes(hashlib.blake2b(group.encode(), digest_size=8).digest(), "big") / 2**64
    uppers = zip(SPLITS, itertools.accumulate(SPLITS.values()), strict=True)
    return next((split for split, upper in uppers if place < upper), "test")
