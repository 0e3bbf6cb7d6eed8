"""Errors, baselines, retrieval, invariance and statistics."""
