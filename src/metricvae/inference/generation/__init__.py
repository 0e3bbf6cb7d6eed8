"""Shapes to order: requirements, what can be proven of them, candidates, and answers that are verified."""

from metricvae.inference.generation.answers import Generated
from metricvae.inference.generation.making import generate
from metricvae.inference.generation.requirements import Area, Like, Match, OverlapWith, Plausible, Span, near

__all__ = ["Area", "Generated", "Like", "Match", "OverlapWith", "Plausible", "Span", "generate", "near"]
