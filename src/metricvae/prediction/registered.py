"""What is registered: kinds, metrics, and the models that ship, as plain rows."""

from __future__ import annotations

from typing import Any

from metricvae.core.kind import KINDS
from metricvae.core.metric import METRICS
from metricvae.nn.autoencoder import ModelConfig
from metricvae.prediction.added_metrics import added_names
from metricvae.training.checkpoint import metric_of_model, shipped_models
from metricvae.training.model_document import read_model_document

Row = dict[str, Any]


def registered_kinds() -> list[Row]:
    """Name, what its objects are called, endings of files, and encoders of each kind."""
    rows = []
    for name in KINDS.names():
        kind = KINDS.get(name)()
        encoders = [encoder.name for encoder in kind.encoders]
        rows.append({"name": name, "objects": kind.title, "files": list(kind.suffixes), "encoders": encoders})
    return rows


def registered_metrics() -> list[Row]:
    """Name, what its value is, between which kinds, unit, task, and whether there is a solver, of each metric."""
    rows = []
    for name in METRICS.names():
        metric = METRICS.get(name)()
        between = [metric.left or "any kind", metric.right or "any kind"]
        facts = {"unit": metric.unit, "task": metric.task, "solver": metric.solver is not None}
        rows.append({"name": name, "value": metric.description.value, "between": between, **facts})
    return rows


def registered_models() -> list[Row]:
    """Name, metric, kinds, and facts of each model that ships."""
    rows = []
    for name, folder in shipped_models().items():
        document = read_model_document(folder)
        if "model" not in document:
            metric, facts = metric_of_model(folder)[0], document["own"]
            rows.append({"name": name, "metric": metric.name, "kinds": [metric.left, metric.right], **facts})
            continue
        config = ModelConfig.from_json(document["model"], document["facts"].get("task"))
        kinds, metrics = [kind.name for kind in config.kinds], list(added_names(folder))
        rows.append(
            {
                **{"name": name, "metric": config.metric.name, "kinds": kinds, "latent": config.latent},
                **{"metrics": metrics, "validation_r2": document["facts"]["validation_r2"]},
            }
        )
    return rows
