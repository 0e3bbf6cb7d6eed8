"""The README.md of one of the metrics of a model: what it is, what it was fitted to, where it ends."""

from __future__ import annotations

from metricvae.fitting.model_card import answers_line, limits_of, sentence_case
from metricvae.training.checkpoint import LoadedModel

_TEXT = """# {title}

Predicts {predicts}. `metricvae predict MODEL {objects} --metric {name}`.

| | |
| --- | --- |
| data | {values} training values; {labels} |
| head | {head} on {columns} numbers of the model's code |
| validation | {explained:.1%} of the {of} explained |
{answers}
{notes}
**Limits.** {caveats}
"""


def metric_card(name: str, fitted: LoadedModel) -> str:
    """The text for a calibrated metric.

    Args:
        name: by which the model knows it.
        fitted: the model as it answers the metric.
    """
    metric, facts, head = fitted.config.metric, fitted.facts, fitted.model.head
    start, end = getattr(head, "columns", (0, fitted.config.latent))
    notes = "".join(f"- {note}.\n" for note in facts.get("notes", ()))
    source = f"From `{facts['file']}`, {facts['rows']} rows.\n\n" if "file" in facts else ""
    return _TEXT.format(
        title=sentence_case(metric.short_title),
        predicts=metric.description.predicts,
        objects="OBJECTS" if metric.anchored else "A B",
        name=name,
        values=facts["values"]["train"],
        labels=metric.description.labels,
        head=f"{fitted.config.head.name}, with an anchor" if metric.anchored else fitted.config.head.name,
        columns=end - start,
        explained=facts["validation"],
        of="entropy" if metric.task == "binary" else "variance",
        answers=answers_line(fitted.calibration, metric),
        notes=f"\n{source}{notes}" if source or notes else "",
        caveats=limits_of(metric, [fitted.config.left.kind]),
    )
