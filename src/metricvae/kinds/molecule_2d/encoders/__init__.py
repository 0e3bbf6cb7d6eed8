"""Encoders of molecular graphs."""
