"""Learn a transformation-invariant metric between objects and answer it in one shot."""

__version__ = "0.1.0"
