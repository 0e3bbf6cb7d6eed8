"""Folders of PDBbind, releases 2013 to 2020, as rows of complexes and as a table of pairs to import.

A release is an index of plain text, in the folder or in a folder `index` of it or of one below it, and a folder a
complex, at most three levels down: `CODE/CODE_protein.pdb` (or `CODE_pocket.pdb`), `CODE_ligand.sdf` and
`CODE_ligand.mol2`. Indexes of complexes with ligands are read together: `INDEX_general_PL*`, `INDEX_refined*`,
`INDEX_core*` and `CoreSet.dat`; those of proteins and nucleic acids (`_PP`, `_NL`, `_PN`) and of names are not.

The format: Z. Liu et al., Acc. Chem. Res. 50 (2017) 302.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from metricvae.core.errors import InputError
from metricvae.core.importing.faults import Faults
from metricvae.core.importing.request import Columns
from metricvae.core.importing.tables import PairTable, TableBatch
from metricvae.kinds.molecule.readers import read_one
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.pocket.sites import MARK
from metricvae.metrics.affinity.complexes import ComplexRow, RefusedComplex
from metricvae.metrics.affinity.units import measurement

LINE = re.compile(
    r"^(?P<code>[0-9][0-9a-zA-Z]{3})\s+\S+\s+(?P<year>\d{4})\s+(?:-?\d+\.\d+\s+)?(?P<value>(?:K[id]|IC50)\S+)(?P<rest>.*)$"
)
"""A complex: code, resolution, year, perhaps -log10 of the value, the value as `Ki=2.5nM`, and remarks."""

REMARKS = {
    r"covalent": "the index calls the complex covalent",
    r"incomplete ligand": "the index says that the ligand is incomplete",
}
"""Words of remarks for which a complex is left out, and why."""

SUBSETS = ("general", "refined", "core")
"""Parts of a release, each a part of the one before."""

DEPTH = 3
"""Levels below the folder in which indexes and complexes are looked for."""

ABSENT = "there is no folder of the complex with a file CODE_protein.pdb or CODE_pocket.pdb: left out"
"""Why complexes are refused that an index names beyond what is there."""

ENDINGS = (".sdf", ".mol2")
"""Of a ligand's files; the second is read where the first gives no molecule."""

ROWS = 200
"""Complexes whose ligands are read together."""


@dataclass(frozen=True)
class IndexedComplex:
    """A complex as the indexes have it.

    Attributes:
        code: of the Protein Data Bank, in lower case.
        value: what was measured, as `Ki=2.5nM`.
        remarks: of the index.
        subset: the smallest of `SUBSETS` that it is in.
    """

    code: str
    value: str
    remarks: str
    subset: str


def indexes_in(folder: Path) -> list[tuple[str, Path]]:
    """The indexes of a release with the subset of each, the general one first.

    Raises:
        InputError: there is none.
    """
    places = [folder, *(one for one in sorted(folder.iterdir()) if one.is_dir() and len(one.name) != 4)]
    places += [one / "index" for one in places if (one / "index").is_dir() and one.name != "index"]
    found = {
        path: subset
        for place in places
        for path in sorted(place.iterdir())
        if path.is_file() and (subset := _subset_of(path.name)) is not None
    }
    if not found:
        raise InputError(
            f"{folder} has no index of PDBbind: expected INDEX_general_PL_data.YEAR, INDEX_refined_data.YEAR or the "
            "like, in it or in a folder index"
        )
    return sorted(((subset, path) for path, subset in found.items()), key=lambda one: SUBSETS.index(one[0]))


def _subset_of(name: str) -> str | None:
    """The subset that a file is the index of; None where it is none, or one of other complexes or of names."""
    lower = name.lower()
    if lower == "coreset.dat":
        return "core"
    if not lower.startswith("index") or re.search(r"_(pp|nl|pn|name|cluster)([_.]|$)", lower):
        return None
    return next((one for one in ("refined", "core") if one in lower), "general")


def indexed(folder: Path) -> list[IndexedComplex]:
    """The complexes of all indexes of a release, each once, in the order of the first index that has it.

    Raises:
        InputError: no index, or none that holds a complex.
    """
    found: dict[str, IndexedComplex] = {}
    for subset, path in indexes_in(folder):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            match = LINE.match(line)
            if match is not None:
                code = match["code"].lower()
                known = found.get(code)
                remarks = match["rest"] + (known.remarks if known else "")
                found[code] = IndexedComplex(code, match["value"], remarks, subset)
    if not found:
        raise InputError(f"the indexes of {folder} name no complex: expected lines as '1abc 2.00 2010 7.92 Kd=12nM'")
    return list(found.values())


def folders_in(folder: Path) -> dict[str, Path]:
    """Folders of complexes by code, at most `DEPTH` levels down; of several of one code the first."""
    found: dict[str, Path] = {}
    level = [folder]
    for _ in range(DEPTH):
        below = [Path(entry.path) for place in level for entry in _entries(place)]
        complexes = [one for one in below if re.fullmatch(r"[0-9][0-9a-zA-Z]{3}", one.name) and _is_complex(one)]
        for one in complexes:
            found.setdefault(one.name.lower(), one)
        held = set(complexes)
        level = [one for one in below if one not in held]
    return found


def _entries(place: Path) -> list[os.DirEntry[str]]:
    with os.scandir(place) as entries:
        return sorted((one for one in entries if one.is_dir()), key=lambda one: one.name)


def _is_complex(folder: Path) -> bool:
    return any((folder / f"{folder.name}_{part}.pdb").is_file() for part in ("protein", "pocket"))


