"""Complexes as people keep them: tables of receptors, ligands and values; `pdbbind` reads folders of PDBbind.

| column | cells |
| --- | --- |
| `receptor` | a structure, perhaps with a site behind `@`; a path relative to the table |
| `ligand` | a file with the pose in the receptor's frame, or a SMILES |
| `ligand_title` | which molecule of a file of several; the first by default |
| `site` | a site, where the receptor does not name it |
| `value`, `unit`, `kind` | what was measured; see `metricvae.metrics.affinity.units` |
| `name`, `group` | of the row; what is comparable: an assay, a series |
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from metricvae.core.errors import InputError, listed, shortened
from metricvae.core.pair_list import read_csv_rows
from metricvae.kinds.molecule.listing import READERS, checked_suffix, suffix_of
from metricvae.kinds.pocket.sites import MARK, split_name
from metricvae.metrics.affinity.units import MeasuredAffinity, measurement
from metricvae.runtime.reading import check_named

AUTO = "auto"


@dataclass(frozen=True)
class ComplexRow:
    """A row of a table of complexes.

    Attributes:
        number: of the row, from 1.
        name: of the row.
        receptor: path of a structure.
        site: on it, `auto` where none is named.
        ligand: path of a file of molecules, or a SMILES.
        title: of the molecule in the file; the first where it is empty.
        measured: what was measured; None where nothing was.
        group: of what is comparable; empty where the table does not say.
    """

    number: int
    name: str
    receptor: str
    site: str
    ligand: str
    title: str = ""
    measured: MeasuredAffinity | None = None
    group: str = ""

    @property
    def has_file(self) -> bool:
        """Whether the ligand is in a file."""
        return suffix_of(self.ligand) in READERS


@dataclass(frozen=True)
class RefusedComplex:
    """A row that cannot be used, and why."""

    number: int
    name: str
    reason: str


def complex_rows(path: Path) -> Iterator[ComplexRow | RefusedComplex]:
    """The rows of a table of complexes; one that cannot be used comes with its reason.

    Raises:
        InputError: no such table, or one without the columns `receptor` and `ligand`.
    """
    columns, rows = read_csv_rows(path, "receptor,ligand")
    if not {"receptor", "ligand"} <= set(columns):
        raise InputError(f"{path} has columns {listed(columns)}: expected receptor, ligand (and site, value)")
    for number, cells in enumerate(rows, start=1):
        name = (cells.get("name") or "").strip() or f"row {number}"
        try:
            yield _row(number, name, cells, path.parent)
        except InputError as error:
            yield RefusedComplex(number, name, str(error))


def _row(number: int, name: str, cells: Mapping[str, str], base: Path) -> ComplexRow:
    given = {key: (value or "").strip() for key, value in cells.items() if key}
    file, site = split_name(given["receptor"])
    named = MARK in given["receptor"]
    if named and given.get("site") and given["site"] != site:
        raise InputError(f"the receptor names the site {site} and the row {given['site']}: expected one")
    if not given["ligand"]:
        raise InputError("there is no ligand: expected a file or a SMILES")
    for cell in (given["receptor"], given["ligand"], given.get("site", "")):
        check_named(base, cell)
    _check_file(base, file)
    ligand, ending = given["ligand"], suffix_of(given["ligand"])
    if ending in READERS:
        _check_file(base, ligand)
        ligand = str(base / ligand)
    elif ending and os.path.isfile(base / ligand):
        checked_suffix(ligand)
    value = given.get("value", "")
    measured = measurement(value, given.get("unit", ""), given.get("kind", "")) if value else None
    chosen = given.get("site") or (site if named else AUTO)
    return ComplexRow(
        *(number, name, str(base / file), chosen, ligand, given.get("ligand_title", "")),
        measured,
        given.get("group", ""),
    )


def _check_file(base: Path, name: str) -> None:
    """Refuse a cell that names no file; a name that no file can have is one."""
    if not os.path.isfile(base / name):  # Path.is_file raises on a name that is too long
        raise InputError(f"there is no file {shortened(name)} beside the table: correct the row")
