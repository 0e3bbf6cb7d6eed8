"""Optional packages, imported where they are needed: everything else runs without them, and says what to install."""

from __future__ import annotations

import importlib
from typing import Any

from metricvae.core.errors import InputError


def require(module: str, extra: str, purpose: str) -> Any:
    """A module of an optional package.

    Args:
        module: its full name.
        extra: the extra of metricvae that installs the package.
        purpose: what needs it, as the subject of a sentence in the singular.

    Raises:
        InputError: the package is not installed, or cannot be imported.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        absent = isinstance(error, ModuleNotFoundError) and error.name in (package, module)
        raise missing(
            package if absent else f"{package}, which cannot be imported ({error})", extra, purpose
        ) from error


def missing(package: str, extra: str, purpose: str) -> InputError:
    """The error that says which extra brings a package."""
    return InputError(f'{purpose} needs {package}: pip install "metricvae[{extra}]"')
