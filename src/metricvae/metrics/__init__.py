"""Metrics: one package a metric. Other packages bring theirs as entry points of the group `metricvae.metrics`."""

from typing import Any

BUILTIN = {
    "overlap": "metricvae.metrics.overlap.metric:OverlapMetric",
    "match": "metricvae.metrics.match.metric:MatchMetric",
    "shape": "metricvae.metrics.shape.metric:ShapeMetric",
    "shape+colour": "metricvae.metrics.shape.coloured_metric:ColouredMetric",
    "pocket-fit": "metricvae.metrics.pocket_fit.metric:FitMetric",
    "affinity": "metricvae.metrics.affinity.metric:AffinityMetric",
    "pocket-similarity": "metricvae.metrics.pocket_similarity.metric:PocketSimilarity",
    "correlation": "metricvae.metrics.correlation.metric:CorrelationMetric",
    "tabular": "metricvae.metrics.tabular:TabularMetric",
    "property": "metricvae.metrics.property:PropertyMetric",
}

ALIASES = {"halves": "match", "molecules": "shape"}
"""Names of tasks in data sets and models of version 1."""


def __getattr__(name: str) -> Any:
    """`metrics.Tabular` and `metrics.Property`, loaded when they are asked for; the rest of the registry is
    `metrics.get(name)`."""
    if name == "Tabular":
        from metricvae.metrics.tabular import TabularMetric

        return TabularMetric
    if name == "Property":
        from metricvae.metrics.property import PropertyMetric

        return PropertyMetric
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
