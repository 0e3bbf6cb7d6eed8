"""Streams of pairs by code: rows of a list of objects, or of a library, as NDJSON or as an Arrow stream."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Annotated, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field, ValidationError

from metricvae.web.arrow_input import LONGEST_HEAD, ArrowInput
from metricvae.web.bodies import Body, Identifier, Name
from metricvae.web.errors import RequestError
from metricvae.web.pipes import BytePipe
from metricvae.web.state import ServerState

if TYPE_CHECKING:
    from metricvae.prediction.predictor import Predictor
    from metricvae.prediction.records import Encoded

AT_ONCE = 4_096
"""Pairs that are computed together: their codes stay in a processor's cache."""

CHUNK = 65_536
"""Pairs that are read, and answered, together."""

BLOCK, LONGEST_PAIR = 14 * CHUNK, 200
"""Bytes of lines of pairs that are read together, and of the rest of the last of them, at most."""

LONGEST_LINE = LONGEST_HEAD
"""Bytes of the first line, which names the objects."""

HEADER = b"metricvae"
"""Entry of the metadata of an Arrow schema that holds what the first line of NDJSON does."""

ROWS, COLUMNS = ("first", "second"), ("value", "low", "high", "novelty")
"""Columns of an Arrow stream that is sent, and of its answer."""

_PAIR_EXPECTED = "expected a line [first, second] of two whole numbers for each pair"
_EXPECTED = "columns first and second of whole numbers"
_NO_STREAM = (KeyError, pa.ArrowException, OSError, ValueError)

Rows = npt.NDArray[np.int64]
Answers = tuple[npt.NDArray[np.float64], ...]


class BatchHeader(Body):
    """Which model compares what: objects by their ids, codes that `encode` gave, or the items of a library."""

    model: Name | None = None
    objects: Annotated[list[Identifier], Field(max_length=100_000)] | None = None
    codes: Annotated[list[list[float]], Field(max_length=100_000)] | None = None
    magnitudes: Annotated[list[float], Field(max_length=100_000)] | None = None
    novelty: Annotated[list[float], Field(max_length=100_000)] | None = None
    library: Name | None = None


@dataclass(frozen=True)
class PairComparison:
    """Encoded objects, and the model that compares them.

    Attributes:
        predictor: the model.
        left, right: the objects as either side sees them.
    """

    predictor: Predictor
    left: Encoded
    right: Encoded

    def answers(self, first: Rows, second: Rows) -> Answers:
        """(n,) values, ends of intervals, and novelty of pairs of rows.

        Raises:
            RequestError: a row that there is not (422).
        """
        for name, rows, most in (("first", first, len(self.left)), ("second", second, len(self.right))):
            if len(rows) and not (int(rows.min()) >= 0 and int(rows.max()) < most):
                raise RequestError(422, f"{name} holds a row that there is not: expected 0 to {most - 1}", name)
        parts = []
        for start in range(0, len(first), AT_ONCE):
            some = slice(start, start + AT_ONCE)
            found = self.predictor.predict(self.left, self.right, first[some], second[some])
            parts.append((found.value, found.low, found.high, found.novelty))
        if not parts:
            return tuple(np.empty(0) for _ in COLUMNS)
        return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


def comparison_of(state: ServerState, document: Any) -> PairComparison:
    """What a header asks for.

    Raises:
        RequestError: it cannot be read, or names what there is not.
    """
    try:
        header = BatchHeader.model_validate(document)
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"]))
        raise RequestError(422, f"the header is wrong at {place or 'its top'}: {fault['msg']}", place) from None
    named = [one for one in (header.objects, header.codes, header.library) if one is not None]
    if len(named) != 1 or (header.model is None) != (header.library is not None):
        raise RequestError(422, "expected a header with model and objects, model and codes, or library", "objects")
    if header.library is not None:
        return _of_library(state, header.library)
    assert header.model is not None
    predictor = state.models.get(header.model)
    if header.codes is not None:
        return _of_codes(predictor, header)
    sides = ("left",) if predictor.model.shared else ("left", "right")
    encoded = [_of_objects(state, header.model, header.objects or [], side) for side in sides]
    return PairComparison(predictor, encoded[0], encoded[-1])


def _of_library(state: ServerState, name: str) -> PairComparison:
    index, predictor = state.libraries.get(name)
    if not predictor.model.shared or index.cells is not None:
        raise RequestError(422, "expected a library of a model with one tower, of fewer than 100,000 items", "library")
    whole = index.encoded()
    return PairComparison(predictor, whole, whole)


