"""Conditions on the columns of an index, as `mw < 450 and not 2 < logp < 4`: read, checked, and computed by Arrow.

The language is a part of Python's: comparisons, chained ones too, `and`, `or`, `not`, `in`, parentheses, and `+ - * /`
on numbers. A text is parsed by Python's own parser and only ever translated, never run. What is missing (null) answers
no comparison, and neither does its opposite.
"""

from __future__ import annotations

import ast
import difflib
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from metricvae.core.errors import InputError, shortened

LONGEST = 2_000
"""Characters."""

Sort = Literal["number", "text", "condition"]

COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


@dataclass(frozen=True)
class ColumnCondition:
    """A condition that was read.

    Attributes:
        expression: of Arrow.
        columns: that it reads.
    """

    expression: pc.Expression
    columns: tuple[str, ...]

    def holds(self, table: pa.Table) -> pa.ChunkedArray:
        """(n,) boolean, true for rows that satisfy it, told a table with the columns.

        Raises:
            InputError: it divides by zero, or goes beyond whole numbers.
        """
        counted = table.append_column("", pa.nulls(len(table), pa.int8()))  # a condition may name no column
        try:
            scanned = ds.dataset(counted).to_table(columns={"holds": self.expression})
        except pa.ArrowInvalid as error:
            raise InputError(f"the condition cannot be computed ({shortened(error)}): correct it") from None
        return pc.fill_null(scanned["holds"], False)


@dataclass(frozen=True)
class _Value:
    expression: Any
    sort: Sort


def filterable(schema: pa.Schema) -> dict[str, Sort]:
    """The columns that conditions may name, and whether they hold numbers or text."""
    found: dict[str, Sort] = {}
    for field in schema:
        if pa.types.is_floating(field.type) or pa.types.is_integer(field.type):
            found[field.name] = "number"
        elif pa.types.is_string(field.type):
            found[field.name] = "text"
    return found


def parse_condition(
    text: str, columns: Mapping[str, Sort], aliases: Mapping[str, str] | None = None
) -> ColumnCondition:
    """Read a condition.

    Args:
        text: the condition.
        columns: that it may name, see `filterable`.
        aliases: further names of columns.

    Raises:
        InputError: it breaks the rules of the language, names a column that there is not, or compares text and numbers.

    >>> import pyarrow as pa
    >>> table = pa.table({"mw": [180.0, 460.0, 300.0], "id": ["a", "b", "c"]})
    >>> parse_condition("200 < mw or id in ('a', 'b')", filterable(table.schema)).holds(table).to_pylist()
    [True, True, True]
    """
    text = " ".join(text.split())
    if len(text) > LONGEST:
        raise InputError(f"the condition has {len(text):,} characters: expected at most {LONGEST:,}")
    if "\0" in text:
        raise InputError(f"{_shown(text)} cannot be read as a condition: it holds null bytes")
    try:
        reader = _Reader(text, columns, aliases or {})
        found = reader.read(ast.parse(text, mode="eval").body)
    except InputError:
        raise
    except SyntaxError as error:
        raise InputError(_syntax_fault(text, error)) from None
    except (ValueError, RecursionError, MemoryError, OverflowError):
        raise InputError(f"{_shown(text)} cannot be read as a condition: expected one such as 'mw < 450'") from None
    if found.sort != "condition":
        raise InputError(f"{_shown(text)} is a {found.sort}, not a condition: compare it, as in 'mw < 450'")
    return ColumnCondition(found.expression, tuple(sorted(reader.named)))


