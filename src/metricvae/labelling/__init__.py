"""Labelled pairs for any metric with an exact solver: plans, shards, resumable labelling on all cores or a Ray
cluster."""
