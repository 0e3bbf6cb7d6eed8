"""What a verb may be told over HTTP: each argument is checked, and becomes words of a command line.

No text of a client becomes a path: objects and files are named by their ids, and are put into the folder of the job
under names that this server makes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from metricvae.core.errors import shortened
from metricvae.web.errors import RequestError

LONGEST_TEXT = 2_000
MOST_ITEMS = 20_000
"""Objects in a list."""

Given = Any
Words = list[str]


class Stage(Protocol):
    """Puts what a job reads into its folder, and gives the words that name it there."""

    def object(self, key: str) -> str:
        """A path of the file of an object, relative to the folder of the job, with its site."""
        ...

    def objects(self, keys: list[str]) -> str:
        """A path of a folder of objects."""
        ...

    def pairs(self, pairs: list[Any]) -> str:
        """A path of a table of pairs of objects."""
        ...

    def model(self, name: str) -> str:
        """Name or path of a model."""
        ...

    def folder_of(self, name: str) -> str:
        """Path of a library by its name, or of what another job wrote."""
        ...

    def index_copy(self, name: str) -> str:
        """Path of the results, which begin as a copy of a library, or of the index that another job wrote."""
        ...

    def lines(self, texts: list[str]) -> str:
        """A path of a file of texts, one a line."""
        ...

    def results(self, name: str) -> str:
        """A path of a file among the results."""
        ...


Reader = Callable[[Given, Stage], Words]


@dataclass(frozen=True)
class Argument:
    """One argument of a verb.

    Attributes:
        read: checks what is given, and makes words of it; raises ValueError with what was expected.
        option: before each word, as `--seed`; empty of an argument that stands by itself.
        required: whether it must be given.
        about: what it is.
        many: whether a list of them may be given.
    """

    read: Reader
    option: str = ""
    required: bool = False
    about: str = ""
    many: bool = False

    def words(self, name: str, given: Given, stage: Stage) -> Words:
        """Words of a command line.

        Raises:
            RequestError: what is given is not what is expected (422).
        """
        found: Words = []
        for one in given if self.many and isinstance(given, list) else [given]:
            try:
                values = self.read(one, stage)
            except ValueError as error:
                raise RequestError(422, f"{name} is {shortened(one)}: expected {error}", name) from None
            found += [f"{self.option}={value}" for value in values] if self.option else values
        return found


def an_object(given: Given, stage: Stage) -> Words:
    """The file of an object."""
    return [stage.object(_id(given))]


def some_objects(given: Given, stage: Stage) -> Words:
    """A file, or a folder of the files of a list of objects."""
    if isinstance(given, list):
        if not 1 <= len(given) <= MOST_ITEMS:
            raise ValueError(f"1 to {MOST_ITEMS} ids")
        return [stage.objects([_id(one) for one in given])]
    return an_object(given, stage)


def several_files(given: Given, stage: Stage) -> Words:
    """Files beside others; they give no words."""
    if not isinstance(given, list) or len(given) > MOST_ITEMS:
        raise ValueError(f"a list of at most {MOST_ITEMS} ids")
    for one in given:
        stage.object(_id(one))
    return []


def some_pairs(given: Given, stage: Stage) -> Words:
    """A table of pairs of objects."""
    if not isinstance(given, list) or not 1 <= len(given) <= MOST_ITEMS:
        raise ValueError(f"1 to {MOST_ITEMS} pairs of ids")
    for pair in given:
        if not isinstance(pair, list) or len(pair) != 2:
            raise ValueError("pairs of two ids")
    return [stage.pairs([[_id(end) for end in pair] for pair in given])]


def two_objects(given: Given, stage: Stage) -> Words:
    """The files of two objects."""
    if not isinstance(given, list) or len(given) != 2:
        raise ValueError("two ids")
    return [stage.object(_id(one)) for one in given]


def a_model(given: Given, stage: Stage) -> Words:
    """A model that ships, or that a job trained."""
    return [stage.model(_text(given, 120))]


def a_start(given: Given, stage: Stage) -> Words:
    """A model, or `none`: what a training starts from."""
    from metricvae.training.presets import NONE

    return [NONE] if given == NONE else a_model(given, stage)


def a_folder(given: Given, stage: Stage) -> Words:
    """A library of the server, or what a job wrote."""
    return [stage.folder_of(_text(given, 120))]


def an_index_copy(given: Given, stage: Stage) -> Words:
    """A library of the server, or the index that a job wrote, to be changed: the job changes a copy of its own."""
    return [stage.index_copy(_text(given, 120))]


def some_lines(given: Given, stage: Stage) -> Words:
    """A file of texts, one a line."""
    if not isinstance(given, list) or not 1 <= len(given) <= MOST_ITEMS:
        raise ValueError(f"a list of 1 to {MOST_ITEMS} texts")
    return [stage.lines([_text(one, 1_000) for one in given])]


def some_names(given: Given, stage: Stage) -> Words:
    """Names of what is registered, in a list."""
    if not isinstance(given, list) or not 1 <= len(given) <= 100:
        raise ValueError("a list of 1 to 100 names")
    return [word for one in given for word in NAME(one, stage)]


def number(low: float, high: float, *, whole: bool = False) -> Reader:
    """A number within limits."""

    def read(given: Given, _: Stage) -> Words:
        expected = f"a {'whole ' * whole}number from {low:g} to {high:g}"
        if isinstance(given, bool) or not isinstance(given, int if whole else int | float):
            raise ValueError(expected)
        if not low <= given <= high:
            raise ValueError(expected)
        return [repr(given)]

    return read


def choice(*known: str) -> Reader:
    """One of some words."""

    def read(given: Given, _: Stage) -> Words:
        if given not in known:
            raise ValueError(f"one of {', '.join(known)}")
        return [str(given)]

    return read


def text(pattern: str = "", longest: int = LONGEST_TEXT) -> Reader:
    """A text in one line, which matches a pattern."""

    def read(given: Given, _: Stage) -> Words:
        found = _text(given, longest)
        if pattern and not re.fullmatch(pattern, found):
            raise ValueError("another form of it")
        return [found]

    return read


NAME = text(r"[A-Za-z][A-Za-z0-9_+.-]*", 60)
"""The name of something that is registered, or of a column."""

COLUMN = text(r"[^=/\\\0\n-][^/\\\0\n]*", 120)
"""The name of a column."""


def flag(given: Given, _: Stage) -> Words:
    """Whether something is wanted; see `Switch`."""
    if not isinstance(given, bool):
        raise ValueError("true or false")
    return ["yes"] if given else []


class Switch(Argument):
    """An option without a value."""

    def words(self, name: str, given: Given, stage: Stage) -> Words:
        return [self.option] if super().words(name, given, stage) else []


class Spread(Argument):
    """An option with several values behind it: paths that this server made, or names."""

    def words(self, name: str, given: Given, stage: Stage) -> Words:
        return [self.option, *Argument(self.read).words(name, given, stage)]


@dataclass(frozen=True)
class Fixed:
    """Words that a verb is always told.

    Attributes:
        words: given the stage.
    """

    words: Callable[[Stage], Words]


_NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
_SPAN = rf"(>=|<=|=|<|>)\s*{_NUMBER}(\.\.{_NUMBER})?"
_WITH_OBJECT = re.compile(rf"(?P<name>[a-z_]*):?\{{(?P<id>[0-9a-f]{{32}})\}}(?P<span>\s*{_SPAN})?")
_PLAIN = re.compile(rf"plausible|[a-z_]+\s*{_SPAN}|(contains|lacks|keep|grow):[^\0\n]+")


def a_requirement(given: Given, stage: Stage) -> Words:
    """What is required of objects that are made, with `{ID}` for an object; none that runs code."""
    found = _text(given, LONGEST_TEXT)
    match = _WITH_OBJECT.fullmatch(found)
    if match is not None:
        head = f"{match['name']}:" if match["name"] else ""
        return [f"{head}{stage.object(match['id'])}{match['span'] or ''}"]
    if _PLAIN.fullmatch(found) is None or found.startswith("score"):
        raise ValueError("a requirement, as {ID}=1783, like:{ID}>=0.7, qed>=0.5 or contains:SMARTS")
    return [found]


def _id(given: Given) -> str:
    if not isinstance(given, str) or not re.fullmatch(r"[0-9a-f]{32}", given):
        raise ValueError("the id of an object")
    return given


def _text(given: Given, longest: int) -> str:
    if not isinstance(given, str) or not 1 <= len(given) <= longest or not given.isprintable():
        raise ValueError(f"a text in one line of 1 to {longest} letters")
    return given


@dataclass(frozen=True)
class VerbForm:
    """How a verb is asked for.

    Attributes:
        words: that it begins with.
        arguments: by name, in the order of the command line.
        out: option of the folder, or the file, that it writes; empty of one that prints its answer alone.
        out_name: of the file within the results; empty where it is the folder itself.
        fixed: further words.
        resumes: whether it goes on where it was killed.
        about: what it does.
    """

    words: tuple[str, ...]
    arguments: Mapping[str, Argument] = field(default_factory=dict)
    out: str = ""
    out_name: str = ""
    fixed: tuple[Fixed, ...] = ()
    resumes: bool = False
    about: str = ""

    def argv(self, given: Mapping[str, Given], stage: Stage) -> Words:
        """The words of the command line, but for the name of the program.

        Raises:
            RequestError: an argument that there is not, or that is missing or wrong (422).
        """
        unknown = next((name for name in given if name not in self.arguments), None)
        if unknown is not None:
            known = ", ".join(self.arguments)
            raise RequestError(422, f"there is no argument {unknown[:40]!r}: expected some of {known}", unknown[:40])
        found = list(self.words)
        for name, argument in self.arguments.items():
            if given.get(name) is not None:
                found += argument.words(name, given[name], stage)
            elif argument.required:
                raise RequestError(422, f"{name} is missing: {argument.about}", name)
        if self.out:
            found.append(f"{self.out}={stage.results(self.out_name)}")
        for one in self.fixed:
            found += one.words(stage)
        return found
