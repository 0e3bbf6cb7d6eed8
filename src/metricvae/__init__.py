"""Learn a transformation-invariant metric between objects and answer it in one shot."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from metricvae.runtime.openmp import limit_spinning

if TYPE_CHECKING:
    from metricvae import kinds, metrics
    from metricvae.api import PairDataset, PairModel, Prediction, fit, load, merge, read_dataset, solve
    from metricvae.core.errors import InputError
    from metricvae.sklearn import MetricRegressor

__version__ = "0.2.0"

limit_spinning()  # before any module of the package can load PyTorch

_PUBLIC = {
    **dict.fromkeys(("PairModel", "Prediction", "fit", "load", "merge", "read_dataset", "solve"), "metricvae.api"),
    "MetricRegressor": "metricvae.sklearn",
    "PairDataset": "metricvae.core.dataset",
    "InputError": "metricvae.core.errors",
}
"""The public names, and the modules that are loaded when they are first asked for."""

__all__ = [
    "InputError",
    "MetricRegressor",
    "PairDataset",
    "PairModel",
    "Prediction",
    "fit",
    "kinds",
    "load",
    "merge",
    "metrics",
    "read_dataset",
    "solve",
]


def __getattr__(name: str) -> Any:
    """A public name, loaded when it is first asked for."""
    if name in ("kinds", "metrics"):
        return importlib.import_module(f"metricvae.{name}")
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'metricvae' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
