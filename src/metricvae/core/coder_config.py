"""Configurations of encoders and decoders: frozen records of their hyperparameters, written to `config.json`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Self

from metricvae.core.errors import InputError

Picture = tuple[str | int | float, ...]
"""What a decoder draws: the name of the kind of picture, then its sizes. Encoders and decoders of one model agree."""


@dataclass(frozen=True)
class CoderConfig(ABC):
    """Hyperparameters of an encoder or decoder, written to `config.json`: positive numbers and tuples of them.

    Attributes:
        name: in a configuration.
        aliases: names that earlier versions wrote.
    """

    name: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if any(number <= 0 for number in _numbers(value)):
                raise InputError(f"got {field.name} {value} for {self.name!r}: expected numbers above 0")

    @abstractmethod
    def build(self, latent: int) -> Any:
        """The network with initial weights from PyTorch's global generator, for codes of `latent` dimensions."""

    @property
    @abstractmethod
    def picture(self) -> Picture:
        """The pictures it makes or draws; an encoder and a decoder fit where these are equal."""

    def to_json(self) -> dict[str, Any]:
        """The name and the fields as plain lists, numbers and strings."""
        return {"name": self.name} | {key: _to_list(value) for key, value in asdict(self).items()}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`; fields that are missing have their default.

        Raises:
            InputError: a field that this configuration has not, or a value that it cannot have.
        """
        try:
            return cls(**{key: _to_tuple(value) for key, value in document.items() if key != "name"})
        except TypeError as error:
            raise InputError(
                f"the configuration of {cls.name!r} cannot be read ({error}): expected the fields "
                f"{', '.join(field.name for field in fields(cls))}; restore config.json"
            ) from None


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, tuple):
        for part in value:
            yield from _numbers(part)
    elif not isinstance(value, str):
        yield value


def _to_list(value: Any) -> Any:
    return [_to_list(part) for part in value] if isinstance(value, tuple) else value


def _to_tuple(value: Any) -> Any:
    return tuple(_to_tuple(part) for part in value) if isinstance(value, list | tuple) else value
