"""What a data set depends on: the objects, the pairs, and how they are labelled."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metricvae.core.errors import InputError
from metricvae.kinds.half.cutting import CUTS, Cut
from metricvae.kinds.silhouette.sources.generators import SOURCES
from metricvae.metrics.overlap.solver.search import SOLVER_VERSION, SearchConfig
from metricvae.metrics.shape.labels import FRAGMENTS, MoleculesPlan, stored_plan
from metricvae.runtime.files import sha256_of


@dataclass(frozen=True)
class LabelPlan:
    """Everything a data set depends on.

    Attributes:
        objects: `glyphs`, `procedural`, `mixed`, or the path of a folder of images.
        pairs: how many pairs.
        seed: the same plan with the same seed gives the same bytes.
        partners: how many others each object meets (pairs come in blocks of partners + 1 objects).
        fit: scale and centre images that are not 200x200.
        search: search configuration of the solver.
        batched: whether pairs go through the search for graphics cards, whose answers agree to rounding, not to bits.
        check: how many of the pairs are also given to the dense search, for the label error in the card.
        task: what is labelled.
    """

    objects: str
    pairs: int
    seed: int = 0
    partners: int = 7
    fit: bool = False
    search: SearchConfig = dataclasses.field(default_factory=SearchConfig)
    batched: bool = False
    check: int = 0
    task: str = "overlap"


@dataclass(frozen=True)
class HalvesPlan:
    """Everything a data set of halves depends on.

    Attributes:
        objects: `glyphs`, `procedural`, `mixed`, or the path of a folder of images.
        pairs: how many pairs; half of them match.
        seed: the same plan with the same seed gives the same bytes.
        fit: scale and centre images that are not 200x200.
        cuts: kinds of line, one of them drawn for each cut.
        middle: cut through the centroid, the paper's setting, not anywhere.
        times: how often each shape is cut; shapes of a folder are cut more often where they are too few.
        task: what is labelled.
    """

    objects: str
    pairs: int
    seed: int = 0
    fit: bool = False
    cuts: tuple[Cut, ...] = ("zigzag", "curved")
    middle: bool = False
    times: int = 2
    task: str = "halves"


Plan = LabelPlan | HalvesPlan | MoleculesPlan


def facts_of(plan: Plan) -> dict[str, Any]:
    """What tells a plan from others, as it stands in the card of its data.

    Raises:
        InputError: a number too small, or cuts that there are not.
    """
    for name, least in (("pairs", 1), ("partners", 1), ("seed", 0), ("check", 0), ("times", 2), ("conformers", 1)):
        if getattr(plan, name, least) < least:
            raise InputError(f"{name} is {getattr(plan, name)}: expected at least {least}")
    facts = stored_plan(plan) if isinstance(plan, MoleculesPlan) else dataclasses.asdict(plan)
    if isinstance(plan, MoleculesPlan):
        if plan.molecules is not None and plan.molecules < 2:
            raise InputError(f"molecules is {plan.molecules}: expected at least 2")
    elif isinstance(plan, HalvesPlan):
        facts["cuts"] = list(plan.cuts)
        if not plan.cuts or set(plan.cuts) - set(CUTS):
            raise InputError(f"cuts is {', '.join(plan.cuts) or 'empty'}: expected some of {', '.join(CUTS)}")
    else:
        facts["solver"] = SOLVER_VERSION
    if plan.objects not in _sources(plan):
        facts["objects"] = Path(plan.objects).resolve().name
        if isinstance(plan, MoleculesPlan) and Path(plan.objects).is_file():
            facts["objects_sha256"] = sha256_of(Path(plan.objects))
    return facts


def _sources(plan: Plan) -> tuple[str, ...]:
    """The sources that need no files."""
    return (FRAGMENTS,) if isinstance(plan, MoleculesPlan) else SOURCES
