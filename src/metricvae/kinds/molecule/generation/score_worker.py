"""The process that calls a user's own function: a SMILES a line in, a line of JSON out; see `score_process`."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def function_of(module: str, name: str) -> Callable[[str], Any]:
    """A function of a module, or of a Python file."""
    if module.endswith(".py"):
        spec = importlib.util.spec_from_file_location(Path(module).stem, module)
        if spec is None or spec.loader is None or not Path(module).is_file():
            raise ImportError(f"there is no file {module}")
        loaded = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(loaded)
    else:
        loaded = importlib.import_module(module)
    found: Callable[[str], Any] = getattr(loaded, name)
    return found


def answer_of(call: Callable[[], Any], key: str) -> dict[str, Any]:
    """What a call gives under a key, or what it raised."""
    try:
        return {key: call()}
    except BaseException as error:  # whatever a user's function raises, SystemExit too
        first = (str(error).strip().splitlines() or [""])[0]
        return {"fault": f"raised {type(error).__name__}: {first}" if first else f"raised {type(error).__name__}"}


def run(module: str, name: str) -> None:
    """Answer until nothing more comes. What the function prints goes to the standard error."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    loaded: list[Callable[[str], Any]] = []
    answer = answer_of(lambda: loaded.append(function_of(module, name)), "ready")
    out.write(json.dumps(answer) + "\n")
    out.flush()
    for line in sys.stdin if loaded else ():
        smiles = line.strip()
        out.write(json.dumps(answer_of(lambda text=smiles: float(loaded[0](text)), "value")) + "\n")  # type: ignore[misc]
        out.flush()


if __name__ == "__main__":
    run(*sys.argv[1:3])
