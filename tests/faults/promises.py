"""What must hold of files after a fault, and after the same command was run once more."""

from __future__ import annotations

import errno
import fnmatch
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from faults.disturbed import Outcome, Place
from faults.system_calls import FAILS_WITH

Files = dict[str, bytes]
"""Contents by path below a folder."""

TEMPORARY = ("*.tmp", "*.tmp/*", "*/.lock")
"""Names that are never those of anything finished."""

_UNIQUE = re.compile(r"\.(?P<name>[^/]+?)\.[^./]+\.tmp(?=/|$)")


def files_of(folder: Path) -> Files:
    """All files below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def restore(files: Files, folder: Path) -> None:
    """Make a folder hold those files and no others."""
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def state_of(folder: Path) -> str:
    """What tells the state of a folder from others: temporary files by the name they are to have alone."""
    found = {_plain(name): b"" if _is(name, TEMPORARY) else content for name, content in files_of(folder).items()}
    return repr(sorted((name, hash(content)) for name, content in found.items()))


def faults_of_failure(
    before: Files,
    after: Files,
    final: Files,
    outcome: Outcome,
    place: Place,
    *,
    progress: Sequence[str] = (),
    markers: Sequence[str] = (),
) -> list[str]:
    """What is wrong after an operation failed; nothing where all is as promised.

    Args:
        before, after: files, of the run that was disturbed.
        final: files after one that was not.
        outcome: of the one that was.
        place: where it ran.
        progress: patterns of what an unfinished run may leave.
        markers: files without which what is there is unfinished.
    """
    if outcome.status == 0:
        kept = {name: content for name, content in after.items() if not _is(name, TEMPORARY)}
        wrong = differences(kept, final)
        return [f"says that it is done, but {wrong}"] if wrong else []
    faults = faults_of_message(outcome, place)
    faults += _faults_of_claim(before, after, outcome.err, progress)
    return [*faults, *faults_of_state(before, after, final, progress=progress, markers=markers)]


def _faults_of_claim(before: Files, after: Files, said: str, progress: Sequence[str]) -> list[str]:
    """What is wrong with a message that a path is as it was, but for files that were written several times."""
    named = re.match(r"metricvae: cannot write (.+): [^:]+; it is as it was", said)
    if named is None:
        return []
    below = [name for name in {*before, *after} if name == named[1] or name.startswith(f"{named[1]}/")]
    below = [name for name in below if not _is(name, [*TEMPORARY, *progress])]
    changed = sorted(name for name in below if before.get(name) != after.get(name))
    return [f"says that {named[1]} is as it was, but {', '.join(changed)} changed"] if changed else []


def faults_of_message(outcome: Outcome, place: Place) -> list[str]:
    """What is wrong with what is said of a failure: it must be one line with the file and the reason, and status 2."""
    assert outcome.struck is not None
    said, (sort, path) = outcome.err, outcome.struck
    faults = [] if outcome.status == 2 else [f"status {outcome.status}, expected 2"]
    if not said.startswith("metricvae: ") or said.count("\n") != 1:
        return [*faults, f"says {said[-1500:]!r}, expected one line"]
    error = FAILS_WITH[sort]
    reasons = [os.strerror(error), f"error {error}", f"Errno {error}", *["the disk is full"] * (error == errno.ENOSPC)]
    if not any(reason.lower() in said.lower() for reason in reasons):
        faults.append(f"says {said!r}, expected why: {os.strerror(error)}")
    plain = _plain(path).removeprefix(f"{place.work}/").removeprefix(f"{place.temporary.parent}/")
    if not any(part in said for part in Path(plain).parts):
        faults.append(f"says {said!r}, expected it to name {plain}")
    return faults


def faults_of_state(
    before: Files, after: Files, final: Files, *, progress: Sequence[str] = (), markers: Sequence[str] = ()
) -> list[str]:
    """What is wrong with the files that a run left which was disturbed or killed."""
    faults = []
    for name in sorted({*before, *after}):
        if _is(name, [*progress, *TEMPORARY]):
            continue
        if after.get(name) not in (before.get(name), final.get(name)):
            what = "is gone" if name not in after else "is neither as it was nor as it is to be"
            faults.append(f"{name} {what}")
    for marker in markers:
        if after.get(marker) == final[marker] != before.get(marker):
            wrong = {name for name in final if after.get(name) != final[name]}
            faults += [f"{marker} says that it is finished, but {', '.join(sorted(wrong))} are not"] if wrong else []
    return faults


def faults_of_rerun(after: Files, final: Files, outcome: Outcome, place: Place) -> list[str]:
    """What is wrong after the same command was run again, undisturbed: it must leave the files of a run that never was.

    A command that refuses to write what is there has nothing to do where all of it is there.
    """
    if outcome.status == 2:  # it did not come to take the lock, so one that could not be removed is still there
        after = {name: content for name, content in after.items() if not _is(name, ["*/.lock"])}
    wrong = differences(after, final)
    faults = [f"after the next run {wrong}"] if wrong else []
    if outcome.status != 0 and (wrong or outcome.status != 2):
        faults.append(f"the next run ended with status {outcome.status}: {outcome.err[-1500:]}")
    return faults


def differences(found: Mapping[str, bytes], expected: Mapping[str, bytes]) -> str:
    """In what files differ from those expected, in words; empty where they do not."""
    said: list[tuple[str, Callable[[str], bool]]] = [
        ("is missing", lambda name: name not in found),
        ("is left over", lambda name: name not in expected),
        ("has other bytes", lambda name: name in found and name in expected and found[name] != expected[name]),
    ]
    names = sorted({*found, *expected})
    return "; ".join(f"{', '.join(here)} {what}" for what, holds in said if (here := [n for n in names if holds(n)]))


def _is(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _plain(name: str) -> str:
    """A path with temporary names as those that the files are to have."""
    return _UNIQUE.sub(lambda found: found["name"], name)
