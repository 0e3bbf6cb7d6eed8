"""Answers as JSON has them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def finite(number: Any) -> float | None:
    """A number as JSON has it; None for those that it does not have."""
    value = float(number)
    return value if math.isfinite(value) else None


def plain(value: Any) -> Any:
    """A record, an array or a number as JSON has them."""
    if hasattr(value, "__dataclass_fields__"):
        return {name: plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, dict):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    return finite(value) if isinstance(value, float) else value
