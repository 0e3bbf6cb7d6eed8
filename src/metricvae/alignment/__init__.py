"""Poses predicted in one shot."""
