"""From what a user names to described complexes: poses that are read, or docked where there are none."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from metricvae.core.errors import InputError, shortened
from metricvae.kinds.molecule.listing import READERS, Record, records, suffix_of
from metricvae.kinds.molecule.readers import Skipped, molecule_of
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.pocket.records import Receptor, Structure
from metricvae.kinds.pocket.sites import MARK, place, split_name
from metricvae.metrics.affinity.complexes import AUTO, ComplexRow, RefusedComplex, complex_rows
from metricvae.metrics.affinity.features.records import PosedComplex
from metricvae.metrics.affinity.features.terms import BOND_REACH
from metricvae.metrics.affinity.features.vector import features_of
from metricvae.metrics.affinity.pdbbind import pdbbind_rows
from metricvae.metrics.affinity.posing import ComplexReader
from metricvae.metrics.affinity.reference import Bytes, Floats, fingerprint
from metricvae.metrics.affinity.units import MeasuredAffinity
from metricvae.metrics.docking.atom_types import ACCEPTORS, DONORS
from metricvae.metrics.docking.config import DockingConfig
from metricvae.metrics.docking.dock import dock_into, site_of
from metricvae.metrics.docking.site import DockingSite

GIVEN, DOCKED = "pose of the file", "docked"

CONTACTS = 6
"""Contacts of a complex that are named, at most."""


@dataclass(frozen=True)
class Job:
    """A ligand to be described in a receptor.

    Attributes:
        number: of the row, from 1.
        name: of the ligand.
        receptor, site: path of the structure, and the site on it.
        record: of the ligand.
        measured: what was measured of the complex; None where that is not known.
    """

    number: int
    name: str
    receptor: str
    site: str
    record: Record
    measured: MeasuredAffinity | None = None


@dataclass(frozen=True, eq=False)
class DescribedComplex:
    """What a model needs of a complex.

    Attributes:
        number, name: of the row.
        features: see `features.vector`.
        fingerprint: of the ligand.
        sequence: of the structure.
        molecule: the ligand where it lies.
        used: where its pose comes from.
        contacts: of the ligand with residues, in words, the nearest first.
    """

    number: int
    name: str
    features: Floats
    fingerprint: Bytes
    sequence: str
    molecule: Molecule
    used: str
    contacts: tuple[str, ...]


def jobs_of(receptor: str, ligands: str, site: str = "") -> list[Job]:
    """A job for each ligand of a file, or for one SMILES.

    Raises:
        InputError: a file that cannot be read or holds nothing, or two sites.
    """
    path, named = split_name(receptor)
    if site and MARK in receptor and site != named:
        raise InputError(f"the receptor names the site {named} and --site {site}: give one")
    if not os.path.isfile(path):  # Path.is_file raises on a name that is too long
        raise InputError(f"there is no file {shortened(path)}: expected a structure of a protein, PDB or mmCIF")
    chosen = site or named
    if suffix_of(ligands) not in READERS and not os.path.isfile(ligands):
        return [Job(1, ligands, path, chosen, Record(1, "smiles", "", ligands))]
    found = [
        Job(number, record.name or f"{record.unit} {record.number}", path, chosen, record)
        for number, record in enumerate(records(ligands), start=1)
    ]
    if not found:
        raise InputError(f"{ligands} holds no molecule: expected at least one")
    return found


def jobs_of_table(path: Path) -> Iterator[Job | RefusedComplex]:
    """A job for each row of a table of complexes, see `complexes` for its columns, or of a folder of PDBbind."""
    held: tuple[str, dict[str, Record]] = "", {}
    for row in pdbbind_rows(path) if path.is_dir() else complex_rows(path):
        if isinstance(row, RefusedComplex):
            yield row
            continue
        if not row.has_file:
            record = Record(1, "smiles", row.name, row.ligand)
            yield Job(row.number, row.name, row.receptor, row.site, record, row.measured)
            continue
        try:
            if held[0] != row.ligand:
                held = row.ligand, _by_name(row)
            yield Job(row.number, row.name, row.receptor, row.site, _record(row, held[1]), row.measured)
        except InputError as error:
            yield RefusedComplex(row.number, row.name, str(error))


def _by_name(row: ComplexRow) -> dict[str, Record]:
    found: dict[str, Record] = {}
    for record in records(row.ligand):
        found.setdefault(record.name or f"#{record.number}", record)
    return found


def _record(row: ComplexRow, held: dict[str, Record]) -> Record:
    found = held.get(row.title) if row.title else next(iter(held.values()), None)
    if found is None:
        raise InputError(f"{row.ligand} has no ligand {row.title}".rstrip() + ": correct the row")
    return found


def describe_jobs(jobs: Sequence[Job], reader: ComplexReader | None = None) -> list[DescribedComplex | RefusedComplex]:
    """Describe complexes one after the other; a structure that several in turn share is read once.

    Args:
        jobs: the complexes.
        reader: of calls before, whose structure may be shared too; a new one where it is left out.
    """
    reader = reader or ComplexReader()
    return [_described(reader, job) for job in jobs]


def _described(reader: ComplexReader, job: Job) -> DescribedComplex | RefusedComplex:
    try:
        structure = reader.receptor_of(job.receptor)
        molecule, used = _posed(structure, job)
        return _complex(reader, structure, molecule, job.site, (job.number, job.name, used))
    except InputError as error:
        return RefusedComplex(job.number, job.name, str(error))


def describe_poses(receptor: str, site: str, molecules: Sequence[Molecule]) -> list[DescribedComplex | RefusedComplex]:
    """Describe molecules where they lie in a site of a receptor.

    Args:
        receptor: path of the structure.
        site: on it, which the molecules must be near.
        molecules: in the frame of the structure.
    """
    reader = ComplexReader()
    structure = reader.receptor_of(receptor)
    found: list[DescribedComplex | RefusedComplex] = []
    for number, one in enumerate(molecules, start=1):
        try:
            found.append(_complex(reader, structure, one, site, (number, one.id, DOCKED)))
        except InputError as error:
            found.append(RefusedComplex(number, one.id, str(error)))
    return found


def _complex(
    reader: ComplexReader, structure: Structure, molecule: Molecule, site: str, about: tuple[int, str, str]
) -> DescribedComplex:
    """A complex of a ligand where it lies; about it, the number and the name of the row, and where the pose is from."""
    posed = reader.posed(structure, molecule, site)
    found, (number, name, used) = features_of(posed), about
    seen = fingerprint(posed.mol), structure.sequence
    return DescribedComplex(number, name, found, *seen, molecule, used, contacts_of(posed))


def _posed(structure: Structure, job: Job) -> tuple[Molecule, str]:
    """A ligand where it lies, and where that comes from: its file, or docking."""
    if job.record.kind != "smiles":
        found = molecule_of(job.record)
        if isinstance(found, Skipped):
            raise InputError(found.reason)
        return found, GIVEN
    if job.record.fault:
        raise InputError(job.record.fault)
    if job.site == AUTO:
        raise InputError("a ligand without a pose is docked, and no site is named: give one, as rec.pdb@ligand=LIG")
    best = dock_into(*_docking_site(structure, job.site), job.record.text, DockingConfig(), name=job.name)[0]
    return best.molecule, f"docked, {best.score:.1f} kcal/mol"


@functools.lru_cache(maxsize=1)
def _docking_site(structure: Structure, site: str) -> tuple[DockingSite, Receptor]:
    placed = place(structure, site)
    return site_of(placed.receptor, placed.centre, DockingConfig()), placed.receptor


def contacts_of(posed: PosedComplex) -> tuple[str, ...]:
    """The hydrogen bonds and nearest residues of a ligand in words: `donor-acceptor 2.9 ASP A:86 OD1`."""
    mine, other, distances = posed.ligand_types, posed.receptor_types, posed.distances
    fits = np.isin(mine, DONORS)[:, None] & np.isin(other, ACCEPTORS)
    fits |= np.isin(mine, ACCEPTORS)[:, None] & np.isin(other, DONORS)
    bound = np.where(fits & (distances < BOND_REACH), distances, np.inf).min(axis=0)
    receptor, nearest = posed.receptor, distances.min(axis=0)
    words: dict[str, str] = {}
    for kind, column in (("hydrogen bond", bound), ("contact", nearest)):
        for row in np.argsort(column, kind="stable")[:CONTACTS].tolist():
            residue = f"{receptor.residue_names[row]} {receptor.residue_ids[row]}"
            if np.isfinite(column[row]) and residue not in words:
                words[residue] = f"{kind} {column[row]:.1f} {residue} {receptor.atom_names[row]}"
    return tuple(words.values())[:CONTACTS]
