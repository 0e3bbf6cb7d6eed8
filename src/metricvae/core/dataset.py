"""A data set is a folder that polars, pandas, DuckDB and `datasets.load_dataset` read as it is.

`objects.parquet` (id, image as PNG bytes, source, family, area, split), `pairs.parquet` (a, b, value, angle_deg,
dx, dy, split), `card.json` (task, plan, versions, counts, SHA-256 of each file) and a README.md.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from metricvae.core.errors import InputError
from metricvae.core.splits import SPLITS, Split
from metricvae.kinds.molecule.packing import Form, Packable, atoms_of, packed_molecules, padded, unpacked_molecules
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.silhouette.io import decode_png
from metricvae.kinds.silhouette.records import SIZE, Mask
from metricvae.runtime.files import check_sha256, read_json
from metricvae.runtime.process_pool import worker_pool

CARD = "card.json"
OBJECTS = "objects.parquet"
PAIRS = "pairs.parquet"

AT_ONCE, WORTH_PROCESSES = 1_000, 20_000
"""Pictures that a process decodes in one go, and from how many on processes are worth starting."""

OBJECT_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        ("source", pa.string()),
        ("family", pa.string()),
        ("group", pa.string()),
        ("area", pa.int32()),
        ("split", pa.string()),
    ],
    metadata={"huggingface": '{"info": {"features": {"image": {"_type": "Image"}}}}'},
)
PAIR_SCHEMA = pa.schema(
    [
        ("a", pa.string()),
        ("b", pa.string()),
        ("value", pa.float64()),
        ("angle_deg", pa.float64()),
        ("dx", pa.float64()),
        ("dy", pa.float64()),
        ("split", pa.string()),
    ]
)


@dataclass(frozen=True)
class DataSet:
    """A labelled data set in memory: m objects, n pairs.

    Attributes:
        ids: (m,) names of the objects.
        families: (m,) kinds of shape.
        packed: (m, b) uint8, the objects as `metricvae.kinds.molecule.packing` packs them.
        areas: (m,) float64, what each object has in common with itself, in the unit of the metric: pixels, or cubic
            angstroms.
        first, second: (n,) int64 object indices.
        value: (n,) float64, the metric: overlap in pixels, or 1 for a match and 0 for a mismatch.
        pose: (n, 3) float64: angle_deg, dx, dy of the second object; NaN where a pair has none.
        split: (n,) of `train`, `validation`, `calibration`, `test`.
        grade: (n,) `match`, or how hard a mismatch is to tell, where the data say so; None where not.
        card: the contents of card.json.
    """

    ids: tuple[str, ...]
    families: tuple[str, ...]
    packed: npt.NDArray[np.uint8]
    areas: npt.NDArray[np.float64]
    first: npt.NDArray[np.int64]
    second: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]
    pose: npt.NDArray[np.float64]
    split: npt.NDArray[np.str_]
    card: dict[str, Any]
    grade: npt.NDArray[np.str_] | None = None
    form: Form = "masks"

    def object(self, index: int) -> Packable:
        """One object as a model takes it: a mask (SIZE, SIZE), or an array (A, 6 + A)."""
        if self.form == "masks":
            return self.mask(index)
        return unpacked_molecules(self.packed[index : index + 1])[0]

    def mask(self, index: int) -> Mask:
        """The (SIZE, SIZE) mask of one object."""
        return unpacked(self.packed[index])

    def ordinary(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Which of some pairs are such as one meets: all but halves of one shape from two of its cuts, which no heap
        holds, and which are in the data to tell whether the cut was looked at."""
        found: npt.NDArray[np.bool_] = np.ones(len(rows), bool) if self.grade is None else self.grade[rows] != "hard"
        return found

    def rows(self, split: Split | str) -> npt.NDArray[np.int64]:
        """Indices of the pairs of one split, or of all pairs for `all`.

        Raises:
            InputError: no such split, or it holds no pair.
        """
        if split not in (*SPLITS, "all"):
            raise InputError(f"split '{split}': expected one of {', '.join(SPLITS)}, all")
        found = np.arange(len(self.value)) if split == "all" else np.flatnonzero(self.split == split)
        if not len(found):
            raise InputError(f"the data set has no {split} pairs: label more pairs, or choose another split")
        return found


