"""AutoDock Vina on the complexes of `docking.py`, as a user runs it: packages `vina` and `meeko`.

The receptor's heavy atoms are those that metricvae docks into; donors are those that it takes. The ligand has the
protonation of the table's SMILES and one ETKDG conformer, which Vina keeps but for torsions.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import gemmi
import numpy as np
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers
from scipy.spatial import cKDTree

from metricvae.kinds.pocket.atom_roles import METALS
from metricvae.kinds.pocket.records import DONOR
from metricvae.kinds.pocket.structures import structure_of

HYDROGEN = 0.98
"""Angstroms from a donor to its hydrogen."""


def receptor_pdbqt(path: Path) -> str:
    """The receptor of a structure as PDBQT: heavy atoms, and a hydrogen on each donor.

    Vina takes from hydrogens which atoms are donors, and nothing else: where they point does not count.
    """
    receptor = structure_of(path).receptor
    donors = receptor.roles & DONOR > 0
    lines = [
        _line(number, _type(int(element), bool(donor)), place)
        for number, (element, place, donor) in enumerate(
            zip(receptor.elements, receptor.positions, donors, strict=True)
        )
    ]
    return "\n".join(lines + [_line(0, "HD", place) for place in _hydrogens(receptor.positions, donors)]) + "\n"


def _hydrogens(positions: np.ndarray, donors: np.ndarray) -> np.ndarray:
    """A hydrogen on each donor, away from the atoms that it is bound to."""
    found, tree = [], cKDTree(positions)
    for place in positions[donors]:
        near = [one for one in tree.query_ball_point(place, 1.95) if np.any(positions[one] != place)]
        away = (place - positions[near]).sum(axis=0) if near else np.array([1.0, 0.0, 0.0])
        found.append(place + HYDROGEN * away / np.linalg.norm(away))
    return np.array(found).reshape(-1, 3)


def _type(element: int, donor: bool) -> str:
    """AutoDock's type of an atom; a nitrogen that donates and accepts is taken as one that accepts."""
    if element in METALS:
        return gemmi.Element(element).name
    known = {6: "C", 7: "N" if donor else "NA", 8: "OA", 16: "SA", 15: "P", 9: "F", 17: "Cl", 35: "Br", 53: "I"}
    return known.get(element, "C")


def _line(number: int, kind: str, place: np.ndarray) -> str:
    x, y, z = place
    name = f"{kind[:2]:<4}"
    return f"ATOM  {number % 99999 + 1:5d} {name} REC A   1    {x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00     0.000 {kind:<2}"


def ligand_pdbqt(smiles: str) -> str:
    """A molecule in one conformer as PDBQT."""
    from meeko import MoleculePreparation, PDBQTWriterLegacy

    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    if rdDistGeom.EmbedMolecule(mol, randomSeed=1) < 0:
        raise RuntimeError("no conformer")
    rdForceFieldHelpers.MMFFOptimizeMolecule(mol)
    text, good, message = PDBQTWriterLegacy.write_string(MoleculePreparation().prepare(mol)[0])
    if not good:
        raise RuntimeError(message)
    return str(text)


def vina_poses(
    protein: Path, smiles: str, centre: np.ndarray, exhaustiveness: int, width: float
) -> tuple[Any, list[float], float]:
    """The molecule with its poses as conformers, their scores, and the CPU seconds of maps and search."""
    from meeko import PDBQTMolecule, RDKitMolCreate
    from vina import Vina

    start = time.process_time()
    ligand = ligand_pdbqt(smiles)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "receptor.pdbqt"
        path.write_text(receptor_pdbqt(protein))
        engine = Vina(sf_name="vina", cpu=1, seed=1, verbosity=0)
        engine.set_receptor(str(path))
        engine.set_ligand_from_string(ligand)
        engine.compute_vina_maps([float(one) for one in centre], [width] * 3)
        engine.dock(exhaustiveness=exhaustiveness, n_poses=9)
        text, energies = engine.poses(n_poses=9, energy_range=100.0), engine.energies(n_poses=9, energy_range=100.0)
    seconds = time.process_time() - start
    mol = RDKitMolCreate.from_pdbqt_mol(PDBQTMolecule(text, skip_typing=True))[0]
    return Chem.RemoveHs(mol), [float(one[0]) for one in energies], seconds
