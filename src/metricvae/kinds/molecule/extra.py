"""Imports of the libraries of the extra `chem` where they are needed, so that all else runs without them."""

from __future__ import annotations

from typing import Any

from metricvae.runtime import extras


def require(module: str) -> Any:
    """A module of RDKit or gemmi.

    Raises:
        InputError: the library is not installed.
    """
    return extras.require(module, "chem", "work with molecules")
