"""Labelled pairs: how they are drawn, labelled on all cores, stored and read."""

from metricvae.pairs.dataset import DataSet, merged, read_dataset
from metricvae.pairs.labelling import label
from metricvae.pairs.plans import LabelPlan

__all__ = ["DataSet", "LabelPlan", "label", "merged", "read_dataset"]
