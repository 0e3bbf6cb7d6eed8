"""Pockets of protein-ligand complexes: how many are prepared, how fast, and whether their images hold the ligand. JSON.

    python benchmarks/pockets.py --affinity AFFINITY [--dude DUDE] [--every 1] [--poses 100] [--conformers 30]
        [--whole TARGETS]

AFFINITY holds `complexes.csv` and `posed.csv.gz`, tables with the columns `set`, `protein`, `ligand` (and perhaps
`ligand_title`), paths relative to it; DUDE folders with `receptor*.pdb` and `crystal_ligand.*`. Reported by set, from
the site about the ligand of every complex: the share prepared, the reasons of failures, milliseconds for a structure
and for a pocket (medians), and the share of the ligand's heavy atoms inside the image, where 1 - exp(-density) is at
least 1/2. Once for each structure: the same with the site at the ligand's centre as a point, and as found; whether the
first cavity, or one of the first three, has its centre within 4 angstroms of the ligand's centre, or of an atom of it.

`--poses N`: of N structures, how often the ligand, superposed on the image by `overlay_coloured`, lies within 2
angstroms (RMSD of heavy atoms, symmetry taken into account) of where it was: the conformer of the file, the best by
score of conformers from SMILES, and any of them.

`--whole TARGETS`: cavities found on the whole receptors `*_target.pdbqt` of the folder `resources/targets` of the
package dockstring (58, mostly of DUD-E; Apache-2.0), against the centre of the box about the crystal ligand that
`*_conf.txt` has; beside the mean of all atoms, and fpocket-rs by its druggability score where it is installed. The
other structures were cut out around their ligands, which the mean of all atoms finds as well.
"""

from __future__ import annotations

import argparse
import csv
import functools
import gzip
import importlib.util
import io
import json
import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rdkit.Chem import rdMolAlign
from screens import rdkit_of

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.conformers import conform
from metricvae.kinds.molecule.readers import read
from metricvae.kinds.molecule.records import SYMBOLS, Molecule
from metricvae.kinds.pocket.ligand_files import positions_in
from metricvae.kinds.pocket.prepare import pocket_at
from metricvae.kinds.pocket.records import Floats, Pocket, Structure
from metricvae.kinds.pocket.sites import PlacedSite, cavities_of, of_ligand, of_point, place
from metricvae.kinds.pocket.structures import structure_of
from metricvae.kinds.pocket.writing import density_at
from metricvae.metrics.shape.solver.coloured import By, coloured, overlay_coloured, prepare_coloured

INSIDE = float(np.log(2.0))
"""Density from which 1 - exp(-density) is at least 1/2."""

HIT, NEAR, FIRST = 2.0, 4.0, 3
"""Angstroms of a pose that is found, and of a cavity; cavities that are looked at."""

SEED = 1


@dataclass(frozen=True)
class Complex:
    """A row of a table: a structure, and a ligand in its frame."""

    set: str
    protein: Path
    ligand: Path
    title: str


@dataclass
class Counts:
    """What was found in one set."""

    complexes: int = 0
    prepared: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    numbers: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def means(self) -> dict[str, float]:
        """Means, and medians of times."""
        return {
            name: round(float(np.median(values) if name.startswith("ms") else np.mean(values)), 3)
            for name, values in sorted(self.numbers.items())
        }

    def document(self) -> dict[str, Any]:
        """What is reported of a set."""
        share = round(self.prepared / max(1, self.complexes), 4)
        return {"complexes": self.complexes, "prepared": share, "failures": dict(self.failures), **self.means()}


def complexes(affinity: Path, dude: Path | None) -> Iterator[Complex]:
    """All rows of both tables, and the receptors of DUD-E."""
    for table in ("complexes.csv", "posed.csv.gz"):
        opened = gzip.open if table.endswith(".gz") else open
        with opened(affinity / table, "rb") as file:
            for row in csv.DictReader(io.TextIOWrapper(file, "utf-8")):
                title = row.get("ligand_title") or ""
                yield Complex(row["set"], affinity / row["protein"], affinity / row["ligand"], title)
    for receptor in sorted(dude.glob("*/receptor*.pdb")) if dude else []:
        yield Complex("dud-e", receptor, next(receptor.parent.glob("crystal_ligand.*")), "")


@functools.lru_cache(maxsize=1)
def structure(path: Path) -> tuple[Structure, float]:
    """A structure, and milliseconds to read it."""
    start = time.perf_counter()
    return structure_of(path), 1e3 * (time.perf_counter() - start)


