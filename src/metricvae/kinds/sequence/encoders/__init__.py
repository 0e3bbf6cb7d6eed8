"""Encoders of sequences."""
