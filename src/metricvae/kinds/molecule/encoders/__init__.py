"""Encoders of molecules in space."""
