"""Sections on complexes of new proteins and new scaffolds: accuracy, and precision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from metricvae.reproduction.affinity.left_out import GNINA, MEAN, OURS, RANKING, LeftOutAnswers
from metricvae.reproduction.affinity.statistics import bootstrap_pearson, pearson, rmse, spearman
from metricvae.reproduction.report import Cell, Section, Table

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

FEWEST = 3
"""Complexes that a table needs."""


def rows_looked_at(answers: LeftOutAnswers) -> dict[str, Rows]:
    """All complexes, and those whose pose is a crystal's where there are some."""
    found = {"all poses": np.arange(len(answers.pk)), "crystal poses": np.flatnonzero(answers.crystal)}
    return {name: rows for name, rows in found.items() if len(rows) >= FEWEST}


def proteins_section(answers: Sequence[LeftOutAnswers]) -> Section:
    """Pearson R, Spearman's rho and RMSE of all methods, by what is left out."""
    tables = tuple(
        _accuracy_table(answers, part, name, rows)
        for part in answers[0].said
        for name, rows in rows_looked_at(answers[0]).items()
    )
    text = (
        "Five parts by clusters of proteins, and five by scaffolds with proteins known. Intervals hold 90 % of "
        "bootstrap draws over clusters of proteins. Heavy atoms and Vina are on the scale of pK by a line "
        "through all complexes; what another program has no answer for is left out of its row."
    )
    return Section("New proteins, new scaffolds", text, tables)


def _accuracy_table(answers: Sequence[LeftOutAnswers], part: str, name: str, rows: Rows) -> Table:
    first = answers[0]
    groups = first.proteins[rows]
    methods = [*(method for method in first.said[part] if method not in (OURS, RANKING)), GNINA, OURS]
    lines = []
    for method in methods:
        have = rows[np.isfinite(first.by(part, method)[rows])]
        if len(have) < FEWEST:
            continue
        agreement = agreement_of([one.by(part, method)[have] for one in answers], first.pk[have], first.proteins[have])
        label = method if len(have) == len(rows) else f"{method} (n = {len(have)})"
        lines.append((label, *agreement_cells(agreement, constant=method == MEAN)))
    caption = f"{part.capitalize()}, {name}: n = {len(rows)}, {len(np.unique(groups))} clusters of proteins."
    return Table(caption, AGREEMENT, tuple(lines), (), (len(lines) - 1,))


AGREEMENT = ("method", "Pearson R", "90 % interval", "Spearman", "RMSE")
"""Columns of tables of methods."""


def agreement_of(said: Sequence[Floats], pk: Floats, clusters: Rows) -> dict[str, float]:
    """How answers of each seed (n,) agree with what was measured (n,): means over seeds, the interval of the first."""
    estimate = bootstrap_pearson(said[0], pk, clusters)
    means = {
        name: float(np.mean([of(one, pk) for one in said]))
        for name, of in (("pearson", pearson), ("spearman", spearman), ("rmse", rmse))
    }
    return means | {"low": estimate.low, "high": estimate.high}


def agreement_cells(found: Mapping[str, float], *, constant: bool = False) -> tuple[Cell, ...]:
    """Of `agreement_of`, for the columns after the first; a constant has an error alone."""
    if constant:
        return None, None, None, found["rmse"]
    interval = f"{found['low']:.2f} to {found['high']:.2f}"
    return found["pearson"], interval, found["spearman"], found["rmse"]


def precision_section(answers: Sequence[LeftOutAnswers]) -> Section:
    """How the errors spread, how often intervals hold, and the error of what is called outside of the data."""
    rows = tuple(
        _precision_row(answers, part, name, chosen)
        for part in answers[0].said
        for name, chosen in rows_looked_at(answers[0]).items()
    )
    columns = (
        *("left out", "poses", "mean error", "standard deviation", "half of the errors are below", "90 % are below"),
        *("inside the 90 % interval, %", "half width", "outside, %", "their absolute error, times that of the rest"),
    )
    text = "Errors of `pK`, in units of pK. Intervals are fitted so that they hold for new proteins."
    return Section("Precision", text, (Table("Spread of the error, and coverage.", columns, rows),))


def _precision_row(answers: Sequence[LeftOutAnswers], part: str, name: str, rows: Rows) -> tuple[Cell, ...]:
    found = np.mean([_precision(one, part, rows) for one in answers], axis=0)
    return (part, name, *(None if np.isnan(value) else float(value) for value in found))


def _precision(one: LeftOutAnswers, part: str, rows: Rows) -> list[float]:
    error = one.said[part][OURS][rows] - one.pk[rows]
    size, half, outside = np.abs(error), one.half[part][rows], one.outside[rows]
    ratio = size[outside].mean() / size[~outside].mean() if outside.any() and not outside.all() else np.nan
    spread = [error.mean(), error.std(), np.median(size), np.quantile(size, 0.9)]
    return [*map(float, spread), float((size <= half).mean() * 100), float(half.mean()), outside.mean() * 100, ratio]
