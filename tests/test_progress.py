"""Progress on stderr: bars that fit a terminal, a line now and then elsewhere."""

from __future__ import annotations

import io
import re
import sys

import pytest

from metricvae.runtime import progress as module
from metricvae.runtime.progress import Pace, bars, clock, lines, progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def become_terminal(monkeypatch):
    """A function that turns stderr into a terminal of 80 columns: pytest lays its own over one set in a fixture."""

    def become() -> Terminal:
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "80")
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        return terminal

    return become


@pytest.fixture
def now(monkeypatch):
    """A clock that the test sets: `now[0] = seconds`."""
    time = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: time[0])
    return time


@pytest.mark.parametrize(
    ("seconds", "written"), [(0, "0:00"), (7.4, "0:07"), (59.6, "1:00"), (754, "12:34"), (3723, "1:02:03")]
)
def test_times_are_written_as_people_write_them(seconds, written):
    assert clock(seconds) == written


def test_the_pace_is_that_of_the_last_half_minute(now):
    pace = Pace()
    assert pace.update(0, 1000, None) == ("", "")
    now[0] = 10
    assert pace.update(50, 1000, None) == ("5/s", "3:10 left")
    for now[0] in range(20, 101, 10):  # now one in a second
        written = pace.update(50 + int(now[0]) - 10, 1000, None)
    assert written == ("1/s", "14:20 left")
    assert pace.update(140, 1000, 42.0)[1] == "0:42 left"


def test_work_that_was_done_by_an_earlier_run_does_not_count_as_pace(now):
    pace = Pace()
    pace.update(900, 1000, None)
    now[0] = 10
    assert pace.update(910, 1000, None) == ("1/s", "1:30 left")


def test_nothing_is_left_at_the_end(now):
    pace = Pace()
    pace.update(0, 10, None)
    now[0] = 1
    assert pace.update(10, 10, None) == ("10/s", "")


def test_short_work_says_nothing_where_there_is_no_terminal(capsys):
    with progress() as step:
        for done in range(100):
            step("labelling pairs", done, 100)
    assert capsys.readouterr() == ("", "")


def test_long_work_says_a_line_every_half_minute_where_there_is_no_terminal(capsys, now):
    with lines() as step:
        for now[0] in range(0, 91):
            step("training", int(now[0]), 1000, "metric 0.5\nvalidation R^2 0.9")
    assert capsys.readouterr().err.splitlines() == [
        "training: 30 of 1000, 1/s, 16:10 left, metric 0.5, validation R^2 0.9",
        "training: 60 of 1000, 1/s, 15:40 left, metric 0.5, validation R^2 0.9",
        "training: 90 of 1000, 1/s, 15:10 left, metric 0.5, validation R^2 0.9",
    ]


def test_a_terminal_gets_bars_that_fit_80_columns(become_terminal):
    terminal = become_terminal()
    with progress() as step:
        step("labelling pairs", 0, 240_000)
        step("labelling pairs", 224, 240_000)
        step("training the paper's network", 0, 20_000)
        step("training the paper's network", 9_999, 20_000, "x" * 100 + "\nvalidation R^2 0.9912", 36_000.0)
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())
    rows = [row.rstrip() for row in re.split(r"[\r\n]+", shown) if row.strip()]
    assert max(map(len, rows)) <= 80
    assert re.search(r"labelling pairs .* 224/240000 +\S+/s +\S+ left", shown)
    assert re.search(r"training the paper's network .* 9999/20000 +\S+/s 10:00:00 left", shown)
    assert rows[-1] == "validation R^2 0.9912"


def test_bars_leave_stdout_alone(become_terminal, capsys):
    become_terminal()
    with bars() as step:
        step("labelling pairs", 1, 2)
        print("{}")
    assert capsys.readouterr().out == "{}\n"
