"""The README.md of a model folder: what it is, what it learned from, what it cost, where it ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from metricvae.core.kind import ObjectKind
from metricvae.core.metric import Metric
from metricvae.fitting.product_form import describe_product_form
from metricvae.nn.autoencoder import TowerConfig
from metricvae.prediction.calibration.binary import BinaryCalibration
from metricvae.training.checkpoint import LoadedModel
from metricvae.training.config import TrainingConfig

CARD = "README.md"
"""File in the folder of a model, and of each of its metrics."""

_TEXT = """---
library_name: metricvae
license: apache-2.0
tags: [metric-learning, variational-autoencoder]
---
# {title} model

Predicts {predicts}. `{command}`.

| | |
| --- | --- |
| data | {pairs} training pairs of {objects}; {labels}{taught} |
| network | {networks}, {latent} latent dimensions, head {head}, {numbers} weights |
| training | {training} |
| validation R^2 | {r2:.4f} (used for early stopping; `metricvae evaluate` measures unseen objects) |
{answers}{form}
{imported}
**Limits.** {caveats}

Intervals hold for objects like those of the data named above. Objects unlike them are called novel and get wider ones,
which may be too narrow all the same; on other objects measure first: label or import some pairs of your own and
`metricvae evaluate` with `--split all`.
"""


def model_card(loaded: LoadedModel, training: TrainingConfig) -> str:
    """The text for a finished, calibrated model."""
    facts, config, metric = loaded.facts, loaded.config, loaded.config.metric
    towers = list(config.towers.values())
    return _TEXT.format(
        title=sentence_case(metric.description.value),
        predicts=metric.description.predicts,
        labels=metric.description.labels,
        command=_command(config.kinds),
        caveats=limits_of(metric, config.kinds),
        answers=answers_line(loaded.calibration, metric),
        form=_form(facts),
        imported=_imported(facts),
        pairs=facts["pairs"],
        taught=_taught(training.taught_pairs),
        objects=_objects(facts["data"], " and ".join(dict.fromkeys(tower.kind.title for tower in towers))),
        networks="; ".join(map(_networks, towers)),
        latent=config.latent,
        head=config.head.name,
        numbers=sum(p.numel() for p in loaded.model.parameters()),
        training=f"{_history(facts)}, seed {training.seed}",
        r2=facts["validation_r2"],
    )


def _taught(pairs: int) -> str:
    return f"; beside them {pairs} pairs of these objects with what a forest of trees says of them" if pairs else ""


def with_decoder(card: str, facts: Mapping[str, Any]) -> str:
    """A model's card with a row on the decoder that it was given, in the place of an older one.

    Args:
        card: of the model, whose first table says what it is made of.
        facts: of the training of the decoder.
    """
    network = facts["config"]["network"]
    begun = ", begun with the weights of another decoder" if "start" in facts else ""
    row = (
        f"| decoder | writes an object symbol by symbol from its code: {network['layers']} layers, width "
        f"{network['width']}; learned {facts['texts']} texts in {facts['steps']} steps{begun}, "
        f"{facts['nats_a_symbol']:.3f} nats a symbol on {facts['held_out']} that were held out |"
    )
    lines = [line for line in card.split("\n") if not line.startswith("| decoder |")]
    rows = [place for place, line in enumerate(lines) if line.startswith("| ")]
    return "\n".join([*lines[: rows[-1] + 1], row, *lines[rows[-1] + 1 :]]) if rows else card


def sentence_case(text: str) -> str:
    """With a capital letter at the start, the others as they are."""
    return text[:1].upper() + text[1:]


def limits_of(metric: Metric, kinds: Sequence[ObjectKind]) -> str:
    """What a model does not see, by its metric and its kinds."""
    parts = [metric.description.limits, *dict.fromkeys(kind.caveats for kind in kinds)]
    return " ".join(part.strip() for part in parts if part.strip()) or "None are known."


def _command(kinds: Sequence[ObjectKind]) -> str:
    """What to write for a prediction, with files as the kinds read them."""
    files = [f"{name}{(kind.suffixes or ('',))[0]}" for name, kind in zip("AB", kinds, strict=True)]
    return f"metricvae predict MODEL {' '.join(files)}"


def _networks(tower: TowerConfig) -> str:
    decoder = "no decoder" if tower.decoder is None else f"{tower.decoder.name} decoder"
    return f"{tower.encoder.name} encoder, {decoder}"


def answers_line(calibration: Mapping[str, Any], metric: Metric) -> str:
    """What the calibration says, as rows of a table."""
    return _verdicts(calibration, metric) if metric.task == "binary" else _intervals(calibration, metric)


def _intervals(calibration: Mapping[str, Any], metric: Metric) -> str:
    widths, level = calibration["half_widths"], calibration["level"]
    size = f"half-widths {min(widths):.3g} to {max(widths):.3g} {metric.unit}".rstrip() + " by size of the prediction"
    return f"| intervals | {level:.0%}, split conformal, {size}{_measured(calibration)} |"


def _measured(calibration: Mapping[str, Any]) -> str:
    """Which share of values the intervals, or sets of answers, held where that was measured."""
    found = calibration.get("coverage")
    return "" if found is None else f"; held {found['share']:.1%} of {found['pairs']} {found['split']} pairs"


def _form(facts: Mapping[str, Any]) -> str:
    """What the form of the head costs, where that was measured."""
    measured = facts.get("product_form")
    return "" if measured is None else f"\n| form of the metric | {describe_product_form(measured)} |"


def _imported(facts: Mapping[str, Any]) -> str:
    """What became of the rows of a table, where the pairs come from one."""
    told = facts.get("import")
    if told is None:
        return ""
    notes = "".join(f"- {note}.\n" for note in told["notes"])
    return f"\n**Imported** from `{told['file']}`, {told['rows']} rows.\n\n{notes}"


def _verdicts(calibration: Mapping[str, Any], metric: Metric) -> str:
    binary = BinaryCalibration.read(calibration)
    border = f"probability at least {binary.threshold:.3f}, chosen on validation pairs"
    ruled_out = f"an answer less likely than {1 - binary.nonconformity_quantile:.2f} is ruled out"
    return (
        f"| {metric.description.positive} | {border} |\n"
        f"| answers | {binary.level:.0%}, split conformal: {ruled_out}{_measured(calibration)} |"
    )


def _objects(plan: Mapping[str, Any], title: str) -> str:
    """What objects a data set, or several as one, has."""
    plans = plan.get("parts", [plan])
    return " and of ".join(f"{title} from `{one['objects']}`, seed {one['seed']}" for one in plans if one) or title


def _history(facts: Mapping[str, Any]) -> str:
    """Steps and time of a training, and before it of the model that it started from."""
    start = facts.get("start")
    before = f"model `{start['model']}`: {_history(start['facts'])}; from there " if start else ""
    minutes = facts["seconds"] / 60
    return f"{before}{facts['steps']} steps, best at {facts['best_step']}, {minutes:.0f} minutes on {facts['device']}"
