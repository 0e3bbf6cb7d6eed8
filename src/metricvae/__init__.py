"""Learn a transformation-invariant metric between objects and answer it in one shot."""

from metricvae.runtime.openmp import limit_spinning

__version__ = "0.1.0"

limit_spinning()  # before any module of the package can load PyTorch
