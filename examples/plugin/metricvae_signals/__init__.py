"""A plug-in of metricvae: periodic signals, and how well two of them match at the best shift."""
