"""Encoders of point clouds."""
