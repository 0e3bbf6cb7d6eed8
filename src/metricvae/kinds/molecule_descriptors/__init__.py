"""Molecules as descriptors alone."""
