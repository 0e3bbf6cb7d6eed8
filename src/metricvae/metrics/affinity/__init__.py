"""Binding affinity of pockets and molecules."""
