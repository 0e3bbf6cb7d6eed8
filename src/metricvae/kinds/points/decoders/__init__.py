"""Decoders of point clouds."""
