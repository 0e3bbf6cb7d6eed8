"""`metricvae solve` in space: molecules, and density maps."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import Namespace

from metricvae.cli.common import say, wants_list
from metricvae.cli.parser import Fields
from metricvae.core.errors import InputError
from metricvae.runtime.progress import progress

if TYPE_CHECKING:
    from metricvae.core.metric import BatchSolver, Solution
    from metricvae.core.pair_list import PairList


def ending_of(path: Path | str) -> str:
    """The ending of a file's name, in small letters, without `.gz`."""
    from metricvae.kinds.molecule.listing import suffix_of

    return suffix_of(path)


def is_spatial(ending: str) -> bool:
    """Whether files that end so are molecules or density maps."""
    from metricvae.kinds.molecule.readers import ENDINGS

    return ending in ENDINGS or is_map(ending)


def is_map(ending: str) -> bool:
    """Whether files that end so are density maps."""
    from metricvae.kinds.volume.records import ENDINGS

    return ending in ENDINGS


def is_smiles(text: str) -> bool:
    """Whether a text is a molecule, and not the name of a file."""
    import os

    from metricvae.kinds.molecule.standardise import standard

    if not text or os.path.exists(text):
        return False
    try:
        standard(text)
    except InputError:
        return False
    return True


def solve_spatial(options: Namespace, ending: str) -> Fields:
    """The exact answer for two molecules or maps."""
    _check(options, ending)
    if wants_list(options):
        raise InputError("got two files and --pairs: give one or the other")
    return _solve_maps(options) if is_map(ending) else _solve_pair(options)


def _check(options: Namespace, ending: str) -> None:
    for name in ("join", "certify", "fit", "invert"):
        if getattr(options, name):
            got = "density maps" if is_map(ending) else "molecules"
            raise InputError(f"--{name} is for images, got {got}: leave it out")


def _solve_pair(options: Namespace) -> Fields:
    from metricvae.core.object_files import read_named
    from metricvae.kinds.molecule.kind import MoleculeKind
    from metricvae.kinds.molecule.mol_blocks import write_sdf

    solver = _solver(options)
    a, b = (read_named(MoleculeKind(), name) for name in (options.a, options.b))
    found = solver.solve(solver.prepare(a), solver.prepare(b))
    document = _document(found, solver)
    if options.aligned is not None:
        write_sdf(Path(options.aligned), [a, b.moved(found.pose.rotation, found.pose.translation)])
    return say(options, document, _text(document))


def _solver(options: Namespace) -> BatchSolver:
    """The overlay that `--by` names."""
    from metricvae.core.metric import BatchSolver
    from metricvae.metrics.shape.metric import ShapeMetric

    solver = ShapeMetric().solver_by(options.by)
    assert isinstance(solver, BatchSolver)
    return solver


def _document(found: Solution, solver: BatchSolver) -> Fields:
    """The overlap and the score, whatever else the overlay says, and the motion."""
    fields = dataclasses.asdict(found.pose)
    motion = {name: fields.pop(name).tolist() for name in ("rotation", "translation")}
    return {"overlap": found.value, solver.score_name: found.score} | fields | motion


def _solve_maps(options: Namespace) -> Fields:
    from metricvae.kinds.volume.io import read_map
    from metricvae.metrics.shape.solver.maps import overlay_maps

    for name in ("aligned", "by"):
        if getattr(options, name) is not None:
            raise InputError(f"--{name} is for molecules, got density maps: leave it out")
    found = overlay_maps(read_map(Path(options.a)), read_map(Path(options.b)))
    document: Fields = {"correlation": found.correlation, **_motion(found)}
    return say(options, document, _text(document))


def solve_list(options: Namespace, listed: PairList) -> Fields:
    """The exact answers for a list of pairs of molecules."""
    import numpy as np

    from metricvae.core.pair_list import write_rows
    from metricvae.kinds.molecule.readers import read_one

    ending = ending_of(listed.files[0])
    _check(options, ending)
    if options.aligned is not None:
        raise InputError("--aligned writes one pair, got --pairs: give A and B")
    if is_map(ending):
        raise InputError("density maps are taken two at a time, got --pairs: give A and B")
    solver = _solver(options)
    molecules, rows = [], []
    names = [solver.score_name]
    pairs = np.stack([listed.first, listed.second], axis=1)
    with progress() as step:
        for file in listed.files:
            molecules.append(solver.prepare(read_one(file)))
            step("reading molecules", len(molecules), len(listed.files))
        for start in range(0, len(pairs), PAIRS_AT_ONCE):
            found = solver.solve_pairs(molecules, pairs[start : start + PAIRS_AT_ONCE], options.workers)
            further = [name for name in _further(found[0].pose) if name != solver.score_name]
            names = [solver.score_name, *further]
            for files, one in zip(listed.names[start : start + PAIRS_AT_ONCE], found, strict=True):
                numbers = one.score, *(getattr(one.pose, name) for name in further)
                motion = [f"{number:.6f}" for number in (*one.pose.rotation.ravel(), *one.pose.translation)]
                rows.append([*files, f"{one.value:.3f}", *(f"{number:.5f}" for number in numbers), *motion])
            step("overlaying pairs", len(rows), len(pairs))
    turns = [f"r{row}{column}" for row in "123" for column in "123"]
    write_rows(Path(options.out), ["a", "b", "overlap", *names, *turns, "tx", "ty", "tz"], rows)
    document = {"pairs": len(rows), "out": options.out}
    return say(options, document, f"{len(rows)} pairs solved, written to {options.out}")


def _further(pose: Any) -> list[str]:
    """Coefficients from 0 to 1 that an overlay has beside its score."""
    return [one.name for one in dataclasses.fields(pose) if one.name in ("shape_tanimoto", "colour_tanimoto", "combo")]


PAIRS_AT_ONCE = 4_096


def _motion(found: Any) -> Fields:
    return {"rotation": found.rotation.tolist(), "translation": found.translation.tolist()}


def _text(document: Fields) -> str:
    """A name and what it says a line; a matrix takes several."""
    lines = []
    for name, value in document.items():
        rows = value if name == "rotation" else [value]
        for place, row in enumerate(rows):
            numbers = row if isinstance(row, list) else [row]
            lines.append(f"{'' if place else name:12}" + "".join(f"{number:11.4f}" for number in numbers))
    return "\n".join(lines)
