"""How functions are compiled by numba: two decorators, so that a kernel's floating-point rules show in its decorator.

Both cache machine code on disk, release the GIL, and divide by zero as NumPy does (infinity or NaN, no exception).
"""

from __future__ import annotations

from numba import njit

jit_strict = njit(cache=True, nogil=True, error_model="numpy")
"""IEEE arithmetic in the order that is written: NaN and infinity behave, equal input gives equal bits."""

jit_fast = njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
"""The compiler may reorder and contract sums: faster by up to a half; NaN and infinity must not occur."""
