"""Registries of named things: those of this package, and those that other packages bring as entry points.

A registry is told one package of this project that lists its built-in entries (`BUILTIN`, a mapping of names to
`module:attribute`), and one group of entry points. Nothing is imported before it is asked for by name.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib import metadata
from typing import Any, Generic, TypeVar, cast

from metricvae.core.errors import InputError, did_you_mean, shortened

T = TypeVar("T")
R = TypeVar("R")


class Registry(Generic[T]):
    """Entries by name.

    Args:
        noun: what an entry is, in messages: `kind`, `metric`.
        package: module that lists the built-in entries in `BUILTIN`, and other names for them in `ALIASES`.
        group: of entry points that other packages may fill; see the packaging guide on entry points.
    """

    def __init__(self, noun: str, package: str, group: str) -> None:
        self.noun, self.package, self.group = noun, package, group
        self._loaded: dict[str, T] = {}

    def names(self) -> tuple[str, ...]:
        """Names of all entries, those of this package first."""
        return tuple(dict.fromkeys((*self._builtin(), *self._plugins, *self._loaded)))

    def get(self, name: str) -> T:
        """The entry of that name, or of which that is another name.

        Raises:
            InputError: there is none, or the plug-in that brings it cannot be imported.
        """
        name = self._aliases().get(name, name)
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def register(self, name: str, entry: T) -> None:
        """Add an entry for the rest of this process, or replace one; packages use entry points."""
        self._loaded[name] = entry

    def _load(self, name: str) -> T:
        builtin = self._builtin()
        if name in builtin:
            module, _, attribute = builtin[name].partition(":")
            return cast(T, getattr(importlib.import_module(module), attribute))
        if name in self._plugins:
            return self._load_plugin(self._plugins[name])
        known, meant = ", ".join(self.names()), did_you_mean(name, self.names())
        raise InputError(
            f"there is no {self.noun} '{shortened(name)}'{meant}: expected one of {known}, or install the package that "
            "has it"
        )

    def _load_plugin(self, entry: metadata.EntryPoint) -> T:
        try:
            return cast(T, entry.load())
        except Exception as error:  # whatever another package's import raises
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise InputError(
                f"the {self.noun} '{entry.name}' of the plug-in {entry.value} cannot be imported "
                f"({type(error).__name__}: {first}): mend or uninstall that package"
            ) from error

    def _builtin(self) -> Mapping[str, str]:
        return cast(Mapping[str, str], importlib.import_module(self.package).BUILTIN)

    def _aliases(self) -> Mapping[str, str]:
        return cast(Mapping[str, str], getattr(importlib.import_module(self.package), "ALIASES", {}))

    @functools.cached_property
    def _plugins(self) -> dict[str, metadata.EntryPoint]:
        """Entry points of other packages; they are looked for once a process, as that scans all that is installed."""
        return {entry.name: entry for entry in metadata.entry_points(group=self.group)}


def record_to_json(record: Any) -> dict[str, Any]:
    """A frozen dataclass with a `name` as a document of plain values: the name, and its fields."""
    document = {"name": record.name, **asdict(record)}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in document.items()}


def record_from_json(document: str | Mapping[str, Any], find: Callable[[str], type[R]], noun: str) -> R:
    """The inverse of `record_to_json`.

    Args:
        document: with a `name` and fields, or a name alone.
        find: the class of a name; raises InputError where there is none.
        noun: what such a record is, in messages.

    Raises:
        InputError: no such name, or fields that it does not have.
    """
    fields = dict(document) if isinstance(document, Mapping) else {"name": document}
    fields = {key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()}
    name = str(fields.pop("name", None))
    found = find(name)
    try:
        return found(**fields)
    except (TypeError, ValueError) as error:
        raise InputError(f"the {noun} '{name}' cannot be read ({error}): restore its configuration") from None
