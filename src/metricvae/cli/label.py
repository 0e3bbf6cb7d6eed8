"""`metricvae label`: data sets."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import Namespace

from metricvae.cli.common import about, device_named, refuse_ray_beside, say
from metricvae.cli.parser import Fields, Parser, Verb, at_least
from metricvae.core.errors import InputError
from metricvae.runtime.progress import progress

if TYPE_CHECKING:
    from metricvae.core.metric import Metric
    from metricvae.core.plan import Plan


@dataclasses.dataclass(frozen=True)
class Labelled:
    """A metric that can be labelled, by its name or that of its task.

    Attributes:
        metric: with its default settings.
        plan_type: of its data sets.
    """

    metric: Metric
    plan_type: type[Plan]

    @property
    def options(self) -> dict[str, dataclasses.Field[Any]]:
        """The fields of the plan that are options, beside those that all plans have."""
        return {one.name: one for one in dataclasses.fields(self.plan_type) if "help" in one.metadata}


def labelled_metrics() -> dict[str, Labelled]:
    """All that `metricvae label` takes after its name: names of tasks, then of metrics with a solver."""
    from metricvae.core.metric import METRICS

    found: dict[str, Labelled] = {}
    for name in METRICS.names():
        one = _labelled(name)
        if one is not None:
            found[one.plan_type.task or name] = found[name] = one
    tasks = [name for name, one in found.items() if name == one.plan_type.task]
    return {name: found[name] for name in dict.fromkeys((*tasks, *found))}


def _labelled(name: str) -> Labelled | None:
    """A registered metric if it can be labelled; None for one that needs settings, or whose package is broken."""
    from metricvae.core.metric import METRICS

    try:
        metric = METRICS.get(name)()
    except (InputError, TypeError):
        return None
    return None if metric.plan_type is None else Labelled(metric, metric.plan_type)


def check_task(name: str, metrics: Mapping[str, Labelled]) -> None:
    """Raise InputError, which says why, for a registered metric that cannot be labelled."""
    from metricvae.core.metric import METRICS

    if name not in metrics and name in METRICS.names():
        METRICS.get(name)
        raise InputError(f"the metric {name} has no exact solver, or needs settings: import its values with the pairs")


def _label_options(parser: Parser, arguments: Sequence[str]) -> None:
    from metricvae.core.plan import Plan

    metrics = labelled_metrics()
    check_task(next(iter(arguments), ""), metrics)
    parser.add_argument("task", choices=list(metrics), help="what to label: a task, or a metric with an exact solver")
    parser.add_argument(
        "--objects", required=True, help=f"a folder or file of objects, or a source of its own: {_sources(metrics)}"
    )
    parser.add_argument("--pairs", type=int, required=True, help="how many pairs")
    seed = next(one.default for one in dataclasses.fields(Plan) if one.name == "seed")
    parser.add_argument("--seed", type=int, default=seed, help="the same plan with the same seed gives the same bytes")
    parser.add_argument("--out", required=True, help="folder of the data set")
    for name, default in {
        name: field.default for one in metrics.values() for name, field in one.options.items()
    }.items():
        flag, text = f"--{name.replace('_', '-')}", _help(name, metrics)
        if isinstance(default, bool):
            parser.add_argument(flag, action="store_true", help=text)
        else:
            parser.add_argument(flag, type=_type(name, metrics), help=text)
    parser.add_argument("--workers", type=int, help="processes; default all cores; the result does not depend on it")
    parser.add_argument("--device", default="cpu", help="cpu: all its cores; cuda: pairs by the thousand on a GPU")
    parser.add_argument("--ray", metavar="ADDRESS", help="work on a Ray cluster: its address, or local to start one")


def _sources(metrics: Mapping[str, Labelled]) -> str:
    named = {task: _example(one).source_kind.sources for task, one in metrics.items() if task == one.plan_type.task}
    return "; ".join(f"{task} {', '.join(sources)}" for task, sources in named.items())


def _example(one: Labelled) -> Plan:
    return one.plan_type(objects="", pairs=1, metric=one.metric)


def _takers(name: str, metrics: Mapping[str, Labelled]) -> dict[str, dataclasses.Field[Any]]:
    """The tasks that take an option; metrics without a task of their own, if no task does."""
    takers = {task: one.options[name] for task, one in metrics.items() if name in one.options}
    tasks = {task: field for task, field in takers.items() if task == metrics[task].plan_type.task}
    return tasks or takers


def _help(name: str, metrics: Mapping[str, Labelled]) -> str:
    """What the plans say of an option, with its default by task."""
    takers = _takers(name, metrics)
    texts = dict.fromkeys(field.metadata["help"] for field in takers.values())
    defaults = {task: _shown(field.default) for task, field in takers.items() if not _left_out(field.default)}
    if len(set(defaults.values())) == 1:
        said = f"; default: {next(iter(defaults.values()))}"
    else:
        said = "; default: " + ", ".join(f"{value} for {task}" for task, value in defaults.items()) if defaults else ""
    others = [] if all(one.plan_type.task for one in metrics.values() if name in one.options) else ["other metrics"]
    return f"{', '.join([*takers, *others])}: {'; '.join(texts)}{said}"


def _left_out(value: Any) -> bool:
    return value is None or value is False  # 0 is a number that was given


def _shown(default: Any) -> str:
    return ",".join(map(str, default)) if isinstance(default, tuple) else str(default)


def _type(name: str, metrics: Mapping[str, Labelled]) -> Callable[[Any], Any]:
    leasts = [field.metadata["least"] for field in _takers(name, metrics).values()]
    return str if None in leasts else at_least(min(leasts))


def _label(options: Namespace) -> Fields:
    from metricvae.labelling.run import label

    device = "cpu" if options.device == "cpu" else device_named(options.device)  # PyTorch takes seconds to load
    refuse_ray_beside(device, options.ray)
    plan = _plan(options, device)
    with progress() as step, about(options.objects, options.out):
        card = label(
            plan,
            Path(options.out),
            workers=options.workers,
            ray=options.ray,
            device=device,
            on_progress=lambda p: step(p.stage, p.done, p.total),
        )
    text = f"{options.pairs} labelled pairs; next: metricvae train {shlex.quote(options.out)} --out MODEL"
    return say(options, card, text)


def _plan(options: Namespace, device: str) -> Plan:
    metrics = labelled_metrics()
    one = metrics[options.task]
    names = dict.fromkeys(name for every in metrics.values() for name in every.options)
    given = {name: value for name in names if not _left_out(value := getattr(options, name))}
    for name in given:
        if name not in one.options:
            *others, last = _takers(name, metrics)
            takers = f"{', '.join(others)} and {last}" if others else last
            flag = name.replace("_", "-")
            raise InputError(f"--{flag} is for {takers}, got {options.task}: leave it out")
    lists = {name for name, field in one.options.items() if isinstance(field.default, tuple)}
    fields: dict[str, Any] = {
        name: tuple(value.split(",")) if name in lists else value for name, value in given.items()
    }
    common: dict[str, Any] = {name: getattr(options, name) for name in ("objects", "pairs", "seed")}
    plan = one.plan_type(**common, **fields, metric=one.metric)
    return plan if device == "cpu" else plan.on_device(device)


LABEL = Verb(
    "make a data set of labelled pairs; resumes by itself",
    (
        "overlap --objects SOURCE --pairs N --out DATASET [--seed N] [--fit] [--workers N]",
        "halves --objects SOURCE --pairs N --out DATASET [--cuts KINDS] [--middle] [--seed N] [--fit]",
        "molecules --objects fragments|FILE --pairs N --out DATASET [--molecules N] [--seed N]",
        "METRIC --objects LIBRARY --pairs N --out DATASET [--right-objects LIBRARY] [--cold left|right|both]",
    ),
    _label_options,
    _label,
)
