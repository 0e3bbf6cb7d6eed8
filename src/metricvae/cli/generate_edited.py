"""`metricvae generate` for kinds whose objects are made by editing others: molecules."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import Namespace

from metricvae.cli.common import say
from metricvae.cli.parser import Fields
from metricvae.cli.predict_own import own_predictor_of
from metricvae.core.errors import shortened
from metricvae.runtime.progress import progress

if TYPE_CHECKING:
    from metricvae.core.hits import Value
    from metricvae.core.requirements import Requirement
    from metricvae.generation.evolution import Evolved, Made
    from metricvae.prediction.predictor import Predictor

ANSWERS, TABLE, POSED, SHEET = "answers.json", "answers.csv", "answers", "sheet.png"


def generate_edited(options: Namespace, predictor: Predictor) -> Fields:
    """Make what is required, write it, and return the document."""
    from metricvae.core.requirements import forms_for, parse_requirement
    from metricvae.generation.evolution import EvolutionConfig, evolve
    from metricvae.generation.learned_requirements import learned_forms
    from metricvae.search.index import read_index

    start = time.perf_counter()
    forms = {**learned_forms(predictor), **forms_for(predictor.kind("right"), own_predictor_of)}
    requirements: list[Requirement] = []
    try:
        for text in options.require:
            requirements.append(parse_requirement(text, forms))
        library = None if options.library is None else read_index(Path(options.library))
        config = EvolutionConfig(options.seconds, options.evaluations, options.seed, improve=options.improve)
        with progress() as step:
            found = evolve(
                *(predictor, requirements, options.n, config),
                library=library,
                on_progress=lambda done, total: step("objects that hold", done, total),
            )
    finally:
        for one in requirements:
            one.close()
    return write_answers(options, predictor, requirements, found, time.perf_counter() - start)


def generate_decoded(options: Namespace, predictor: Predictor) -> Fields:
    """Decode what lies around an object or between two, write it, and return the document."""
    from metricvae.core.libraries import ReadOptions
    from metricvae.core.requirements import forms_for, parse_requirement
    from metricvae.generation.decoded import WritingConfig, write_around, write_between

    start, kind = time.perf_counter(), predictor.kind("right")
    ends = options.between or [options.around]
    forms, name = forms_for(kind, own_predictor_of), predictor.metric.name
    requirements = [parse_requirement(f"{name}:{path}>=0", forms) for path in ends if name in forms]
    config = WritingConfig(seed=options.seed)
    try:
        queries = [one.query for one in requirements] or [kind.read(Path(path), ReadOptions()) for path in ends]
        with progress() as step:
            step("writing objects", 0, options.n)
            if len(queries) == 1:
                found = write_around(predictor, queries[0], requirements, options.n, config)
            else:
                found = write_between(predictor, queries[0], queries[1], requirements, options.n, config)
    finally:
        for one in requirements:
            one.close()
    return write_answers(options, predictor, requirements, found, time.perf_counter() - start)


def write_answers(
    options: Namespace, predictor: Predictor, requirements: Sequence[Requirement], found: Evolved, seconds: float
) -> Fields:
    """Write answers into the folder `options.out`, and say them."""
    rows = [_row(one, requirements, number) for number, one in enumerate(found.answers, start=1)]
    files = _write(options, predictor, requirements, found, rows)
    document = _document(options, requirements, found, rows) | {"seconds": seconds, "files": files}
    return _said(options, document, found, requirements)


def _document(options: Namespace, requirements: Sequence[Requirement], found: Evolved, rows: list[Fields]) -> Fields:
    return {
        "requirements": [str(one) for one in requirements],
        "asked": options.n,
        "answers": rows,
        "held": found.held,
        "evaluations": found.evaluations,
        "encoded": found.encoded,
        "generations": found.generations,
        "library": found.known,
        "skipped": found.skipped,
        "seed": options.seed,
    }


def _row(one: Made, requirements: Sequence[Requirement], number: int) -> Fields:
    """What is known of an answer."""
    named = list(zip(map(str, requirements), one.readings, one.predicted, strict=True))
    more = {f"{text} {name}": value for text, reading, _ in named for name, value in (reading.fields or {}).items()}
    return {
        "name": f"answer-{number:02d}",
        "object": one.key,
        "verified": {text: reading.value for text, reading, _ in named},
        "predicted": {text: predicted for text, _, predicted in named if predicted is not None},
        "more": more,
        "novelty": one.novelty,
        "nearest": None if one.nearest is None else {"object": one.nearest[0], "similarity": one.nearest[1]},
    }


def _flat(row: Fields) -> dict[str, Value]:
    """The same in one level, as a table has it."""
    predicted = {f"predicted {text}": value for text, value in row["predicted"].items()}
    nearest = row["nearest"] or {"object": "", "similarity": math.nan}
    known = {"nearest": nearest["object"], "similarity to nearest": nearest["similarity"], "novelty": row["novelty"]}
    return {**row["verified"], **predicted, **row["more"], **known}


def _write(
    options: Namespace, predictor: Predictor, requirements: Sequence[Requirement], found: Evolved, rows: list[Fields]
) -> list[str]:
    """Write the table, the objects where they lie, a picture where there is a query to lie on, and the document last:
    all or none; the names of the files."""
    from metricvae.runtime.files import write_json
    from metricvae.runtime.folders import renewed_folder

    with renewed_folder(Path(options.out), "set of answers", ANSWERS, (TABLE, f"{POSED}.*", SHEET)) as folder:
        files = [*_write_objects(folder, predictor, found, rows), *_sheet(folder, predictor, requirements, found)]
        write_json(folder / ANSWERS, _document(options, requirements, found, rows))
    return [*files, ANSWERS]


def _write_objects(folder: Path, predictor: Predictor, found: Evolved, rows: list[Fields]) -> list[str]:
    from metricvae.core.hits_table import safe_cell, value_text
    from metricvae.core.pair_list import write_rows

    kind = predictor.kind("right")
    flat = [_flat(row) for row in rows]
    columns = list(dict.fromkeys(name for row in flat for name in row))
    cells = [
        [row["name"], row["object"], *(value_text(each.get(name)) for name in columns)]
        for row, each in zip(rows, flat, strict=True)
    ]
    write_rows(
        folder / TABLE, ["name", "object", *map(safe_cell, columns)], [[*map(safe_cell, line)] for line in cells]
    )
    files = [TABLE]
    if kind.posed_suffixes:
        name = f"{POSED}{kind.posed_suffixes[0]}"
        kind.write_posed(
            folder / name, [one.object for one in found.answers], [one.pose for one in found.answers], flat
        )
        files.append(name)
    return files


def _sheet(folder: Path, predictor: Predictor, requirements: Sequence[Requirement], found: Evolved) -> list[str]:
    """A picture of the first query and of the answers laid on it."""
    from metricvae.core.hits import FoundObject
    from metricvae.runtime.files import write_bytes

    place = next((at for at, one in enumerate(requirements) if one.query is not None), None)
    drawer = predictor.metric.hit_drawer
    if place is None or drawer is None:
        return []
    shown = []
    for number, one in enumerate(found.answers, start=1):
        reading, predicted = one.readings[place], one.predicted[place]
        number_predicted = math.nan if predicted is None else predicted
        name = f"answer-{number:02d}"
        shown.append(
            FoundObject(name, reading.object, reading.pose, requirements[place].name, reading.value, number_predicted)
        )
    write_bytes(folder / SHEET, drawer(requirements[place].query, shown))
    return [SHEET]


def _said(options: Namespace, document: Fields, found: Evolved, requirements: Sequence[Requirement]) -> Fields:
    names, lines = Counter(one.name for one in requirements), []
    labels = {str(one): f"{one.name} {shortened(one.subject) if names[one.name] > 1 else ''}" for one in requirements}
    for row in document["answers"]:
        numbers = "; ".join(f"{labels[text].strip()} {value:.3g}" for text, value in row["verified"].items())
        near = "" if row["nearest"] is None else f", nearest known at {row['nearest']['similarity']:.2f}"
        lines.append(f"{row['name']}  {row['object']}  {numbers}{near}")
    if len(found.answers) < options.n:
        lines.append(f"{len(found.answers)} of {options.n} were found: give more --seconds or loosen a requirement")
    lines += [f"{count} were skipped: {fault}" for fault, count in list(document["skipped"].items())[:3]]
    counted = f"{document['held']} of {document['evaluations']:,} that were measured hold"
    lines.append(f"{counted}; verified exactly, written to {options.out}: {', '.join(document['files'])}")
    return say(options, document, "\n".join(lines))
