"""Pairs of molecules: reading them, one conformer each, and their exact overlays, part by part.

A molecule belongs to the split of its scaffold (G. W. Bemis and M. A. Murcko, J. Med. Chem. 39 (1996) 2887), so no
ring system of a test pair was trained on.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from metricvae.core.sampling import Block
from metricvae.core.splits import split_of
from metricvae.kinds.molecule.conformers import LARGEST_SEED, conform
from metricvae.kinds.molecule.fragments import stream
from metricvae.kinds.molecule.library import conformer_seed
from metricvae.kinds.molecule.listing import Record
from metricvae.kinds.molecule.readers import Skipped, molecule_of
from metricvae.kinds.molecule.records import Molecule, radii_of
from metricvae.kinds.molecule.scaffolds import scaffold
from metricvae.kinds.molecule.table import row_contents
from metricvae.metrics.shape.solver.gaussian_molecule import PreparedMolecule, prepare
from metricvae.metrics.shape.solver.overlays import THOROUGH, OverlayConfig, overlay_many
from metricvae.metrics.shape.solver.records import Overlays
from metricvae.runtime.files import atomic_path
from metricvae.runtime.parquet import write_table

FRAGMENTS = "fragments"
"""The source of molecules that needs no file."""

MOLECULE_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("smiles", pa.string()),
        ("elements", pa.list_(pa.uint8())),
        ("positions", pa.list_(pa.float32())),
        ("others", pa.list_(pa.float32())),
        ("bonds", pa.list_(pa.int32())),
        ("charges", pa.list_(pa.int32())),
        ("source", pa.string()),
        ("family", pa.string()),
        ("group", pa.string()),
        ("area", pa.float64()),
        ("split", pa.string()),
        ("number", pa.int64()),
        ("skipped", pa.string()),
    ]
)
"""Positions: x, y, z of each heavy atom in turn, angstroms; others: of further conformers, one after the other.

Bonds: two atoms and the order in turn; charges: an atom and its charge in turn; area: the volume of the overlap of the
molecule with itself, cubic angstroms; number: of the line or record. In the parts, `skipped` says why there is no
molecule.
"""

OVERLAY_SCHEMA = pa.schema(
    [
        ("a", pa.string()),
        ("b", pa.string()),
        ("value", pa.float64()),
        ("tanimoto", pa.float64()),
        ("rotation", pa.list_(pa.float32(), 9)),
        ("translation", pa.list_(pa.float32(), 3)),
        ("conformer_a", pa.int16()),
        ("conformer_b", pa.int16()),
        ("split", pa.string()),
    ]
)
"""Value: the largest overlap volume, cubic angstroms; point p of the second goes to rotation p + translation.

Of molecules with several conformers, the most similar two; the value is then the overlap of molecules with the first
conformers' self-overlaps at that Tanimoto coefficient."""

GEOMETRY_SCHEMA = pa.schema([MOLECULE_SCHEMA.field(name) for name in ("id", "elements", "positions", "others")])
"""What labelling reads of each molecule, in the file of `write_geometry`."""


@dataclass(frozen=True)
class MoleculesPlan:
    """Everything a data set of molecules depends on.

    Attributes:
        objects: `fragments`, or a file of molecules (SMILES, CSV, SDF, mol2; gzipped or not).
        pairs: how many pairs.
        seed: the same plan with the same seed gives the same bytes.
        partners: how many others each molecule meets at a time (pairs come in blocks of partners + 1 molecules).
        molecules: at most so many are taken, evenly spaced in the file; None takes all of a file, and as many fragments
            as the pairs need.
        conformers: how many each molecule of a SMILES gets; a pair is as alike as the most similar two.
        search: the configuration of the overlay.
        check: how many of the pairs are also given to the thorough search, for the label error in the card.
        task: what is labelled.
    """

    objects: str
    pairs: int
    seed: int = 0
    partners: int = 15
    molecules: int | None = None
    conformers: int = 1
    search: OverlayConfig = field(default_factory=OverlayConfig)
    check: int = 0
    task: str = "molecules"