def inside(pocket: Pocket, ligand: Floats) -> float:
    """Share of a ligand's atoms inside an image."""
    return float((density_at(pocket, ligand) >= INSIDE).mean())


def measure(one: Complex, counts: Counts, first: bool) -> None:
    """Add what is found of one complex; the sites that do not depend on the ligand where it is the first of its
    structure."""
    counts.complexes += 1
    try:
        ligand = positions_in(one.ligand, one.title)
        held, reading = structure(one.protein)
        start = time.perf_counter()
        pocket = pocket_at(held, of_ligand(held, ligand), one.title)
    except InputError as error:
        counts.failures[str(error).replace(str(one.protein), "the structure").replace(str(one.ligand), "a file")] += 1
        return
    counts.prepared += 1
    numbers = counts.numbers
    numbers["ms_pocket"].append(1e3 * (time.perf_counter() - start))
    numbers["ms_structure"].append(reading)
    numbers["inside_ligand_site"].append(inside(pocket, ligand))
    numbers["pseudo_atoms"].append(len(pocket.image))
    numbers["features"].append(len(pocket.features))
    if first:
        _without_the_ligand(held, ligand, numbers)


def _without_the_ligand(held: Structure, ligand: Floats, numbers: defaultdict[str, list[float]]) -> None:
    middle = ligand.mean(axis=0)
    for name, site in (("point", lambda: of_point(held, middle)), ("found", lambda: place(held, "auto"))):
        start = time.perf_counter()
        try:
            numbers[f"inside_{name}_site"].append(inside(pocket_at(held, site(), name), ligand))
        except InputError:
            numbers[f"inside_{name}_site"].append(0.0)
        numbers[f"ms_{name}"].append(1e3 * (time.perf_counter() - start))
    add_distances([one.centre for one in cavities_of(held)], ligand, numbers)


def add_distances(cavities: Sequence[Floats], ligand: Floats, numbers: defaultdict[str, list[float]]) -> None:
    """Add whether the first cavities, of which the centres are given, are near a ligand."""
    far = [np.full(3, np.inf)] * FIRST
    centres = np.array([*cavities, *far][:FIRST])
    away = np.linalg.norm(centres - ligand.mean(axis=0), axis=1)
    atom = np.linalg.norm(centres[:, None] - ligand, axis=-1).min(axis=1)
    for name, distance in (("centre", away), ("atom", atom)):
        numbers[f"best_near_{name}"].append(float(distance[0] <= NEAR))
        numbers[f"of_3_near_{name}"].append(float(distance.min() <= NEAR))


def whole_receptors(targets: Path) -> dict[str, Any]:
    """Cavities found on whole receptors by us and by others."""
    found = {"ours": Counts(), "mean of all atoms": Counts(), "fpocket-rs": Counts()}
    paths = sorted(targets.glob("*_target.pdbqt"))
    for path in paths:
        box = dict(re.findall(r"center_([xyz])\s*=\s*(\S+)", path.with_name(_box_file(path)).read_text()))
        ligand, held = np.array([[float(box[axis]) for axis in "xyz"]]), structure_of(path)
        start = time.perf_counter()
        add_distances([cavity.centre for cavity in cavities_of(held)], ligand, found["ours"].numbers)
        found["ours"].numbers["ms"].append(1e3 * (time.perf_counter() - start))
        add_distances([held.receptor.positions.mean(axis=0)], ligand, found["mean of all atoms"].numbers)
        if importlib.util.find_spec("fpocket_rs"):
            start = time.perf_counter()
            add_distances(centres_of_fpocket(held), ligand, found["fpocket-rs"].numbers)
            found["fpocket-rs"].numbers["ms"].append(1e3 * (time.perf_counter() - start))
    return {"receptors": len(paths), **{name: counts.means() for name, counts in found.items()}}


def _box_file(path: Path) -> str:
    return path.name.replace("_target.pdbqt", "_conf.txt")


def centres_of_fpocket(held: Structure) -> list[Floats]:
    """Centres of the pockets of fpocket-rs, the most druggable first."""
    import fpocket_rs

    found = sorted(fpocket_rs.detect_pockets(pdb_text(held))["pockets"], key=lambda pocket: -pocket["drug_score"])
    return [np.array(pocket["alpha_spheres"])[:, :3].mean(axis=0) for pocket in found]


