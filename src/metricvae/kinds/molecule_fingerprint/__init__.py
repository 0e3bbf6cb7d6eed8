"""Molecules as circular fingerprints and descriptors."""