def conform_part(source: str, seed: int, conformers: int, at_once: int, span: tuple[int, int], path: Path) -> None:
    """Molecules `span[0]` to `span[0] + span[1]` of `fragments`, or of the listed records in the file `source`."""
    start, count = span
    found = _fragments(seed, start, count) if source == FRAGMENTS else _listed(source, seed, start // at_once)
    rows = []
    for number, one in found:
        others = [] if isinstance(one, Skipped) else _others(one, conformer_seed(seed, number), conformers)
        rows.append(_skipped_row(one) if isinstance(one, Skipped) else _row(number, one, others))
    write_table(path, [pa.Table.from_pylist(rows, MOLECULE_SCHEMA)], MOLECULE_SCHEMA)


def _fragments(seed: int, start: int, count: int) -> Iterator[tuple[int, Molecule | Skipped]]:
    return enumerate(stream(count, seed, start=start), start)


def _listed(source: str, seed: int, group: int) -> Iterator[tuple[int, Molecule | Skipped]]:
    for row in pq.ParquetFile(source).read_row_group(group).to_pylist():
        record = Record(**row)
        yield record.number, molecule_of(record, embed=True, seed=conformer_seed(seed, record.number))


def _others(molecule: Molecule, seed: int, conformers: int) -> list[Molecule]:
    """Further conformers of a molecule whose SMILES is known."""
    if conformers < 2 or not molecule.smiles:
        return []
    found = conform(molecule.smiles, (seed + 1) & LARGEST_SEED, conformers - 1)
    return [one for one in found if np.array_equal(one.elements, molecule.elements)]


def _row(number: int, molecule: Molecule, others: Sequence[Molecule]) -> dict[str, Any]:
    places = molecule.positions.astype(np.float32)
    group = scaffold(molecule.smiles) if molecule.smiles else ""
    return {
        "id": molecule.id,
        **row_contents(molecule),
        "others": np.concatenate([np.empty(0), *(one.positions.ravel() for one in others)]).astype(np.float32).tolist(),
        "source": "molecules",
        "family": "",
        "group": group or molecule.smiles or molecule.id,
        "area": prepare(places, radii_of(molecule.elements)).volume,
        "split": split_of(group or molecule.smiles or molecule.id),
        "number": number,
    }


def _skipped_row(skipped: Skipped) -> dict[str, Any]:
    return {
        "id": skipped.name,
        "number": skipped.number,
        "skipped": f"{skipped.unit} {skipped.number}: {skipped.reason}",
    }


def join_parts(paths: Sequence[Path], objects: Path, notes: Path, geometry: Path) -> None:
    """Join the molecules of all parts.

    Args:
        paths: the parts.
        objects: written: the molecules, their ids made unique.
        notes: written: a CSV of what was skipped, and why.
        geometry: written before `objects`: what labelling reads, as by `write_geometry`.
    """
    whole = pa.concat_tables([pq.read_table(path) for path in paths])
    good = whole.filter(pc.is_null(whole["skipped"]))
    good = good.set_column(0, "id", pa.array(_unique(good["id"].to_pylist()), pa.string())).drop_columns(["skipped"])
    bad = whole.filter(pc.is_valid(whole["skipped"])).select(["number", "id", "skipped"])
    write_geometry(good, geometry)
    with atomic_path(notes) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["number", "name", "reason"])
        writer.writerows(zip(*(column.to_pylist() for column in bad.columns), strict=True))
    write_table(objects, [good], good.schema)


def write_geometry(molecules: pa.Table, path: Path) -> None:
    """Write the columns of `GEOMETRY_SCHEMA` as an uncompressed Arrow file, of which any rows are read at once."""
    table = molecules.select(GEOMETRY_SCHEMA.names).combine_chunks()
    with atomic_path(path) as temporary, pa.ipc.new_file(temporary, GEOMETRY_SCHEMA) as writer:
        writer.write_table(table.cast(GEOMETRY_SCHEMA))


def read_geometry(path: Path, rows: npt.NDArray[np.int64]) -> pa.Table:
    """Some rows of a file of `write_geometry`, read through a memory map."""
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all().take(pa.array(rows)).combine_chunks()


def count_skipped(notes: Path) -> int:
    """How many notes `join_parts` wrote."""
    with open(notes, newline="", encoding="utf-8") as file:
        return sum(1 for _ in csv.reader(file)) - 1


def _unique(ids: Sequence[str]) -> list[str]:
    """Names, those that were there before with a number after them."""
    seen: dict[str, int] = {}
    found = []
    for name in ids:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name}~{seen[name]}")
    return found


