"""`metricvae quickstart` and `metricvae reproduce`: reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from metricvae.cli.common import say
from metricvae.cli.parser import Fields, Parser, Verb, at_least, positive, seed_number
from metricvae.reproduction.config import (
    FIGURES,
    AblationConfig,
    AffinityConfig,
    AnyMetricConfig,
    FigureConfig,
    HalvesPairs,
    OverlapPairs,
    QuickstartConfig,
    ReproductionConfig,
    Table1Config,
    Table2Config,
)
from metricvae.runtime.progress import progress

DEFAULTS = ReproductionConfig()
"""Settings of what no option says."""


def _quickstart_options(parser: Parser, _: Sequence[str]) -> None:
    parser.add_argument("--out", default="metricvae-quickstart", help="folder for data, models and report")
    parser.add_argument(
        "--seed", type=seed_number, default=QuickstartConfig.seed, help="of the shapes, the pairs and the training"
    )


def _quickstart(options: Namespace) -> Fields:
    from metricvae.reproduction.quickstart import quickstart
    from metricvae.reproduction.report import require_reporting

    require_reporting()
    with progress() as step:
        summary = quickstart(Path(options.out), replace(DEFAULTS.quickstart, seed=options.seed), step)
    return say(options, summary.to_json(), summary.text())


def _reproduce_options(parser: Parser, _: Sequence[str]) -> None:
    parser.add_argument(
        "what",
        choices=["table-1", "table-2", *FIGURES, "ablations", "any-metric", "affinity", "all"],
        help="which table or figure",
    )
    parser.add_argument("--out", required=True, help="folder of the report")
    parser.add_argument("--data", metavar="FOLDER", help="affinity: complexes.csv, posed.csv.gz, dta/; see docs")
    parser.add_argument("--dataset", help="labelled pairs; default: new ones are labelled")
    parser.add_argument("--model", help="the model beside the paper's; default: the one that ships")
    parser.add_argument("--halves", metavar="DATASET", help="all: pairs of halves; default: new ones are cut")
    parser.add_argument("--halves-model", default=Table2Config.model, metavar="MODEL", help="all: the model of Table 2")
    parser.add_argument(
        "--mnist", metavar="FILE", help="MNIST for figure 1.1 (idx3-ubyte or npz); default: scikit-learn's"
    )
    parser.add_argument(
        "--paper-steps",
        type=at_least(1),
        default=Table1Config.paper_steps,
        help="training steps of the paper's network in Table 1",
    )
    parser.add_argument(
        "--steps",
        type=at_least(1),
        default=AblationConfig.steps,
        help="training steps of each variant, and of the figures",
    )
    parser.add_argument(
        "--seeds",
        type=at_least(1),
        default=AblationConfig.seeds,
        help="trainings of each variant, or of each metric; affinity: folds and trainings",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="NAME",
        help="any-metric: metrics, affinity: sections; default: all",
    )
    parser.add_argument(
        "--pair-sets",
        nargs="+",
        choices=AffinityConfig.pair_sets,
        default=[*AffinityConfig.pair_sets],
        help="affinity: sets of pairs of sequence and molecule in the section dta",
    )
    parser.add_argument(
        "--pair-steps", type=at_least(1), default=AffinityConfig.pair_steps, help="affinity: training steps in dta"
    )
    parser.add_argument(
        "--repeats", type=at_least(1), default=AffinityConfig.repeats, help="affinity: choices of known ligands"
    )
    parser.add_argument(
        "--pairs", type=at_least(1_000), default=AnyMetricConfig.pairs, help="any-metric: pairs of each metric"
    )
    parser.add_argument(
        "--minutes", type=positive, default=AnyMetricConfig.minutes, help="any-metric: of each training, at most"
    )
    parser.add_argument(
        "--seed", type=seed_number, default=Table1Config.seed, help="of the pairs, the batches and the paper's network"
    )


def _reproduce(options: Namespace) -> Fields:
    from metricvae.reproduction.report import require_reporting

    require_reporting()
    with progress() as step:
        summary = _run(options.what, Path(options.out), _config(options), step)
    return say(options, summary.to_json(), summary.text())


def _run(what: str, out: Path, config: ReproductionConfig, step: Any) -> Any:
    """The result of one table or figure, of the ablations, or of all."""
    from metricvae.reproduction.ablations import reproduce_ablations
    from metricvae.reproduction.affinity.run import reproduce_affinity
    from metricvae.reproduction.any_metric.run import reproduce_any_metric
    from metricvae.reproduction.figures import reproduce_figure
    from metricvae.reproduction.full_report import reproduce_all
    from metricvae.reproduction.table_1_run import reproduce_table_1
    from metricvae.reproduction.table_2 import reproduce_table_2

    match what:
        case "table-1":
            return reproduce_table_1(out, config.table_1, step)
        case "table-2":
            return reproduce_table_2(out, config.table_2, step)
        case "ablations":
            return reproduce_ablations(out, config.ablations, on_step=step)
        case "any-metric":
            return reproduce_any_metric(out, config.any_metric, step)
        case "affinity":
            return reproduce_affinity(out, config.affinity, step)
        case "all":
            return reproduce_all(out, config, step)
        case figure:
            return reproduce_figure(figure, out, config.figures, step)


def _config(options: Namespace) -> ReproductionConfig:
    """The settings that the options change."""
    seed, steps = options.seed, options.steps
    mnist = None if options.mnist is None else Path(options.mnist)
    model = options.model or FigureConfig.model
    matcher = options.halves_model if options.what == "all" else options.model or Table2Config.model
    table_1, table_2, figures, ablations = DEFAULTS.table_1, DEFAULTS.table_2, DEFAULTS.figures, DEFAULTS.ablations
    seeds, only = options.seeds, tuple(options.only)
    digits = replace(figures.digits, mnist=mnist)
    return replace(
        DEFAULTS,
        table_1=replace(
            table_1, data=_overlaps(options, table_1.data), model=model, paper_steps=options.paper_steps, seed=seed
        ),
        table_2=replace(table_2, data=_halves(options, table_2.data), model=matcher, seed=seed),
        figures=replace(
            figures,
            data=_overlaps(options, figures.data),
            halves=_halves(options, figures.halves),
            model=model,
            digits=digits,
            steps=steps,
            seed=seed,
        ),
        ablations=replace(ablations, data=_overlaps(options, ablations.data), steps=steps, seeds=seeds, seed=seed),
        any_metric=AnyMetricConfig(only, options.pairs, seeds, options.minutes, seed),
        affinity=AffinityConfig(
            data=None if options.data is None else Path(options.data),
            only=only if options.what == "affinity" else (),
            seeds=seeds,
            seed=seed,
            repeats=options.repeats,
            pair_sets=tuple(options.pair_sets),
            pair_steps=options.pair_steps,
        ),
    )


def _overlaps(options: Namespace, data: OverlapPairs) -> OverlapPairs:
    """The data set that is given, where there is one."""
    return data if options.dataset is None else replace(data, folder=Path(options.dataset))


def _halves(options: Namespace, data: HalvesPairs) -> HalvesPairs:
    """The pairs of halves that are given: by an option of their own where all is reproduced."""
    folder = options.halves if options.what == "all" else options.dataset
    return data if folder is None else replace(data, folder=Path(folder))


QUICKSTART = Verb(
    "the main job, small, on embedded shapes: label, train, Table 1, pictures",
    ("[--out DIR] [--seed N]",),
    _quickstart_options,
    _quickstart,
)

REPRODUCE = Verb(
    "tables and figures of the paper: JSON, Markdown, PNG, one HTML page",
    (
        "table-1|table-2|figure-1.2|...|ablations|all --out REPORT [--dataset DATASET] [--model MODEL] [--seed N]",
        "affinity --data FOLDER --out REPORT [--only SECTION ...] [--seeds N] [--pair-sets davis kiba] [--seed N]",
        "any-metric --out REPORT [--only NAME ...] [--seeds N] [--minutes M] [--pairs N] [--seed N]",
    ),
    _reproduce_options,
    _reproduce,
)
