"""Maps of molecules as a table of objects, part by part: each with the atoms that it was made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from metricvae.core.errors import InputError
from metricvae.core.kind import ObjectKind
from metricvae.core.libraries import NamedObject
from metricvae.core.object_sources import SKIPPED, Span, object_schema, object_table
from metricvae.kinds.molecule.readers import Skipped
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.molecule.scaffolds import scaffold_group
from metricvae.kinds.molecule.sources import Numbered, fragments_of, molecules_of
from metricvae.kinds.volume.kind import VolumeKind
from metricvae.kinds.volume.random_maps import Posed, random_map
from metricvae.runtime.parquet import write_table

ATOMS = ("elements", "positions", "resolution")
"""Columns from which pairs are labelled: atomic numbers, x, y, z of each atom, the resolution of the map, angstroms."""

_FIELDS = (
    pa.field("smiles", pa.string()),
    pa.field("elements", pa.list_(pa.uint8())),
    pa.field("positions", pa.list_(pa.float32())),
    pa.field("resolution", pa.float64()),
)

Range = tuple[float, float]


def atoms_schema(kind: ObjectKind) -> pa.Schema:
    """Columns of a table of maps of molecules."""
    return object_schema(kind, _FIELDS)


def fragments_part(seed: int, resolutions: Range, span: Span, path: Path) -> None:
    """Write the maps of a span of molecules that are assembled from fragments."""
    write_maps(fragments_of(seed, span), seed, resolutions, path)


def records_part(seed: int, resolutions: Range, rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Write the maps of the molecules of some records of a file, and notes on those that gave none."""
    write_maps(molecules_of(seed, rows), seed, resolutions, path)


def write_maps(found: Iterable[Numbered], seed: int, resolutions: Range, path: Path) -> None:
    """Write maps of molecules as a part of a table of objects."""
    kept: list[tuple[Molecule, Posed]] = []
    skipped = []
    for number, one in found:
        try:
            if isinstance(one, Skipped):
                raise InputError(one.reason)
            kept.append((one, random_map(one, seed, number, resolutions=resolutions)))
        except InputError as error:
            unit = one.unit if isinstance(one, Skipped) else "number"
            skipped.append(f"{unit} {number}: {error}")
    schema = atoms_schema(VolumeKind()).append(SKIPPED)
    table = object_table(VolumeKind(), [_named(molecule, posed) for molecule, posed in kept])
    for field in _FIELDS:
        table = table.append_column(field, pa.array([_entry(field.name, *one) for one in kept], field.type))
    notes = pa.table({SKIPPED.name: pa.array(skipped, SKIPPED.type)})
    whole = pa.concat_tables([schema.empty_table(), table, notes], promote_options="default")
    write_table(path, [whole.select(schema.names).cast(schema)], schema)


def _named(molecule: Molecule, posed: Posed) -> NamedObject:
    return NamedObject(molecule.id, posed.map, "molecules", "", scaffold_group(molecule.smiles, molecule.id))


def _entry(name: str, molecule: Molecule, posed: Posed) -> Any:
    found = {
        "smiles": molecule.smiles,
        "elements": molecule.elements.tolist(),
        "positions": np.asarray(posed.molecule.positions, np.float32).reshape(-1).tolist(),
        "resolution": posed.resolution,
    }
    return found[name]
