"""Halves: silhouettes cut in two."""
