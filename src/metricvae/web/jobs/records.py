"""A job, and the names of the files in its folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["queued", "running", "done", "failed", "cancelled"]
FINAL: tuple[State, ...] = ("done", "failed", "cancelled")

INPUTS, RESULTS, UNFINISHED, BEGINNING = "inputs", "results", "results.part", "beginning"
"""Folders in a job's: what it reads, what it wrote, what it is writing, and, of a job that changes a folder, what that
was before."""

TASK, LOCK, STDOUT, MESSAGES = "task.json", "lock", "stdout.part", "messages.txt"
PROGRESS, EVENTS, PARTIAL, OUTCOME = "progress.json", "events.jsonl", "partial.jsonl", "outcome.json"
"""Files in it: what to run, who runs it, what it printed, how far it is, what was found on the way, and, once and for
all, how it ended."""


@dataclass(frozen=True)
class JobRecord:
    """One job.

    Attributes:
        id: of it, and of its folder.
        verb: of the command line.
        command: the command line that gives the same.
        state: where it is.
        created, started, ended: seconds since 1970; None where it is not so far.
        attempts: how often it was started.
        pid: of the process that runs it, which is its group's too; 0 where none does.
        error: why it failed, in a line.
        cancelling: whether it was asked to end.
    """

    id: str
    verb: str
    command: str
    state: State
    created: float
    started: float | None
    ended: float | None
    attempts: int
    pid: int
    error: str
    cancelling: bool
