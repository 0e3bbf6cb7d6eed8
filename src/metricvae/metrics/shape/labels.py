"""Pairs of molecules: reading them, one conformer each, and their exact overlays, part by part.

A molecule belongs to the split of its scaffold (G. W. Bemis and M. A. Murcko, J. Med. Chem. 39 (1996) 2887), so no
ring system of a test pair was trained on.
"""

from __future__ import annotations

import csv
import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
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
from metricvae.metrics.shape.solver.bodies import Prepared, prepare
from metricvae.metrics.shape.solver.overlays import THOROUGH, Effort, overlay_many
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

Of molecules with several conformers, the two that are likest; the value is then what molecules of the first conformers'
self-overlaps have in common at that Tanimoto coefficient."""


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
        conformers: how many each molecule of a SMILES gets; a pair is as alike as the likest two.
        effort: how hard the overlay searches.
        check: how many of the pairs are also given to the thorough search, for the label error in the card.
        task: what is labelled.
    """

    objects: str
    pairs: int
    seed: int = 0
    partners: int = 15
    molecules: int | None = None
    conformers: int = 1
    effort: Effort = field(default_factory=Effort)
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


def joined(paths: Sequence[Path], objects: Path, notes: Path) -> None:
    """Put the molecules of all parts into one file, ids made unique, and the notes on those skipped into another."""
    tables = [pq.read_table(path) for path in paths]
    whole = pa.concat_tables(tables)
    good = whole.filter(pc.is_null(whole["skipped"]))
    ids = _unique(good["id"].to_pylist())
    good = good.set_column(0, "id", pa.array(ids)).drop_columns(["skipped"])
    bad = whole.filter(pc.is_valid(whole["skipped"])).select(["number", "id", "skipped"])
    write_table(objects, [good], good.schema)
    with atomic_path(notes) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["number", "name", "reason"])
        writer.writerows(zip(*(column.to_pylist() for column in bad.columns), strict=True))


def count_skipped(notes: Path) -> int:
    """How many notes `joined` wrote."""
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


def overlay_part(effort: Effort, objects: Path, shard: tuple[str, list[Block]], path: Path) -> None:
    """The overlays of some blocks of one split."""
    split, blocks = shard
    ids, pairs = _ids(objects), np.concatenate(blocks)
    found = _overlays(objects, pairs, effort)
    columns = [
        pa.array([ids[row] for row in pairs[:, 0]]),
        pa.array([ids[row] for row in pairs[:, 1]]),
        pa.array(np.round(found.value, 4)),
        pa.array(np.round(found.best.tanimoto, 6)),
        _lists(found.best.rotation, 9),
        _lists(found.best.translation, 3),
        *(pa.array(column, pa.int16()) for column in found.conformers.T),
        pa.array([split] * len(pairs)),
    ]
    write_table(path, [pa.Table.from_arrays(columns, schema=OVERLAY_SCHEMA)], OVERLAY_SCHEMA)


def _lists(rows: npt.NDArray[np.float64], width: int) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1).astype(np.float32)), width)


def thorough_part(objects: Path, pairs: Block, path: Path) -> None:
    """What the thorough search says of some pairs."""
    found = _overlays(objects, pairs, THOROUGH)
    schema = pa.schema([("dense", pa.float64())])
    write_table(path, [pa.table({"dense": found.value}, schema)], schema)


@dataclass(frozen=True)
class _Found:
    """The likest conformers of k pairs.

    Attributes:
        best: their overlays.
        conformers: (k, 2) their numbers.
        value: (k,) as `OVERLAY_SCHEMA` has it.
    """

    best: Overlays
    conformers: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]


def _overlays(objects: Path, pairs: Block, effort: Effort) -> _Found:
    used, rows = np.unique(pairs, return_inverse=True)
    bodies = [_prepared(objects, row) for row in used.tolist()]
    starts = np.cumsum([0, *map(len, bodies)])
    flat = [body for one in bodies for body in one]
    trials: list[tuple[int, int]] = []
    owners: list[int] = []
    for pair, (a, b) in enumerate(rows.reshape(-1, 2).tolist()):
        trials += itertools.product(range(starts[a], starts[a + 1]), range(starts[b], starts[b + 1]))
        owners += [pair] * (len(bodies[a]) * len(bodies[b]))
    found, tried, owner = overlay_many(flat, np.array(trials), effort, threads=1), np.array(trials), np.array(owners)
    order = np.lexsort((-found.tanimoto, owner))
    best = order[np.unique(owner[order], return_index=True)[1]]
    chosen = Overlays(
        *(part[best] for part in (found.overlap, found.self_a, found.self_b, found.rotation, found.translation))
    )
    numbers = tried[best] - starts[rows.reshape(-1, 2)]
    sizes = np.array([body[0].volume for body in bodies])[rows.reshape(-1, 2)].sum(axis=1)
    return _Found(chosen, numbers, chosen.tanimoto * sizes / (1 + chosen.tanimoto))


@functools.lru_cache(maxsize=2048)
def _prepared(objects: Path, row: int) -> list[Prepared]:
    """The conformers of a molecule, the first one first."""
    table = _table(objects)
    radii = radii_of(table["elements"][row].values.to_numpy())
    flat = np.concatenate([table[name][row].values.to_numpy() for name in ("positions", "others")])
    return [prepare(places, radii) for places in flat.reshape(-1, len(radii), 3)]


@functools.lru_cache(maxsize=1)
def _table(path: Path) -> pa.Table:
    return pq.read_table(path, columns=["id", "elements", "positions", "others"]).combine_chunks()


@functools.lru_cache(maxsize=1)
def _ids(path: Path) -> list[str]:
    names: list[str] = _table(path)["id"].to_pylist()
    return names
