"""Decoders of silhouettes."""
