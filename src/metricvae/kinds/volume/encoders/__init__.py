"""Encoders of density maps."""
