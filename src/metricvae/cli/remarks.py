"""What is said beside the answer of a command: remarks on its input, on stderr, a line each."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Iterator
from typing import Any

from metricvae.core.errors import InputWarning
from metricvae.runtime.progress import VERBOSITY

SHOWN = 5
"""Remarks of a command that are printed; of the others their number is."""


@contextlib.contextmanager
def remarks() -> Iterator[None]:
    """Print each `InputWarning` of a block once, and leave all other warnings as they are."""
    said: dict[str, None] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("always", InputWarning)
        usual = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: Any, **options: Any) -> None:
            if not issubclass(category, InputWarning):
                usual(message, category, *where, **options)
            elif VERBOSITY.get() != "quiet" and str(message) not in said:
                said[str(message)] = None
                if len(said) <= SHOWN:
                    print(f"metricvae: {message}", file=sys.stderr)

        warnings.showwarning = show  # type: ignore[assignment]
        try:
            yield
        finally:
            if len(said) > SHOWN:
                print(f"metricvae: {len(said) - SHOWN} more remarks of the kind", file=sys.stderr)
