"""The names that `ship_affinity.py` takes from `metricvae.reproduction.affinity`."""

from metricvae.reproduction.affinity.complexes import SHIPPABLE, computed, entries
from metricvae.reproduction.affinity.training_rows import training_set

__all__ = ["SHIPPABLE", "computed", "entries", "training_set"]
