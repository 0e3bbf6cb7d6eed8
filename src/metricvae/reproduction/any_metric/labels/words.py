"""Levenshtein distance of words: those of the names of Unicode's characters, and seeded misspellings of them."""

from __future__ import annotations

import string
import sys
import unicodedata
from collections.abc import Sequence

import numpy as np

from metricvae.reproduction.any_metric.records import Floats, MadeObjects, Measure, Rows
from metricvae.runtime.extras import require

LETTERS = (3, 14)
"""Length of a word, least and most."""

SPELLINGS = 4
"""Objects of each word: itself and its misspellings."""

MOST_EDITS = 5
"""Edits of a misspelling, at most."""


def make_words(count: int, seed: int) -> MadeObjects:
    """Words, each followed by its misspellings, which share its split."""
    rng = np.random.default_rng([seed, 4])
    roots = unicode_words()
    made: dict[str, int] = {}
    for number, place in enumerate(rng.permutation(len(roots)).tolist()):
        made.setdefault(roots[place], number)
        for _ in range(SPELLINGS - 1):
            made.setdefault(misspell(roots[place], int(rng.integers(1, MOST_EDITS + 1)), rng), number)
        if len(made) >= count:
            break
    words = list(made)[:count]
    groups = np.array([made[word] for word in words])
    magnitudes = np.array([[len(word), len(set(word)), sum(letter in "aeiou" for letter in word)] for word in words])
    return MadeObjects(
        words, groups, groups, magnitudes.astype(np.float64), np.array([_counts(word) for word in words])
    )


def unicode_words() -> list[str]:
    """The distinct alphabetical words of 3 to 14 letters in the names of Unicode's characters, in small letters."""
    low, high = LETTERS
    names = (unicodedata.name(chr(point), "") for point in range(sys.maxunicode + 1))
    found = {word for name in set(names) for word in name.replace("-", " ").lower().split()}
    return sorted(word for word in found if word.isascii() and word.isalpha() and low <= len(word) <= high)


def misspell(word: str, edits: int, rng: np.random.Generator) -> str:
    """A word after so many random edits, of a length that words may have."""
    letters = list(word)
    for _ in range(edits):
        grows, shrinks = len(letters) < LETTERS[1], len(letters) > LETTERS[0]
        edit = rng.choice(["change", "swap", *["insert"] * grows, *["delete"] * shrinks])
        place = int(rng.integers(len(letters) - (edit == "swap")))
        letter = string.ascii_lowercase[int(rng.integers(26))]
        match edit:
            case "change":
                letters[place] = letter
            case "swap":
                letters[place : place + 2] = letters[place : place + 2][::-1]
            case "insert":
                letters.insert(place, letter)
            case _:
                del letters[place]
    return "".join(letters)


def measure_edits(words: Sequence[str]) -> Measure:
    """Insertions, deletions and substitutions that turn one word into the other: RapidFuzz's `Levenshtein`."""
    distance = require("rapidfuzz.distance", "any-metric", "the edit distance").Levenshtein.distance

    def distances(first: Rows, second: Rows) -> Floats:
        ends = zip(first.tolist(), second.tolist(), strict=True)
        return np.array([distance(words[a], words[b]) for a, b in ends], np.float64)

    return distances


def _counts(word: str) -> Floats:
    """(702,) counts of letters and of pairs of letters."""
    codes = np.frombuffer(word.encode(), np.uint8).astype(np.int64) - ord("a")
    pairs = 26 * codes[:-1] + codes[1:]
    return np.concatenate([np.bincount(codes, minlength=26), np.bincount(pairs, minlength=676)]).astype(np.float64)
