"""Cross-docking: a ligand into the structure of the same protein with another ligand, with and without that ligand as a
template.

    python benchmarks/docking_cross.py DATA --pairs crystals --set dev --count 60 [--template]

`--pairs crystals`: complexes are those of `docking.py` (crystal poses, 10 to 50 heavy atoms, at most 15 rotatable
bonds), of clusters of proteins that hold several ligands, at most `MOST` of a cluster. Each ligand is docked into the
structure of another ligand of its cluster: of those whose receptors can be superposed the first by the SHA-256 of both
ids. Receptors are superposed by C-alpha atoms near the ligands of the same residue name and number, after the shift of
numbers that matches most; a pair counts where at least `FEWEST` match within `WORST` angstroms of root mean square
deviation, and the centres of the two ligands are at most `APART` angstroms apart. Most of these pairs are of unlike
chemistry.

`--pairs congeners`: ligands of one series in one structure, of the sets plb, schrodinger and merck in `complexes.csv`,
`MOST` of a cluster of proteins, with another one of the series as the template, chosen by SHA-256. Their poses were
modelled by the authors on a crystal's, so what is measured is agreement with these models.

The site is the cube about the other ligand's centre. Deviations, sets and seconds are as in `docking.py`.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from docking import CRYSTAL, configured, crystal_ligand, deviation, digest, summary, usable, with_positions
from rdkit import Chem, rdBase
from rdkit.Chem import DataStructs, rdFingerprintGenerator, rdMolTransforms

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.molecule.standardise import record_of
from metricvae.kinds.pocket.records import Receptor
from metricvae.kinds.pocket.structures import structure_of
from metricvae.metrics.docking.config import DockingConfig
from metricvae.metrics.docking.dock import dock
from metricvae.metrics.docking.template import template_of
from metricvae.metrics.docking.torsions import rotatable_bonds

MOST, FEWEST, WORST, NEAR, APART = 3, 15, 1.5, 10.0, 5.0
SERIES = ("plb", "schrodinger", "merck")


def alphas(receptor: Receptor, centre: np.ndarray) -> dict[tuple[int, str, str], np.ndarray]:
    """C-alpha atoms near a ligand, by number, insertion code and name of the residue."""
    found = {}
    for row in np.flatnonzero(receptor.atom_names == "CA"):
        number = "".join(one for one in str(receptor.residue_ids[row]).rsplit(":", 1)[-1] if one in "-0123456789")
        if number and np.linalg.norm(receptor.positions[row] - centre) < NEAR + 8.0:
            key = (int(number), str(receptor.residue_ids[row]), str(receptor.residue_names[row]))
            found[key] = receptor.positions[row]
    return found


def superposed(moving: dict[Any, np.ndarray], fixed: dict[Any, np.ndarray]) -> tuple[np.ndarray, np.ndarray] | None:
    """Rotation and translation of a receptor on another; None where they do not match."""
    shifts = Counter(b[0] - a[0] for a in moving for b in fixed if a[2] == b[2])
    for shift, _ in shifts.most_common(3):
        there = {(key[0], key[2]): place for key, place in fixed.items()}
        pairs = [
            (place, there[key[0] + shift, key[2]]) for key, place in moving.items() if (key[0] + shift, key[2]) in there
        ]
        found = fitted(pairs)
        if found is not None:
            return found
    return None


def fitted(pairs: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray] | None:
    """The least-squares motion of pairs of points, the worst tenth left out once (W. Kabsch)."""
    if len(pairs) < FEWEST:
        return None
    one, other = (np.array(part) for part in zip(*pairs, strict=True))
    kept = np.arange(len(one))
    for _ in range(2):
        a, b = one[kept], other[kept]
        u, _, vt = np.linalg.svd((a - a.mean(0)).T @ (b - b.mean(0)))
        turn = vt.T @ np.diag([1.0, 1.0, np.sign(np.linalg.det(vt.T @ u.T))]) @ u.T
        shift = b.mean(0) - turn @ a.mean(0)
        away = np.linalg.norm(one @ turn.T + shift - other, axis=1)
        rms = float(np.sqrt(np.square(away[kept]).mean()))
        kept = np.argsort(away)[: max(FEWEST, int(0.9 * len(one)))]
    return (turn, shift) if rms <= WORST else None


def candidates(data: Path, chosen: str) -> list[list[dict[str, str]]]:
    """Complexes of each cluster of a set that has several."""
    with gzip.open(data / "posed.csv.gz", "rt") as file:
        rows = [row for row in csv.DictReader(file) if row["pose"] in CRYSTAL and usable(row["smiles"])]
    rows.sort(key=lambda row: digest(row["id"]))
    groups: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        groups.setdefault(row["protein_cluster"], []).append(row)
    parity = {"dev": 0, "test": 1}[chosen]
    return [rows for name, rows in groups.items() if digest(f"cluster {name}") % 2 == parity and len(rows) > 1]


class Loaded:
    """A complex as it is read: receptor, ligand, and C-alpha atoms about it."""

    def __init__(self, row: dict[str, str], data: Path) -> None:
        self.row = row
        self.receptor = structure_of(data / row["protein"]).receptor
        self.ligand = crystal_ligand(data / row["ligand"])
        self.centre = self.ligand.GetConformer().GetPositions().mean(axis=0)
        self.alphas = alphas(self.receptor, self.centre)


def congeners(data: Path, chosen: str) -> list[tuple[Loaded, Loaded, Any]]:
    """Ligands of series, another of the same series, and the ligand where the authors modelled it."""
    with open(data / "complexes.csv") as file:
        rows = [row for row in csv.DictReader(file) if row["set"] in SERIES and usable(row["smiles"])]
    rows.sort(key=lambda row: digest(row["id"]))
    groups: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        groups.setdefault(row["protein_cluster"], []).append(row)
    parity, found = {"dev": 0, "test": 1}[chosen], []
    for name, group in groups.items():
        if digest(f"series {name}") % 2 == parity:
            for row in group[:MOST]:
                others = [
                    one for one in group if one["protein"] == row["protein"] and one["inchikey"] != row["inchikey"]
                ]
                others.sort(key=lambda one: digest(f"{row['id']} {one['id']}"))
                if others:
                    one, other = Loaded(row, data), Loaded(others[0], data)
                    found.append((one, other, one.ligand))
    return sorted(found, key=lambda pair: digest(pair[0].row["id"]))


def pairs_of(data: Path, chosen: str) -> list[tuple[Loaded, Loaded, Any]]:
    """Complex, the one that its ligand is docked into, and the ligand where it lies there."""
    found = []
    for group in candidates(data, chosen):
        loaded = [Loaded(row, data) for row in group]
        for one in loaded[:MOST]:
            others = sorted(loaded, key=lambda other: digest(f"{one.row['id']} {other.row['id']}"))
            for other in others:
                reference = laid(one, other)
                if reference is not None:
                    found.append((one, other, reference))
                    break
    return sorted(found, key=lambda pair: digest(pair[0].row["id"]))


def laid(one: Loaded, other: Loaded) -> Any:
    """The ligand of a complex in the frame of another; None where the two are no pair."""
    if one.row["inchikey"][:14] == other.row["inchikey"][:14]:
        return None
    motion = superposed(one.alphas, other.alphas)
    if motion is None:
        return None
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = motion
    found = Chem.Mol(one.ligand)
    rdMolTransforms.TransformConformer(found.GetConformer(), matrix)
    near = np.linalg.norm(found.GetConformer().GetPositions().mean(axis=0) - other.centre) < APART
    return found if near else None


def alike(one: Any, other: Any) -> float:
    """Tanimoto coefficient of Morgan fingerprints of radius 2."""
    make = rdFingerprintGenerator.GetMorganGenerator(radius=2)
    return float(DataStructs.TanimotoSimilarity(make.GetFingerprint(one), make.GetFingerprint(other)))


def molecule_of(mol: Any, name: str) -> Molecule:
    return record_of(mol, name, Chem.MolToSmiles(mol))


def crossed(one: Loaded, other: Loaded, reference: Any, config: DockingConfig, with_template: bool) -> dict[str, Any]:
    """Deviations of the poses of a ligand in the other's structure, and the CPU time."""
    template = template_of(molecule_of(other.ligand, other.row["id"])) if with_template else None
    start = time.process_time()
    poses = dock(other.receptor, other.centre, one.row["smiles"], config, template=template)
    seconds = time.process_time() - start
    mols = [with_positions(pose.molecule.smiles, pose.molecule.positions) for pose in poses]
    return {
        "deviations": [round(deviation(reference, mol), 3) for mol in mols],
        "places": [pose.place for pose in poses],
        "faults": [pose.faults for pose in poses],
        "rankings": [round(pose.ranking, 3) for pose in poses],
        "parts": [pose.parts for pose in poses],
        "seconds": seconds,
        "heavy_atoms": reference.GetNumAtoms(),
        "rotatable": len(rotatable_bonds(mols[0])),
        "alike": round(alike(one.ligand, other.ligand), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--set", choices=("dev", "test"), default="dev")
    parser.add_argument("--pairs", choices=("crystals", "congeners"), default="crystals")
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--template", action="store_true", help="with the other ligand as template")
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="of DockingConfig")
    parser.add_argument("--out", type=Path, help="JSON lines, one a pair")
    options = parser.parse_args()
    rdBase.DisableLog("rdApp.*")
    config, found = configured(options.option), []
    pairs = (pairs_of if options.pairs == "crystals" else congeners)(options.data, options.set)
    for one, other, reference in pairs[: options.count]:
        try:
            made = crossed(one, other, reference, config, options.template)
        except (InputError, RuntimeError, ValueError) as error:
            made = {"failure": str(error)}
        found.append({"id": one.row["id"], "into": other.row["id"], "set": one.row["set"]} | made)
        if options.out:
            options.out.write_text("".join(json.dumps(each) + "\n" for each in found))
    report = {"template": options.template, "options": options.option, "pairs_at_hand": len(pairs)} | summary(found)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
