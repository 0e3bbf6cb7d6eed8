"""Molecules in space: heavy atoms, bonds, charges. RDKit and gemmi (the extra `chem`) are imported when needed."""
