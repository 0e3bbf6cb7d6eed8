"""Measured affinities as pK = -log10 of Ki, Kd, IC50 or EC50 in mol/L, or from a free energy of binding.

A value carries its unit, `12 nM`, or the table says it once. What says nothing, or what no assay measures, is refused:
an affinity of a wrong unit is wrong by three orders of magnitude and looks like any other.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from metricvae.core.errors import InputError, shortened

Kind = Literal["Ki", "Kd", "IC50", "EC50", "dG", "pK"]

MOLAR = {"M": 0, "mM": -3, "uM": -6, "nM": -9, "pM": -12, "fM": -15}
"""Units of concentrations, as powers of ten of mol/L."""

ENERGY = {"kcal/mol": 1.0, "kJ/mol": 1.0 / 4.184}
"""Units of free energies, in kcal/mol."""

PURE = "pK"
"""The unit of values that are logarithms already."""

PER_PK = 1.364253
"""kcal/mol of free energy for each unit of pK: R T ln 10 at 298.15 K."""

LEAST, MOST = -3.0, 16.0
"""pK that is believed: from 1 kmol/L, as of differences to a reference ligand, to less than the tightest binder known
(biotin and avidin, 15)."""

_KINDS: dict[str, Kind] = {
    **{"ki": "Ki", "kd": "Kd", "ic50": "IC50", "ec50": "EC50", "dg": "dG", "deltag": "dG"},
    **{name: "pK" for name in ("pk", "pki", "pkd", "pic50", "pec50", "pchembl", "affinity_pk")},
}
_BOUNDS = {"": 0, "=": 0, "~": 0, "≈": 0, "<": -1, "<=": -1, "≤": -1, ">": 1, ">=": 1, "≥": 1}
_UNITS = {one.lower(): one for one in (*ENERGY, PURE)} | {
    **{"kcal": "kcal/mol", "kcal.mol-1": "kcal/mol", "kj": "kJ/mol", "kj.mol-1": "kJ/mol"},
    **{"nmol/l": "nM", "umol/l": "uM", "mmol/l": "mM", "mol/l": "M", "pmol/l": "pM", "fmol/l": "fM"},
}
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_CELL = re.compile(
    rf"^\s*(?:(?P<kind>p?(?:Ki|Kd|IC50|EC50|K)|dG)\s*)?(?P<bound><=|>=|[<>=~≈≤≥])?\s*(?P<number>{_NUMBER})"
    r"\s*(?P<unit>[^\s\d][^\s]*)?\s*$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class MeasuredAffinity:
    """A measured affinity.

    Attributes:
        pk: -log10 of the constant in mol/L.
        bound: 1 where the true pK is at least `pk`, -1 where it is at most, 0 where it was measured.
        kind: what was measured.
    """

    pk: float
    bound: int
    kind: Kind


def unit_named(text: str) -> str:
    """The unit that a text names: one of `MOLAR`, `ENERGY` or `pK`.

    Raises:
        InputError: no unit, or one that is not known. `mM` and `MM` differ, so the case of concentrations counts.
    """
    plain = text.strip().replace("µ", "u").replace("μ", "u").replace(" ", "")
    found = plain if plain in MOLAR else _UNITS.get(plain.lower())
    if found is None:
        said = f"the unit is {shortened(text)!r}" if plain else "there is no unit"
        raise InputError(f"{said}: expected one of {', '.join((*MOLAR, *ENERGY, PURE))}")
    return found


def measurement(cell: str, unit: str = "", kind: str = "") -> MeasuredAffinity:
    """A measured value as pK.

    Args:
        cell: number, perhaps with what was measured and a bound before and a unit after it: `Ki=2.5nM`, `>10 uM`.
        unit: of a cell without one.
        kind: what was measured, of a cell that does not say.

    Raises:
        InputError: no number, no unit, two units that differ, a constant that is not above 0, or a pK that nothing has.

    Example:
        >>> measurement("Ki=2.5nM")
        MeasuredAffinity(pk=8.602059991327963, bound=0, kind='Ki')
        >>> measurement(">10", "uM", "IC50")
        MeasuredAffinity(pk=5.0, bound=-1, kind='IC50')
        >>> round(measurement("-9.5 kcal/mol").pk, 3)
        6.964
    """
    match = _CELL.match(cell)
    if match is None:
        raise InputError(f"the value is {shortened(cell)!r}: expected a number with its unit, as 12 nM")
    named = _kind_of(match["kind"] or kind)
    given = unit_named(match["unit"]) if match["unit"] else ""
    if given and unit and unit_named(unit) != given:
        raise InputError(f"the value is {shortened(cell)!r} and the table's unit {unit}: expected one unit")
    chosen = given or (PURE if named == "pK" and not unit else unit_named(unit))
    pk, falling = _as_pk(float(match["number"]), chosen, cell)
    if not LEAST <= pk <= MOST:
        raise InputError(
            f"the value {shortened(cell)!r} in {chosen} is a pK of {pk:.4g}: expected {LEAST:g} to {MOST:g}, see "
            "the unit"
        )
    bound = _BOUNDS[match["bound"] or ""] * (-1 if falling else 1)
    default: Kind = "pK" if chosen == PURE else "dG" if chosen in ENERGY else "Ki"
    return MeasuredAffinity(pk, bound, named or default)


def _kind_of(text: str) -> Kind | None:
    plain = text.strip().lower()
    if plain and plain not in _KINDS:
        raise InputError(f"the measured quantity is {shortened(text)!r}: expected Ki, Kd, IC50, EC50, dG or pK")
    return _KINDS.get(plain)


def _as_pk(number: float, unit: str, cell: str) -> tuple[float, bool]:
    """A number of a unit as pK, and whether larger numbers are smaller pK."""
    if unit == PURE:
        return number, False
    if unit in ENERGY:
        return -number * ENERGY[unit] / PER_PK, True
    if not 0 < number < math.inf:
        raise InputError(f"the value is {shortened(cell)!r}: expected a concentration above 0")
    return -math.log10(number) - MOLAR[unit], True


def common_unit(units: Sequence[str]) -> str:
    """The unit that all rows of a table name; empty where none does.

    Raises:
        InputError: they name different ones.
    """
    found = sorted({unit_named(one) for one in units if one.strip()})
    if len(found) > 1:
        raise InputError(f"the units are {' and '.join(found)}: expected one, or each value with its own, as 12 nM")
    return found[0] if found else ""
