"""The interface by which a kind has its objects made by editing others: no code is decoded, known objects are changed.

The loop of proposing, predicting by codes, verifying and choosing is the same for all kinds
(`metricvae.generation.evolution`). A kind that offers an `ObjectEditor` says how objects are changed, and which
requirements together nothing can satisfy.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

if TYPE_CHECKING:
    from metricvae.core.kind import Object
    from metricvae.core.requirements import Requirement


class ObjectEditor(abc.ABC):
    """How objects of one kind are changed.

    Class attributes:
        key_column: column of an index that holds the keys of its items, see `key`.
        encoded_at_once: how many candidates are worth encoding in each generation, to verify the best of them.
    """

    key_column: ClassVar[str]
    encoded_at_once: int = 200

    @abc.abstractmethod
    def check(self, requirements: Sequence[Requirement]) -> None:
        """Raise InputError if no object can satisfy all requirements, as far as can be proven."""

    @abc.abstractmethod
    def learn(self, objects: Sequence[Object]) -> None:
        """Take parts of known objects, to make others of."""

    @abc.abstractmethod
    def starts(self, requirements: Sequence[Requirement], count: int, rng: np.random.Generator) -> list[Object]:
        """Objects to begin with where none are known, about so many."""

    @abc.abstractmethod
    def edit(
        self, parents: Sequence[Object], requirements: Sequence[Requirement], count: int, rng: np.random.Generator
    ) -> list[Object]:
        """Objects that were made of parents, at most so many; those that must be in vain are left out.

        Args:
            parents: the best first.
            requirements: on the answers.
            count: of objects.
            rng: source of randomness.
        """

    def allowed(self, objects: Sequence[Object], requirements: Sequence[Requirement]) -> list[Object]:
        """Those of objects that were made in another way which editing might have made; by default all."""
        return list(objects)

    @abc.abstractmethod
    def key(self, value: Object) -> str:
        """A text that is equal for equal objects."""

    def given(self, requirements: Sequence[Requirement]) -> set[str]:
        """Keys of the objects that requirements bring, which are no answers; by default those to be near."""
        return {self.key(one.query) for one in requirements if one.query is not None}

    def encodable(self, objects: Sequence[Object]) -> Sequence[Object]:
        """Objects as a model of the kind encodes them, at the least cost; by default as they are."""
        return objects

    def stand(self, value: Object) -> Object:
        """An object as it is written to a file; by default as it is."""
        return value
