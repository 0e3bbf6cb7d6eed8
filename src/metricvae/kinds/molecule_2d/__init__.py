"""Molecules as graphs of atoms and bonds, without coordinates."""
