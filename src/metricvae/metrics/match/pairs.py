"""Pairs of halves: the pieces of random cuts, and the pairs of them that are labelled.

Every shape is cut twice or more, and every piece gets a random motion of its own. The two pieces of a cut are a match.
Mismatches are of three grades: `easy`, pieces of shapes of two families (of any two shapes where there is only one
family); `family`, of two shapes of one family; `hard`, of one shape, from two cuts, similar in size and style. Half of
the pairs match, and a third of the others is of each grade.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa

from metricvae.core.errors import InputError
from metricvae.core.libraries import Loader, NamedObject
from metricvae.core.object_sources import Span, named_objects, object_schema, object_table, with_skipped
from metricvae.core.sampling import quotas
from metricvae.core.splits import SPLITS, Split
from metricvae.kinds.half.cutting import Cut, cut
from metricvae.kinds.half.kind import HalfKind
from metricvae.kinds.silhouette.kind import SilhouetteKind
from metricvae.kinds.silhouette.records import Mask
from metricvae.metrics.overlap.solver.poses import relative_pose
from metricvae.metrics.overlap.solver.records import Pose
from metricvae.runtime.parquet import write_table

Grade = Literal["match", "easy", "family", "hard"]

GRADES: tuple[Grade, ...] = get_args(Grade)

_OBJECTS = object_schema(HalfKind())

HALF_SCHEMA = pa.schema(
    [
        *_OBJECTS,
        ("shape", pa.string()),
        ("cut", pa.string()),
        ("number", pa.int32()),
        ("angle_deg", pa.float64()),
        ("dx", pa.float64()),
        ("dy", pa.float64()),
    ],
    metadata=_OBJECTS.metadata,
)
"""Objects, with the shape that each is a piece of, the kind and number of its cut, and its random motion."""

HALF_PAIR_SCHEMA = pa.schema(
    [
        ("a", pa.string()),
        ("b", pa.string()),
        ("value", pa.float64()),
        ("angle_deg", pa.float64()),
        ("dx", pa.float64()),
        ("dy", pa.float64()),
        ("split", pa.string()),
        ("grade", pa.string()),
    ]
)
"""For a match, the pose of the second piece that puts it where it was cut from the first."""

SHAPES_PER_BLOCK = 8
"""Shapes whose pieces are paired with one another, so that each piece is encoded once for several pairs; even."""

CUTS_PER_BLOCK = 4
"""Cuts of each shape whose pieces are paired with one another."""


@dataclass(frozen=True)
class CutConfig:
    """How shapes are cut.

    Attributes:
        seed: of the cuts and the motions.
        cuts: kinds of line, one of them drawn for each cut.
        times: number of cuts of each shape.
        middle: cut through the centroid, not anywhere.
    """

    seed: int
    cuts: tuple[Cut, ...]
    times: int
    middle: bool


def cut_part(source: str, config: CutConfig, span: Span, path: Path) -> None:
    """Write the pieces of a span of the shapes of a source; shapes that cannot be cut are skipped."""
    start, count = span
    write_pieces(SilhouetteKind().generate(source, start, count, config.seed), start, config, path)


def cut_library_part(name: str, loader: Loader, config: CutConfig, item: tuple[int, Any], path: Path) -> None:
    """Write the pieces of the shapes of one part of a library.

    Args:
        name: of the library, as source and family of its shapes.
        loader: of the library.
        config: of the cuts.
        item: number of the first shape, and what the loader is told of the part.
        path: file to write.
    """
    start, known = item
    write_pieces(named_objects(SilhouetteKind(), name, loader(known, map)), start, config, path)


def write_pieces(shapes: Iterable[NamedObject], start: int, config: CutConfig, path: Path) -> None:
    """Write the moved pieces of shapes, of which the first has the number `start`, as a part of a table of objects."""
    tables = [_pieces_of(shape, number, config) for number, shape in enumerate(shapes, start)]
    table = with_skipped(pa.concat_tables([HALF_SCHEMA.empty_table(), *tables]))
    write_table(path, [table], table.schema)


def _pieces_of(shape: NamedObject, number: int, config: CutConfig) -> pa.Table:
    rng = np.random.Generator(np.random.Philox(np.random.SeedSequence([config.seed, number, zlib.crc32(b"halves")])))
    pieces: list[_Piece] = []
    for place in range(config.times):
        kind = config.cuts[rng.integers(len(config.cuts))]
        try:
            masks = cut(shape.value, kind, rng, middle=config.middle)
        except InputError:
            continue
        for side, mask in zip("ab", masks, strict=True):
            pieces.append(_Piece(f"{shape.id}/{place}{side}", kind, place, mask, int(rng.integers(2**62))))
    return _moved_pieces(shape, pieces) if pieces else HALF_SCHEMA.empty_table()


@dataclass(frozen=True)
class _Piece:
    """A piece in place, and the seed of its random motion."""

    id: str
    cut: Cut
    number: int
    mask: Mask
    seed: int


def _moved_pieces(shape: NamedObject, pieces: list[_Piece]) -> pa.Table:
    """The pieces of a shape as a table, each after the random motion that `transforms` draws for it."""
    import torch  # here, as reading pairs does not need it

    from metricvae.kinds.silhouette.transforms import motions_from_uniform, move

    x = torch.from_numpy(np.stack([piece.mask for piece in pieces]))[:, None].float()
    uniform = [torch.rand((3, 1), generator=torch.Generator().manual_seed(piece.seed)) for piece in pieces]
    motion = motions_from_uniform(x, torch.cat(uniform, dim=1))
    masks = (move(x, motion)[:, 0] > 0.5).numpy().astype(np.uint8)
    named = [
        NamedObject(piece.id, mask, shape.source, shape.family, shape.group)
        for piece, mask in zip(pieces, masks, strict=True)
    ]
    columns: dict[str, list[Any]] = {
        "shape": [shape.id] * len(pieces),
        "cut": [piece.cut for piece in pieces],
        "number": [piece.number for piece in pieces],
        **{name: [round(float(v), 4) for v in getattr(motion, name)] for name in ("angle_deg", "dx", "dy")},
    }
    table = object_table(HalfKind(), named)
    for name, values in columns.items():
        table = table.append_column(HALF_SCHEMA.field(name), pa.array(values, HALF_SCHEMA.field(name).type))
    return table.cast(HALF_SCHEMA)


def shape_of(half: str) -> str:
    """Id of the shape that a half is a piece of, from the id of the half.

    >>> shape_of("mixed/gear-3-17/0a")
    'mixed/gear-3-17'
    """
    return half.rsplit("/", 1)[0]


@dataclass(frozen=True)
class _CutShape:
    """A shape and its cuts.

    Attributes:
        family: of the shape.
        cuts: rows of the two pieces of each cut.
    """

    family: str
    cuts: list[tuple[int, int]]


GradedPair = tuple[int, int, Grade]
"""Rows of two pieces, and the grade of the pair."""


def pair_table(halves: pa.Table, pairs: int, seed: int) -> pa.Table:
    """Choose `pairs` matches and mismatches of pieces, by split, in blocks of at most `SHAPES_PER_BLOCK` shapes.

    Args:
        halves: rows as `cut_part` writes them.
        pairs: number of pairs.
        seed: the same seed gives the same pairs.

    Returns:
        Rows of `HALF_PAIR_SCHEMA`.

    Raises:
        InputError: a split has too few pieces for its share.
    """
    quota, chosen = quotas(pairs), _choose_pairs(halves, pairs, seed)
    for split in SPLITS:
        if len(chosen[split]) < quota[split]:
            raise InputError(
                f"the {split} shapes give {len(chosen[split])} pairs of halves, and their share of {pairs} is "
                f"{quota[split]}: give more shapes, or ask for fewer pairs"
            )
    columns = {name: halves[name].to_pylist() for name in ("id", "angle_deg", "dx", "dy")}
    rows = [_row(columns, *one) | {"split": split} for split, members in chosen.items() for one in members]
    return pa.Table.from_pylist(rows, HALF_PAIR_SCHEMA)


def has_too_few_pieces(halves: pa.Table, pairs: int, seed: int) -> bool:
    """Whether some split has too few pieces for its share of `pairs`."""
    quota, chosen = quotas(pairs), _choose_pairs(halves, pairs, seed)
    return any(len(chosen[split]) < quota[split] for split in SPLITS)


def _choose_pairs(halves: pa.Table, pairs: int, seed: int) -> dict[Split, list[GradedPair]]:
    """The pairs of each split: its share of `pairs`, or fewer where there are too few pieces."""
    quota, by_split = quotas(pairs), _by_split(halves)
    return {
        split: list(
            itertools.islice(_stream_pairs(by_split[split], np.random.default_rng([seed, place])), quota[split])
        )
        for place, split in enumerate(SPLITS)
    }


def _by_split(halves: pa.Table) -> dict[Split, list[_CutShape]]:
    """The shapes of each split in the order of the rows. The pieces of a cut are consecutive rows."""
    found: dict[Split, dict[str, _CutShape]] = {split: {} for split in SPLITS}
    names = halves.select(["shape", "family", "split"]).to_pylist()
    for row in range(0, len(names), 2):
        name = names[row]
        shape = found[name["split"]].setdefault(name["shape"], _CutShape(name["family"], []))
        shape.cuts.append((row, row + 1))
    return {split: list(shapes.values()) for split, shapes in found.items()}


def _stream_pairs(shapes: list[_CutShape], rng: np.random.Generator) -> Iterator[GradedPair]:
    """Matches and mismatches alternately, block by block, up to `CUTS_PER_BLOCK` cuts of every shape at a time."""
    several = len({shape.family for shape in shapes}) > 1
    grades = itertools.cycle(GRADES[1:] if several else ("easy", "hard"))
    for start in range(0, max((len(shape.cuts) for shape in shapes), default=0), CUTS_PER_BLOCK):
        here = [_CutShape(shape.family, shape.cuts[start : start + CUTS_PER_BLOCK]) for shape in shapes]
        for block in _blocks([shape for shape in here if shape.cuts], rng):
            for place, shape in enumerate(block):
                for number, pieces in enumerate(shape.cuts):
                    yield *_in_random_order(pieces, rng), "match"
                    other, grade = _mismatch(block, place, number, next(grades))
                    yield *_in_random_order((pieces[0], other), rng), grade


def _blocks(shapes: list[_CutShape], rng: np.random.Generator) -> Iterator[list[_CutShape]]:
    """Blocks of shapes in random order, in which shapes of one family are placed in pairs where possible."""
    order = [shapes[i] for i in rng.permutation(len(shapes))]
    twos: list[list[_CutShape]] = []
    waiting: dict[str, _CutShape] = {}
    for shape in order:
        partner = waiting.pop(shape.family, None)
        if partner is None:
            waiting[shape.family] = shape
        else:
            twos.append([partner, shape])
    left = list(waiting.values())
    twos += [left[i : i + 2] for i in range(0, len(left), 2)]
    mixed = [twos[i] for i in rng.permutation(len(twos))]
    for start in range(0, len(mixed), SHAPES_PER_BLOCK // 2):
        yield list(itertools.chain.from_iterable(mixed[start : start + SHAPES_PER_BLOCK // 2]))


def _mismatch(block: list[_CutShape], place: int, number: int, wanted: Grade) -> tuple[int, Grade]:
    """A piece that does not match the first piece of a cut, and its grade: the one wanted where the block has it."""
    shape = block[place]
    others = [block[(place + step) % len(block)] for step in range(1, len(block))]
    of_family = [other for other in others if other.family == shape.family]
    foreign = [other for other in others if other.family != shape.family]
    others_of_shape = shape.cuts[number + 1 :] + shape.cuts[:number]
    found: dict[Grade, list[int]] = {
        "hard": [cuts[1] for cuts in others_of_shape],
        "family": [other.cuts[number % len(other.cuts)][1] for other in of_family] if foreign else [],
        "easy": [other.cuts[number % len(other.cuts)][1] for other in foreign or of_family],
    }
    for grade in (wanted, "easy", "hard", "family"):
        if found[grade]:
            return found[grade][0], grade
    raise InputError("a single shape with a single cut gives no pieces that do not match: give more shapes")


def _in_random_order(pieces: tuple[int, int], rng: np.random.Generator) -> tuple[int, int]:
    return pieces if rng.random() < 0.5 else pieces[::-1]


def _row(columns: dict[str, list[Any]], first: int, second: int, grade: Grade) -> dict[str, Any]:
    """A row of `HALF_PAIR_SCHEMA` without its split: for a match with the pose that puts the second on the first."""
    row = {"a": columns["id"][first], "b": columns["id"][second], "value": float(grade == "match"), "grade": grade}
    if grade != "match":
        return row  # a mismatch has no pose
    motions = (Pose(*(columns[name][place] for name in ("angle_deg", "dx", "dy"))) for place in (first, second))
    return row | {name: round(value, 4) for name, value in asdict(relative_pose(*motions)).items()}
