"""Figures: the one package that imports matplotlib."""
