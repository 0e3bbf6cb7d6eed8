"""The interface by which objects of a kind are written as texts and read back, symbol by symbol.

A kind that offers a `TextForm` can be decoded by a network that writes one symbol after another
(`metricvae.decoding`); the network, its training and the drawing of texts are the same for all kinds.
"""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from metricvae.core.kind import Object


class TextForm(abc.ABC):
    """How objects of one kind are written.

    Class attributes:
        column: column of an index that holds the texts of its items.
    """

    column: ClassVar[str]

    @abc.abstractmethod
    def symbols(self, text: str) -> list[str]:
        """The symbols of a text, which joined are the text again."""

    @abc.abstractmethod
    def read(self, text: str) -> Object:
        """The object that a text means.

        Raises:
            InputError: it means none.
        """
