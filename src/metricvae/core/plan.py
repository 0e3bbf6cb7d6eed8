"""What a data set depends on: a metric, the objects, how many pairs, and the seed. A plan is made into a data set by
`metricvae.labelling.run.label`, and its fields are the options of `metricvae label`."""

from __future__ import annotations

import abc
import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from metricvae.core.errors import InputError
from metricvae.core.kind import ObjectKind, kind_from_json
from metricvae.core.metric import Metric
from metricvae.runtime.files import sha256_of

if TYPE_CHECKING:
    from metricvae.core.labelling import Labelling

Cold = Literal["both", "left", "right"]


def option(default: Any, text: str, least: int | None = None) -> Any:
    """A field of a plan that is an option of the command line too.

    Args:
        default: of the field; a bool is a switch.
        text: what it is, for help texts.
        least: the least number that is accepted.
    """
    return field(default=default, metadata={"help": text, "least": least})


@dataclass(frozen=True)
class Plan(abc.ABC):
    """What a data set depends on. Subclasses add fields, those made by `option` being options of the command line.

    Class attributes:
        task: what stands in cards and on the command line for the metric; by default its name.

    Attributes:
        objects: a source of generated objects, or the path of a library: a folder, or a file of many objects.
        pairs: how many.
        seed: the same plan with the same seed gives the same bytes.
        metric: that the pairs are labelled with.
    """

    task: ClassVar[str] = ""
    objects: str
    pairs: int = field(metadata={"least": 1})
    seed: int = field(default=0, metadata={"least": 0})
    metric: Metric = field(kw_only=True)

    @abc.abstractmethod
    def labelling(self) -> Labelling[Any]:
        """How the data are made."""

    @property
    def source_kind(self) -> ObjectKind:
        """Kind of `objects`: by default that of the left objects of the metric."""
        return kind_from_json(self.metric.left)

    @property
    def kind_names(self) -> tuple[str, ...]:
        """Names of the kinds of the tables of objects: one table, or a left and a right one."""
        return (self.metric.left,)

    def on_device(self, device: str) -> Self:
        """The plan for a device that is no CPU.

        Raises:
            InputError: the solver knows CPUs alone.
        """
        raise InputError(f"--device {device}: the solver of {self.task_name} runs on CPUs: leave it out")

    @property
    def task_name(self) -> str:
        """What stands in the card for the metric."""
        return self.task or self.metric.name

    def facts(self) -> dict[str, Any]:
        """The plan as it stands in the card, as plain values: paths are names, and a file has its SHA-256.

        Raises:
            InputError: a number below its range, or what a subclass refuses.
        """
        self.check_ranges()
        plain = {name: _plain(getattr(self, name)) for name in self._names()}
        return plain | source_facts("objects", self.objects, self.source_kind) | {"task": self.task_name}

    def check_ranges(self) -> None:
        """Raise InputError for a number below its range."""
        for one in dataclasses.fields(self):
            value, least = getattr(self, one.name), one.metadata.get("least")
            if least is not None and value is not None and value < least:
                raise InputError(f"{one.name} is {value}: expected at least {least}")

    def _names(self) -> list[str]:
        return [one.name for one in dataclasses.fields(self) if one.name != "metric"]


@dataclass(frozen=True)
class MetricPlan(Plan):
    """The plan of a metric that has a solver and no plan of its own.

    Attributes:
        partners: objects that each object meets in its block.
        fit: scale and centre images of other sizes.
        right_objects: library of the right objects, where they are not those of `objects`.
        cold: which objects of two libraries are split: `left` splits pairs by their left object alone, so that right
            objects stand in several splits; `both` keeps left and right objects of one split together.
    """

    partners: int = option(7, "how many others each object meets", least=1)
    fit: bool = option(False, "scale and centre images of other sizes")
    right_objects: str | None = option(None, "library of the right objects, where these are not those of --objects")
    cold: Cold = option("both", "which objects of two libraries test and training pairs must not share")

    def labelling(self) -> Labelling[Any]:
        from metricvae.core.labelling import SolverLabelling

        return SolverLabelling(self)

    @property
    def two_tables(self) -> bool:
        """Whether left and right objects are of two tables."""
        return self.right_objects is not None

    @property
    def kind_names(self) -> tuple[str, ...]:
        return (self.metric.left, self.metric.right) if self.two_tables else (self.metric.left,)

    def facts(self) -> dict[str, Any]:
        if self.metric.left != self.metric.right and not self.two_tables:
            raise InputError(
                f"{self.task_name} is between {kind_from_json(self.metric.left).title} and "
                f"{kind_from_json(self.metric.right).title}: give the latter as --right-objects"
            )
        if self.cold not in ("both", "left", "right"):
            raise InputError(f"cold is {self.cold!r}: expected both, left or right")
        if self.cold != "both" and not self.two_tables:
            raise InputError(f"cold is {self.cold} without right objects: give --right-objects, or leave it out")
        facts = super().facts()
        if self.right_objects is None:
            return {name: value for name, value in facts.items() if name not in ("right_objects", "cold")}
        return facts | source_facts("right_objects", self.right_objects, kind_from_json(self.metric.right))


def source_facts(name: str, source: str, kind: ObjectKind) -> dict[str, Any]:
    """A source as it stands in a card: a generated one by its name, a folder or file by the last part of its path."""
    if source in kind.sources:
        return {name: source}
    path = Path(source)
    digest = {f"{name}_sha256": sha256_of(path)} if path.is_file() else {}
    return {name: path.resolve().name} | digest


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return list(value) if isinstance(value, tuple) else value
