"""Imports of the libraries of the extra `chem` where they are needed, so that all else runs without them."""

from __future__ import annotations

import importlib
from typing import Any

from metricvae.core.errors import InputError


def require(module: str) -> Any:
    """A module of RDKit or gemmi.

    Raises:
        InputError: the library is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        library = module.partition(".")[0]
        raise InputError(
            f'molecules need {library}, which cannot be imported ({error}): pip install "metricvae[chem]"'
        ) from error
