"""Molecules as mol blocks (CTfile V2000), and files of them (SDF) that other tools open."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import repeat
from pathlib import Path

from metricvae.core.errors import InputError
from metricvae.core.hits import Value
from metricvae.core.hits_table import value_text
from metricvae.kinds.molecule.records import SYMBOLS, Molecule
from metricvae.runtime.files import atomic_path

MOST_IN_BLOCK = 999
"""Atoms or bonds that the three digits of V2000 can count."""

_ANY_BOND = 8

_CHARGES_A_LINE = 8


def mol_block(molecule: Molecule) -> str:
    """The V2000 mol block of a molecule: its id, heavy atoms, bonds in Kekule form and charges.

    Positions are rounded to a ten-thousandth of an angstrom. Hydrogens are implied. A bond of unknown order is written
    as `any` (8).

    Raises:
        InputError: more than 999 atoms or bonds, an element outside
            :data:`~metricvae.kinds.molecule.records.SYMBOLS`, or a position that does not fit (10,000 A and more).
    """
    atoms, bonds = len(molecule.elements), len(molecule.bonds)
    if max(atoms, bonds) > MOST_IN_BLOCK:
        raise InputError(f"{molecule.id} has {atoms} atoms and {bonds} bonds, expected at most {MOST_IN_BLOCK} of each")
    lines = [
        _title(molecule.id),
        "  metricvae         3D",
        "",
        f"{atoms:3d}{bonds:3d}  0  0  0  0            999 V2000",
    ]
    lines += [_atom(molecule, number) for number in range(atoms)]
    lines += [f"{a + 1:3d}{b + 1:3d}{order or _ANY_BOND:3d}  0" for a, b, order in molecule.bonds.tolist()]
    charges = molecule.charges.tolist()
    for start in range(0, len(charges), _CHARGES_A_LINE):
        part = charges[start : start + _CHARGES_A_LINE]
        lines.append(f"M  CHG{len(part):3d}" + "".join(f"{atom + 1:4d}{charge:4d}" for atom, charge in part))
    return "\n".join([*lines, "M  END", ""])


def sdf_record(molecule: Molecule, fields: Mapping[str, Value] | None = None) -> str:
    """The record of a molecule in an SDF: its mol block, data items, and the line that ends it.

    The data items are its SMILES, as `smiles`, then the fields, each on one line: white space is run together, `<` and
    `>` are left out of names, and four dollar signs, which end a record, become three. A field without a name or a
    value is left out.

    Args:
        molecule: with coordinates.
        fields: numbers and texts by name; numbers have seven digits.

    Raises:
        InputError: see :func:`mol_block`.
    """
    named = {"smiles": molecule.smiles, **(fields or {})}
    items = [(_one_line(re.sub("[<>]", "", name)), _one_line(value_text(value))) for name, value in named.items()]
    data = "".join(f">  <{name}>\n{value}\n\n" for name, value in items if name and value)
    return f"{mol_block(molecule)}{data}$$$$\n"


def write_sdf(
    path: Path | str, molecules: Iterable[Molecule], fields: Iterable[Mapping[str, Value]] | None = None
) -> None:
    """Write an SDF file atomically, one molecule at a time; each has its SMILES in the field `smiles`.

    Args:
        path: of the file.
        molecules: what to write.
        fields: further data items for each, by name; see :func:`sdf_record`.

    Raises:
        InputError: the disk refuses, or :func:`mol_block` does; nothing is left behind.
        ValueError: more or fewer fields than molecules.
    """
    pairs = zip(molecules, repeat({}), strict=False) if fields is None else zip(molecules, fields, strict=True)
    with atomic_path(Path(path)) as temporary, open(temporary, "w", encoding="utf-8", newline="\n") as file:
        for molecule, named in pairs:
            file.write(sdf_record(molecule, named))


def _one_line(text: str) -> str:
    """A text without what would end a data item or a record."""
    return re.sub(r"\${4,}", "$$$", " ".join(text.split()))


def _title(name: str) -> str:
    """A name as a title: one line of at most 80 characters that no reader takes for the end of the record."""
    line = " ".join(name.split())[:80]
    return f" {line[:79]}" if line.startswith("$$$$") else line


def _atom(molecule: Molecule, number: int) -> str:
    symbol = SYMBOLS.get(int(molecule.elements[number]))
    if symbol is None:
        raise InputError(f"{molecule.id} has element number {molecule.elements[number]}, which is not supported")
    x, y, z = molecule.positions[number].tolist()
    if not max(abs(x), abs(y), abs(z)) < 9999:
        raise InputError(
            f"{molecule.id} has an atom at ({x:.0f}, {y:.0f}, {z:.0f}): expected less than 9,999 angstroms"
        )
    return f"{x:10.4f}{y:10.4f}{z:10.4f} {symbol:<3} 0  0  0  0  0  0  0  0  0  0  0  0"
