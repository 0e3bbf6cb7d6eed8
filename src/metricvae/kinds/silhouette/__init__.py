"""Silhouettes: binary masks on a canvas."""
