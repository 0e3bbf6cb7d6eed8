"""Metrics: one package a metric."""
