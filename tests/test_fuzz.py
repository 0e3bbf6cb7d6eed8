"""Every reader under mutated files: a valid value or bad input in one line, within limits; and the fuzzer itself."""

from __future__ import annotations

import struct
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

if sys.platform != "linux":
    pytest.skip("limits of memory and time are Linux's", allow_module_level=True)

from fuzz.mutation import LARGEST, MUTATIONS, mutated
from fuzz.registry import made, targets
from fuzz.running import Failure, Limits, execute, run, strict_warnings
from fuzz.target import Target, digest
from metricvae.core.errors import InputError

QUICK = Limits(seconds=0.3, memory=64 * 2**20)

SLOW = ("HTTP", "model:", "index:", "data set:", "--config", "of pairs", "site")
"""Parts of the names of targets that take seconds to make."""


def failures(name: str, executions: int, folder: Path, seed: int = 1) -> list[Failure]:
    return run(made(name, folder), executions, seed).failures


# Readers


def test_every_format_is_attacked_for_a_moment(tmp_path: Path) -> None:
    """In this process: the limit of memory is left to the long test."""
    names = [name for name in targets() if not any(part in name for part in SLOW)]
    assert len(names) > 40
    for name in names:
        target, answers = made(name, tmp_path), dict[int, str]()
        with strict_warnings():
            for number in range(5):
                execute(target, *target.content(1, number), answers, Limits())


@pytest.mark.slow
@pytest.mark.parametrize("name", targets())
def test_every_format_is_attacked(name: str, tmp_path: Path) -> None:
    assert failures(name, 300 if "HTTP" in name else 2000, tmp_path, seed=2) == []


# The fuzzer, on readers that are broken


def target(tmp_path: Path, read: Callable[[Path], Any], **more: Any) -> Target:
    return Target("broken", tmp_path / "x", (b"number 17 of 100\n" * 8,), read, (b"word",), **more)


def kinds_of(found: list[Failure]) -> set[str]:
    return {one.kind for one in found}


def fine(path: Path) -> int:
    """A reader without faults."""
    content = path.read_bytes()
    if not content.startswith(b"number"):
        raise InputError(f"{path} begins with something else: expected a number")
    return len(content)


def test_a_reader_without_faults_has_none(tmp_path: Path) -> None:
    found = run(target(tmp_path, fine), 300)
    assert found.failures == []
    assert found.refused + found.accepted == found.executions == 300
    assert min(found.refused, found.accepted) > 20


def raises_key_error(path: Path) -> Any:
    return {b"number": 1}[path.read_bytes()[:6]]


def says_two_lines(path: Path) -> Any:
    error = InputError("one")
    error.args = ("one\ntwo",)
    raise error


def writes_to_stderr(path: Path) -> Any:
    import os

    return os.write(2, b"libfoo: warning\n")


def warns(path: Path) -> Any:
    import numpy as np

    return np.float32(1e38) * np.float32(len(path.read_bytes()) + 10)


def allocates_what_is_declared(path: Path) -> Any:
    words = path.read_bytes().split()
    number = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
    return len(bytearray(min(number, 10**10)))


def hides_a_failed_allocation(path: Path) -> Any:
    try:
        return allocates_what_is_declared(path)
    except MemoryError:
        raise InputError("it is too large: give a smaller one") from None


def dies(path: Path) -> Any:
    import os

    if b"word" in path.read_bytes():
        os.abort()
    return 1


@pytest.mark.parametrize(
    ("read", "kind"),
    [
        (raises_key_error, "KeyError"),
        (says_two_lines, "not one line"),
        (writes_to_stderr, "output"),
        (warns, "RuntimeWarning"),
        (allocates_what_is_declared, "memory"),
        (hides_a_failed_allocation, "memory"),
        (dies, "death"),
    ],
)
def test_a_broken_reader_is_found_out(read: Callable[[Path], Any], kind: str, tmp_path: Path) -> None:
    found = run(target(tmp_path, read), 400, limits=QUICK, most=3)
    assert kinds_of(found.failures) == {kind}


@pytest.mark.parametrize("how", ["loop", "sleep", "loop that catches everything"])
def test_a_reader_that_hangs_is_found_out(how: str, tmp_path: Path) -> None:
    def hangs(path: Path) -> Any:
        while b"word" in path.read_bytes():
            if how == "sleep":
                time.sleep(100)
            try:
                for _ in range(10_000):
                    pass
            except Exception:
                continue

    found = run(target(tmp_path, hangs), 200, limits=QUICK, most=1)
    assert kinds_of(found.failures) == {"time"}


def sum_of(content: bytes) -> bytes:
    return content + struct.pack("<I", zlib.crc32(content))


@pytest.mark.parametrize("checks", [True, False])
def test_a_checksum_that_is_ignored_is_found_out(checks: bool, tmp_path: Path) -> None:
    def read(path: Path) -> bytes:
        content = path.read_bytes()
        if checks and sum_of(content[:-4]) != content:
            raise InputError(f"{path} was changed: restore it")
        return content[:-4]

    covered = Target("sum", tmp_path / "x", (sum_of(b"one"), sum_of(b"another")), read, covered=True)
    found = kinds_of(run(covered, 200, most=3).failures)
    assert found == (set() if checks else {"another answer"})


def test_after_a_death_the_others_are_run(tmp_path: Path) -> None:
    found = run(target(tmp_path, dies), 60, most=1000)
    assert found.executions == 60
    assert 0 < found.failed < 60
    assert found.refused + found.accepted + found.failed == 60


# Mutations


def test_mutants_come_from_their_seed_alone() -> None:
    seeds = b"1 2 3 four\n" * 5, b"\x00\x01\x02\xff" * 9
    one, other = ([mutated(seeds, (b"word",), Random(7 * n)) for n in range(200)] for _ in range(2))
    assert one == other
    assert len({content for _, content in one}) > 150
    assert max(len(content) for _, content in one) <= LARGEST


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: one.__name__)
@pytest.mark.parametrize("content", [b"", b"7", b"1 22 -3.5e4\nx\n" * 4])
def test_every_mutation_takes_any_content(mutation: Any, content: bytes) -> None:
    changed = set()
    for number in range(30):
        data = bytearray(content)
        mutation(data, Random(number), (b"other", content), (b"w",))
        changed.add(bytes(data))
    assert len(changed) > 1 or len(content) < 2


def test_equal_answers_have_equal_digests() -> None:
    import numpy as np

    one, other = ({"a": [np.arange(3), "x", 1.5, None]} for _ in range(2))
    assert digest(one) == digest(other)
    assert digest(np.arange(3)) != digest(np.arange(3.0)) != digest(np.arange(3.0).reshape(3, 1))
