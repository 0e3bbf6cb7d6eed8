"""`python tests/fuzz --executions 1000000`: attacks every reader, and prints a table of what became of it."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from fuzz.registry import made, targets  # noqa: E402
from fuzz.running import Failure, Limits, record, run  # noqa: E402


def main() -> int:
    """Run what the command line asks for; 1 where a reader failed."""
    parser = argparse.ArgumentParser(prog="python tests/fuzz", description=__doc__)
    parser.add_argument("--executions", type=int, default=20_000, help="of all targets together")
    parser.add_argument("--targets", default="", help="parts of their names, with commas between them")
    parser.add_argument("--without", default="none", help="parts of the names of those that are left out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=10.0, help="that one execution may take")
    chosen = parser.parse_args()
    names = [name for name in targets() if _has(name, chosen.targets) and not _has(name, chosen.without)]
    with tempfile.TemporaryDirectory(dir=_memory()) as folder:
        made_targets = [made(name, Path(folder)) for name in names]
        total = sum(one.weight for one in made_targets)
        outcomes = []
        for one in made_targets:
            found = run(one, round(chosen.executions * one.weight / total), chosen.seed, Limits(chosen.seconds))
            outcomes.append(found)
            print(f"{one.name}: {found.executions} in {found.seconds:.1f} s, {found.failed} failed", file=sys.stderr)
            for failure in _different(found.failures):
                print(f"  {failure.number}: {failure.kind} {failure.place} {failure.detail}", file=sys.stderr)
    print(record(outcomes))
    return int(any(one.failed for one in outcomes))


def _has(name: str, parts: str) -> bool:
    """Whether a name has one of some parts, with commas between them."""
    return any(part.strip().lower() in name.lower() for part in parts.split(","))


def _different(failures: list[Failure]) -> list[Failure]:
    """Failures of one kind at one place once."""
    return list({(one.kind, one.place, one.detail[:40]): one for one in reversed(failures)}.values())


def _memory() -> str | None:
    """A folder in memory, where there is one: a disk would be written to at every execution."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


if __name__ == "__main__":
    sys.exit(main())
