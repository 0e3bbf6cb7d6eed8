"""Decoders of molecules."""
