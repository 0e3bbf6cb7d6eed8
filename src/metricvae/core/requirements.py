"""What an object that is made by editing must satisfy: requirements with a name, as a kind or a metric brings them.

    shape:ref.sdf>=0.75     a name, what it is about, and a span: >=, <=, >, <, = or a range 300..450
    qed>=0.5                a name and a span
    qed=max                 an objective: the larger the better, without a bound; likewise =min
    contains:c1ccccc1       a name and what it is about, which is all of the rest

Every requirement measures one number of an object exactly, and says in which span it has to lie. Kinds and metrics
offer theirs by name (`ObjectKind.requirements`, `Metric.requirements`), so a new metric is one that can be asked for.
"""

from __future__ import annotations

import abc
import contextlib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from metricvae.core.constraints import Span, parse_span
from metricvae.core.errors import InputError, shortened
from metricvae.runtime.threads import in_threads

if TYPE_CHECKING:
    from metricvae.core.kind import Object, ObjectKind
    from metricvae.core.own_prediction import OwnPredictors

MOST_MARGIN = 0.5
"""Beyond that a number is as good as it need be, unless it is an objective."""

ANY = Span(-math.inf, math.inf)
"""All numbers."""

OBJECTIVES = {word: Span(-math.inf, math.inf, target) for word, target in (("max", math.inf), ("min", -math.inf))}
"""All numbers, of which the largest or the smallest is best, by the word behind the operator `=`."""

_WRITTEN = re.compile(r"(?s)(?P<subject>.*)(?P<operator>>=|<=|<|>|(?<![<>])=)(?P<number>[^<>=]*)")


@dataclass(frozen=True)
class Reading:
    """What was measured of an object.

    Attributes:
        value: the number; nan where there is none.
        object: as it lies or stands when it has that number, as a conformer; None where the object itself does.
        pose: motion that lays `object` on what the requirement is about; None where there is none.
        fault: why there is no number, in a few words; empty where there is one.
        fields: what else is known, by name.
    """

    value: float
    object: Any = None
    pose: Any = None
    fault: str = ""
    fields: Mapping[str, float | str] | None = None


@dataclass(frozen=True)
class CodedQuery:
    """An object of another kind that a requirement is about, and the model that compares it with what is made.

    Attributes:
        model: folder or name of a model whose left objects are of the query's kind, and whose right ones are made.
        object: the query.
    """

    model: str
    object: Any


@dataclass(frozen=True, kw_only=True)
class Requirement(abc.ABC):
    """One number of an object, and the span in which it has to lie.

    Attributes:
        text: as it was written.
        name: by which it is asked for, as `shape`.
        subject: what it is about, as the name of a file; may be empty.
        span: of the number.
        cost: 0 for what is read off the object at once, 1 for milliseconds, 2 for seconds: what costs less is looked
            at first, and decides what is worth the rest.
        scale: a difference of the number that counts as much as one of 1 of another.
        threaded: whether several objects may be measured at once, in threads.
    """

    text: str
    name: str
    subject: str = ""
    span: Span
    cost: ClassVar[int] = 0
    scale: float = 1.0
    threaded: ClassVar[bool] = False

    @abc.abstractmethod
    def measure(self, value: Object) -> Reading:
        """The number of an object, exactly."""

    def measure_all(self, values: Sequence[Object]) -> list[Reading]:
        """The same of some objects, on all cores where that may be."""
        return in_threads(self.measure, values) if self.threaded else [self.measure(one) for one in values]

    @property
    def limits(self) -> Span:
        """The numbers that any object can have."""
        return ANY

    @property
    def query(self) -> Object | None:
        """The object whose closeness is asked for: a model that compares objects says by codes which come near."""
        return None

    @property
    def coded(self) -> CodedQuery | None:
        """The object of another kind that is asked for, with a model that says by codes what comes near."""
        return None

    @property
    def predicting(self) -> tuple[str, ...]:
        """Names of the metrics whose score for ordering is the number itself, so that a model predicts it."""
        return ()

    @property
    def where(self) -> str:
        """The same as a condition on columns of an index; empty where there is none."""
        return ""

    @property
    def contains(self) -> tuple[str, ...]:
        """Patterns that an item of an index must contain."""
        return ()

    @property
    def lacks(self) -> tuple[str, ...]:
        """Patterns that it must not contain."""
        return ()

    def close(self) -> None:  # noqa: B027, most keep nothing
        """End what it keeps running: a process."""

    @property
    def is_objective(self) -> bool:
        """Whether the number is to be as large, or as small, as it can be."""
        return self.span.target is not None and math.isinf(self.span.target)

    @property
    def bounds_text(self) -> str:
        """The ends of the span as a condition on a column of the requirement's name; empty where there is none."""
        ends = (">=", self.span.low), ("<=", self.span.high)
        return " and ".join(f"{self.name} {operator} {end!r}" for operator, end in ends if math.isfinite(end))

    def violation(self, number: float) -> float:
        """How far a number lies outside the span, in units of `scale`; infinite where there is none."""
        if math.isnan(number):
            return math.inf
        return max(self.span.low - number, number - self.span.high, 0.0) / self.scale

    def margin(self, number: float) -> float:
        """How far a number lies inside the span from the nearer end, in units of `scale`, at most `MOST_MARGIN`; 0 of
        one at which a target was named. Of an objective the number itself, its sign turned where less is better."""
        if self.is_objective:
            return number / math.copysign(self.scale, self.span.target or 0.0)
        if self.span.target is not None or self.span.low == self.span.high:
            return 0.0
        return min(max(min(number - self.span.low, self.span.high - number) / self.scale, 0.0), MOST_MARGIN)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class WrittenRequirement:
    """A requirement as it was written, split.

    Attributes:
        text: all of it.
        name, subject: before and behind the first colon.
        span: behind the operator; all numbers where the form takes none.
    """

    text: str
    name: str
    subject: str
    span: Span


