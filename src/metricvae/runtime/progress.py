"""How far long work is, on stderr: bars on a terminal, a line now and then in a file, nothing for short work; or, for a
program that reads it, a JSON document a line."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from rich.console import RenderableType

WINDOW = 30.0
"""Seconds over which a rate is taken."""

BETWEEN_LINES, BETWEEN_VERBOSE_LINES = 30.0, 1.0
"""Seconds from one line to the next where there is no terminal, as a rule and where much is to be said."""

BETWEEN_DOCUMENTS = 0.2
"""Seconds from one JSON document to the next of the same stage, at least."""

Form = Literal["auto", "json"]
"""`auto`: bars or lines, as stderr is; `json`: documents."""

_FORM: ContextVar[Form] = ContextVar("form", default="auto")


class Step(Protocol):
    """Say that `done` of `total` in a `stage` are done.

    `detail`: a line or two to be shown below the bar; `seconds_left`: where it is known better than from the pace.
    """

    def __call__(
        self, stage: str, done: int, total: int, detail: str = "", seconds_left: float | None = None
    ) -> None: ...


class Pace:
    """Rate and time left of one stage, from what was done in the last half minute."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def update(self, done: int, total: int, seconds_left: float | None) -> tuple[str, str]:
        """Rate and time left as people write them; empty while they are not known, and at the end."""
        rate = self._rate(done)
        if rate is None:
            return "", ""
        left = (total - done) / rate if seconds_left is None else seconds_left
        return f"{rate:.3g}/s" if rate < 999.5 else f"{rate:.0f}/s", f"{clock(left)} left" if done < total else ""

    def seconds_left(self, done: int, total: int, known: float | None) -> float | None:
        """Seconds to the end; None while they are not known."""
        rate = self._rate(done)
        return known if known is not None or rate is None else (total - done) / rate

    def _rate(self, done: int) -> float | None:
        """What is done a second; None while it is not known."""
        now = time.monotonic()
        self._seen.append((now, done))
        while len(self._seen) > 2 and now - self._seen[1][0] > WINDOW:
            self._seen.popleft()
        then, before = self._seen[0]
        return (done - before) / (now - then) if done > before and now > then else None


def clock(seconds: float) -> str:
    """0:07, 12:34, 1:02:03."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


Verbosity = Literal["quiet", "usual", "verbose"]

VERBOSITY: ContextVar[Verbosity] = ContextVar("verbosity", default="usual")
"""How much is said beside answers: nothing; long work and remarks; work of any length."""


def progress() -> AbstractContextManager[Step]:
    """What shows progress, for as long as the block lasts."""
    if _FORM.get() == "json":
        return documents()
    if VERBOSITY.get() == "quiet":
        return contextlib.nullcontext(_say_nothing)
    terminal = sys.stderr.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")
    return bars() if terminal else lines()


def _say_nothing(stage: str, done: int, total: int, detail: str = "", seconds_left: float | None = None) -> None:
    pass


@contextlib.contextmanager
def shown_as(form: Form) -> Iterator[None]:
    """Show progress in this form for as long as the block lasts."""
    token = _FORM.set(form)
    try:
        yield
    finally:
        _FORM.reset(token)


def wants_partial() -> bool:
    """Whether a program reads progress, and so what is found on the way."""
    return _FORM.get() == "json"


def partial(document: Mapping[str, Any]) -> None:
    """Tell a program that reads progress what was found on the way; nobody else."""
    if wants_partial():
        sys.stderr.write(json.dumps({"partial": document}) + "\n")
        sys.stderr.flush()


@contextlib.contextmanager
def documents() -> Iterator[Step]:
    """A JSON document a line: `stage`, `done`, `total`, `detail`, and `seconds_left` where that is known.

    The first and the last of a stage are always written, those between at most every `BETWEEN_DOCUMENTS`.
    """
    paces: dict[str, Pace] = {}
    written: dict[str, float] = {}

    def step(stage: str, done: int, total: int, detail: str = "", seconds_left: float | None = None) -> None:
        pace = paces.setdefault(stage, Pace())
        left = pace.seconds_left(done, total, seconds_left)
        now = time.monotonic()
        if done < total and now - written.get(stage, -BETWEEN_DOCUMENTS) < BETWEEN_DOCUMENTS:
            return
        written[stage] = now
        document = {"stage": stage, "done": done, "total": total, "detail": detail, "seconds_left": left}
        sys.stderr.write(json.dumps(document) + "\n")
        sys.stderr.flush()

    yield step


@contextlib.contextmanager
def lines() -> Iterator[Step]:
    """A line every half minute, so that a log file stays short and short work says nothing; `verbose` every second."""
    paces: dict[str, Pace] = {}
    last = time.monotonic()
    between = BETWEEN_VERBOSE_LINES if VERBOSITY.get() == "verbose" else BETWEEN_LINES

    def step(stage: str, done: int, total: int, detail: str = "", seconds_left: float | None = None) -> None:
        nonlocal last
        rate, left = paces.setdefault(stage, Pace()).update(done, total, seconds_left)
        if time.monotonic() - last < between:
            return
        last = time.monotonic()
        parts = (f"{stage}: {done} of {total}", rate, left, *detail.splitlines())
        sys.stderr.write(", ".join(part for part in parts if part) + "\n")
        sys.stderr.flush()

    yield step


@contextlib.contextmanager
def bars() -> Iterator[Step]:
    """A bar a stage: done of total, rate, time left; below the bars what the last stage has to say of itself."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.text import Text

    class Bars(Progress):
        detail = ""

        def get_renderables(self) -> Iterator[RenderableType]:
            yield from super().get_renderables()
            if self.detail:
                yield Text(self.detail, style="dim", no_wrap=True, overflow="ellipsis")

    shown = Bars(
        TextColumn("{task.description}"),
        BarColumn(bar_width=16),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TextColumn("{task.fields[left]}"),
        console=Console(stderr=True, highlight=False),
        redirect_stdout=False,
    )
    paces: dict[str, Pace] = {}
    tasks = {}

    def step(stage: str, done: int, total: int, detail: str = "", seconds_left: float | None = None) -> None:
        rate, left = paces.setdefault(stage, Pace()).update(done, total, seconds_left)
        if stage not in tasks:
            tasks[stage] = shown.add_task(stage, total=total, completed=done, rate="", left="")
        shown.detail = detail
        shown.update(tasks[stage], total=total, completed=done, rate=rate, left=left)

    with shown:
        yield step