def _of_codes(predictor: Predictor, header: BatchHeader) -> PairComparison:
    import torch

    from metricvae.prediction.records import Encoded

    codes = header.codes or []
    width = predictor.code_width
    if any(len(code) != width for code in codes):
        raise RequestError(422, f"expected codes of {width} numbers", "codes")
    ones, zeros = [1.0] * len(codes), [0.0] * len(codes)
    columns = header.magnitudes or ones, header.novelty or zeros
    if any(len(column) != len(codes) for column in columns):
        raise RequestError(422, "expected a magnitude, and a novelty, of each code", "magnitudes")
    whole = Encoded(torch.tensor(codes).reshape(-1, width), *(torch.tensor(column) for column in columns))
    return PairComparison(predictor, whole, whole)


def _of_objects(state: ServerState, model: str, keys: list[str], side: str) -> Encoded:
    if not keys:
        raise RequestError(422, "got no objects", "objects")
    state.objects.touch(keys)
    return state.models.encode(model, side, keys, state.objects.value)


def ndjson_answers(state: ServerState, file: IO[bytes]) -> Iterator[bytes]:
    """A line `[value, low, high, novelty]` for each line `[first, second]` behind the header."""
    first_line = file.readline(LONGEST_LINE)
    comparison = comparison_of(state, _json(first_line))
    while block := _whole_lines(file):
        rows = _pairs_of(block)
        columns = [column.tolist() for column in comparison.answers(rows[:, 0], rows[:, 1])]
        yield "".join(map("[%.7g,%.7g,%.7g,%.4g]\n".__mod__, zip(*columns, strict=True))).encode()


def _whole_lines(file: IO[bytes]) -> bytes:
    """The next lines of pairs, not more than are answered together; none at the end of the file."""
    block = file.read(BLOCK)
    rest = file.readline(LONGEST_PAIR) if block and not block.endswith(b"\n") else b""
    if len(rest) == LONGEST_PAIR and not rest.endswith(b"\n"):
        raise RequestError(422, f"got a line of more than {LONGEST_PAIR} bytes: {_PAIR_EXPECTED}")
    return block + rest


def _pairs_of(block: bytes) -> Rows:
    """(n, 2) rows of the objects, a pair a line; blank lines are passed over."""
    lines = [line for line in block.split(b"\n") if line.strip()]
    if not lines:
        return np.empty((0, 2), np.int64)
    try:
        rows = np.array(json.loads(b"[" + b",".join(lines) + b"]"))
    except (ValueError, RecursionError):
        rows = np.empty(0)
    if rows.shape != (len(lines), 2) or rows.dtype.kind != "i":
        raise RequestError(422, _PAIR_EXPECTED)
    return rows.astype(np.int64)


def _json(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        raise RequestError(422, "the first line is no JSON document, or too long") from None


def arrow_answers(state: ServerState, file: IO[bytes]) -> Iterator[bytes]:
    """An Arrow stream with the columns value, low, high and novelty, for one with first and second."""
    try:
        pairs = ArrowInput(file, ROWS)
    except _NO_STREAM:
        raise RequestError(422, f"expected an Arrow stream of {_EXPECTED}") from None
    comparison = comparison_of(state, _json(pairs.metadata.get(HEADER, b"")))
    schema = pa.schema([(name, pa.float32()) for name in COLUMNS])
    pipe = BytePipe()
    with pa.ipc.new_stream(pa.PythonFile(pipe, "w"), schema) as writer:
        for first, second in _arrow_pairs(pairs.batches()):
            columns = [pa.array(column, pa.float32()) for column in comparison.answers(first, second)]
            writer.write_batch(pa.record_batch(columns, schema=schema))
            yield pipe.taken()
    yield pipe.taken()


def _arrow_pairs(batches: Iterator[list[Rows]]) -> Iterator[tuple[Rows, Rows]]:
    """Rows of the objects of some pairs at a time."""
    try:
        for first, second in batches:
            for start in range(0, len(first), CHUNK):
                some = slice(start, start + CHUNK)
                yield first[some].copy(), second[some].copy()  # PyTorch takes no memory that is read-only
    except _NO_STREAM:
        raise RequestError(422, f"expected {_EXPECTED}, in whole batches that are not compressed") from None
