"""The process that runs one job: it starts the verb in a process of its own, watches it, and writes how it ended.

It dies with the server that started it, and the verb dies with it (Linux tells a process that its parent is gone). It
holds a lock as long as it, or anything it started, lives. `outcome.json` is made by one atomic link, which fails where
there is one already: a job ends once.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from metricvae.runtime.files import link_or_copy, sweep
from metricvae.runtime.reading import CONFINED
from metricvae.runtime.temporary import temporary_file
from metricvae.web.jobs.records import (
    BEGINNING,
    EVENTS,
    INPUTS,
    LOCK,
    MESSAGES,
    OUTCOME,
    PARTIAL,
    PROGRESS,
    RESULTS,
    STDOUT,
    TASK,
    UNFINISHED,
)
from metricvae.web.objects.process import limit_memory

BUSY = 75
"""Exit status where another process runs the job."""

LARGEST_RESULT = 64 * 2**20
"""Bytes that a verb prints, at most."""

LONGEST_LINE = 2**20
"""Letters of a line of a verb's messages, at most."""

LINES_KEPT = 200
"""Lines of messages that are kept."""

_PARENT_DEATH = 1
"""`PR_SET_PDEATHSIG` of Linux."""


def main() -> int:
    """Run the job in the folder that the first argument names."""
    folder = Path(sys.argv[1]).resolve()
    end_with_parent(int(sys.argv[2]))
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return BUSY
    threading.Thread(target=_watch, args=(int(sys.argv[2]),), daemon=True).start()
    if not (folder / OUTCOME).exists():
        task = json.loads((folder / TASK).read_text(encoding="utf-8"))
        prepare_folder(folder, resumes=bool(task["resumes"]))
        write_outcome(folder, run_verb(folder, task, lock))
    sweep(folder, [OUTCOME])  # of one that was killed just after it had ended
    return 0


def end_with_parent(parent: int) -> None:
    """End this process when its parent ends, or now where it is gone already; Linux alone can say so."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PARENT_DEATH, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _watch(parent: int) -> None:
    """End this process and all that it started when its parent has ended, on systems that do not tell."""
    while os.getppid() == parent:
        time.sleep(0.2)
    os.killpg(0, signal.SIGKILL)


def prepare_folder(folder: Path, *, resumes: bool) -> None:
    """Put back what an attempt that was killed had finished, or remove it where the verb does not resume; give a verb
    that changes a folder its copy."""
    if (folder / RESULTS).exists() and not (folder / UNFINISHED).exists():
        os.rename(folder / RESULTS, folder / UNFINISHED)
    if not resumes:
        shutil.rmtree(folder / UNFINISHED, ignore_errors=True)
    if (folder / BEGINNING).exists() and not (folder / UNFINISHED).exists():
        temporary = folder / f".{UNFINISHED}.tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.copytree(folder / BEGINNING, temporary, copy_function=link_or_copy)
        os.rename(temporary, folder / UNFINISHED)


def run_verb(folder: Path, task: Mapping[str, Any], lock: int) -> dict[str, Any]:
    """Run the verb to its end; how it ended."""
    start, parent = time.monotonic(), os.getpid()

    def begin() -> None:
        end_with_parent(parent)
        limit_memory(int(task["memory"]))

    with open(folder / STDOUT, "wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "metricvae", *task["argv"], "--json", "--progress", "json"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.PIPE,
            pass_fds=(lock,),
            preexec_fn=begin,
            env={**os.environ, **task.get("environment", {}), "PYTHONSAFEPATH": "1", CONFINED: "1"},
        )
        assert process.stderr is not None
        messages = MessageReader(folder, process.stderr)
        try:
            status = process.wait(task["seconds"])
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return {"status": -1, "error": f"it took more than {task['seconds']:g} s, and was ended"}
        finally:
            messages.join(10)
    seconds = time.monotonic() - start
    return _ended(folder, status, messages) | {"seconds": seconds}


def _ended(folder: Path, status: int, messages: MessageReader) -> dict[str, Any]:
    """What a verb that ended came to."""
    if status == 0:
        if (folder / STDOUT).stat().st_size > LARGEST_RESULT:
            return {"status": 1, "error": "its answer is too large"}
        try:
            result = json.loads(without_paths(folder, (folder / STDOUT).read_text(encoding="utf-8")) or "null")
        except ValueError:
            return {"status": 1, "error": "its answer is no JSON document"}
        if (folder / UNFINISHED).exists():
            os.rename(folder / UNFINISHED, folder / RESULTS)
        return {"status": 0, "result": result, "error": ""}
    last = without_paths(folder, messages.last.removeprefix("metricvae: "))
    reason = last if status == 2 and last else f"it ended with status {status}{': ' if last else ''}{last}"
    if status < 0:
        reason = f"its process was killed by signal {-status} (out of memory?)"
    return {"status": status, "error": reason}


def without_paths(folder: Path, text: str) -> str:
    """A text of a verb with the names that a client knows: no folder of this machine."""
    for path, shown in ((f"{folder}/", ""), (f"{folder.parent}/", "job:"), (f"{INPUTS}/", ""), (UNFINISHED, RESULTS)):
        text = text.replace(path, shown)
    return text


class MessageReader(threading.Thread):
    """Reads what a verb says on stderr: progress is written to a file, of messages the last lines are kept.

    Args:
        folder: of the job.
        stream: what is read.
    """

    def __init__(self, folder: Path, stream: IO[bytes]) -> None:
        super().__init__(daemon=True)
        self.folder, self.stream, self.last = folder, stream, ""
        self.lines: list[str] = []
        self.start()

    def run(self) -> None:
        for raw in self.stream:
            with contextlib.suppress(OSError):  # on a full disk progress is not shown, but the verb is not held up
                self._record(raw[:LONGEST_LINE].decode("utf-8", "replace").rstrip())

    def _record(self, line: str) -> None:
        document = _document_of(line)
        if "partial" in document:
            self._append(PARTIAL, without_paths(self.folder, json.dumps(document["partial"])))
        elif {"stage", "done", "total"} <= document.keys():
            self._note(document)
        elif line and not document:
            line = line[:4_000]
            self.last = line
            self.lines = [*self.lines[1 - LINES_KEPT :], line]
            replace(self.folder / MESSAGES, without_paths(self.folder, "\n".join(self.lines)))

    def _note(self, document: dict[str, Any]) -> None:
        text = json.dumps(document | {"at": time.time()})
        replace(self.folder / PROGRESS, text)
        self._append(EVENTS, text)

    def _append(self, name: str, text: str) -> None:
        with open(self.folder / name, "a", encoding="utf-8") as file:
            file.write(f"{text}\n")


def _document_of(line: str) -> dict[str, Any]:
    """The document in a line; an empty one where it is a message."""
    if not line.startswith("{"):
        return {}
    try:
        document = json.loads(line)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def write_outcome(folder: Path, outcome: Mapping[str, Any]) -> None:
    """Say once and for all how the job ended; a second time changes nothing."""
    with temporary_file(folder / OUTCOME) as temporary:
        with open(temporary, "w", encoding="utf-8") as file:
            json.dump(outcome, file)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(temporary, folder / OUTCOME)


def replace(path: Path, text: str) -> None:
    """Replace a small file of this process's own, atomically, without waiting for the disk."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


if __name__ == "__main__":
    sys.exit(main())
