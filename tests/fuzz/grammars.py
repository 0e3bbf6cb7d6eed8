"""Targets: the small languages of the command line, as text in a file."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from metricvae.cli import parser_of
from metricvae.cli.config_file import with_config
from metricvae.core.constraints import parse_constraint
from metricvae.core.errors import InputError
from metricvae.core.importing.request import as_kind
from metricvae.core.kind import KINDS
from metricvae.core.object_files import read_named
from metricvae.core.requirements import check_requirements, forms_for, parse_requirement
from metricvae.kinds.molecule.kind import MoleculeKind
from metricvae.kinds.molecule.substructures import pattern_from
from metricvae.kinds.pocket.sites import place, split_name
from metricvae.kinds.pocket.structures import structure_of
from metricvae.runtime.files import read_json
from metricvae.search.expressions import filterable, parse_condition

from .files import Make, structures
from .folders import JSON
from .target import Target

TABLE = pa.table({"mw": [180.0, None, 300.0], "rings": pa.array([1, 2, 3], pa.int32()), "id": ["a", "b", None]})

CONDITIONS = (
    *(b"mw < 450 and not 2 < rings < 4", b"200 < mw or id in ('a', 'b')", b"-mw + 2 * rings / 3 >= 1e-3"),
    *(b'id == "a" and (mw != 1 or rings not in [1, 2])', b"mass <= 5"),
)
OPERATORS = (
    *(
        b"and ",
        b"or ",
        b"not ",
        b"in ",
        b"(",
        b")",
        b"<",
        b"<=",
        b"==",
        b"!=",
        b"+",
        b"-",
        b"*",
        b"/",
        b"**",
        b"//",
        b"%",
    ),
    *(
        b"'a'",
        b"f'{mw}'",
        b"lambda: 1",
        b"mw.x",
        b"mw[0]",
        b"mw()",
        b"1j",
        b"b'x'",
        b"True",
        b"None",
        b"...",
        b":=",
        b"is ",
    ),
    *(b"1_000", b"0x10", b"1e400", b"if 1 else 2", b"[]", b"{}", b"'\\N{DASH}'", b"~", b"@", b"\\\n", "µ".encode()),
)
REQUIREMENTS = (
    *(b"mw<=450", b"logp=1..4", b"qed>=0.5", b"contains:c1ccccc1", b"lacks:[N+](=O)[O-]", b"keep:c1ccccc1"),
    *(b"grow:c1ccccc1*", b"charge=0", b"similarity:CCCCO<0.4", b"contains:[#6]~[!#1;R]"),
)
CONSTRAINTS = (
    b"A.png=1783",
    b"A.png>=1500",
    b"A.png=1500..1800",
    b"area=4000",
    b"like:A.png>=0.7",
    b"match:A.png",
    b"plausible",
)
SPANS = (
    b"..",
    b">=",
    b"<=",
    b"=",
    b"<",
    b">",
    b":",
    b"=>",
    b"like:",
    b"match:",
    b"mw",
    b"area",
    b"nan",
    b"1e400",
    b"-0",
    b"*",
)
OPTIONS = (
    b'out = "model"\npreset = "overlap"\n[training]\nsteps = 500\nmirror = true\n',
    b'{"out": "model", "training": {"steps": 5, "scales": [0.8, 1.2]}, "json": true}',
    b'require = ["area=4000", "plausible"]\nn = 3\n',
)
TOML = (
    b"[",
    b"]",
    b"[[x]]",
    b'"""',
    b"'''",
    b"= ",
    b"true",
    b"1979-05-27",
    b"0x1",
    b"inf",
    b"{a = 1}",
    b".",
    b"#",
    b"\\u0000",
    b"out",
    b"help",
    b"config",
    b"json",
)
SMARTS = (b"[#6]~[!#1;R]", b"c1ccccc1", b"[$([NX3;H2,H1])]", b"C(=O)[OH]", b"[C@@H](N)C")
NAMES = b"x.npy#1", b"1.0,2,3", b"CCO", b"rec.pdb@ligand=LIG", b"data.npz#a"
SITES = (b"ligand=LIG", b"ligand=L:99", b"residues=A:1,A:2", b"point=1,2,3", b"auto", b"auto:2")


