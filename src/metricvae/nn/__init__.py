"""Layers, heads, losses, and the autoencoder."""
