"""Docking of many ligands into one site: a file of poses for each, so that a killed run goes on where it stopped."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from metricvae.core.errors import InputError
from metricvae.core.hits import Value
from metricvae.kinds.molecule.listing import READERS, Record, records, suffix_of
from metricvae.kinds.molecule.mol_blocks import write_sdf
from metricvae.kinds.molecule.readers import Skipped, molecule_of, read
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.pocket.records import Receptor
from metricvae.kinds.pocket.sites import place, site_file, split_name
from metricvae.kinds.pocket.structures import structure_of
from metricvae.metrics.docking.config import DockingConfig
from metricvae.metrics.docking.described import DockedPose
from metricvae.metrics.docking.dock import dock_into, site_of
from metricvae.metrics.docking.poses_page import PosedLigand, posed_ligand
from metricvae.metrics.docking.site import DockingSite
from metricvae.metrics.docking.template import Template, read_template
from metricvae.runtime.files import read_json, sha256_of, write_json

POSES = "poses"
"""Folder of the files of poses, and of what is known of each ligand."""


@dataclass(frozen=True)
class DockedLigand:
    """What became of a ligand.

    Attributes:
        number: of its record, from 1.
        name: of the ligand.
        file: of its poses, relative to the folder; empty where there are none.
        fault: why there are none; empty where there are some.
        best: what is known of the pose that is ranked first, by name.
        poses: the same of each pose, in the order of the file.
    """

    number: int
    name: str
    file: str = ""
    fault: str = ""
    best: dict[str, Value] | None = None
    poses: Sequence[dict[str, Value]] = ()


def docking_site(name: str) -> tuple[Receptor, Any]:
    """The receptor and the centre (3,) of the site that a name stands for: `rec.pdb@ligand=LIG`, see
    `metricvae.kinds.pocket.sites`.

    Raises:
        InputError: no such structure or site.
    """
    path, site = split_name(name)
    found = place(structure_of(path), site)
    return found.receptor, found.centre


def ligand_records(source: str) -> list[Record]:
    """The ligands of a file of molecules, or one SMILES.

    Raises:
        InputError: a file that cannot be read, or without molecules.
    """
    if suffix_of(source) not in READERS:
        return [Record(1, "smiles", "", source)]
    found = list(records(source))
    if not found:
        raise InputError(f"{source} holds no molecule: expected at least one")
    return found


def dock_batch(
    pool: Executor,
    site: str,
    ligands: Sequence[Record],
    folder: Path,
    config: DockingConfig,
    template: str = "",
) -> Iterator[DockedLigand]:
    """Dock each ligand, and yield what became of it, in order; those that an earlier run did are not done again.

    Args:
        pool: of processes.
        site: as for `docking_site`.
        ligands: their records.
        folder: of the results.
        config: of the docking.
        template: file of a ligand that is known to bind there; none where it is empty.

    Raises:
        InputError: the folder holds results of another receptor, site, template or configuration.
    """
    path, _ = split_name(site)
    known = {"template": sha256_of(Path(template))} if template else {}
    if (ligand := site_file(site)) is not None:
        known["ligand"] = sha256_of(ligand)
    plan = {"site": site, "receptor": sha256_of(Path(path)), "config": asdict(config), **known}
    held = folder / "plan.json"
    if held.exists() and read_json(held) != plan:
        raise InputError(
            f"{folder} holds poses of another receptor, site, template or configuration: choose another folder"
        )
    write_json(held, plan)  # first, as it tells whose folder it is
    (folder / POSES).mkdir(exist_ok=True)
    yield from pool.map(functools.partial(dock_one, site, folder, config, template), ligands)


def dock_one(site: str, folder: Path, config: DockingConfig, template: str, record: Record) -> DockedLigand:
    """Dock one ligand and write its poses, unless that is done."""
    stem = f"{record.number:06d}-{hashlib.sha256(record.text.encode()).hexdigest()[:8]}"
    done = folder / POSES / f"{stem}.json"
    if done.exists():
        return DockedLigand(**read_json(done))
    name, (receptor, ready), led = record.name or f"ligand-{record.number}", _site(site, config), _template(template)
    try:
        poses = dock_into(ready, receptor, _smiles_of(record), config, name=name, template=led)
    except InputError as error:
        found = DockedLigand(record.number, name, fault=str(error))
    else:
        known = [_fields(pose) for pose in poses]
        write_sdf(folder / POSES / f"{stem}.sdf", [pose.molecule for pose in poses], known)
        found = DockedLigand(record.number, name, f"{POSES}/{stem}.sdf", best=known[0], poses=known)
    write_json(done, asdict(found))
    return found


def posed_rows(folder: Path, ligands: Sequence[DockedLigand]) -> list[PosedLigand]:
    """Rows of a page (`poses_page`): the best pose of each ligand that has one, or all poses of one ligand alone.

    Args:
        folder: of the results.
        ligands: what became of them, in the order of the page.
    """
    rows = []
    for one in (ligand for ligand in ligands if ligand.best):
        shown = one.poses if len(ligands) == 1 else one.poses[:1]
        molecules = (found for found in read(folder / one.file) if isinstance(found, Molecule))
        for number, (known, molecule) in enumerate(zip(shown, molecules, strict=False), start=1):
            name = f"{one.name} {number}" if len(ligands) == 1 else one.name
            rows.append(posed_ligand(name, molecule, {**known, "valid": "yes" if known["valid"] else "no"}, one.file))
    return rows


@functools.lru_cache(maxsize=1)
def _site(name: str, config: DockingConfig) -> tuple[Receptor, DockingSite]:
    receptor, centre = docking_site(name)
    return receptor, site_of(receptor, centre, config)


@functools.lru_cache(maxsize=1)
def _template(path: str) -> Template | None:
    return read_template(path) if path else None


def _smiles_of(record: Record) -> str:
    if record.kind == "smiles" and not record.fault:
        return record.text
    found = molecule_of(record, embed=True)
    if isinstance(found, Skipped):
        raise InputError(found.reason)
    if not found.smiles:
        raise InputError("the bond orders of the ligand are not known: give a SMILES")
    return found.smiles


def _fields(pose: DockedPose) -> dict[str, Value]:
    strain = {} if pose.strain is None else {"strain": round(pose.strain, 2)}
    alike = {} if pose.similarity is None else {"similarity": round(pose.similarity, 3)}
    faults = {"valid": int(pose.valid)} | ({"faults": "; ".join(pose.faults)} if pose.faults else {})
    numbers = {"score": pose.score, "ranking": pose.ranking, "energy": pose.energy}
    return (
        {name: round(value, 3) for name, value in numbers.items()} | {"clashes": pose.clashes} | strain | alike | faults
    )
