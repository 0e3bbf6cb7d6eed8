"""The report on metrics that nobody built in: one table, one picture, and how each was made."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from metricvae.plotting.panels import MethodBars, Panel, draw_metrics
from metricvae.reproduction.any_metric.baselines import BOOSTING, MAGNITUDES, MEAN, NEAREST
from metricvae.reproduction.any_metric.results import ExampleResult
from metricvae.reproduction.report import Cell, Fact, Figure, Report, Section, Table

METHODS = (MEAN, MAGNITUDES, BOOSTING, NEAREST, "siamese network", "metricvae")
"""Columns of the table, the model's last."""

_BASELINES_TEXT = """
`mean guess` is the mean of the training values. `magnitudes` is the package's regression on the magnitude that the kind
has (area, self-overlap); where it has none, the mean guess again. `boosting` is gradient boosting on sums, differences,
least and greatest of further simple numbers of both objects: extents, lengths, counts, norms. `nearest pairs` is the
weighted mean of the values of the nearest training pairs in a plain embedding, in both orders; how many is chosen on
the validation pairs. `siamese network` is the encoder that the kind has by default, trained for as many steps and
minutes to give the value, scaled to 0 and 1 by the training values, as the cosine of two codes, by its squared error.
"""


def report_metrics(results: Sequence[ExampleResult], facts: Sequence[Fact]) -> Report:
    """The figures of all metrics that are measured so far."""
    sections = [
        Section("The metrics", tables=(_scores_table(results), _data_table(results)), figures=_figures(results))
    ]
    sections.append(Section("The baselines", _BASELINES_TEXT))
    return Report(
        title="Any metric: tables of pairs, one command",
        summary=_summary(results),
        sections=tuple(sections),
        facts=tuple(facts),
        assumptions=(
            "Objects of validation, calibration and test pairs are in no training pair, nor are their relatives: "
            "misspellings of a word, proteins of a family, variants of a body, molecules of a scaffold.",
            "Each model is trained by `metricvae.fit` on what `PairDataset.from_csv` imports; its seed and the time "
            "that it may take are all that is set.",
        ),
    )


def _summary(results: Sequence[ExampleResult]) -> str:
    measured = [one for one in results if one.models]
    if not measured:
        return "Nothing is measured yet."
    reached, ahead = sum(one.reached for one in measured), sum(one.ahead for one in measured)
    return (
        f"Of {len(measured)} metrics that were imported as tables of pairs, {reached} are predicted for unseen objects "
        f"with R\u00b2 of at least 0.95 (binary: AUC of at least 0.97), and {ahead} better than by every baseline."
    )


def _scores_table(results: Sequence[ExampleResult]) -> Table:
    rows = tuple(_row(one) for one in results)
    columns = ("metric", "kind", "score", *METHODS, "inside the 90 % interval, %", "minutes")
    return Table(
        "R\u00b2 on test pairs, the area under the ROC curve (AUC) of the binary metric; mean and standard deviation "
        "over the seeds where there are several. Intervals of a binary metric are sets of answers.",
        columns,
        rows,
        strong_columns=(columns.index("metricvae"),),
    )


def _row(one: ExampleResult) -> tuple[Cell, ...]:
    coverage = _spread([100 * model.coverage for model in one.models], 1)
    minutes = _spread([model.minutes for model in one.models], 1)
    scores = [_spread(one.scores[name], 4) for name in METHODS]
    name = "AUC" if one.example.binary else "R\u00b2"
    return (one.example.name, str(one.example.kind["name"]), name, *scores, coverage, minutes)


def _spread(values: Sequence[float], digits: int) -> str | None:
    """Mean and, of several values, their standard deviation; None of no values."""
    if not values:
        return None
    mean = f"{np.mean(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} \u00b1 {np.std(values, ddof=1):.{digits}f}"


def _data_table(results: Sequence[ExampleResult]) -> Table:
    rows = tuple(
        (
            one.example.name,
            one.example.title,
            one.example.labeller,
            sum(one.baselines.pairs.values()),
            one.baselines.objects["train"],
            one.baselines.objects["test"],
            one.example.embedding,
            round(one.baselines.labelling_seconds),
        )
        for one in results
    )
    columns = ("metric", "what it is", "labelled by", "pairs", "objects: train", "test", "embedding", "labels, seconds")
    return Table("What is learned, and how it was labelled.", columns, rows)


def _figures(results: Sequence[ExampleResult]) -> tuple[Figure, ...]:
    measured = [one for one in results if one.models]
    if not measured:
        return ()
    methods = [
        MethodBars(
            name,
            [float(np.mean(one.scores[name])) if one.scores[name] else np.nan for one in measured],
            [float(np.std(one.scores[name])) if one.scores[name] else 0.0 for one in measured],
        )
        for name in METHODS
    ]
    return (
        Figure(
            "any-metric",
            "Test pairs of each metric by the model of the first seed, and the scores of all methods.",
            "Scatter plots of predicted against true values, one for each metric, above bars of R squared.",
            draw_metrics([_panel(one) for one in measured], methods, "R\u00b2 or AUC"),
        ),
    )


def _panel(one: ExampleResult) -> Panel:
    true, predicted = np.array(one.baselines.true), np.array(one.models[0].predicted)
    return Panel(one.example.name, true, predicted, one.example.binary, one.example.metric.unit)