def merged(parts: Sequence[DataSet]) -> DataSet:
    """Several data sets of one task as one: their pairs one after the other, objects of the same name kept apart.

    The card holds the task, what pairs that are not listed are worth, and the plans, as `parts` of one plan.

    Raises:
        InputError: of different tasks or forms, or some say what other pairs are worth and others do not.
    """
    if len(parts) == 1:
        return parts[0]
    kinds = {(part.card["task"], part.form, part.card.get("otherwise")) for part in parts}
    if len(kinds) > 1:
        tasks = ", ".join(str(part.card["task"]) for part in parts)
        raise InputError(f"the data sets are of the tasks {tasks}: expected one task, and pairs labelled alike")
    task, form, otherwise = kinds.pop()
    start = np.cumsum([0, *(len(part.ids) for part in parts)])
    grades = [part.grade for part in parts if part.grade is not None]
    plans = [plan for part in parts for plan in part.card["plan"].get("parts", [part.card["plan"]])]
    return DataSet(
        ids=tuple(itertools.chain.from_iterable(part.ids for part in parts)),
        families=tuple(itertools.chain.from_iterable(part.families for part in parts)),
        packed=_together([part.packed for part in parts], form),
        areas=np.concatenate([part.areas for part in parts]),
        first=np.concatenate([part.first + before for part, before in zip(parts, start, strict=False)]),
        second=np.concatenate([part.second + before for part, before in zip(parts, start, strict=False)]),
        value=np.concatenate([part.value for part in parts]),
        pose=np.concatenate([part.pose for part in parts]),
        split=np.concatenate([part.split for part in parts]),
        card={"task": task, "plan": {"parts": plans}} | ({} if otherwise is None else {"otherwise": otherwise}),
        grade=np.concatenate(grades) if len(grades) == len(parts) else None,
        form=form,
    )


def _together(parts: Sequence[npt.NDArray[np.uint8]], form: Form) -> npt.NDArray[np.uint8]:
    """Rows of several arrays of packed objects; those of molecules are as wide as the largest needs."""
    if len({part.shape[1] for part in parts}) == 1:
        return np.concatenate(parts)
    if form != "molecules":
        raise InputError("the data sets are of different canvases: label them alike")
    return packed_molecules(padded([one for part in parts for one in unpacked_molecules(part)]))


def unpacked(bits: npt.NDArray[np.uint8]) -> Mask:
    """The (SIZE, SIZE) mask of a row of packed bits."""
    return np.unpackbits(bits)[: SIZE * SIZE].reshape(SIZE, SIZE)


