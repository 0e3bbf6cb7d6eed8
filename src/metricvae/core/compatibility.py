"""The one gate between models and data: whether a model can take such objects, and such values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from metricvae.core.errors import InputError
from metricvae.core.kind import ObjectKind
from metricvae.core.metric import Metric


class Takes(Protocol):
    """What a model says it takes.

    Attributes:
        kinds: of its left and of its right objects.
        metric: that it predicts.
    """

    @property
    def kinds(self) -> tuple[ObjectKind, ObjectKind]: ...

    @property
    def metric(self) -> Metric: ...


class Holds(Protocol):
    """What data say they hold; a library of objects holds one kind and no values (`metric` is None)."""

    @property
    def kinds(self) -> Sequence[ObjectKind]: ...

    @property
    def metric(self) -> Metric | None: ...


def check_compatible(model: Takes, data: Holds, name: str = "the data") -> None:
    """Raise InputError unless the model takes what the data hold: called before anything is computed.

    Args:
        model: a model, or its configuration.
        data: a data set.
        name: of the data, in the message.
    """
    for side, taken, held in zip(("left", "right"), model.kinds, data.kinds, strict=True):
        check_kind(taken, held, f"the {side} objects of {name}")
    if data.metric is not None and data.metric.to_json() != model.metric.to_json():
        raise InputError(
            f"{name} has values of the metric {describe(data.metric)}, and the model predicts "
            f"{describe(model.metric)}: give data of that metric, or another model"
        )


def check_kind(taken: ObjectKind, held: ObjectKind | str, name: str) -> None:
    """Raise InputError unless objects of the kind `held` serve as objects of the kind `taken`."""
    held_name = held if isinstance(held, str) else held.name
    if held_name not in taken.family:
        raise InputError(
            f"{name} are of the kind {held_name}, and the model takes {taken.title}: "
            f"give {taken.title}, or another model"
        )
    if not isinstance(held, str) and not taken.takes(held):
        raise InputError(
            f"{name} are {taken.title} of other settings ({held.to_json()}) than the model takes ({taken.to_json()}): "
            "make them alike"
        )


def describe(metric: Metric) -> str:
    """A metric in a message: its name, its unit where it has one."""
    return f"{metric.name} ({metric.unit})" if metric.unit else metric.name
