"""How long OpenMP's threads spin while they wait, set before PyTorch loads its OpenMP library.

GNU OpenMP lets a thread that waits for others spin for milliseconds before it sleeps. Where a core is shared with other
work, the spinning thread takes the time of the very thread it waits for. Sixty training steps of the preset `overlap`,
two threads on two cores:

| setting | other work on each core | alone |
| --- | --- | --- |
| the library's own | over 200 s | 27 s |
| `OMP_WAIT_POLICY=PASSIVE`, asleep at once | 33 s | 16 % slower |
| `GOMP_SPINCOUNT=1000`, asleep after a moment | 31 s | about 10 % slower |

The last is better in both columns, and is what is set. Other OpenMP libraries (LLVM's, Intel's) do not read it.
"""

from __future__ import annotations

import os
import sys

SPIN_COUNT = "GOMP_SPINCOUNT"
CHOSEN_BY = ("OMP_WAIT_POLICY", SPIN_COUNT)
"""Variables by which a user chooses how threads wait."""

SPINS = 1_000
"""Turns of the waiting loop before a thread sleeps."""


def limit_spinning() -> None:
    """Let OpenMP's waiting threads sleep soon, in this process and those it starts.

    Nothing is done where the user has chosen (`OMP_WAIT_POLICY` or `GOMP_SPINCOUNT` is in the environment), or where
    PyTorch is loaded: its OpenMP library has read the environment by then.
    """
    if "torch" not in sys.modules and not any(name in os.environ for name in CHOSEN_BY):
        os.environ[SPIN_COUNT] = str(SPINS)
