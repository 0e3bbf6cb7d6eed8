"""What can be made an index of: folders of images, data sets, and files of molecules.

A library is cut into parts, each of which any process can encode by itself.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow.parquet as pq

from metricvae.core.dataset import CARD, read_dataset, read_molecules
from metricvae.core.errors import InputError
from metricvae.kinds.molecule.conformers import flat
from metricvae.kinds.molecule.library import conformer_seed, list_records
from metricvae.kinds.molecule.listing import READERS, Record, suffix_of
from metricvae.kinds.molecule.packing import Form, Packable, atoms_of
from metricvae.kinds.molecule.readers import Skipped, molecule_of
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.molecule.table import molecule_columns
from metricvae.kinds.silhouette.io import image_names, read_image
from metricvae.runtime.files import sha256_of

Over = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]
"""A function over many arguments, as `map` is, in order."""

ITEMS_A_PART = 2_048
RECORDS = "records.parquet"


@dataclass(frozen=True)
class Part:
    """Some objects of a library.

    Attributes:
        objects: as a model takes them.
        columns: what an index keeps of each beside its code: id, path, and of molecules what an overlay needs.
        skipped: notes on what could not be had.
    """

    objects: Sequence[Packable]
    columns: dict[str, Any]
    skipped: Sequence[str] = ()


class Library(Protocol):
    """Objects in parts.

    Attributes:
        form: what the objects are.
        count: objects, or records that may hold one.
        parts: how many.
        facts: what tells it from another library.
    """

    form: Form
    count: int
    parts: int
    facts: dict[str, Any]

    def load(self, part: int, over: Over = map) -> Part:
        """One part; `over` is used where an object costs time."""
        ...


class ImageFolder:
    """The images in a folder and the folders below it."""

    form: Form = "masks"

    def __init__(self, folder: Path, fit: bool) -> None:
        self.folder, self.fit, self.names = folder, fit, image_names(folder)
        self.count, self.parts = len(self.names), -(-len(self.names) // ITEMS_A_PART)
        self.facts = {"names_sha256": hashlib.sha256("\n".join(self.names).encode()).hexdigest(), "fit": fit}

    def load(self, part: int, over: Over = map) -> Part:
        names = self.names[part * ITEMS_A_PART : (part + 1) * ITEMS_A_PART]
        paths = [str(self.folder / name) for name in names]
        return Part([read_image(Path(path), fit=self.fit) for path in paths], {"id": names, "path": paths})


class DataSetObjects:
    """The objects of a labelled data set."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, read_dataset(folder)
        self.form, self.count = self.data.form, len(self.data.ids)
        self.parts = -(-self.count // ITEMS_A_PART)
        self.facts = {"names_sha256": hashlib.sha256("\n".join(self.data.ids).encode()).hexdigest()}

    def load(self, part: int, over: Over = map) -> Part:
        rows = range(part * ITEMS_A_PART, min((part + 1) * ITEMS_A_PART, self.count))
        ids = [self.data.ids[row] for row in rows]
        columns: dict[str, Any] = {"id": ids, "path": [f"{self.folder}#{name}" for name in ids]}
        if self.form == "molecules":
            columns |= molecule_columns(self._molecules[rows.start : rows.stop])
        return Part([self.data.object(row) for row in rows], columns)

    @functools.cached_property
    def _molecules(self) -> list[Molecule]:
        return list(read_molecules(pq.read_table(self.folder / "objects.parquet")))


class MoleculeFile:
    """The molecules of a file, with conformers or without.

    Args:
        file: SMILES, a table, mol blocks or mol2.
        work: folder that keeps the records while the index is made.
        in_space: whether the model looks at conformers.
    """

    form: Form = "molecules"

    def __init__(self, file: Path, work: Path, *, in_space: bool) -> None:
        self.file, self.records, self.in_space = file, work / RECORDS, in_space
        self.facts = {"sha256": sha256_of(file), "in_space": in_space}
        if not self.records.exists():
            list_records(file, None, ITEMS_A_PART, self.records)
        self.count = pq.read_metadata(self.records).num_rows
        self.parts = pq.read_metadata(self.records).num_row_groups

    def rows(self, part: int) -> list[dict[str, Any]]:
        """The records of one part."""
        found: list[dict[str, Any]] = pq.ParquetFile(self.records).read_row_group(part).to_pylist()
        return found

    def load(self, part: int, over: Over = map) -> Part:
        return molecules_part(self.file, self.rows(part), self.in_space, over)


def molecules_part(file: Path, rows: Sequence[dict[str, Any]], in_space: bool, over: Over = map) -> Part:
    """The molecules of some records of a file."""
    found = list(over(functools.partial(_molecule, file.name, in_space), rows))
    good = [one for one in found if isinstance(one, Molecule)]
    numbers = [row["number"] for row, one in zip(rows, found, strict=True) if isinstance(one, Molecule)]
    columns = {"id": [one.id for one in good], "path": [f"{file}#{number}" for number in numbers]}
    skipped = [str(one) for one in found if isinstance(one, Skipped)]
    return Part([atoms_of(one) for one in good], columns | molecule_columns(good), skipped)


def _molecule(stem: str, in_space: bool, row: dict[str, Any]) -> Molecule | Skipped:
    record = Record(**row)
    if not in_space and record.kind == "smiles" and not record.fault:
        try:
            return flat(record.text, name=record.name or f"{stem}:{record.number}")
        except InputError as error:
            return Skipped(record.number, record.unit, record.name, str(error))
    return molecule_of(record, stem, embed=True, seed=conformer_seed(0, record.number))


def open_library(path: Path, work: Path, *, fit: bool = False, in_space: bool = True) -> Library:
    """A folder of images, a data set, or a file of molecules.

    Args:
        path: of the library.
        work: folder for what is needed on the way.
        fit: scale and centre images of other sizes.
        in_space: whether molecules need conformers.

    Raises:
        InputError: none of these, or an empty one.
    """
    path = Path(path)
    if suffix_of(path) in READERS and not path.exists():
        raise InputError(f"there is no file {path}: give a folder, or a file of molecules")
    if path.is_file():
        if suffix_of(path) not in READERS:
            raise InputError(f"{path} is no library: expected a folder, or a file that ends in {', '.join(READERS)}")
        return MoleculeFile(path, work, in_space=in_space)
    return DataSetObjects(path) if (path / CARD).is_file() else ImageFolder(path, fit)
