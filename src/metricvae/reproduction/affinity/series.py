"""Rankings of congeners: every method's in each target, and the model's beside each other method's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from metricvae.reproduction.affinity.left_out import GIVEN, NEAREST, NEW_PROTEINS, OURS, RANKING, LeftOutAnswers
from metricvae.reproduction.affinity.statistics import (
    BootstrapEstimate,
    Contest,
    Floats,
    Ints,
    bootstrap_mean,
    contest,
    kendall,
    spearman,
)

FEWEST = 10
"""Ligands of a target in which a ranking is looked at."""

Measure = Callable[[Floats, Floats], float]

MEASURES: dict[str, Measure] = {"Kendall": kendall, "Spearman": spearman}
"""Names and functions."""


@dataclass(frozen=True)
class Rankings:
    """Of one set.

    Attributes:
        set: its name.
        targets: names, and how many ligands of each are looked at.
        scores: by measure and method, a number for each target, means over seeds; NaN where there is none.
    """

    set: str
    targets: dict[str, int]
    scores: dict[str, dict[str, list[float]]]

    def mean(self, measure: str, method: str) -> BootstrapEstimate:
        """Over the targets that have a number, with its bootstrap interval over targets."""
        values = np.array(self.scores[measure][method])
        return bootstrap_mean(values[np.isfinite(values)])

    def beside(self, measure: str, method: str, ours: str = RANKING) -> Contest:
        """The model beside another method, in the targets in which both have a number."""
        return contest(self.scores[measure][ours], self.scores[measure][method])

    def on_same(self, measure: str, method: str, ours: str = RANKING) -> tuple[float, float]:
        """Means of the model and of another method over the targets in which both have a number."""
        rows = np.array([self.scores[measure][ours], self.scores[measure][method]])
        first, second = rows[:, np.isfinite(rows).all(axis=0)].mean(axis=1).tolist()
        return first, second

    @property
    def methods(self) -> tuple[str, ...]:
        """That have a number in any target."""
        return tuple(self.scores["Kendall"])


def rank_series(answers: Sequence[LeftOutAnswers], chosen: str) -> Rankings | None:
    """Rankings within the targets of a set, each with its protein left out; None where no target is large enough.

    Where at least ten ligands of a target have scores of Glide, these ligands alone are looked at.

    Args:
        answers: of each seed, of the same complexes.
        chosen: name of the set.
    """
    first = answers[0]
    rows_of: dict[str, list[int]] = {}
    for row, name in enumerate(first.sets):
        if name == chosen:
            rows_of.setdefault(first.systems[row], []).append(row)
    kept = {system: _looked_at(first, np.array(rows)) for system, rows in rows_of.items() if len(rows) >= FEWEST}
    if not kept:
        return None
    methods = [name for name in first.said[NEW_PROTEINS] if name not in ("mean", NEAREST)]
    scores: dict[str, dict[str, list[float]]] = {}
    for measure, of in MEASURES.items():
        found = {
            name: [
                float(np.mean([of(one.said[NEW_PROTEINS][name][rows], one.pk[rows]) for one in answers]))
                for rows in kept.values()
            ]
            for name in methods
        }
        for name in first.given:
            given = [_of_given(first, name, rows, of) for rows in kept.values()]
            if np.isfinite(given).any():
                found[name] = given
        scores[measure] = found
    names = {system.split("/", 1)[1]: len(rows) for system, rows in sorted(kept.items())}
    order = [list(kept).index(system) for system in sorted(kept)]
    sorted_scores = {
        measure: {name: [values[at] for at in order] for name, values in found.items()}
        for measure, found in scores.items()
    }
    return Rankings(chosen, names, sorted_scores)


def _looked_at(answers: LeftOutAnswers, rows: Ints) -> Ints:
    have = np.isfinite(answers.given[GIVEN["glide_dock"]][rows])
    return rows[have] if have.sum() >= FEWEST else rows


def _of_given(answers: LeftOutAnswers, name: str, rows: Ints, of: Measure) -> float:
    given = answers.given[name][rows]
    have = np.isfinite(given)
    if have.sum() < FEWEST:
        return float("nan")
    return float(of(given[have], answers.pk[rows][have]))


OURS_METHODS = (RANKING, OURS)
"""The model's two functions."""
