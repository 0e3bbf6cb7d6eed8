"""The interface of a metric between two objects: what it is called, between which kinds, in which range, how a model
answers for it, and, where there is one, the exact solver."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from metricvae.core.display import facts_html
from metricvae.core.errors import InputError
from metricvae.core.registry import Registry, record_from_json, record_to_json

if TYPE_CHECKING:
    from metricvae.core.generation import ComplementModel, ObjectGenerator
    from metricvae.core.hits import HitDrawer, HitPage
    from metricvae.core.importing.tables import PairTable
    from metricvae.core.kind import Object
    from metricvae.core.own_prediction import OwnPredictor, OwnPredictors
    from metricvae.core.plan import Plan
    from metricvae.core.pose import PoseModel
    from metricvae.core.requirements import RequirementForm
    from metricvae.nn.heads import Head

Task = Literal["regression", "binary", "ranking"]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Solution:
    """The exact answer for one pair.

    Attributes:
        value: the metric, in its unit.
        score: what an exact search orders by, higher for better: the value itself, or a normalised form of it.
        pose: motion of the right object that gives it, a record of the metric's own; None where there is none.
    """

    value: float
    score: float
    pose: Any = None

    def _repr_html_(self) -> str:
        return facts_html("exact answer", {"value": self.value, "score": self.score, "pose": self.pose})


class Solver(Protocol):
    """The exact answer of a metric."""

    @property
    def score_name(self) -> str:
        """What `Solution.score` is, as a column: `overlap`, `tanimoto`."""
        ...

    def prepare(self, value: Object) -> Any:
        """What an object costs once, however many others it meets."""
        ...

    def solve(self, left: Any, right: Any) -> Solution:
        """The exact answer for two prepared objects."""
        ...


@runtime_checkable
class BatchSolver(Solver, Protocol):
    """A solver that takes many pairs at once, on all cores."""

    def solve_pairs(
        self, prepared: Sequence[Any], pairs: npt.NDArray[np.int64], threads: int | None = None
    ) -> list[Solution]:
        """The exact answers of pairs of prepared objects, as `solve` gives them.

        Args:
            prepared: every object that a pair names.
            pairs: (k, 2) rows of `prepared`.
            threads: at once; default all cores.
        """
        ...


@runtime_checkable
class MeanSolver(Solver, Protocol):
    """A solver that takes the mean of several objects, which lie on one another, for one."""

    def prepare_mean(self, values: Sequence[Object]) -> Any:
        """What several objects cost once, as one: a consensus."""
        ...


@dataclass(frozen=True)
class Description:
    """What texts say of a metric.

    Attributes:
        predicts: completes "Predicts ...", in a model card.
        value: the number itself, as `maximum overlap`.
        labels: where the values of the training pairs came from.
        exact: what gives the exact answer, in messages; empty where nothing does.
        positive, negative: the answers 1 and 0 of a binary metric.
        limits: what it does not take into account, in sentences for a model card.
    """

    predicts: str
    value: str
    labels: str
    exact: str = ""
    positive: str = "yes"
    negative: str = "no"
    limits: str = ""


@dataclass(frozen=True)
class Preset:
    """A ready-made model, and how it is trained.

    Attributes:
        model: its configuration.
        training: settings of the training that differ from the defaults, by name.
    """

    model: Any
    training: Mapping[str, Any]


class Metric(abc.ABC):
    """A metric. Subclasses are frozen dataclasses; their fields are written with the name.

    Class attributes, which a subclass may have as fields or properties too:
        name: in files and on the command line.
        unit: of its values; empty for a pure number.
        left, right: names of the kinds of its two objects.
        symmetric: whether m(a, b) = m(b, a).
        task: `regression`: values count; `binary`: 0 or 1; `ranking`: only the order counts.
        similarity: whether larger values mean more similar objects; of a distance, smaller ones do.
        value_exponent: values for objects `factor` times as large are factor ** exponent as much; None where that is
            not known.
        unlisted: value of every pair that a data set does not list; None where that is not known.
        self_is_magnitude: whether m(a, a) is the magnitude of a, as of an overlap.
        exemplars: training objects that a model keeps for generation, at most; 0 where none are generated.
        anchored: whether it is of one object, a property: the other end of each pair is an anchor of the metric's own,
            whose code a model learns. Data sets then pair each object with itself.
    """

    name: ClassVar[str]
    unit: str = ""
    left: str = ""
    right: str = ""
    symmetric: bool = True
    task: Task = "regression"
    similarity: bool = True
    value_exponent: float | None = None
    unlisted: float | None = None
    self_is_magnitude: bool = False
    exemplars: int = 0
    anchored: bool = False

    @property
    @abc.abstractmethod
    def description(self) -> Description:
        """What texts say of it."""

    @property
    def short_title(self) -> str:
        """What it is called in a few words; by default its name."""
        return self.name

    @abc.abstractmethod
    def default_head(self, values: Floats) -> Head:
        """The head of a model for which none is named, told the training values (n,)."""

    def of_kinds(self, left: str, right: str | None = None) -> Metric:
        """The same metric between objects of these kinds, where it is defined for any; else it must be between them, or
        between kinds of whose objects these are another view.

        Raises:
            InputError: it is between others.
        """
        from metricvae.core.kind import KINDS

        given = (KINDS.get(name)() for name in (left, right or left))
        if any(
            own not in (*kind.family, *kind.same_records)
            for own, kind in zip((self.left, self.right), given, strict=True)
        ):
            raise InputError(
                f"the metric {self.name} is between {self.left} and {self.right}, got {left} and {right or left}: give "
                "those, or another metric"
            )
        return self

    def limits(self, left: Floats, right: Floats) -> tuple[Floats, Floats]:
        """The least and the largest value of pairs of objects with such magnitudes, (n,) each; infinite by default."""
        low, high = (0.0, 1.0) if self.task == "binary" else (-np.inf, np.inf)
        return np.full(len(left), low), np.full(len(left), high)

    def limits_of_all(self, left: Floats, right: Floats) -> tuple[Floats, Floats]:
        """`limits` of all pairs of objects with magnitudes (n,) and (m,), of a shape that broadcasts to (n, m)."""
        shape = len(left), len(right)
        pairs = np.repeat(left, shape[1]), np.tile(right, shape[0])
        low, high = (ends.reshape(shape) for ends in self.limits(*pairs))
        return low, high

    def further_heads(self, values: Floats) -> tuple[Head, ...]:
        """Heads that may suit better than the default one, told training values (n,): a pilot tries them, where nobody
        says otherwise; none by default."""
        return ()

    def retrieval_score(self, value: Floats, left: Floats, right: Floats) -> Floats:
        """(n,) numbers by which a search orders pairs, larger for more similar, of values and magnitudes."""
        return value if self.similarity else -value

    def answers(self, value: Floats, left: Floats, right: Floats) -> dict[str, Floats]:
        """Further numbers that follow from values and magnitudes, by name: a normalised similarity; none by default."""
        return {}

    def representative(self, columns: Mapping[str, npt.NDArray[Any]], count: int) -> Bools:
        """(n,) which pairs of a data set are such as a user meets, told its columns; all by default."""
        return np.ones(count, bool)

    @property
    def solver(self) -> Solver | None:
        """The exact answer, where there is one."""
        return None

    @property
    def objectives(self) -> Mapping[str, Solver]:
        """Solvers by the name of what they maximise, `solver` among them; empty where there is no choice."""
        return {}

    def solver_by(self, objective: str | None) -> Solver | None:
        """The solver of an objective, or `solver` where none is named.

        Raises:
            InputError: the metric has no such objective.
        """
        if objective is None:
            return self.solver
        known = self.objectives
        if objective not in known:
            choice = f"one of {', '.join(known)}" if known else "none, as the metric has one exact answer"
            raise InputError(f"got the objective {objective!r} of the metric {self.name}: expected {choice}")
        return known[objective]

    @property
    def pose_model(self) -> PoseModel | None:
        """How its poses are learned and predicted in one shot, where they are."""
        return None

    @property
    def generator(self) -> ObjectGenerator | None:
        """How objects are generated to constraints on it, where they are."""
        return None

    @classmethod
    def requirements(cls, own: OwnPredictors) -> Mapping[str, RequirementForm]:
        """What can be required of right objects by it, by name; see `metricvae.core.requirements`.

        Args:
            own: gives the predictor of a model by the model's name, see `own_predictor`.
        """
        return {}

    @property
    def complement(self) -> ComplementModel | None:
        """How the counterparts of objects are generated that a binary metric calls a match, where they are."""
        return None

    def folder_table(self, folder: Path) -> PairTable | None:
        """The pairs with values of a folder as a collection of the metric's field lays it out, to import them; None
        where no such layout is known.

        Raises:
            InputError: it is no such folder.
        """
        return None

    def own_predictor(self, folder: Path) -> OwnPredictor | None:
        """What the metric itself predicts with from the folder of a model; None where two codes are all there is.

        Raises:
            InputError: the folder is damaged.
        """
        return None

    @property
    def plan_type(self) -> type[Plan] | None:
        """The plan of its labelled data sets; by default one for every metric with a solver."""
        from metricvae.core.plan import MetricPlan

        return None if self.solver is None else MetricPlan

    @property
    def presets(self) -> Mapping[str, Callable[[], Preset]]:
        """Ready-made models and trainings for it by name, the default one first."""
        return {}

    @property
    def hit_drawer(self) -> HitDrawer | None:
        """What draws a query with objects that were found for it, each where the solver puts it; None where nothing
        does."""
        return None

    @property
    def hit_page(self) -> HitPage | None:
        """What makes an HTML page of a query and of objects that were found for it, each where the solver puts it; None
        where nothing does."""
        return None

    def overlay(self, left: Object, right: Object, pose: Any) -> str | None:
        """A small picture of two objects, the right one where a pose of the solver puts it, for notebooks: HTML without
        anything to load; None where there is none."""
        return None

    def to_json(self) -> dict[str, Any]:
        """The name and the fields, as plain values."""
        return record_to_json(self)


IMPORTED = "tabular"
"""Name of the metric of values that a user imports without saying more of them."""

METRICS: Registry[type[Metric]] = Registry("metric", "metricvae.metrics", "metricvae.metrics")
"""All metrics: classes by name."""


def metric_from_json(document: str | Mapping[str, Any]) -> Metric:
    """A metric from its name, or from what `Metric.to_json` gave.

    Raises:
        InputError: no such metric, or not its fields.
    """
    return record_from_json(document, METRICS.get, "metric")
