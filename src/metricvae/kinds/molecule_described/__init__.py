"""Molecules in space, with their circular substructures and descriptors."""
