"""The queue of jobs: one SQLite file, of which every change is whole or absent, whoever is killed."""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

from metricvae.web.errors import RequestError
from metricvae.web.jobs.records import FINAL, JobRecord, State

_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    key TEXT UNIQUE,
    verb TEXT NOT NULL,
    command TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
    created REAL NOT NULL,
    started REAL,
    ended REAL,
    attempts INTEGER NOT NULL DEFAULT 0,
    pid INTEGER NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT '',
    cancelling INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS by_state ON jobs (state, number);
"""

_COLUMNS = "id, verb, command, state, created, started, ended, attempts, pid, error, cancelling"


class JobQueue:
    """Jobs on disk, in the order in which they came.

    Every change names the state that it starts from, so that two of them cannot both happen.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self.lock = threading.Lock()
        self.connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = FULL")
        self.connection.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        with self.lock:
            self.connection.close()

    def add(self, key: str, verb: str, command: str, most: int, once: str | None = None) -> JobRecord:
        """Add a job to the end.

        Args:
            key: its id.
            verb, command: of the command line.
            most: jobs that may wait or run.
            once: what tells this submission from others: a second one of the same gives the first one's job.

        Raises:
            RequestError: too many jobs wait (429).
        """
        with self.lock:
            if once is not None and (found := self._find("key", once)) is not None:
                return found
            self._refuse_more(most)
            self.connection.execute(
                "INSERT INTO jobs (id, key, verb, command, state, created) VALUES (?, ?, ?, ?, 'queued', ?)",
                (key, once, verb, command, time.time()),
            )
            found = self._find("id", key)
            assert found is not None
            return found

    def refuse_more(self, most: int) -> None:
        """Raise RequestError (429) where so many jobs, or more, wait or run."""
        with self.lock:
            self._refuse_more(most)

    def get(self, key: str) -> JobRecord | None:
        """A job by its id."""
        with self.lock:
            return self._find("id", key)

    def of_submission(self, once: str) -> JobRecord | None:
        """The job of an earlier submission."""
        with self.lock:
            return self._find("key", once)

    def newest(self, count: int) -> list[JobRecord]:
        """The last jobs that came, newest first."""
        return self._select("ORDER BY number DESC LIMIT ?", count)

    def in_state(self, state: State) -> list[JobRecord]:
        """Jobs in a state, in the order in which they came."""
        return self._select("WHERE state = ? ORDER BY number", state)

    def counts(self) -> dict[str, int]:
        """How many jobs are in each state."""
        with self.lock:
            return dict(self.connection.execute("SELECT state, count(*) FROM jobs GROUP BY state").fetchall())

    def take(self) -> JobRecord | None:
        """The next job, which is running from now on."""
        with self.lock:
            row = self.connection.execute(
                "UPDATE jobs SET state = 'running', started = ?, attempts = attempts + 1, pid = 0 WHERE number = "
                f"(SELECT number FROM jobs WHERE state = 'queued' ORDER BY number LIMIT 1) RETURNING {_COLUMNS}",
                (time.time(),),
            ).fetchone()
            return None if row is None else _job(row)

    def runs_as(self, key: str, pid: int) -> None:
        """Note the process of a running job."""
        self._change("UPDATE jobs SET pid = ? WHERE id = ? AND state = 'running'", pid, key)

    def put_back(self, key: str) -> bool:
        """Let a running job wait again; whether it ran."""
        return self._change("UPDATE jobs SET state = 'queued', pid = 0 WHERE id = ? AND state = 'running'", key)

    def settle(self, key: str, state: State, error: str = "") -> bool:
        """End a running job; whether it ran."""
        assert state in FINAL
        statement = "UPDATE jobs SET state = ?, error = ?, ended = ?, pid = 0 WHERE id = ? AND state = 'running'"
        return self._change(statement, state, error, time.time(), key)

    def cancel(self, key: str) -> None:
        """End a job that waits, and note of one that runs that it is to end."""
        with self.lock:
            self.connection.execute(
                "UPDATE jobs SET state = 'cancelled', ended = ? WHERE id = ? AND state = 'queued'", (time.time(), key)
            )
            self.connection.execute("UPDATE jobs SET cancelling = 1 WHERE id = ? AND state = 'running'", (key,))

    def _refuse_more(self, most: int) -> None:
        row = self.connection.execute("SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')").fetchone()
        if row[0] >= most:
            raise RequestError(429, f"{row[0]} jobs wait: expected fewer than {most}, try again later")

    def _change(self, statement: str, *values: object) -> bool:
        with self.lock:
            return self.connection.execute(statement, values).rowcount == 1

    def _find(self, column: str, value: str) -> JobRecord | None:
        row = self.connection.execute(f"SELECT {_COLUMNS} FROM jobs WHERE {column} = ?", (value,)).fetchone()
        return None if row is None else _job(row)

    def _select(self, rest: str, *values: object) -> list[JobRecord]:
        with self.lock:
            return [_job(row) for row in self.connection.execute(f"SELECT {_COLUMNS} FROM jobs {rest}", values)]


def _job(row: tuple[object, ...]) -> JobRecord:
    fields: dict[str, Any] = dict(zip(_COLUMNS.split(", "), row, strict=True))
    return JobRecord(**fields | {"cancelling": bool(fields["cancelling"])})
