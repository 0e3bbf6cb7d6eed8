"""Known ligands of one target, checked, and each there once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metricvae.core.errors import InputError
from metricvae.metrics.affinity.known_kernels import LigandFeatures
from metricvae.metrics.affinity.known_process import Floats, Ints

LEAST_PK, MOST_PK = -5.0, 18.0
"""pK that are believed; from units that are forgotten or confused come others."""

MOST_KNOWN = 4_000
"""Known ligands, at most: their covariance is decomposed."""

MOST_EQUAL = 4
"""Ligands that may all have one and the same value: more of them are a limit of the assay, or a mistake."""


@dataclass(frozen=True)
class KnownTable:
    """Known ligands, each once, measured ones before bounds.

    Attributes:
        ligands: n of them.
        values: (n,) their pK.
        given: (n,) their prior means, or None.
        sides: (n,) 0 where measured, 1 where the true pK is at least the value, -1 where it is at most that.
        noise: (n,) variances of the noise, nan where they are to be learned.
        repeats: (n,) measurements that each value is the mean of.
    """

    ligands: LigandFeatures
    values: Floats
    given: Floats | None
    sides: Ints
    noise: Floats
    repeats: Floats


def known_table(
    ligands: LigandFeatures,
    pk: npt.ArrayLike,
    prior: npt.ArrayLike | None,
    censored: npt.ArrayLike | None,
    noise: npt.ArrayLike | None,
) -> KnownTable:
    """A table of ligands, their numbers checked; arguments as of :meth:`KnownLigands.fit`.

    Raises:
        InputError: numbers do not match the ligands, are not believable, or are all the same.
    """
    count = len(ligands)
    if count > MOST_KNOWN:
        raise InputError(f"{count:,} known ligands, expected at most {MOST_KNOWN:,}: give those nearest to the others")
    values = believable(pk, count, "pK of the known ligands")
    given = None if prior is None else believable(prior, count, "prior means")
    return _merged(ligands, values, given, _sides(censored, count), _variances(noise, count))


def believable(numbers: npt.ArrayLike, count: int, name: str) -> Floats:
    """(count,) numbers that can be pK.

    Raises:
        InputError: they cannot.
    """
    found = np.asarray(numbers, np.float64)
    if found.shape != (count,):
        raise InputError(f"{name}: got {found.size} numbers for {count} ligands, expected one for each")
    outside = ~((found >= LEAST_PK) & (found <= MOST_PK))
    if outside.any():
        raise InputError(
            f"{name}: got {found[outside][0]:g} in row {np.flatnonzero(outside)[0] + 1}, expected "
            f"{LEAST_PK:g} to {MOST_PK:g}, -log10 of mol/L: correct its unit or leave it out"
        )
    return found


def rows_of(numbers: Floats | None, rows: npt.NDArray[np.int64]) -> Floats | None:
    """Rows of what may be missing."""
    return None if numbers is None else numbers[rows]


def _merged(ligands: LigandFeatures, values: Floats, given: Floats | None, sides: Ints, noise: Floats) -> KnownTable:
    """Each measured ligand once, then bounds of ligands that are not measured, the tightest on each side."""
    exact, bound = np.flatnonzero(sides == 0), np.flatnonzero(sides)
    _, first, group = np.unique(ligands.names[exact], return_index=True, return_inverse=True)
    weights = 1 / np.maximum(np.where(np.isnan(noise[exact]), 1.0, noise[exact]), 1e-12)
    totals = np.bincount(group, weights, len(first))
    means = np.bincount(group, weights * values[exact], len(first)) / np.maximum(totals, 1e-300)
    _refuse_equal(means)
    tightest = bound[np.argsort(-sides[bound] * values[bound], kind="stable")]
    keys = [f"{ligands.names[row]} {sides[row]}" for row in tightest]
    _, places = np.unique(np.array(keys, np.str_), return_index=True)
    kept = np.sort(tightest[places])
    kept = kept[~np.isin(ligands.names[kept], ligands.names[exact])]
    order, rows = np.argsort(first), np.concatenate([np.sort(exact[first]), kept])
    is_given = ~np.isnan(noise[exact[first]])
    return KnownTable(
        ligands=ligands.take(rows),
        values=np.concatenate([means[order], values[kept]]),
        given=rows_of(given, rows),
        sides=sides[rows],
        noise=np.concatenate([np.where(is_given, 1 / np.maximum(totals, 1e-300), np.nan)[order], noise[kept]]),
        repeats=np.concatenate([np.bincount(group, minlength=len(first))[order], np.ones(len(kept))]),
    )


def _refuse_equal(values: Floats) -> None:
    if len(values) > MOST_EQUAL and np.ptp(values) == 0:
        raise InputError(
            f"all {len(values)} known ligands have pK {values[0]:g}, expected values that differ: if it is a limit of "
            "the assay, say that they are bounds"
        )


def _sides(censored: npt.ArrayLike | None, count: int) -> Ints:
    found = np.zeros(count, np.int8) if censored is None else np.asarray(censored)
    if found.shape != (count,) or not np.isin(found, (-1, 0, 1)).all():
        raise InputError(f"censoring of {count} known ligands: expected -1 (at most), 0 or 1 (at least) for each")
    return found.astype(np.int8)


def _variances(noise: npt.ArrayLike | None, count: int) -> Floats:
    """(count,) variances, nan where they are not given."""
    if noise is None:
        return np.full(count, np.nan)
    found = np.asarray(noise, np.float64)
    if found.shape not in ((), (count,)) or not (np.isnan(found) | ((found >= 0) & (found <= MOST_PK))).all():
        raise InputError(f"noise of {count} known ligands: expected a standard deviation of 0 or more, one or for each")
    return np.broadcast_to(found**2, (count,)).copy()
