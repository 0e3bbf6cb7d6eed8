"""The process that reads objects, and another that solves pairs: one request a line on stdin, one answer a line on
stdout; it ends with its parent.

What it reads may be hostile: it has a limit of memory, no folder but the one it is told, and is killed when it takes
too long.
"""

from __future__ import annotations

import base64
import contextlib
import json
import math
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from metricvae.core.errors import InputError
from metricvae.core.kind import Object, ObjectKind, ReadOptions, kind_from_json

GZIP = b"\x1f\x8b"


def main() -> None:
    """Answer until stdin ends."""
    limit_memory(int(sys.argv[1]))
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries say is no answer
    for line in sys.stdin:
        answers.write(json.dumps(_answer(json.loads(line))) + "\n")
        answers.flush()


def limit_memory(most: int) -> None:
    """Let this process, and those it starts, have at most so many bytes of data each."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _answer(request: Mapping[str, Any]) -> dict[str, Any]:
    try:
        work = solve_objects if request.get("do") == "solve" else read_object
        return {"found": work(request)}
    except InputError as error:
        return {"error": str(error).replace(f"{request.get('folder', '')}/", "")}
    except MemoryError:
        return {"error": "it takes more memory than is given to reading an object: send a smaller one"}
    except Exception as error:  # libraries raise many kinds on what is no such object
        return {"error": f"it cannot be read ({type(error).__name__}): send another one"}


def read_object(request: Mapping[str, Any]) -> dict[str, Any]:
    """Read the object of a request, and write it into the folder of the request as its kind stores it.

    Args:
        request: `kind`, `folder`, `file` (its name in the folder) or `text`, `site`, `fit`, `keep` (whether its
            picture is wanted too).

    Raises:
        InputError: no such object.
    """
    from metricvae.web.objects.records import TABLE, write_table

    folder, kind = Path(request["folder"]), kind_from_json(request["kind"])
    value = _value(kind, folder, request)
    kind = kind.adapt([value])
    write_table(folder / TABLE, kind, value)
    found: dict[str, Any] = {"kind": kind.to_json(), "facts": {}, "picture": "", "file": request.get("file", "")}
    if request.get("keep"):
        found |= {"facts": facts_of(kind, value), "picture": _picture(folder, kind, value)}
        if not found["file"] and ".sdf" in kind.posed_suffixes:
            kind.write_posed(folder / "object.sdf", [value], [None])
            found["file"] = "object.sdf"
    return found


def solve_objects(request: Mapping[str, Any]) -> dict[str, Any]:
    """The exact answer for two objects that lie in the folder of a request.

    Args:
        request: `folder`, `metric`, `by`, `kinds` (of the files `first` and `second`, in its folder), `picture`.

    Raises:
        InputError: the metric has no such solver, or cannot take the objects.
    """
    from metricvae.core.hits import FoundObject
    from metricvae.core.metric import metric_from_json
    from metricvae.web.answers import plain
    from metricvae.web.objects.records import read_table

    metric, folder = metric_from_json(request["metric"]), Path(request["folder"])
    solver = metric.solver_by(request.get("by"))
    if solver is None:
        raise InputError(f"there is no exact solver for the metric {metric.name}")
    names = ("first", "second")
    values = [read_table(folder / name, kind) for name, kind in zip(names, request["kinds"], strict=True)]
    found = solver.solve(*(solver.prepare(value) for value in values))
    answer = {"value": found.value, "score": found.score, "score_name": solver.score_name, "pose": found.pose}
    if request.get("picture") and metric.hit_drawer is not None and math.isfinite(found.score):
        shown = FoundObject("", values[1], found.pose, solver.score_name, found.score, math.nan)
        answer["picture"] = base64.b64encode(metric.hit_drawer(values[0], [shown])).decode()
    document: dict[str, Any] = plain(answer)
    return document


def _value(kind: ObjectKind, folder: Path, request: Mapping[str, Any]) -> Object:
    """The object itself."""
    options = ReadOptions(fit=bool(request.get("fit")))
    if request.get("text"):
        return _from_text(kind, folder, str(request["text"]), options)
    path = folder / request["file"]
    with open(path, "rb") as file:
        if file.read(2) == GZIP:
            raise InputError("it is compressed: send it unpacked")
    return kind.read(Path(f"{path}@{request['site']}") if request.get("site") else path, options)


def _from_text(kind: ObjectKind, folder: Path, text: str, options: ReadOptions) -> Object:
    """The object that a text is, of kinds that are texts; a text that may name a file is refused."""
    if not kind.inline:
        raise InputError(f"{kind.title} are no texts: send a file")
    names_file = str(kind.file_of(Path(text))).lower().removesuffix(".gz").endswith(kind.suffixes or ("\0",))
    if "\0" in text or names_file or kind.locate(text, folder) is not None:
        raise InputError("it is the name of a file: send the file, or the object itself")
    return kind.convert(text, options)


def facts_of(kind: ObjectKind, value: Object) -> dict[str, Any]:
    """What is known of an object: its magnitude, and the properties that an index would keep."""
    facts: dict[str, Any] = {}
    if kind.magnitude_name != "magnitude":
        facts[kind.magnitude_name] = float(kind.measure([value])[0])
    for name, column in kind.index_columns([value]).items():
        one = column[0].as_py()
        if isinstance(one, int | float | str | bool):
            facts[name] = one
    return facts


def _picture(folder: Path, kind: ObjectKind, value: Object) -> str:
    """Name of the picture that was written; empty where there is none."""
    picture = kind.picture(value)
    if picture is None:
        return ""
    name = f"picture{picture.suffix}"
    (folder / name).write_bytes(picture.content)
    return name


if __name__ == "__main__":
    main()
