"""Docking: poses of a molecule in a binding site by search against an empirical scoring function."""
