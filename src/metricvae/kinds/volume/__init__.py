"""Density maps: values on a grid in space."""
