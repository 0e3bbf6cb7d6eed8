"""Molecules of a data set as tables: conformers of fragments or of the records of a file, part by part.

A molecule belongs to the split of its scaffold (G. W. Bemis and M. A. Murcko, J. Med. Chem. 39 (1996) 2887), so no
ring system of a test pair was trained on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from metricvae.core.object_sources import SKIPPED, Span
from metricvae.core.splits import split_of
from metricvae.kinds.molecule.conformers import LARGEST_SEED, conform
from metricvae.kinds.molecule.kind import MoleculeKind
from metricvae.kinds.molecule.library import conformer_seed
from metricvae.kinds.molecule.readers import Skipped
from metricvae.kinds.molecule.records import Molecule, radii_of
from metricvae.kinds.molecule.scaffolds import scaffold_group
from metricvae.kinds.molecule.sources import Numbered, fragments_of, molecules_of
from metricvae.kinds.molecule.table import row_contents
from metricvae.metrics.shape.solver.gaussian_molecule import prepare
from metricvae.runtime.parquet import write_table

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
        (MoleculeKind.magnitude_name, MoleculeKind.magnitude_type),
        ("split", pa.string()),
        ("number", pa.int64()),
        SKIPPED,
    ]
)
"""Positions: x, y, z of each heavy atom in turn, angstroms; others: of further conformers, one after the other.

Bonds: two atoms and the order in turn; charges: an atom and its charge in turn; self_overlap: the volume of the
overlap of the molecule with itself, cubic angstroms; number: of the line or record. In the parts, `skipped` says why
there is no molecule.
"""


def fragments_part(seed: int, conformers: int, span: Span, path: Path) -> None:
    """Write the molecules of a span that are assembled from fragments."""
    write_molecules(fragments_of(seed, span), seed, conformers, path)


def records_part(seed: int, conformers: int, rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Write the molecules of some records of a file, and notes on those that gave none."""
    write_molecules(molecules_of(seed, rows), seed, conformers, path)


def write_molecules(found: Iterable[Numbered], seed: int, conformers: int, path: Path) -> None:
    """Write molecules with their further conformers as a part of a table of objects."""
    rows = []
    for number, one in found:
        others = [] if isinstance(one, Skipped) else _others(one, conformer_seed(seed, number), conformers)
        rows.append(_skipped_row(one) if isinstance(one, Skipped) else _row(number, one, others))
    write_table(path, [pa.Table.from_pylist(rows, MOLECULE_SCHEMA)], MOLECULE_SCHEMA)


def _others(molecule: Molecule, seed: int, conformers: int) -> list[Molecule]:
    """Further conformers of a molecule whose SMILES is known."""
    if conformers < 2 or not molecule.smiles:
        return []
    found = conform(molecule.smiles, (seed + 1) & LARGEST_SEED, conformers - 1)
    return [one for one in found if np.array_equal(one.elements, molecule.elements)]


def _row(number: int, molecule: Molecule, others: Sequence[Molecule]) -> dict[str, Any]:
    places = molecule.positions.astype(np.float32)
    group = scaffold_group(molecule.smiles, molecule.id)
    return {
        "id": molecule.id,
        **row_contents(molecule),
        "others": np.concatenate([np.empty(0), *(one.positions.ravel() for one in others)]).astype(np.float32).tolist(),
        "source": "molecules",
        "family": "",
        "group": group,
        MoleculeKind.magnitude_name: prepare(places, radii_of(molecule.elements)).volume,
        "split": split_of(group),
        "number": number,
    }


def _skipped_row(skipped: Skipped) -> dict[str, Any]:
    return {
        "id": skipped.name,
        "number": skipped.number,
        "skipped": f"{skipped.unit} {skipped.number}: {skipped.reason}",
    }
