"""Sections on complexes of new proteins and new scaffolds: accuracy, and precision."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from metricvae.reproduction.affinity.left_out import MEAN, OURS, RANKING, LeftOutAnswers
from metricvae.reproduction.affinity.statistics import bootstrap_pearson, pearson, rmse, spearman
from metricvae.reproduction.report import Cell, Section, Table

Rows = npt.NDArray[np.int64]


def rows_looked_at(answers: LeftOutAnswers) -> dict[str, Rows]:
    """All complexes, and those whose pose is a crystal's where there are some."""
    found = {"all poses": np.arange(len(answers.pk)), "crystal poses": np.flatnonzero(answers.crystal)}
    return {name: rows for name, rows in found.items() if len(rows) >= 3}


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
        "through all complexes."
    )
    return Section("New proteins, new scaffolds", text, tables)


def _accuracy_table(answers: Sequence[LeftOutAnswers], part: str, name: str, rows: Rows) -> Table:
    first = answers[0]
    pk, groups = first.pk[rows], first.proteins[rows]
    methods = [method for method in first.said[part] if method not in (OURS, RANKING)] + [OURS]
    lines: list[tuple[Cell, ...]] = []
    for method in methods:
        said = [one.said[part][method][rows] for one in answers]
        estimate = bootstrap_pearson(said[0], pk, groups)
        r = None if method == MEAN else round(float(np.mean([pearson(one, pk) for one in said])), 3)
        interval = None if method == MEAN else f"{estimate.low:.2f} to {estimate.high:.2f}"
        rho = None if method == MEAN else round(float(np.mean([spearman(one, pk) for one in said])), 3)
        lines.append((method, r, interval, rho, round(float(np.mean([rmse(one, pk) for one in said])), 3)))
    caption = f"{part.capitalize()}, {name}: n = {len(rows)}, {len(np.unique(groups))} clusters of proteins."
    columns = ("method", "Pearson R", "90 % interval", "Spearman", "RMSE")
    return Table(caption, columns, tuple(lines), (), (len(lines) - 1,))


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
    return (part, name, *(None if np.isnan(value) else round(float(value), 2) for value in found))


def _precision(one: LeftOutAnswers, part: str, rows: Rows) -> list[float]:
    error = one.said[part][OURS][rows] - one.pk[rows]
    size, half, outside = np.abs(error), one.half[part][rows], one.outside[rows]
    ratio = size[outside].mean() / size[~outside].mean() if outside.any() and not outside.all() else np.nan
    spread = [error.mean(), error.std(), np.median(size), np.quantile(size, 0.9)]
    return [*map(float, spread), float((size <= half).mean() * 100), float(half.mean()), outside.mean() * 100, ratio]