@dataclass(frozen=True)
class RequirementForm:
    """How requirements of one name are written and made.

    Attributes:
        make: the requirement of what was written; raises InputError.
        grammar: how it is written, as an example.
        numeric: whether a span is written behind what it is about.
    """

    make: Callable[[WrittenRequirement], Requirement]
    grammar: str
    numeric: bool = True


def forms_for(kind: ObjectKind, own: OwnPredictors = lambda _: None) -> dict[str, RequirementForm]:
    """All requirements on objects of a kind by name: its own, and those of all metrics whose right objects they are.

    Args:
        kind: of the objects.
        own: gives the predictor of a model, for metrics that need one.
    """
    from metricvae.core.metric import METRICS

    found = dict(kind.requirements)
    for name in METRICS.names():
        with contextlib.suppress(InputError):  # of a plug-in that cannot be imported
            metric = METRICS.get(name)
            if metric.right in kind.family:
                found |= metric.requirements(own)
    return found


def parse_requirement(text: str, forms: Mapping[str, RequirementForm]) -> Requirement:
    """The requirement that a text says.

    Raises:
        InputError: no such name, no number where one is expected, or what the form raises.
    """
    head = re.match(r"\s*([a-z][a-z0-9_]*)", text)
    form = forms.get(head[1]) if head else None
    if head is None or form is None:
        known = ", ".join(one.grammar for one in forms.values())
        fault = f"nothing is called '{shortened(head[1])}'" if head else "it has no name"
        raise InputError(f"the requirement '{shortened(text)}' cannot be read ({fault}): expected one of {known}")
    name, rest = head[1], text[head.end() :]
    if not form.numeric:
        if not rest.startswith(":") or not rest[1:].strip():
            raise InputError(f"the requirement '{shortened(text)}' names nothing: expected {form.grammar}")
        return form.make(WrittenRequirement(text.strip(), name, rest[1:].strip(), ANY))
    written = _WRITTEN.fullmatch(rest)
    if written is None:
        raise InputError(f"the requirement '{shortened(text)}' has no number: expected {form.grammar}")
    subject = written["subject"].strip()
    if subject[:1] not in ("", ":") or (subject[:1] == ":") != (":" in form.grammar) or subject == ":":
        raise InputError(f"the requirement '{shortened(text)}' cannot be read: expected {form.grammar}")
    span = _span(text, written["operator"], written["number"], form.grammar)
    return form.make(WrittenRequirement(text.strip(), name, subject[1:], span))


def check_requirements(requirements: Sequence[Requirement]) -> None:
    """Refuse requirements that no number can satisfy.

    Raises:
        InputError: there is none, a span outside of the numbers that there are, or two of one number that do not meet.
    """
    if not requirements:
        raise InputError("got no requirement: give at least one")
    spans: dict[tuple[str, str], tuple[Requirement, Span]] = {}
    for one in requirements:
        limits = one.limits
        if one.span.low > limits.high or one.span.high < limits.low:
            raise InputError(f"{one}: {one.name} is from {limits.low:g} to {limits.high:g}, ask for a number in there")
        key = one.name, one.subject
        if one.span == ANY:
            continue
        before, span = spans.get(key, (one, one.span))
        low, high = max(span.low, one.span.low), min(span.high, one.span.high)
        if low > high:
            raise InputError(f"{before} and {one} are required at once: no number is both, loosen one")
        spans[key] = one, Span(low, high)


def _span(text: str, operator: str, number: str, grammar: str) -> Span:
    """An objective, or the span that is written."""
    word = number.strip()
    if word in OBJECTIVES:
        if operator != "=":
            raise InputError(f"the requirement '{shortened(text)}' has {word} behind {operator}: write ={word}")
        return OBJECTIVES[word]
    return parse_span(text, operator, number, lambda n: _number(text, n, grammar))


def _number(text: str, number: str, grammar: str) -> float:
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(
            f"the requirement '{shortened(text)}' has '{shortened(number)}' for a number: expected {grammar}"
        )
    return value
