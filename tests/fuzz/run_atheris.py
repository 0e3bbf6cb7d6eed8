"""`python tests/fuzz/run_atheris.py TARGET [options of libFuzzer]`: one target, guided by coverage.

It needs `pip install atheris`. The name may be a part of one. What fails is written to `crash-...` in the working
folder, as libFuzzer does. Examples:

    python tests/fuzz/run_atheris.py mmCIF -runs=100000
    python tests/fuzz/run_atheris.py "condition" -max_total_time=600 CORPUS
"""

from __future__ import annotations

import dataclasses
import os
import sys
import tempfile
from pathlib import Path

import atheris  # type: ignore[import-not-found]

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path[0] = str(Path(__file__).resolve().parent.parent)

with atheris.instrument_imports(include=["metricvae"]):
    from fuzz.registry import made, targets
    from fuzz.running import Limits, execute, strict_warnings


def main() -> None:
    """Fuzz the target that the command line names until libFuzzer ends it."""
    names = [name for name in targets() if sys.argv[1].lower() in name.lower()]
    if not names:
        sys.exit(f"there is no target {sys.argv[1]!r}: expected a part of one of {', '.join(targets())}")
    with tempfile.TemporaryDirectory() as folder, strict_warnings():
        target = dataclasses.replace(made(names[0], Path(folder)), covered=False)
        seeds = Path(folder) / "seeds"
        seeds.mkdir()
        for number, content in enumerate(target.seeds):
            (seeds / str(number)).write_bytes(content)

        def one(content: bytes) -> None:
            execute(target, 0, content, {}, Limits())

        atheris.Setup([sys.argv[0], *sys.argv[2:], str(seeds)], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