def pdbbind_rows(folder: Path) -> Iterator[ComplexRow | RefusedComplex]:
    """The complexes of a PDBbind folder; one that cannot be used comes with its reason.

    Left out are complexes that the remarks call covalent or incomplete, and those without files. Values with `<` and
    `>` are bounds; `~` counts as `=`.

    Raises:
        InputError: the folder has no index.
    """
    return (row for row, _ in _rows(folder))


def _rows(folder: Path) -> Iterator[tuple[ComplexRow | RefusedComplex, Molecule | None]]:
    """The same, each with its ligand where that was read to choose its file."""
    places = folders_in(folder)
    for number, one in enumerate(indexed(folder), start=1):
        try:
            yield _row(number, one, places)
        except InputError as error:
            yield RefusedComplex(number, one.code, str(error)), None


def _row(number: int, one: IndexedComplex, places: dict[str, Path]) -> tuple[ComplexRow, Molecule | None]:
    for words, reason in REMARKS.items():
        if re.search(words, one.remarks, re.IGNORECASE):
            raise InputError(f"{reason}: left out")
    measured = measurement(one.value)
    place = places.get(one.code)
    if place is None:
        raise InputError(ABSENT)
    protein = next(path for part in ("protein", "pocket") if (path := place / f"{place.name}_{part}.pdb").is_file())
    ligand, molecule = _ligand_file(place)
    row = ComplexRow(number, one.code, str(protein), f"ligand={ligand}", str(ligand), "", measured, one.subset)
    return row, molecule


def _ligand_file(place: Path) -> tuple[Path, Molecule | None]:
    """The file of a complex's ligand that gives a molecule, and that molecule where it was read.

    Raises:
        InputError: there is none, with what is wrong with the first.
    """
    held = [path for ending in ENDINGS if (path := place / f"{place.name}_ligand{ending}").is_file()]
    if not held:
        raise InputError(f"there is no file {place.name}_ligand.sdf or .mol2: left out")
    if len(held) == 1:
        return held[0], None
    try:
        return held[0], read_one(held[0])
    except InputError:
        return held[1], None


class PdbbindTable(PairTable):
    """The complexes of a PDBbind folder as pairs of a pocket (`a`) and a SMILES (`b`) with a pK (`value`).

    Further columns: `censored`, `<` or `>` where the pK is a bound; `kind`, Ki, Kd or IC50; `code`; `subset`; and
    `benchmark`, `test` for the core set and `train` for the rest.

    Attributes:
        path: of the folder.
        columns: what they mean, where the user does not say.
        notes: what is to be said of the complexes, once they were read.
    """

    names = ("a", "b", "value", "censored", "kind", "code", "subset", "benchmark")
    columns = Columns(censored="censored")

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notes: tuple[str, ...] = ()

    def batches(self, columns: Sequence[str], faults: Faults | None = None) -> Iterator[TableBatch]:
        read, held, told = Counter[str](), [], 0
        for row, molecule in _rows(self.path):
            if isinstance(row, RefusedComplex) and row.reason == ABSENT:
                read[ABSENT] += 1
                continue
            try:
                cells = self._cells(row, molecule)
            except InputError as error:
                if faults is not None:
                    faults.add(row.number, _reason(str(error)), f"({row.name}): {error}")
                continue
            read.update((cells["kind"], cells["censored"]))
            held.append((row.number, cells))
            if len(held) == ROWS:
                yield self._batch(held, columns)
                told, held = told + len(held), []
        if held or not told:
            yield self._batch(held, columns)
        self.notes = tuple(_notes(read))

    def _cells(self, row: ComplexRow | RefusedComplex, molecule: Molecule | None) -> dict[str, str]:
        """The cells of a complex by column.

        Args:
            row: of the complex.
            molecule: its ligand; it is read where this is None.

        Raises:
            InputError: why it cannot be used.
        """
        if isinstance(row, RefusedComplex):
            raise InputError(row.reason)
        assert row.measured is not None  # of every row of an index
        smiles = (molecule or read_one(row.ligand)).smiles
        if not smiles:
            raise InputError("the ligand has bonds without an order, so no SMILES: left out")
        receptor, ligand = (os.path.relpath(one, self.path) for one in (row.receptor, row.ligand))
        return {
            "a": f"{receptor}{MARK}ligand={ligand}",
            "b": smiles,
            "value": repr(row.measured.pk),
            "censored": {-1: "<", 0: "", 1: ">"}[row.measured.bound],
            "kind": row.measured.kind,
            "code": row.name,
            "subset": row.group,
            "benchmark": "test" if row.group == "core" else "train",
        }

    def _batch(self, held: Sequence[tuple[int, dict[str, str]]], columns: Sequence[str]) -> TableBatch:
        rows = np.array([number for number, _ in held], np.int64)
        return TableBatch(rows, {name: pa.array([one[name] for _, one in held], pa.string()) for name in columns})


def _notes(read: Counter[str]) -> Iterator[str]:
    kinds = ", ".join(f"{read[kind]} by {kind}" for kind in ("Kd", "Ki", "IC50") if read[kind])
    if kinds:
        yield f"measured {kinds}; {read['<'] + read['>']} of the values are bounds"
    if read[ABSENT]:
        yield f"{read[ABSENT]} complexes of the indexes have no folder here"


def _reason(text: str) -> str:
    """A few words that many complexes share, of what is wrong with one."""
    sorts = {"index": "remark", "no file": "file", "value": "value", "pK": "value"}
    return next((name for words, name in sorts.items() if words in text), "ligand")
