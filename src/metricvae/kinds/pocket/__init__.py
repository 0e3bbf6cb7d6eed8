"""The kind `pocket`: a place on a macromolecule where a ligand binds, and the image of a ligand that would fill it."""
