"""Metrics: one package a metric. Other packages bring theirs as entry points of the group `metricvae.metrics`."""

BUILTIN = {
    "overlap": "metricvae.metrics.overlap.metric:OverlapMetric",
    "match": "metricvae.metrics.match.metric:MatchMetric",
    "shape": "metricvae.metrics.shape.metric:ShapeMetric",
    "correlation": "metricvae.metrics.correlation.metric:CorrelationMetric",
    "tabular": "metricvae.metrics.tabular:TabularMetric",
}

ALIASES = {"halves": "match", "molecules": "shape"}
"""Names of tasks in data sets and models of version 1."""
