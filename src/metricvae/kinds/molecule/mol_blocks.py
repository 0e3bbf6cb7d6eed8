"""Molecules as mol blocks (CTfile V2000), and files of them (SDF) that other tools open."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from metricvae.core.errors import InputError
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


def write_sdf(path: Path | str, molecules: Iterable[Molecule]) -> None:
    """Write an SDF file atomically, one molecule at a time; each has its SMILES in the field `smiles`.

    Raises:
        InputError: the disk refuses, or :func:`mol_block` does; nothing is left behind.
    """
    with atomic_path(Path(path)) as temporary, open(temporary, "w", encoding="utf-8", newline="\n") as file:
        for molecule in molecules:
            field = f">  <smiles>\n{molecule.smiles}\n\n" if molecule.smiles else ""
            file.write(f"{mol_block(molecule)}{field}$$$$\n")


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
