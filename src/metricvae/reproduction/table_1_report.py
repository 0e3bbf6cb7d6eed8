"""Report of Table 1: the errors, the tests, the large batch, and pairs drawn at their optimal pose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metricvae.metrics.overlap.drawing import ExamplePair, draw_pair, draw_pairs
from metricvae.plotting.charts import Series, draw_errors, draw_scatter
from metricvae.reproduction.report import Cell, Fact, Figure, Report, Section, Table, format_cell
from metricvae.reproduction.table_1 import (
    METHODS,
    PUBLISHED_MODEL,
    PUBLISHED_NAIVE,
    PUBLISHED_P_VALUE,
    ErrorRow,
    PerMethod,
    Table1,
)

Floats = npt.NDArray[np.float64]

ASSUMPTIONS = (
    "The paper does not say what its naive method guesses. We show two guesses: the mean training label (the best "
    "constant) and a random training label (which knows the distribution only).",
    "The paper calls its test a z-test; Welch's t-test is the standard formula that gives its p-value from its rows "
    "(0.0490 against the printed 0.049165), so both are shown.",
    "The unit of the paper's errors is taken to be squared pixels, since its labels are pixels.",
)
DEVIATIONS = (
    "The paper's shapes are no longer available; its two columns are quoted, not measured, and were obtained on other "
    "shapes than ours. Compare ratios to the naive error rather than the errors themselves.",
    "No test pair contains a shape of a training pair; the paper does not say how it split.",
    "A large batch is added: six batches of 24 leave the size of the difference unclear.",
)


@dataclass(frozen=True)
class Agreement:
    """The overlap preset's answers for the scatter plot: (n,) each, pixels, with the ends of the intervals."""

    true: Floats
    predicted: Floats
    low: Floats
    high: Floats
    confidence: float = 0.9


def report_table_1(
    table: Table1,
    *,
    examples: Sequence[ExamplePair] = (),
    agreement: Agreement | None = None,
    facts: Sequence[Fact] = (),
    assumptions: Sequence[str] = (),
    deviations: Sequence[str] = (),
) -> Report:
    """Table 1 as a report.

    Args:
        table: the numbers.
        examples: test pairs to draw; the first is drawn large, as in Figure 1.3, and all of them on one sheet.
        agreement: all answers on the large batch, for the scatter plot.
        facts: command, seeds, cost and versions of the run.
        assumptions, deviations: of this run, listed after those of every Table 1.
    """
    sections = [_errors_section(table), _tests_section(table), _large_section(table, agreement)]
    if examples:
        sections.append(_examples_section(examples))
    return Report(
        title="Table 1: predicting the maximum overlap in one shot",
        summary=_summary(table),
        sections=tuple(sections),
        facts=(*facts, Fact("seed of the random guess and the bootstrap", str(table.seed))),
        assumptions=(*ASSUMPTIONS, *assumptions),
        deviations=(*DEVIATIONS, *deviations),
    )


def _summary(table: Table1) -> str:
    best = table.comparisons[0].result
    published = sum(PUBLISHED_MODEL) / sum(PUBLISHED_NAIVE)
    return (
        f"On {table.large.pairs:,} test pairs the overlap preset makes {_percent(best.ratio)} of the squared error "
        f"of the best constant guess (95 % interval {_percent(best.ratio_low)} to {_percent(best.ratio_high)}; "
        f"R\u00b2 {format_cell(table.r2.overlap)}). Over the paper's six batches that share was {_percent(published)}."
    )


def _errors_section(table: Table1) -> Section:
    means = _means(table)
    rows = [_cells(row) for row in (*table.rows, means, table.large)]
    columns = ("batch", "pairs", "published naive", "published model", *(str(name) for name in METHODS.in_order()))
    caption = (
        "Mean squared error in pixels\u00b2. The two published columns are quoted; they were obtained on other shapes."
    )
    return Section(
        title="Errors by batch",
        text="Each batch is drawn from pairs of shapes that are in no training pair. Guesses and the regression on the "
        "two areas are fitted to the training pairs only, like the models.",
        tables=(Table(caption, columns, tuple(rows), strong_columns=(8,), strong_rows=(len(table.rows),)),),
        figures=(_errors_figure(table),),
    )


def _means(table: Table1) -> ErrorRow:
    """Column means over the six batches."""
    columns = np.array([[np.nan if e is None else e for e in row.errors.in_order()] for row in table.rows]).mean(axis=0)
    train_mean, random, areas, paper, overlap = (float(value) for value in columns)
    errors = PerMethod(train_mean, random, areas, None if table.large.errors.paper is None else paper, overlap)
    pairs = sum(row.pairs for row in table.rows)
    return ErrorRow("mean of six", pairs, float(np.mean(PUBLISHED_NAIVE)), float(np.mean(PUBLISHED_MODEL)), errors)


