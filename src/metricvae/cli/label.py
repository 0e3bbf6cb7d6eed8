"""`metricvae label`: data sets."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import Namespace

from metricvae.cli.common import about, device_named, refuse_ray_beside, say
from metricvae.cli.parser import Fields, Parser, Verb
from metricvae.core.errors import InputError
from metricvae.runtime.progress import progress

if TYPE_CHECKING:
    from metricvae.labelling.plans import Plan


def _label_options(parser: Parser, _: Sequence[str]) -> None:
    from metricvae.kinds.half.cutting import CUTS
    from metricvae.labelling.plans import HalvesPlan, LabelPlan
    from metricvae.metrics.shape.labels import MoleculesPlan

    shapes, molecules, times = LabelPlan.partners, MoleculesPlan.partners, HalvesPlan.times
    parser.add_argument("task", choices=["overlap", "halves", "molecules"], help="what to label")
    parser.add_argument(
        "--objects",
        required=True,
        help="glyphs, procedural, mixed, or a folder of images; fragments, or a file of molecules",
    )
    parser.add_argument("--pairs", type=int, required=True, help="how many pairs")
    parser.add_argument("--seed", type=int, default=0, help="the same plan with the same seed gives the same bytes")
    parser.add_argument("--out", required=True, help="folder of the data set")
    parser.add_argument(
        "--partners",
        type=int,
        help=f"how many others each object meets; default: {shapes} shapes, {molecules} molecules",
    )
    parser.add_argument("--check", type=int, help="pairs to check against a better search, for the card")
    parser.add_argument(
        "--cuts", help=f"halves: {','.join(CUTS)} or some of them; default: {','.join(HalvesPlan.cuts)}"
    )
    parser.add_argument("--times", type=int, help=f"halves: how often each shape is cut, at least; default: {times}")
    parser.add_argument("--middle", action="store_true", help="halves: cut through the centroid, not anywhere")
    parser.add_argument("--molecules", type=int, help="molecules: take at most so many of the file")
    parser.add_argument("--conformers", type=int, help="molecules: of each; a pair is as alike as the likest two")
    parser.add_argument("--workers", type=int, help="processes; default all cores; the result does not depend on it")
    parser.add_argument("--device", default="cpu", help="cpu: all its cores; cuda: pairs by the thousand on a card")
    parser.add_argument("--ray", metavar="ADDRESS", help="work on a Ray cluster: its address, or local to start one")
    parser.add_argument("--fit", action="store_true", help="scale and centre images of other sizes")


def _label(options: Namespace) -> Fields:
    from metricvae.labelling.run import label

    device = "cpu" if options.device == "cpu" else device_named(options.device)  # PyTorch takes seconds to load
    refuse_ray_beside(device, options.ray)
    plan = _label_plan(options, batched=device != "cpu")
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


OWN = {
    "overlap": ("partners", "check", "fit"),
    "halves": ("cuts", "middle", "times", "fit"),
    "molecules": ("partners", "check", "molecules", "conformers"),
}
"""Options that a task takes beside those of all."""


def _label_plan(options: Namespace, *, batched: bool) -> Plan:
    from metricvae.labelling.plans import HalvesPlan, LabelPlan
    from metricvae.metrics.shape.labels import MoleculesPlan

    given: dict[str, Any] = {name: getattr(options, name) for name in sorted(set().union(*OWN.values()))}
    given = {name: value for name, value in given.items() if value is not None and value is not False}
    for name in given:
        if name not in OWN[options.task]:
            tasks = " and ".join(task for task, own in OWN.items() if name in own)
            raise InputError(f"--{name} is for {tasks}, got {options.task}: leave it out")
    common = {name: getattr(options, name) for name in ("objects", "pairs", "seed")}
    if batched and options.task != "overlap":
        raise InputError(f"--device is for overlap, got {options.task}: leave it out")
    match options.task:
        case "overlap":
            return LabelPlan(**common, **given, batched=batched)
        case "molecules":
            return MoleculesPlan(**common, **given)
    if "cuts" in given:
        given["cuts"] = tuple(given["cuts"].split(","))
    return HalvesPlan(**common, **given)


LABEL = Verb(
    "make a data set of labelled pairs; resumes by itself",
    (
        "overlap --objects SOURCE --pairs N --out DATASET [--seed N] [--fit] [--workers N]",
        "halves --objects SOURCE --pairs N --out DATASET [--cuts KINDS] [--middle] [--seed N] [--fit]",
        "molecules --objects fragments|FILE --pairs N --out DATASET [--molecules N] [--seed N]",
    ),
    _label_options,
    _label,
)
