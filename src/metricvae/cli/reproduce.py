"""`metricvae quickstart` and `metricvae reproduce`: reports."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from metricvae.cli.common import say
from metricvae.cli.parser import Fields, Parser, Verb, at_least, seed_number
from metricvae.reproduction import FIGURES, HALVES_MODEL, OVERLAP_MODEL, PAPER_STEPS, SEEDS, STEPS
from metricvae.runtime.progress import progress


def _quickstart_options(parser: Parser, _: Sequence[str]) -> None:
    parser.add_argument("--out", default="metricvae-quickstart", help="folder for data, models and report")
    parser.add_argument("--seed", type=seed_number, default=0, help="of the shapes, the pairs and the training")


def _quickstart(options: Namespace) -> Fields:
    from metricvae.reproduction.quickstart import quickstart
    from metricvae.reproduction.report import require_reporting

    require_reporting()
    with progress() as step:
        summary = quickstart(Path(options.out), seed=options.seed, on_step=step)
    return say(options, summary.to_json(), summary.text())


def _reproduce_options(parser: Parser, _: Sequence[str]) -> None:
    parser.add_argument(
        "what", choices=["table-1", "table-2", *FIGURES, "ablations", "all"], help="which table or figure"
    )
    parser.add_argument("--out", required=True, help="folder of the report")
    parser.add_argument("--dataset", help="labelled pairs; default: new ones are labelled")
    parser.add_argument("--model", help="the model beside the paper's; default: the one that ships")
    parser.add_argument("--halves", metavar="DATASET", help="all: pairs of halves; default: new ones are cut")
    parser.add_argument("--halves-model", default=HALVES_MODEL, metavar="MODEL", help="all: the model of Table 2")
    parser.add_argument(
        "--mnist", metavar="FILE", help="MNIST for figure 1.1 (idx3-ubyte or npz); default: scikit-learn's"
    )
    parser.add_argument(
        *("--paper-steps",),
        type=at_least(1),
        default=PAPER_STEPS,
        help="training steps of the paper's network in Table 1",
    )
    parser.add_argument(
        "--steps", type=at_least(1), default=STEPS, help="training steps of each variant, and of the figures"
    )
    parser.add_argument("--seeds", type=at_least(1), default=SEEDS, help="trainings of each variant")
    parser.add_argument("--seed", type=seed_number, default=0, help="of the pairs, the batches and the paper's network")


def _reproduce(options: Namespace) -> Fields:
    from metricvae.reproduction.ablations import reproduce_ablations
    from metricvae.reproduction.everything import reproduce_all
    from metricvae.reproduction.figures import reproduce_figure
    from metricvae.reproduction.report import require_reporting
    from metricvae.reproduction.reproduce import reproduce_table_1
    from metricvae.reproduction.table_2 import reproduce_table_2

    require_reporting()
    out, steps, seeds = Path(options.out), options.steps, options.seeds
    dataset = None if options.dataset is None else Path(options.dataset)
    with progress() as step:
        common: dict[str, Any] = {"dataset": dataset, "seed": options.seed, "on_step": step}
        model = options.model
        if model is None:
            model = HALVES_MODEL if options.what == "table-2" else OVERLAP_MODEL
        mnist = None if options.mnist is None else Path(options.mnist)
        paper = {"model": model, "paper_steps": options.paper_steps}
        summary: Any
        match options.what:
            case "table-1":
                summary = reproduce_table_1(out, **paper, **common)
            case "table-2":
                summary = reproduce_table_2(out, model=model, **common)
            case "ablations":
                summary = reproduce_ablations(out, steps=steps, seeds=seeds, **common)
            case "all":
                halves = None if options.halves is None else Path(options.halves)
                matching = {"halves": halves, "halves_model": options.halves_model}
                summary = reproduce_all(out, mnist=mnist, steps=steps, seeds=seeds, **matching, **paper, **common)
            case figure:
                summary = reproduce_figure(figure, out, model=model, mnist=mnist, steps=steps, **common)
    return say(options, summary.to_json(), summary.text())


QUICKSTART = Verb(
    "the main job, small, on embedded shapes: label, train, Table 1, pictures",
    ("[--out DIR] [--seed N]",),
    _quickstart_options,
    _quickstart,
)

REPRODUCE = Verb(
    "tables and figures of the paper: JSON, Markdown, PNG, one HTML page",
    ("table-1|table-2|figure-1.2|...|ablations|all --out REPORT [--dataset DATASET] [--model MODEL] [--seed N]",),
    _reproduce_options,
    _reproduce,
)
