"""Encoders of described molecules."""
