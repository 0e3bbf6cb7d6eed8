"""Molecules as columns of tables, and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from metricvae.kinds.molecule.records import Molecule

COLUMNS_SCHEMA = pa.schema(
    [
        ("smiles", pa.string()),
        ("elements", pa.list_(pa.uint8())),
        ("positions", pa.list_(pa.float32())),
        ("bonds", pa.list_(pa.int32())),
        ("charges", pa.list_(pa.int32())),
    ]
)
"""Elements: atomic numbers of the heavy atoms; positions: x, y, z of each in turn, angstroms; bonds: two atoms and the
order in turn; charges: an atom and its charge in turn."""

AT_ONCE = 1_000
"""Rows that are turned into molecules together."""


def molecule_columns(molecules: Sequence[Molecule]) -> dict[str, pa.Array]:
    """Molecules as the columns of `COLUMNS_SCHEMA`; their ids are not among them."""
    lists = {name: _list_column([getattr(one, name) for one in molecules], name) for name in COLUMNS_SCHEMA.names[1:]}
    return {"smiles": pa.array([molecule.smiles for molecule in molecules], pa.string()), **lists}


def _list_column(rows: Sequence[npt.NDArray[Any]], name: str) -> pa.ListArray:
    """Arrays as a column of lists of the numbers in each."""
    held = COLUMNS_SCHEMA.field(name).type.value_type
    ends = np.cumsum([0, *(row.size for row in rows)], dtype=np.int32)
    numbers = np.concatenate([row.reshape(-1) for row in rows]) if rows else np.zeros(0)
    return pa.ListArray.from_arrays(pa.array(ends), pa.array(numbers.astype(held.to_pandas_dtype())))


def row_contents(molecule: Molecule) -> dict[str, Any]:
    """One molecule as a row of `COLUMNS_SCHEMA`."""
    return {
        "smiles": molecule.smiles,
        "elements": molecule.elements.tolist(),
        "positions": molecule.positions.astype(np.float32).reshape(-1).tolist(),
        "bonds": molecule.bonds.reshape(-1).tolist(),
        "charges": molecule.charges.reshape(-1).tolist(),
    }


def read_molecules(table: pa.Table) -> Iterator[Molecule]:
    """The molecules of a table with the columns of `COLUMNS_SCHEMA`, and `id` where there are names."""
    named = "id" in table.column_names
    for batch in table.select([*(["id"] if named else []), *COLUMNS_SCHEMA.names]).to_batches(AT_ONCE):
        ids = batch["id"].to_pylist() if named else [""] * len(batch)
        smiles = batch["smiles"].to_pylist()
        elements, positions, bonds, charges = (_lists(batch[name]) for name in COLUMNS_SCHEMA.names[1:])
        for row in range(len(ids)):
            yield Molecule(
                id=ids[row],
                smiles=smiles[row] or "",
                elements=elements[row],
                positions=positions[row].reshape(-1, 3).astype(np.float64),
                bonds=bonds[row].reshape(-1, 3),
                charges=charges[row].reshape(-1, 2),
            )


def _lists(column: pa.Array) -> list[npt.NDArray[Any]]:
    """The rows of a column of lists, which may be a slice of a longer one."""
    ends = np.asarray(column.offsets)
    return np.split(np.asarray(column.values)[ends[0] : ends[-1]], ends[1:-1] - ends[0])
