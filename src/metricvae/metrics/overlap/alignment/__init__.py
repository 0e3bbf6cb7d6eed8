"""The pose network of the overlap: a spatial transformer over codes that keep the angle."""
