"""Encoders of silhouettes."""