class _Reader:
    """Translates a syntax tree to an expression of Arrow."""

    def __init__(self, text: str, columns: Mapping[str, Sort], aliases: Mapping[str, str]) -> None:
        self.text, self.columns, self.aliases = text, columns, aliases
        self.named: set[str] = set()

    def read(self, node: ast.expr) -> _Value:
        match node:
            case ast.BoolOp(op, values):
                parts = [self._of_sort(value, "condition").expression for value in values]
                join = operator.and_ if isinstance(op, ast.And) else operator.or_
                return _Value(_joined(join, parts), "condition")
            case ast.UnaryOp(ast.Not(), value):
                return _Value(~self._of_sort(value, "condition").expression, "condition")
            case ast.UnaryOp(ast.USub(), value):
                return _Value(pc.negate(self._of_sort(value, "number").expression), "number")
            case ast.BinOp(left, op, right) if type(op) in ARITHMETIC:
                ends = [self._of_sort(end, "number").expression for end in (left, right)]
                return _Value(ARITHMETIC[type(op)](*ends), "number")
            case ast.Compare(left, ops, rights):
                return self._comparison(left, ops, rights)
            case ast.Name(name):
                return self._column(name, node)
            case ast.Constant(value):
                return self._constant(value, node)
        raise InputError(self._fault(node, "is not part of the language", "comparisons, and, or, not, in, + - * /"))

    def _of_sort(self, node: ast.expr, sort: Sort) -> _Value:
        found = self.read(node)
        if found.sort != sort:
            raise InputError(self._fault(node, f"is a {found.sort}", f"a {sort}"))
        return found

    def _comparison(self, left: ast.expr, ops: list[ast.cmpop], rights: list[ast.expr]) -> _Value:
        ends = [left, *rights]
        links = [self._link(ends[at], op, ends[at + 1]) for at, op in enumerate(ops)]
        return _Value(_joined(operator.and_, links), "condition")

    def _link(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> Any:
        first = self.read(left)
        if first.sort == "condition":
            raise InputError(self._fault(left, "is a condition", "a number or a text to compare"))
        if isinstance(op, ast.In | ast.NotIn):
            if not isinstance(right, ast.Tuple | ast.List | ast.Set) or not right.elts:
                raise InputError(self._fault(right, "is no list", "one such as ('a', 'b')"))
            choices = [first.expression == self._of_sort(one, first.sort).expression for one in right.elts]
            among = _joined(operator.or_, choices)
            return ~among if isinstance(op, ast.NotIn) else among
        if type(op) not in COMPARISONS:
            raise InputError(self._fault(right, "follows a word that compares nothing", "one of < <= > >= == != in"))
        return COMPARISONS[type(op)](first.expression, self._of_sort(right, first.sort).expression)

    def _column(self, name: str, node: ast.expr) -> _Value:
        column = self.aliases.get(name, name)
        if column not in self.columns:
            known = [*self.columns, *self.aliases]
            close = difflib.get_close_matches(name.lower(), known, n=1)
            hint = f" (did you mean {close[0]}?)" if close else ""
            raise InputError(f"the index has no property {name!r}{hint}: expected one of {', '.join(known)}")
        self.named.add(column)
        sort, field = self.columns[column], pc.field(column)
        return _Value(field if sort == "text" else field.cast(pa.float32(), safe=False), sort)

    def _constant(self, value: Any, node: ast.expr) -> _Value:
        if isinstance(value, str):
            return _Value(pc.scalar(value), "text")
        if isinstance(value, int | float) and not isinstance(value, bool):
            return _Value(pc.scalar(pa.scalar(float(value), pa.float32())), "number")
        raise InputError(self._fault(node, "is no value to compare", "a number, or a text in quotes"))

    def _fault(self, node: ast.expr, what: str, expected: str) -> str:
        part = ast.get_source_segment(self.text, node) or ""
        place = len(self.text.encode()[: node.col_offset].decode(errors="replace")) + 1
        return f"{_shown(part)} at character {place} of the condition {what}: expected {expected}"


def _joined(join: Callable[[Any, Any], Any], parts: list[Any]) -> Any:
    found = parts[0]
    for part in parts[1:]:
        found = join(found, part)
    return found


def _syntax_fault(text: str, error: SyntaxError) -> str:
    if not text:
        return "the condition is empty: expected one such as 'mw < 450'"
    place = error.offset or len(text) + 1
    expected = "equality is written ==" if text[place - 1 : place] == "=" else "expected one such as 'mw < 450'"
    return f"{_shown(text)} cannot be read from character {place} on ({error.msg}): {expected}"


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
