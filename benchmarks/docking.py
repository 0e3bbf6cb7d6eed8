"""Redocking from SMILES into a site given by a point: how often the crystal pose is found, and in what time.

    python benchmarks/docking.py DATA --set dev --count 40

DATA is a folder with `posed.csv.gz`, a table of complexes (columns `id`, `set`, `protein`, `ligand`, `smiles`, `pose`,
`protein_cluster`). Taken are rows whose pose is a crystal's, one for each cluster of proteins: the first by the SHA-256
of its id, of those with 10 to 50 heavy atoms and at most 15 rotatable bonds. Clusters whose number's SHA-256 is even
are `dev`, on which settings were chosen, the others are `test`; `train` is all
complexes of the clusters of `dev`. `--count` takes the first of them, by SHA-256.

A complex is docked from its SMILES into a cube about the centre of the ligand's heavy atoms. The deviation is RDKit's
CalcRMS over the symmetries of the molecule, without superposition. A complex that fails counts as not found. CPU
seconds are of the process: conformers, maps, search, without reading files. `--engine vina` docks by AutoDock Vina
from the same first conformer (extra `vina`) and ranks its poses as our own; so does `--engine rustina`.
`own_top1` is by the engine's own order. A run goes on where its file `--out` ends. `--sdf FOLDER` gets the first pose
of each complex, for `docking_validity.py`.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import json
import time
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem import rdMolAlign

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.mol_blocks import write_sdf
from metricvae.kinds.pocket.structures import structure_of
from metricvae.metrics.docking.config import DockingConfig
from metricvae.metrics.docking.dock import dock
from metricvae.metrics.docking.engines.engine import ENGINES, OWN
from metricvae.metrics.docking.torsions import rotatable_bonds
from metricvae.runtime.files import write_text

CRYSTAL = ("crystal", "crystal (prepared)")


def digest(text: str) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest(), 16)


def complexes(data: Path, chosen: str, count: int) -> list[dict[str, str]]:
    """The rows of a set, by the rule above."""
    with gzip.open(data / "posed.csv.gz", "rt") as file:
        rows = [row for row in csv.DictReader(file) if row["pose"] in CRYSTAL and usable(row["smiles"])]
    rows.sort(key=lambda row: digest(row["id"]))
    first: dict[str, dict[str, str]] = {}
    for row in rows:
        first.setdefault(row["protein_cluster"], row)
    parity = 1 if chosen == "test" else 0
    taken = rows if chosen == "train" else list(first.values())
    held = [row for row in taken if digest(f"cluster {row['protein_cluster']}") % 2 == parity]
    return held[:count]


def usable(smiles: str) -> bool:
    mol = Chem.MolFromSmiles(smiles)
    return mol is not None and 10 <= mol.GetNumHeavyAtoms() <= 50 and len(rotatable_bonds(mol)) <= 15


def crystal_ligand(path: Path) -> Any:
    """The ligand of an SDF, gzipped or not, without hydrogens."""
    with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
        return Chem.RemoveHs(next(Chem.ForwardSDMolSupplier(file)))


def deviation(reference: Any, posed: Any) -> float:
    """Root mean square deviation over symmetries, without superposition, whatever the forms of charge and tautomer."""
    one, other = skeleton(reference), skeleton(posed)
    return float(rdMolAlign.CalcRMS(other, one, maxMatches=10_000))


def skeleton(mol: Any) -> Any:
    """A molecule with single bonds and without charges, of which all forms are the same."""
    found = Chem.RWMol(Chem.RemoveHs(mol))
    for atom in found.GetAtoms():
        atom.SetFormalCharge(0)
        atom.SetIsAromatic(False)
        atom.SetNoImplicit(True)
        atom.SetNumExplicitHs(0)
        atom.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)
    for bond in found.GetBonds():
        bond.SetBondType(Chem.BondType.SINGLE)
        bond.SetIsAromatic(False)
        bond.SetStereo(Chem.BondStereo.STEREONONE)
    return found.GetMol()


def with_positions(smiles: str, positions: np.ndarray) -> Any:
    mol = Chem.MolFromSmiles(smiles)
    conformer = Chem.Conformer(mol.GetNumAtoms())
    conformer.SetPositions(positions)
    mol.AddConformer(conformer)
    return mol


def docked(row: dict[str, str], data: Path, config: DockingConfig, sdf: Path | None = None) -> dict[str, Any]:
    """Deviations of the poses of one complex from the crystal pose, and the CPU time."""
    reference = crystal_ligand(data / row["ligand"])
    receptor = structure_of(data / row["protein"]).receptor
    centre = reference.GetConformer().GetPositions().mean(axis=0)
    start = time.process_time()
    poses = dock(receptor, centre, row["smiles"], config)
    seconds = time.process_time() - start
    mols = [with_positions(pose.molecule.smiles, pose.molecule.positions) for pose in poses]
    if sdf is not None:
        sdf.mkdir(parents=True, exist_ok=True)
        write_sdf(sdf / f"{row['id']}.sdf", [poses[0].molecule])
    return {
        "deviations": [round(deviation(reference, mol), 3) for mol in mols],
        "scores": [round(pose.score, 3) for pose in poses],
        "rankings": [round(pose.ranking, 3) for pose in poses],
        "strains": [pose.strain for pose in poses],
        "clashes": [pose.clashes for pose in poses],
        "places": [pose.place for pose in poses],
        "faults": [pose.faults for pose in poses],
        "energies": [round(pose.energy, 3) for pose in poses],
        "terms": [pose.terms for pose in poses],
        "parts": [pose.parts for pose in poses],
        "seconds": seconds,
        "heavy_atoms": reference.GetNumAtoms(),
        "rotatable": len(rotatable_bonds(mols[0])),
    }


def summary(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Shares of the complexes, failures among them, and times."""
    done = [one for one in found if "deviations" in one]
    top = [one["deviations"][0] <= 2.0 for one in done]
    own = [one["deviations"][int(np.argmin(one["places"]))] <= 2.0 for one in done]
    best = [min(one["deviations"][:9]) <= 2.0 for one in done]
    seconds = [one["seconds"] for one in done]
    return {
        "complexes": len(found),
        "failures": len(found) - len(done),
        "top1": round(sum(top) / len(found), 4),
        "own_top1": round(sum(own) / len(found), 4),
        "valid": round(float(np.mean([not one["faults"][0] for one in done])), 4),
        "best9": round(sum(best) / len(found), 4),
        "median_deviation": round(float(np.median([one["deviations"][0] for one in done])), 3),
        "cpu_mean": round(float(np.mean(seconds)), 3),
        "cpu_median": round(float(np.median(seconds)), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--set", choices=("dev", "train", "test"), default="dev")
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--engine", choices=(OWN, *ENGINES), default=OWN)
    parser.add_argument("--exhaustiveness", type=int, default=8, help="of another engine")
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="of DockingConfig")
    parser.add_argument("--out", type=Path, help="JSON lines, one a complex; what they hold is not done again")
    parser.add_argument("--sdf", type=Path, help="folder of first poses")
    options = parser.parse_args()
    rdBase.DisableLog("rdApp.*")
    config = replace(configured(options.option), engine=options.engine, exhaustiveness=options.exhaustiveness)
    held = options.out.read_text().splitlines() if options.out and options.out.exists() else []
    found = [json.loads(line) for line in held]
    known = {one["id"] for one in found}
    for row in complexes(options.data, options.set, options.count):
        if row["id"] in known:
            continue
        try:
            one = docked(row, options.data, config, options.sdf)
        except (InputError, RuntimeError, ValueError) as error:
            one = {"failure": str(error)}
        found.append({"id": row["id"], "set": row["set"], "cluster": row["protein_cluster"]} | one)
        if options.out:
            write_text(options.out, "".join(json.dumps(each) + "\n" for each in found))
    print(json.dumps({"engine": options.engine, "options": options.option} | summary(found)))


def configured(options: list[str]) -> DockingConfig:
    types = {field.name: type(getattr(DockingConfig(), field.name)) for field in fields(DockingConfig)}
    pairs = [one.split("=", 1) for one in options]
    return replace(DockingConfig(), **{name: types[name](value) for name, value in pairs})


if __name__ == "__main__":
    main()
