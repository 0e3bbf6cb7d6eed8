"""Made structures for tests: residues on a shell about an empty space, as PDB or mmCIF text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import gemmi
import numpy as np

from metricvae.kinds.pocket.buriedness import sphere_directions
from metricvae.kinds.pocket.prepare import read_pocket
from metricvae.kinds.pocket.records import Pocket

Atom = tuple[str, str, Sequence[float]]
"""Name, element, position."""


def tangents(outwards: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    side = np.cross(outwards, np.eye(3)[np.abs(outwards).argmin()])
    side /= np.linalg.norm(side)
    return side, np.cross(outwards, side)


def alanine(outwards: np.ndarray, radius: float) -> list[Atom]:
    """An alanine whose side chain points to the origin."""
    side, other = tangents(outwards)
    top = radius + 1.5
    return [
        ("N", "N", (top + 0.5) * outwards + 1.4 * side),
        ("CA", "C", top * outwards),
        ("C", "C", (top + 0.5) * outwards - 1.45 * side),
        ("O", "O", (top + 1.6) * outwards - 1.5 * side + 0.3 * other),
        ("CB", "C", radius * outwards),
    ]


def shell(residues: int = 60, radius: float = 7.0) -> list[list[Atom]]:
    """Alanines about the origin: the side chains end on an uneven surface, three quarters of `radius` away around the
    middle and more towards both ends of z."""
    uneven = np.random.default_rng(0).uniform(-0.3, 0.3, residues)
    outwards = sphere_directions(residues)
    return [
        alanine(one, radius * (0.75 + 0.4 * one[2] ** 2) + more) for one, more in zip(outwards, uneven, strict=True)
    ]


def structure(residues: Sequence[Sequence[Atom]], name: str = "ALA") -> gemmi.Structure:
    """Residues as the chain A of a structure."""
    made, model, chain = gemmi.Structure(), gemmi.Model(1), gemmi.Chain("A")
    made.name = "made"
    for number, atoms in enumerate(residues, start=1):
        chain.add_residue(residue(name, number, atoms))
    model.add_chain(chain)
    made.add_model(model)
    return made


def residue(name: str, number: int, atoms: Sequence[Atom], hetero: bool = False) -> gemmi.Residue:
    made = gemmi.Residue()
    made.name, made.seqid, made.het_flag = name, gemmi.SeqId(number, " "), "H" if hetero else "A"
    for title, element, place in atoms:
        atom = gemmi.Atom()
        atom.name, atom.element, atom.occ = title, gemmi.Element(element), 1.0
        atom.pos = gemmi.Position(*map(float, place))
        made.add_atom(atom)
    return made


def benzene(centre: Sequence[float] = (0.0, 0.0, 0.0)) -> list[Atom]:
    turns = np.arange(6) * np.pi / 3
    ring = 1.4 * np.column_stack([np.cos(turns), np.sin(turns), np.zeros(6)]) + np.asarray(centre)
    return [(f"C{number}", "C", place) for number, place in enumerate(ring, start=1)]


def add(made: gemmi.Structure, name: str, number: int, atoms: Sequence[Atom], chain: str = "L") -> None:
    """Add a HETATM residue to a structure."""
    model = made[0]
    if model.find_chain(chain) is None:
        model.add_chain(gemmi.Chain(chain))
    model[chain].add_residue(residue(name, number, atoms, hetero=True))


def write(path: Path, made: gemmi.Structure) -> Path:
    """Write a structure as PDB or mmCIF, as the ending says."""
    if path.suffix == ".cif":
        made.make_mmcif_document().write_file(str(path))
    else:
        path.write_text(made.make_pdb_string(gemmi.PdbWriteOptions(minimal=True)))
    return path


def ligand_structure() -> gemmi.Structure:
    """A shell with a benzene `LIG` in it, a zinc in the wall and two waters."""
    made = structure(shell())
    add(made, "LIG", 1, benzene())
    add(made, "ZN", 2, [("ZN", "Zn", (0.0, 0.0, 9.5))])
    add(made, "HOH", 3, [("O", "O", (0.0, 0.0, 3.0))], "W")
    add(made, "HOH", 4, [("O", "O", (30.0, 0.0, 3.0))], "W")
    return made


def pockets(folder: Path) -> list[Pocket]:
    """Pockets of several sizes."""
    found = []
    for number, radius in enumerate((6.5, 7.0, 8.0)):
        made = structure(shell(radius=radius))
        found.append(read_pocket(f"{write(folder / f'{number}.pdb', made)}@point=0,0,0"))
    return found