def _cells(row: ErrorRow) -> tuple[Cell, ...]:
    return (row.batch, row.pairs, row.published_naive, row.published_model, *row.errors.in_order())


def _errors_figure(table: Table1) -> Figure:
    rows = (*table.rows, table.large)
    nan = float("nan")
    columns: list[tuple[str, list[float]]] = [
        ("published naive", [nan if row.published_naive is None else row.published_naive for row in rows]),
        ("published model", [nan if row.published_model is None else row.published_model for row in rows]),
    ]
    for index, name in enumerate(METHODS.in_order()):
        values = [row.errors.in_order()[index] for row in rows]
        if None not in values:
            columns.append((str(name), [float(value or 0) for value in values]))
    return Figure(
        name="errors",
        caption="Mean squared error by batch and method, logarithmic scale.",
        alt="One marker per method in each of the six batches and the large one; lower is better.",
        png=draw_errors([row.batch for row in rows], [Series(name, values) for name, values in columns]),
    )


def _tests_section(table: Table1) -> Section:
    sources = (
        ("published naive against published model", table.published_tests),
        (f"{METHODS.train_mean} against {METHODS.overlap}", table.tests),
    )
    rows = tuple(
        (columns, test.name, test.statistic, test.degrees_of_freedom, test.p_value)
        for columns, tests in sources
        for test in tests
    )
    header = ("columns compared", "test", "statistic", "degrees of freedom", "two-sided p")
    return Section(
        title="Tests over the six batches",
        text=f"The paper prints p = {PUBLISHED_P_VALUE} and calls it a z-test. Its rows give that figure under Welch's "
        "t-test; a z-test of them gives 0.0225. Both are shown, for its rows and for ours.",
        tables=(Table("Tests of equal mean error over the six batches.", header, rows),),
    )


def _large_section(table: Table1, agreement: Agreement | None) -> Section:
    explained = tuple(
        (name, error, error / table.large.errors.train_mean, error**0.5, r2)
        for name, error, r2 in zip(METHODS.in_order(), table.large.errors.in_order(), table.r2.in_order(), strict=True)
        if error is not None
    )
    explained_header = ("method", "MSE (pixels\u00b2)", "share of train-mean MSE", "RMSE (pixels)", "R\u00b2")
    compared = tuple(
        (one.other, r.ratio, r.ratio_low, r.ratio_high, r.difference, r.difference_low, r.difference_high, r.p_value)
        for one, r in ((one, one.result) for one in table.comparisons)
    )
    header = ("overlap preset against", "MSE ratio", "low", "high", "MSE difference", "low ", "high ", "two-sided p")
    resamples = table.comparisons[0].result.resamples
    return Section(
        title=f"The large batch: {table.large.pairs:,} pairs",
        tables=(
            Table("Errors of each method.", explained_header, explained, strong_rows=(len(explained) - 1,)),
            Table(
                f"Paired bootstrap over pairs, 95 % intervals, {resamples:,} resamples (so p is never "
                f"below {2 / (resamples + 1):.1g}). A ratio below 1 favours the overlap preset.",
                header,
                compared,
            ),
        ),
        figures=() if agreement is None else (_agreement_figure(agreement),),
    )


def _agreement_figure(agreement: Agreement) -> Figure:
    inside = float(np.mean((agreement.low <= agreement.true) & (agreement.true <= agreement.high)))
    return Figure(
        name="agreement",
        caption=f"True against predicted overlap, overlap preset, {len(agreement.true):,} pairs. The "
        f"{agreement.confidence:.0%} intervals contain the true value for {inside:.1%} of them.",
        alt="Scatter of true against predicted overlap around the line of agreement, with the interval as a band.",
        png=draw_scatter(
            agreement.true,
            agreement.predicted,
            low=agreement.low,
            high=agreement.high,
            confidence=agreement.confidence,
        ),
    )


def _examples_section(examples: Sequence[ExamplePair]) -> Section:
    first = examples[0]
    return Section(
        title="Pairs at their optimal pose",
        text="As in the paper's Figure 1.3. Dark is where the two shapes overlap. The true value and the pose come "
        "from the exact search; the prediction is computed from the two codes alone, without a pose.",
        figures=(
            Figure(
                name="pair",
                caption=f"`{first.first_id}` and `{first.second_id}`, apart and at the pose that overlaps most.",
                alt="Two silhouettes, and the second moved onto the first so that they overlap as much as they can.",
                png=draw_pair(first),
            ),
            Figure(
                name="pairs",
                caption="Test pairs, each at its optimal pose: true overlap above, prediction with its interval below. "
                "Parts that move beyond the canvas are not drawn; they cannot overlap.",
                alt="A sheet of superimposed silhouette pairs, with true and predicted overlap in pixels.",
                png=draw_pairs(examples),
            ),
        ),
    )


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