def read_dataset(folder: Path, workers: int | None = 1) -> DataSet:
    """Read and check a data-set folder.

    Args:
        folder: that `metricvae.labelling.run.label` wrote.
        workers: processes that decode the pictures of a large data set; None takes all cores.

    Raises:
        InputError: the folder is no finished data set, a file is missing or was changed, or an object is unknown.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder: give a data set that `metricvae label` wrote")
    if not (folder / CARD).is_file():
        raise InputError(f"{folder} has no {CARD}, so it is no finished data set: run `metricvae label` (again) for it")
    card = _read_card(folder / CARD)
    for name in (OBJECTS, PAIRS):
        check_sha256(folder / name, card["sha256"][name])
    objects, pairs = pq.read_table(folder / OBJECTS), pq.read_table(folder / PAIRS)
    ids = tuple(objects["id"].to_pylist())
    place = {name: i for i, name in enumerate(ids)}
    form: Form = "molecules" if "positions" in objects.column_names else "masks"
    if form == "molecules":
        packed = packed_molecules(padded([atoms_of(molecule) for molecule in read_molecules(objects)]))
    else:
        packed = _packed(objects["image"].combine_chunks().field("bytes"), workers)
    try:
        first, second = (np.array([place[name] for name in pairs[side].to_pylist()], dtype=np.int64) for side in "ab")
    except KeyError as error:
        raise InputError(
            f"{folder / PAIRS} names an object {error} that {OBJECTS} lacks: make the data set again"
        ) from None
    return DataSet(
        ids=ids,
        families=tuple(objects["family"].to_pylist()),
        packed=packed,
        areas=np.asarray(objects["area"].to_numpy(), dtype=np.float64),
        first=first,
        second=second,
        value=np.asarray(pairs["value"].to_numpy(), dtype=np.float64),
        pose=_poses(pairs),
        split=np.array(pairs["split"].to_pylist()),
        card=card,
        grade=np.array(pairs["grade"].to_pylist()) if "grade" in pairs.column_names else None,
        form=form,
    )


def _poses(pairs: pa.Table) -> npt.NDArray[np.float64]:
    if "angle_deg" not in pairs.column_names:
        return np.full((len(pairs), 3), np.nan)
    return np.stack([pairs[name].to_numpy() for name in ("angle_deg", "dx", "dy")], axis=1)


def read_molecules(objects: pa.Table) -> Iterator[Molecule]:
    """The rows of an `objects.parquet` of molecules."""
    names = ("id", "smiles", "elements", "positions", "bonds", "charges")
    for batch in objects.select(names).to_batches(AT_ONCE):
        ids, smiles = (batch[name].to_pylist() for name in names[:2])
        elements, places, bonds, charges = (_lists(batch[name]) for name in names[2:])
        for row in range(len(ids)):
            yield Molecule(
                id=ids[row],
                smiles=smiles[row] or "",
                elements=elements[row],
                positions=places[row].reshape(-1, 3).astype(np.float64),
                bonds=bonds[row].reshape(-1, 3),
                charges=charges[row].reshape(-1, 2),
            )


def _lists(column: pa.Array) -> list[npt.NDArray[Any]]:
    """The rows of a column of lists, which may be a slice of a longer one."""
    ends = np.asarray(column.offsets)
    return np.split(np.asarray(column.values)[ends[0] : ends[-1]], ends[1:-1] - ends[0])


def _packed(images: pa.BinaryArray, workers: int | None) -> npt.NDArray[np.uint8]:
    """(m, SIZE * SIZE / 8) bits of pictures."""
    if len(images) < WORTH_PROCESSES or workers == 1:
        return _decoded(images.to_pylist())
    starts = range(0, len(images), AT_ONCE)
    packed = np.empty((len(images), SIZE * SIZE // 8), np.uint8)
    with worker_pool(workers) as pool:
        parts = pool.map(_decoded, (images[start : start + AT_ONCE].to_pylist() for start in starts))
        for start, part in zip(starts, parts, strict=True):
            packed[start : start + AT_ONCE] = part
    return packed


def _decoded(images: list[bytes]) -> npt.NDArray[np.uint8]:
    return np.stack([np.packbits(decode_png(image)) for image in images])


def _read_card(path: Path) -> dict[str, Any]:
    """The card, with all in it that is asked for later: a model's own card names the task, the objects and the seed."""
    card: dict[str, Any] = read_json(path)
    try:
        needed = (card["task"], card["plan"]["objects"], *(card["sha256"][name] for name in (OBJECTS, PAIRS)))
        whole = all(isinstance(text, str) for text in needed) and isinstance(card["plan"]["seed"], int)
    except (KeyError, TypeError):
        whole = False
    if not whole:
        raise InputError(f"{path} lacks checksums, task or plan: make the data set again with `metricvae label`")
    return card
