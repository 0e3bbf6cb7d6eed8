"""The libraries of the extra `chem`, imported where they are needed, so that everything else runs without them."""

from __future__ import annotations

from typing import Any

from metricvae.runtime import extras


def require(module: str) -> Any:
    """A module of RDKit or gemmi.

    Raises:
        InputError: the library is not installed.
    """
    return extras.require(module, "chem", "work with molecules")
