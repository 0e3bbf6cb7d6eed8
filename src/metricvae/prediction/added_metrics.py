"""Further metrics of a model: folders `metrics/NAME` beside its weights, each with a head on views of the same codes.

A folder holds `config.json` (the metric, its head, calibration, facts), `head.safetensors` (the map to the view of
codes, or the anchor of a metric of one object, where there is one), the novelty detectors of what it was fitted to, and
`README.md`. The model's own weights and its other metrics stay what they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from metricvae import __version__
from metricvae.core.errors import InputError
from metricvae.core.metric import Metric, metric_from_json
from metricvae.nn.autoencoder import MagicAutoencoder, Tower
from metricvae.nn.heads import head_from_json, head_to_json
from metricvae.nn.views import ViewedHead
from metricvae.runtime.files import check_sha256, sha256_of
from metricvae.training.checkpoint import LoadedModel, read_tensors, write_tensors
from metricvae.training.model_document import CONFIG, read_document, write_document

METRICS_FOLDER = "metrics"
HEAD = "head.safetensors"
FORMAT = 1
"""Version of a metric's `config.json`."""

NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


def check_name(name: str) -> str:
    """The name of a metric of a model.

    Raises:
        InputError: it cannot be that of a folder and of a requirement.
    """
    if not NAME.fullmatch(name):
        raise InputError(
            f"got the metric's name {name!r}: expected small letters, digits and underscores, a letter first, as "
            "`solubility`"
        )
    return name


def name_of(metric: Metric) -> str:
    """The name by which a model knows a metric where nobody gives one: of the metric, or of what it is called."""
    text = re.sub(r"[^a-z0-9]+", "_", metric.short_title.lower()).strip("_")
    return text if NAME.fullmatch(text) else f"metric_{text}"[:64].rstrip("_")


def added_names(folder: Path) -> tuple[str, ...]:
    """Names of the metrics that were added to the model in a folder, sorted."""
    found = (path.parent.name for path in (Path(folder) / METRICS_FOLDER).glob(f"*/{CONFIG}"))
    return tuple(sorted(name for name in found if NAME.fullmatch(name)))


def metrics_of(loaded: LoadedModel) -> dict[str, Metric]:
    """All metrics that a model answers, by name: its own first, unless that needs an anchor that is not there."""
    own = loaded.config.metric
    added = {name: _metric_of(_document(loaded.folder, name)) for name in added_names(loaded.folder)}
    first = {} if own.anchored else {name_of(own): own}
    return first | added


def with_metric(loaded: LoadedModel, name: str | None = None) -> LoadedModel:
    """A model as it answers one of its metrics: the same towers, with that metric's head, calibration and folder.

    Args:
        loaded: the model.
        name: of the metric; by default the model's own.

    Raises:
        InputError: no such metric, or one of another model's codes.
    """
    own = name_of(loaded.config.metric)
    if (name or own) in added_names(loaded.folder):
        return _added(loaded, name or own)
    known = metrics_of(loaded)
    if (name or own) in known:
        return loaded
    raise InputError(
        f"the model {loaded.folder.name} has no metric {name or own!r}: expected one of {', '.join(known) or 'none'}, "
        "or add it with `metricvae train DATASET --add-to MODEL`"
    )


def _document(folder: Path, name: str) -> dict[str, Any]:
    path = Path(folder) / METRICS_FOLDER / name / CONFIG
    document = read_document(path.parent)
    if not {"metric", "head", "columns", "weights", "model"} <= set(document):
        raise InputError(f"{path} is not the configuration of a metric: restore it or add the metric again")
    if document.get("format", 1) > FORMAT:
        raise InputError(
            f"{path} is of format {document['format']}, written by a later version (this one reads up to {FORMAT}): "
            "install that version"
        )
    return document


def _metric_of(document: Mapping[str, Any]) -> Metric:
    return metric_from_json(document["metric"])


def _added(loaded: LoadedModel, name: str) -> LoadedModel:
    folder = loaded.folder / METRICS_FOLDER / name
    document = _document(loaded.folder, name)
    if document["model"] != loaded.sha256:
        raise InputError(f"{folder} is of the codes of another model: add the metric {name} to this one again")
    tensors = {}
    if document["weights"] is not None:
        check_sha256(folder / HEAD, str(document["weights"].get("sha256")))
        tensors = read_tensors(folder / HEAD).tensors
    columns = tuple(map(int, document["columns"]))
    parts = {part: None if (one := tensors.get(part)) is None else one.float() for part in ("matrix", "anchor")}
    head = ViewedHead(head_from_json(document["head"]), (columns[0], columns[1]), parts["matrix"], parts["anchor"])
    return answering(loaded, _metric_of(document), head, folder, document)


def answering(
    loaded: LoadedModel, metric: Metric, head: ViewedHead, folder: Path, document: Mapping[str, Any]
) -> LoadedModel:
    """A model with the head of one of its metrics in the place of its own.

    Args:
        loaded: the model.
        metric, head: of the metric.
        folder: where what belongs to the metric lies.
        document: with its `calibration` and `facts`, where there are any.
    """
    towers = {side: loaded.model.tower(side) for side in loaded.model.towers}
    assert all(isinstance(tower, Tower) for tower in towers.values())
    return replace(
        loaded,
        model=MagicAutoencoder(towers, head).eval(),
        config=replace(loaded.config, metric=metric, head=head),
        calibration=dict(document.get("calibration", {})),
        facts=dict(document.get("facts", {})),
        folder=folder,
    )


def write_metric_folder(
    folder: Path,
    loaded: LoadedModel,
    metric: Metric,
    head: ViewedHead,
    calibration: Mapping[str, Any],
    facts: Mapping[str, Any],
) -> None:
    """Write the head and the configuration of a metric into its folder, the configuration last.

    Args:
        folder: of the metric, which is there.
        loaded: the model whose codes it reads.
        metric, head, calibration, facts: of the metric.
    """
    parts = {"matrix": head.matrix, "anchor": head.anchor}
    tensors = {name: part.cpu().to(torch.float32) for name, part in parts.items() if part is not None}
    if tensors:
        write_tensors(folder / HEAD, tensors, {})
    document = {
        "metricvae": __version__,
        "format": FORMAT,
        "metric": metric.to_json(),
        "head": head_to_json(head.head),
        "columns": list(head.columns),
        "model": loaded.sha256,
        "weights": {"sha256": sha256_of(folder / HEAD)} if tensors else None,
        "calibration": dict(calibration),
        "facts": dict(facts),
    }
    write_document(folder, document)
