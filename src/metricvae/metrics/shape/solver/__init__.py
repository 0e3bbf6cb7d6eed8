"""The exact overlay of molecules and of density maps."""
