"""Configurations of encoders and decoders: frozen records of their hyperparameters, written to `config.json`."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

from metricvae.core.errors import InputError

Picture = tuple[str | int | float, ...]
"""What a decoder draws: the name of the kind of picture, then its sizes. Encoders and decoders of one model agree."""


@dataclass(frozen=True)
class CoderConfig(ABC):
    """Hyperparameters of an encoder or decoder, written to `config.json`.

    Every field has a default, which also says what it may be: a bool, a string, a finite number above 0 (or from 0 on,
    where the default is 0), the configuration of another coder, or a tuple of such, also nested.

    Attributes:
        name: in a configuration.
        aliases: names that earlier versions wrote.
        prepared_copies: moved copies of each object that a training prepares beforehand where nothing else is said; 0
            makes new ones in every step. 1 is for an encoder whose codes no motion changes and whose preparation costs
            more than what follows.

    Raises:
        InputError: a field that is not as its default.
    """

    name: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()
    prepared_copies: ClassVar[int] = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            value, default = getattr(self, field.name), field.default
            if not _is_like(value, default):
                raise InputError(f"got {field.name} {value!r} for {self.name!r}: expected something like {default!r}")

    @property
    def knows_similarity(self) -> bool:
        """Whether the network knows of similarities of objects before anything is learned, see `Encoder.projected`."""
        return False

    def without_knowledge(self) -> Self | None:
        """The same network, which knows nothing of similarities beforehand; None where it knows nothing, or cannot do
        without."""
        return None

    @property
    def begins_alike(self) -> bool:
        """Whether codes hold all that is known of similarities from the first, each group of it alike, as the angle
        between two codes tells."""
        return False

    @abstractmethod
    def build(self, latent: int) -> Any:
        """The network with initial weights from PyTorch's global generator, for codes of `latent` dimensions."""

    @property
    @abstractmethod
    def picture(self) -> Picture:
        """The pictures it makes or draws; an encoder and a decoder fit where these are equal."""

    def to_json(self) -> dict[str, Any]:
        """The name and the fields as plain lists, numbers and strings."""
        return {"name": self.name} | {field.name: _to_plain(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`; fields that are missing have their default.

        Raises:
            InputError: a field that this configuration has not, or a value that it cannot have.
        """
        known = {field.name: field.default for field in fields(cls)}
        foreign = [key for key in document if key not in ("name", *known)]
        if foreign:
            raise InputError(
                f"the configuration of {cls.name!r} cannot be read: got {', '.join(map(repr, foreign))}, expected the "
                f"fields {', '.join(known)}; restore config.json"
            )
        return cls(**{key: _from_plain(value, known[key]) for key, value in document.items() if key != "name"})


def _is_like(value: Any, default: Any) -> bool:
    if isinstance(default, tuple):
        return isinstance(value, tuple) and all(_is_like(part, default[0]) for part in value)
    if isinstance(default, bool | str | CoderConfig):
        return isinstance(value, type(default))
    number = isinstance(value, int if isinstance(default, int) else int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and (value >= 0 if default == 0 else value > 0)


def _to_plain(value: Any) -> Any:
    if isinstance(value, CoderConfig):
        return value.to_json()
    return [_to_plain(part) for part in value] if isinstance(value, tuple) else value


def _from_plain(value: Any, default: Any) -> Any:
    """What `_to_plain` made of a value that is like the default, or the value itself where it is of another form."""
    if isinstance(value, list | tuple):
        return tuple(_from_plain(part, default[0] if isinstance(default, tuple) else None) for part in value)
    if isinstance(value, Mapping) and isinstance(default, CoderConfig):
        return type(default).from_json(value)
    return value


Networks = tuple[CoderConfig, CoderConfig | None]
"""An encoder and the decoder beside it, or none."""
