"""Molecules and density maps: records, readers and writers, conformers, and an embedded set of drug-like ones."""
