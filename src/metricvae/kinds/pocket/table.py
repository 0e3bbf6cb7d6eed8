"""Pockets as columns of tables, and back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from metricvae.core.errors import InputError
from metricvae.kinds.pocket.records import ATOM_NAME, RESIDUE_ID, RESIDUE_NAME, Pocket, Receptor

COLUMNS_SCHEMA = pa.schema(
    [
        ("elements", pa.list_(pa.uint8())),
        ("positions", pa.list_(pa.float32())),
        ("radii", pa.list_(pa.float32())),
        ("roles", pa.list_(pa.uint8())),
        ("atom_names", pa.list_(pa.string())),
        ("residue_names", pa.list_(pa.string())),
        ("residue_ids", pa.list_(pa.string())),
        ("image", pa.list_(pa.float32())),
        ("buriedness", pa.list_(pa.float32())),
        ("feature_types", pa.list_(pa.int8())),
        ("features", pa.list_(pa.float32())),
        ("centre", pa.list_(pa.float32())),
        ("sequence", pa.string()),
        ("facts", pa.string()),
    ]
)
"""The first seven are the receptor's atoms; positions are x, y, z of each in turn, angstroms; facts are JSON."""


def pocket_columns(pockets: Sequence[Pocket]) -> dict[str, pa.Array]:
    """Pockets as the columns of `COLUMNS_SCHEMA`; their ids are not among them."""
    rows = [_row(one) for one in pockets]
    return {field.name: pa.array([row[field.name] for row in rows], field.type) for field in COLUMNS_SCHEMA}


def _row(pocket: Pocket) -> dict[str, Any]:
    arrays = {**vars(pocket.receptor), **{name: getattr(pocket, name) for name in _OWN}}
    row = {name: value.ravel().tolist() for name, value in arrays.items()}
    return {**row, "sequence": pocket.sequence, "facts": json.dumps(dict(pocket.facts))}


_OWN = ("image", "buriedness", "feature_types", "features", "centre")


def read_pockets(table: pa.Table) -> list[Pocket]:
    """The inverse of `pocket_columns`, from a table that may have further columns, the id among them.

    Raises:
        InputError: a row whose columns are of different lengths.
    """
    names = [*(["id"] if "id" in table.column_names else []), *COLUMNS_SCHEMA.names]
    return [_pocket(row) for row in table.select(names).to_pylist()]


def _pocket(row: dict[str, Any]) -> Pocket:
    try:
        return Pocket(
            id=row.get("id", ""),
            receptor=_receptor(row),
            image=np.array(row["image"], np.float64).reshape(-1, 3),
            buriedness=np.array(row["buriedness"], np.float64).reshape(len(row["image"]) // 3),
            feature_types=np.array(row["feature_types"], np.int64).reshape(len(row["features"]) // 3),
            features=np.array(row["features"], np.float64).reshape(-1, 3),
            centre=np.array(row["centre"], np.float64).reshape(3),
            sequence=row["sequence"],
            facts=json.loads(row["facts"]),
        )
    except (ValueError, TypeError) as error:
        raise InputError(f"a pocket of the table cannot be read ({error}): make the table again") from None


def _receptor(row: dict[str, Any]) -> Receptor:
    count = len(row["elements"])
    return Receptor(
        np.array(row["elements"], np.uint8),
        np.array(row["positions"], np.float64).reshape(count, 3),
        np.array(row["radii"], np.float64).reshape(count),
        np.array(row["roles"], np.uint8).reshape(count),
        np.array(row["atom_names"], ATOM_NAME).reshape(count),
        np.array(row["residue_names"], RESIDUE_NAME).reshape(count),
        np.array(row["residue_ids"], RESIDUE_ID).reshape(count),
    )