def pdb_text(held: Structure) -> str:
    """The receptor's atoms as PDB."""
    receptor, lines = held.receptor, []
    for row in range(len(receptor)):
        chain, number = str(receptor.residue_ids[row]).split(":")
        x, y, z = receptor.positions[row]
        digits = "".join(letter for letter in number if letter.isdigit())
        lines.append(
            f"ATOM  {row % 99_999 + 1:5d}  {receptor.atom_names[row]:<3.3} {receptor.residue_names[row]:>3.3} "
            f"{chain or 'A':1.1}{int(digits) % 10_000:4d}    {x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00          "
            f"{SYMBOLS.get(int(receptor.elements[row]), 'Zn'):>2}"
        )
    return "\n".join([*lines, "END"])


def poses(chosen: list[Complex], conformers: int) -> dict[str, Any]:
    """How often the ligand is superposed where it was."""
    hits: defaultdict[str, list[float]] = defaultdict(list)
    for one in chosen:
        ligand = molecule_of(one)
        if ligand is None:
            continue
        try:
            held = structure_of(one.protein)
            made = conform(ligand.smiles, SEED, conformers, distinct=0.5)
            sites = of_ligand(held, ligand.positions), of_point(held, ligand.centre), place(held, "auto")
            images = {name: _pocket(held, site) for name, site in zip(("ligand", "point", "found"), sites, strict=True)}
        except InputError:
            continue
        for name, image in images.items():
            for by in ("shape", "combo"):
                hits[f"{name}, {by}, conformer of the file"].append(posed(image, [ligand], ligand, by)[0])
                away = posed(image, made, ligand, by)
                hits[f"{name}, {by}, conformers"].append(away[0])
                hits[f"{name}, {by}, any of the conformers"].append(min(away))
    return {"ligands": max(map(len, hits.values()), default=0)} | {
        name: round(float((np.array(values) <= HIT).mean()), 3) for name, values in hits.items()
    }


def _pocket(held: Structure, site: PlacedSite) -> Pocket:
    return pocket_at(held, site, "")


def molecule_of(one: Complex) -> Molecule | None:
    """The ligand as a molecule, where it is one."""
    try:
        found = [held for held in read(one.ligand) if isinstance(held, Molecule)]
    except InputError:  # PDBQT has no bonds
        return None
    return next((held for held in found if not one.title or held.id == one.title), None)


def posed(image: Pocket, conformers: list[Molecule], ligand: Molecule, by: By) -> list[float]:
    """RMSD of the superposition of each conformer, angstroms, the best by score first."""
    flat = [prepare_coloured(image.image, image.radii, image.pharmacophore), *map(coloured, conformers)]
    found = overlay_coloured(flat, [(0, 1 + number) for number in range(len(conformers))], by, threads=1)
    moved = map(Molecule.moved, conformers, found.shape.rotation, found.shape.translation)
    away = np.array([distance(one, ligand) for one in moved])
    return away[np.argsort(-found.scores(by), kind="stable")].tolist()


def distance(one: Molecule, other: Molecule) -> float:
    """RMSD of two molecules where they lie, angstroms."""
    try:
        return float(rdMolAlign.CalcRMS(rdkit_of(one), rdkit_of(other), maxMatches=1_000))
    except RuntimeError:  # no common graph
        return float("inf")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--affinity", type=Path, required=True)
    parser.add_argument("--dude", type=Path)
    parser.add_argument("--poses", type=int, default=0, metavar="N")
    parser.add_argument("--conformers", type=int, default=30)
    parser.add_argument("--whole", type=Path, metavar="TARGETS")
    parser.add_argument("--every", type=int, default=1, metavar="K", help="only every K-th structure")
    options = parser.parse_args()
    rows = sorted(complexes(options.affinity, options.dude), key=lambda one: (str(one.protein), one.title))
    proteins = list(dict.fromkeys(one.protein for one in rows))
    kept = set(proteins[:: options.every])
    found: defaultdict[str, Counts] = defaultdict(Counts)
    seen: set[Path] = set()
    for one in rows:
        if one.protein in kept:
            measure(one, found[one.set], one.protein not in seen)
            seen.add(one.protein)
    document: dict[str, Any] = {name: counts.document() for name, counts in sorted(found.items())}
    first = {one.protein: one for one in reversed(rows)}
    chosen = [first[proteins[row]] for row in np.random.default_rng(SEED).permutation(len(proteins))]
    if options.whole:
        document["whole receptors"] = whole_receptors(options.whole)
    if options.poses:
        document["poses"] = poses(chosen[: options.poses], options.conformers)
    json.dump(document, sys.stdout, indent=2)


if __name__ == "__main__":
    main()
