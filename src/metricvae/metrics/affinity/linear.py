"""Linear functions of standardised features, fitted by ridge regression: over all complexes, or within series.

Trees do not go beyond the values they have seen, and a series of congeners lies in few of their leaves. A linear
function of what grows with affinity (size, contacts, burial) does, and what is fitted to the differences within series
alone ranks congeners better than what is fitted to all values: A. E. Hoerl and R. W. Kennard, Technometrics 12 (1970)
55, on rows from which the means of their series were taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MOST = 4.0
"""Standard deviations from the mean at which a feature is cut."""

LEAST_DEVIATION = 1e-6


@dataclass(frozen=True, eq=False)
class LinearFunction:
    """offset + coefficients . clip((x - mean) / deviation).

    Attributes:
        mean, deviation: (f,) of the features of the training complexes.
        coefficients: (f,) pK for each standard deviation.
        offset: pK.
    """

    mean: Floats
    deviation: Floats
    coefficients: Floats
    offset: float

    def predict(self, rows: npt.ArrayLike) -> tuple[Floats, Floats]:
        """(n,) answers for (n, f) rows, and (n,) zeros as their spread: one function does not disagree with itself."""
        found: Floats = self.offset + _standard(np.asarray(rows, np.float64), self) @ self.coefficients
        return found, np.zeros(len(found))

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays by name."""
        return {"mean": self.mean, "deviation": self.deviation, "coefficients": self.coefficients}


def _standard(rows: Floats, scale: LinearFunction) -> Floats:
    return np.clip((rows - scale.mean) / scale.deviation, -MOST, MOST)


def ridge(rows: Floats, pk: Floats, weight: Floats, penalty: float, series: Ints | None = None) -> LinearFunction:
    """The linear function of the least weighted squared error plus a penalty.

    Args:
        rows: (n, f) features.
        pk: (n,) values.
        weight: (n,) of the rows.
        penalty: times the squared coefficients of the standardised features.
        series: (n,) numbers of series, whose means are taken away from values and features first; as they are where it
            is left out.

    Example:
        >>> x = np.arange(6.0)[:, None]
        >>> ridge(x, 2 * x[:, 0], np.ones(6), 1e-9).predict(x)[0].round(3).tolist()
        [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    """
    count = rows.shape[1]
    deviation: Floats = rows.std(axis=0) + LEAST_DEVIATION
    scale = LinearFunction(
        np.asarray(rows.mean(axis=0), np.float64), deviation, np.zeros(count), float(np.average(pk, weights=weight))
    )
    x, y = _standard(rows, scale), pk - scale.offset
    if series is None:
        x_mean = np.average(x, axis=0, weights=weight)
    else:
        x, y, x_mean = _centred(x, series), _centred(y[:, None], series)[:, 0], np.zeros(count)
    middle = x - x_mean
    weighted = middle * weight[:, None]
    found = np.linalg.solve(middle.T @ weighted + penalty * np.eye(count), weighted.T @ y)
    return LinearFunction(scale.mean, deviation, np.asarray(found, np.float64), scale.offset - float(x_mean @ found))


def _centred(columns: Floats, series: Ints) -> Floats:
    """(n, k) columns less their means over each series."""
    _, group = np.unique(series, return_inverse=True)
    sums = np.zeros((group.max() + 1, columns.shape[1]))
    np.add.at(sums, group, columns)
    found: Floats = columns - (sums / np.bincount(group)[:, None])[group]
    return found
