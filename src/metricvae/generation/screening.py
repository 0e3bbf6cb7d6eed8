"""What models say of candidates by codes, before anything exact is measured of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metricvae.core.editing import ObjectEditor
from metricvae.core.errors import InputError
from metricvae.core.kind import Object, ObjectKind
from metricvae.core.requirements import Requirement
from metricvae.prediction.predictor import Predictor
from metricvae.prediction.records import Encoded

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CodeScreen:
    """A model with the objects that requirements are about, encoded once: candidates are compared by one product.

    Attributes:
        predictor: of the model.
        editor: says how candidates are encoded by it, and how many are worth it.
        places: of the requirements, among all.
        queries: codes of their objects, in this order.
    """

    predictor: Predictor
    editor: ObjectEditor
    places: tuple[int, ...]
    queries: Encoded

    def scores(self, objects: Sequence[Object]) -> tuple[Floats, Floats]:
        """What the model says of objects: (queries, objects) scores for ordering, and (objects,) how novel they are."""
        made = self.predictor.encode(self.editor.encodable(objects), "right")
        first, second = np.indices((len(self.queries), len(objects))).reshape(2, -1)
        pairs = (self.queries, made, first, second)
        values, sizes = self.predictor.values(*pairs), self.predictor.magnitudes(*pairs)
        found = self.predictor.metric.retrieval_score(values, *sizes).reshape(len(self.queries), -1)
        return found, made.novelty.numpy().astype(np.float64)

    def predicts(self, requirement: Requirement) -> bool:
        """Whether the score is the very number of a requirement."""
        return self.predictor.metric.name in requirement.predicting


def editor_of(kind: ObjectKind) -> ObjectEditor:
    """How objects of a kind are edited.

    Raises:
        InputError: they are not.
    """
    found = kind.editor
    if found is None:
        raise InputError(f"{kind.title} are not made by editing: give a model of a kind that is")
    return found


def query_for(requirement: Requirement, predictor: Predictor) -> Object | None:
    """The object of a requirement that a model compares with what is made; None where there is none that it reads."""
    coded = requirement.coded
    if coded is not None:
        return coded.object if predictor.metric.name in requirement.predicting else None
    return requirement.query if predictor.kind("left").name in predictor.kind("right").family else None


def screens_of(predictor: Predictor, requirements: Sequence[Requirement]) -> list[CodeScreen]:
    """The screens of requirements, what costs least first: by one model, and by those that requirements name for
    themselves where that one does not read their objects."""
    asked = {place: query_for(one, predictor) for place, one in enumerate(requirements)}
    found = [_screen(predictor, {place: one for place, one in asked.items() if one is not None})]
    others: dict[str, dict[int, Object]] = {}
    for place, one in enumerate(requirements):
        if one.coded is not None and asked[place] is None:
            others.setdefault(one.coded.model, {})[place] = one.coded.object
    found += [_screen(Predictor.load(model), queries) for model, queries in others.items()]
    return sorted((one for one in found if one is not None), key=lambda one: -one.editor.encoded_at_once)


def _screen(predictor: Predictor, queries: dict[int, Object]) -> CodeScreen | None:
    if not queries:
        return None
    encoded = predictor.encode(list(queries.values()), "left")
    return CodeScreen(predictor, editor_of(predictor.kind("right")), tuple(queries), encoded)
