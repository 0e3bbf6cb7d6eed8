"""Write the sites of protein-ligand complexes as a list that `metricvae label` and `metricvae index` take.

    python benchmarks/pocket_sites.py --affinity AFFINITY --out SITES.csv [--most 6] [--displaced 0] [--sets plb ...]

AFFINITY holds `complexes.csv` and `posed.csv.gz`, tables with the columns `set`, `id`, `protein`, `ligand` and
`protein_cluster`, paths relative to it. The default sets are those whose licences let weights ship that were trained on
them. Of each structure: sites about its ligands, at most so many, one about the first ligand's centre as a point, and
`--displaced` about points near it (standard deviation `SPREAD` along each axis), which vary what few proteins show.
Columns: name, site, set, and cluster, the protein's.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from metricvae.core.pair_list import write_rows
from metricvae.kinds.pocket.ligand_files import positions_in

SETS = ("plb", "merck", "schrodinger", "unifep_ref")

SPREAD, SEED = 2.0, 0
"""Angstroms of displaced points along each axis, and the seed they are drawn by."""


def complexes(affinity: Path, sets: Sequence[str]) -> Iterator[dict[str, str]]:
    """The rows of some sets, with the column `table`."""
    for table in ("complexes.csv", "posed.csv.gz"):
        opened = gzip.open if table.endswith(".gz") else open
        with opened(affinity / table, "rb") as file:
            rows = csv.DictReader(io.TextIOWrapper(file, "utf-8"))
            yield from (row | {"table": table.split(".")[0]} for row in rows if row["set"] in sets)


def sites(
    affinity: Path, folder: Path, sets: Sequence[str], most: int, displaced: int
) -> Iterator[tuple[str, str, str, str]]:
    """Name, site, set and cluster of complexes, `most` of each structure; paths are relative to `folder`."""
    rng = np.random.default_rng(SEED)
    held: dict[str, list[dict[str, str]]] = {}
    for row in complexes(affinity, sets):
        held.setdefault(row["protein"], []).append(row)
    for protein, rows in held.items():
        path, first = os.path.relpath(affinity / protein, folder), rows[0]
        about = first["set"], f"{first['table']}:{first['protein_cluster']}"
        for place in np.unique(np.linspace(0, len(rows) - 1, most).astype(int)).tolist():
            ligand = os.path.relpath(affinity / rows[place]["ligand"], folder)
            yield (f"{first['set']}:{rows[place]['id']}", f"{path}@ligand={ligand}", *about)
        middle = positions_in(affinity / first["ligand"]).mean(axis=0)
        for number, moved in enumerate([np.zeros(3), *rng.normal(0.0, SPREAD, (displaced, 3))]):
            name = f"{first['set']}:{first['id']}:point{number or ''}"
            yield (name, f"{path}@point={','.join(map(str, (middle + moved).round(2).tolist()))}", *about)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--affinity", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--most", type=int, default=6)
    parser.add_argument("--displaced", type=int, default=0)
    parser.add_argument("--sets", nargs="+", default=SETS)
    options = parser.parse_args()
    folder = options.out.resolve().parent
    found = list(sites(options.affinity.resolve(), folder, options.sets, options.most, options.displaced))
    write_rows(options.out, ("name", "site", "set", "cluster"), found)


if __name__ == "__main__":
    main()