def overlay_part(config: OverlayConfig, geometry: Path, shard: tuple[str, list[Block]], path: Path) -> None:
    """Write the overlays of some blocks of pairs of one split.

    Args:
        config: of the search.
        geometry: the file of `write_geometry`.
        shard: the split, and blocks (k, 2) of rows of that file.
        path: a table of `OVERLAY_SCHEMA` is written.
    """
    split, blocks = shard
    found = _overlay_rows(geometry, np.concatenate(blocks), config)
    columns = [
        *(found.ids.take(pa.array(column)) for column in found.pairs.T),
        pa.array(np.round(found.value, 4)),
        pa.array(np.round(found.best.tanimoto, 6)),
        _lists(found.best.rotation, 9),
        _lists(found.best.translation, 3),
        *(pa.array(column, pa.int16()) for column in found.conformers.T),
        pa.array([split] * len(found.pairs)),
    ]
    write_table(path, [pa.Table.from_arrays(columns, schema=OVERLAY_SCHEMA)], OVERLAY_SCHEMA)


def _lists(rows: npt.NDArray[np.float64], width: int) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1).astype(np.float32)), width)


def thorough_part(geometry: Path, pairs: Block, path: Path) -> None:
    """Write the values that the thorough search finds for some pairs (k, 2) of rows of the file of `write_geometry`."""
    found = _overlay_rows(geometry, pairs, THOROUGH)
    schema = pa.schema([("dense", pa.float64())])
    write_table(path, [pa.table({"dense": found.value}, schema)], schema)


@dataclass(frozen=True)
class _Labels:
    """The overlays of k pairs of molecules, each of its most similar two conformers.

    Attributes:
        ids: of the molecules in the pairs.
        pairs: (k, 2) rows of `ids`.
        best: the overlays of the chosen conformers.
        conformers: (k, 2) which of each molecule's conformers these are.
        value: (k,) as `OVERLAY_SCHEMA` has it.
    """

    ids: pa.ChunkedArray
    pairs: Block
    best: Overlays
    conformers: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]


def _overlay_rows(geometry: Path, pairs: Block, config: OverlayConfig) -> _Labels:
    used, places = np.unique(pairs, return_inverse=True)
    table, pairs = read_geometry(geometry, used), places.reshape(-1, 2)
    molecules = _prepare_conformers(table)
    starts = np.cumsum([0, *map(len, molecules)])
    flat = [conformer for conformers in molecules for conformer in conformers]
    trials: list[tuple[int, int]] = []
    owners: list[int] = []
    for pair, (a, b) in enumerate(pairs.tolist()):
        trials += itertools.product(range(starts[a], starts[a + 1]), range(starts[b], starts[b + 1]))
        owners += [pair] * (len(molecules[a]) * len(molecules[b]))
    found, tried, owner = overlay_many(flat, np.array(trials), config, threads=1), np.array(trials), np.array(owners)
    order = np.lexsort((-found.tanimoto, owner))
    chosen = order[np.unique(owner[order], return_index=True)[1]]
    best = Overlays(
        *(part[chosen] for part in (found.overlap, found.self_a, found.self_b, found.rotation, found.translation))
    )
    sizes = np.array([conformers[0].volume for conformers in molecules])[pairs].sum(axis=1)
    return _Labels(table["id"], pairs, best, tried[chosen] - starts[pairs], best.tanimoto * sizes / (1 + best.tanimoto))


def _prepare_conformers(table: pa.Table) -> list[list[PreparedMolecule]]:
    """The conformers of each molecule of a table of `GEOMETRY_SCHEMA`, the first one first."""
    found = []
    for elements, *positions in zip(*(table[name] for name in ("elements", "positions", "others")), strict=True):
        radii = radii_of(elements.values.to_numpy())
        flat = np.concatenate([each.values.to_numpy() for each in positions])
        found.append([prepare(places, radii) for places in flat.reshape(-1, len(radii), 3)])
    return found


STORED_NAMES = {"optimised": "climbs", "refined": "kept", "final": "last"}
"""Names of `OverlayConfig` in the plans of data sets, the same since version 0.1."""


def stored_plan(plan: MoleculesPlan) -> dict[str, Any]:
    """A plan as it stands in the card of its data set: `effort` is the configuration of the overlay.

    >>> stored_plan(MoleculesPlan("fragments", 100))["effort"]
    {'starts': 192, 'climbs': 96, 'kept': 32, 'last': 16}
    """
    facts = asdict(plan)
    search = {STORED_NAMES.get(name, name): value for name, value in facts["search"].items()}
    return {("effort" if name == "search" else name): (search if name == "search" else facts[name]) for name in facts}
