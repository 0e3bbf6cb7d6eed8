"""`metricvae solve` in space: molecules, and density maps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import Namespace

from metricvae.cli.common import say, wants_list
from metricvae.cli.parser import Fields
from metricvae.core.errors import InputError
from metricvae.runtime.progress import progress

if TYPE_CHECKING:
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


def solve_spatial(options: Namespace, ending: str) -> Fields:
    """The exact answer for two molecules or maps."""
    _check(options, ending)
    if wants_list(options):
        raise InputError("got two files and --pairs: give one or the other")
    return _solve_maps(options) if is_map(ending) else _solve_pair(options)


def _check(options: Namespace, ending: str) -> None:
    for name in ("join", "certify", "fit"):
        if getattr(options, name):
            raise InputError(f"--{name} is for images, got files that end in {ending}: leave it out")


def _solve_pair(options: Namespace) -> Fields:
    from metricvae.kinds.molecule.mol_blocks import write_sdf
    from metricvae.kinds.molecule.readers import read_one
    from metricvae.metrics.shape.solver.gaussian_molecule import prepare
    from metricvae.metrics.shape.solver.overlays import overlay

    a, b = (read_one(Path(path)) for path in (options.a, options.b))
    found = overlay(prepare(a.positions, a.radii), prepare(b.positions, b.radii))
    document: Fields = {"overlap": found.overlap, "tanimoto": found.tanimoto}
    document |= {"self_a": found.self_a, "self_b": found.self_b, **_motion(found)}
    if options.aligned is not None:
        write_sdf(Path(options.aligned), [a, b.moved(found.rotation, found.translation)])
    return say(options, document, _text(document))


def _solve_maps(options: Namespace) -> Fields:
    from metricvae.kinds.volume.io import read_map
    from metricvae.metrics.shape.solver.maps import overlay_maps

    if options.aligned is not None:
        raise InputError("--aligned writes molecules, got density maps: leave it out")
    found = overlay_maps(read_map(Path(options.a)), read_map(Path(options.b)))
    document: Fields = {"correlation": found.correlation, **_motion(found)}
    return say(options, document, _text(document))


def solve_list(options: Namespace, listed: PairList) -> Fields:
    """The exact answers for a list of pairs of molecules."""
    import numpy as np

    from metricvae.core.pair_list import write_rows
    from metricvae.kinds.molecule.readers import read_one
    from metricvae.metrics.shape.solver.gaussian_molecule import prepare
    from metricvae.metrics.shape.solver.overlays import overlay_many

    ending = ending_of(listed.files[0])
    _check(options, ending)
    if options.aligned is not None:
        raise InputError("--aligned writes one pair, got --pairs: give A and B")
    if is_map(ending):
        raise InputError("density maps are taken two at a time, got --pairs: give A and B")
    molecules, rows = [], []
    pairs = np.stack([listed.first, listed.second], axis=1)
    with progress() as step:
        for file in listed.files:
            one = read_one(file)
            molecules.append(prepare(one.positions, one.radii))
            step("reading molecules", len(molecules), len(listed.files))
        for start in range(0, len(pairs), PAIRS_AT_ONCE):
            found = overlay_many(molecules, pairs[start : start + PAIRS_AT_ONCE], threads=options.workers)
            for place, names in enumerate(listed.names[start : start + PAIRS_AT_ONCE]):
                one_pair = found[place]
                motion = [f"{number:.6f}" for number in (*one_pair.rotation.ravel(), *one_pair.translation)]
                rows.append([*names, f"{one_pair.overlap:.3f}", f"{one_pair.tanimoto:.5f}", *motion])
            step("overlaying pairs", len(rows), len(pairs))
    turns = [f"r{row}{column}" for row in "123" for column in "123"]
    write_rows(Path(options.out), ["a", "b", "overlap", "tanimoto", *turns, "tx", "ty", "tz"], rows)
    document = {"pairs": len(rows), "out": options.out}
    return say(options, document, f"{len(rows)} pairs solved, written to {options.out}")


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