def text_of(path: Path) -> str:
    """A text as a shell would pass it: without NUL, and with its bytes."""
    return path.read_bytes().replace(b"\0", b"").decode("utf-8", "surrogateescape")


def condition(path: Path) -> Any:
    """Which rows of a table a condition holds for."""
    found = parse_condition(text_of(path), filterable(TABLE.schema), {"mass": "mw"})
    return found.holds(TABLE).to_pylist()


@functools.cache
def _forms() -> Any:
    """Forms of molecules but those that start programs or search for poses."""
    forms = forms_for(MoleculeKind())
    return {name: form for name, form in forms.items() if name not in ("score", "docking", "affinity", "pocket")}


def requirement(path: Path) -> Any:
    """A requirement on molecules, checked."""
    found = parse_requirement(text_of(path), _forms())
    check_requirements([found])
    return str(found)


def constraint(path: Path) -> Any:
    """A constraint on silhouettes."""

    def read(name: str) -> Any:
        if name != "A.png":
            raise InputError("there is no file of that name: give another one")
        return np.ones((2, 2), np.uint8)

    return str(parse_constraint(text_of(path), read, "area"))


def options(verb: str) -> Callable[[Path], Any]:
    """Reads a file of options for a verb, and parses them."""

    def read(path: Path) -> Any:
        words = with_config(["--config", str(path)], functools.partial(parser_of, verb))
        parser_of(verb, words).parse_args(words)
        return words

    return read


def named_object(path: Path) -> Any:
    """What a name on the command line stands for, of kinds whose objects may be text."""
    text, faults = text_of(path), []
    for name in ("vector", "sequence", "molecule-2d"):
        try:
            return read_named(KINDS.get(name)(), text)
        except InputError as error:
            faults.append(error)
    raise faults[0]


def pattern(path: Path) -> Any:
    """A substructure."""
    return pattern_from(text_of(path)).GetNumAtoms()


def kind(path: Path) -> Any:
    """A kind by its name or document."""
    return as_kind(text_of(path)).to_json()


def _site(folder: Path) -> Target:
    receptor = structures()["PDB"](folder)
    receptor.path.write_bytes(receptor.seeds[0])
    there = structure_of(receptor.path)

    def read(path: Path) -> Any:
        _, site = split_name(f"{receptor.path}@{text_of(path)}")
        return place(there, site).centre

    return Target(
        "site", folder / "x.txt", SITES, read, (b"ligand=", b"A:", b"auto:", b",", b"nan", b"1e308", b"@"), weight=1.0
    )


def grammar_targets() -> Iterator[tuple[str, Make]]:
    """All of them by name."""
    plain = {
        "condition (--where)": (CONDITIONS, condition, OPERATORS, 4.0),
        "requirement of molecules": (REQUIREMENTS, requirement, (*SPANS, b"[", b"]", b"$(", b"%99", b"contains:"), 1.0),
        "requirement of silhouettes": (CONSTRAINTS, constraint, SPANS, 4.0),
        "SMARTS": (
            SMARTS,
            pattern,
            (b"[", b"]", b"$(", b")", b"!", b";", b"&", b"R99", b"{1-9}", b"@", b"(C).(C)", b"->"),
            1.0,
        ),
        "--config of generate": (OPTIONS, options("generate"), (*TOML, *JSON[:6]), 0.5),
        "--config of import": ((b'kind = "vector"\nvalue = "v"\nout = "x"\n',), options("import"), TOML, 0.5),
        "name of an object": (NAMES, named_object, (b"#", b".npy", b".npz", b".sdf", b"@", b"/", b"..", b"~"), 1.0),
        "kind": (
            (b"silhouette", b'{"name": "points", "dimension": 2}', b'{"name": "silhouette", "height": 64}'),
            kind,
            JSON,
            4.0,
        ),
        "JSON": ((b'{"a": [1, 2.5, null], "b": {"c": "\\u00e9"}}',), read_json, JSON, 4.0),
    }
    for name, (seeds, read, words, weight) in plain.items():
        yield name, _text(name, seeds, read, words, weight)
    yield "site", _site


def _text(
    name: str, seeds: tuple[bytes, ...], read: Callable[[Path], Any], words: tuple[bytes, ...], weight: float
) -> Make:
    return lambda folder: Target(name, folder / "x.txt", seeds, read, words, weight=weight)
