"""Hypothesis strategies: texts by the rules of each small language, with holes where the rules break."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

NUMBERS = st.one_of(
    st.integers(-(10**6), 10**6).map(str),
    st.floats(allow_nan=True, allow_infinity=True).map(repr),
    st.sampled_from(["0x10", "1_000", "1e400", "-0", "", "nan", "١٢"]),
)
ODD = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
"""Any letters."""


def joined(*parts: SearchStrategy[str]) -> SearchStrategy[str]:
    """Texts one after the other."""
    return st.tuples(*parts).map("".join)


# Conditions

VALUES = st.one_of(
    NUMBERS,
    st.sampled_from(["mw", "rings", "id", "mass", "nothing", "'a'", '"b"', "True", "None", "1j", "...", "mw.x"]),
    ODD.map(repr),
)
COMPARISONS = st.sampled_from(["<", "<=", ">", ">=", "==", "!=", " in ", " not in ", " is ", "=", "<>"])


def _larger(inner: SearchStrategy[str]) -> SearchStrategy[str]:
    return st.one_of(
        joined(inner, st.sampled_from(["+", "-", "*", "/", "**", "%", "//"]), inner),
        joined(inner, COMPARISONS, inner),
        joined(inner, COMPARISONS, inner, COMPARISONS, inner),
        joined(inner, st.sampled_from([" and ", " or ", " if ", ",", " "]), inner),
        joined(st.sampled_from(["not ", "-", "~", "(", "[", "lambda: "]), inner),
        inner.map(lambda text: f"({text})"),
        st.lists(inner, max_size=3).map(lambda parts: "(" + ", ".join(parts) + ")"),
    )


CONDITIONS = st.recursive(VALUES, _larger, max_leaves=12)

# Requirements

SPANS = st.one_of(
    joined(st.sampled_from([">=", "<=", "=", "<", ">", "==", "=>"]), NUMBERS),
    joined(st.just("="), NUMBERS, st.just(".."), NUMBERS),
)
SUBJECTS = st.one_of(
    st.sampled_from(["", ":", ":A.png", ":c1ccccc1", ":CCCCO", ":c1ccccc1*", "::", ":../x"]), ODD.map(":".__add__)
)
PROPERTIES = st.sampled_from(
    ["mw", "logp", "qed", "charge", "similarity", "contains", "lacks", "keep", "grow", "nothing", "MW", ""]
)
REQUIREMENTS = joined(PROPERTIES, SUBJECTS, st.one_of(st.just(""), SPANS))
CONSTRAINTS = joined(
    st.sampled_from(["area", "A.png", "like:A.png", "like:", "match:A.png", "match:", "plausible", "x>=y", ""]),
    st.one_of(st.just(""), SPANS),
)

# Documents and options

SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), ODD)
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.one_of(st.sampled_from(["name", "kind", "shape", "dimension", "height"]), ODD), inner, max_size=4
        ),
    ),
    max_leaves=12,
)
NAMED = st.sampled_from(
    ["out", "n", "require", "json", "quiet", "config", "help", "seed", "model", "between", "nothing", "training"]
)
OPTIONS = st.dictionaries(st.one_of(NAMED, ODD), DOCUMENTS, max_size=4).map(json.dumps)


def changed(document: Any) -> SearchStrategy[Any]:
    """A document with one of its entries, at any depth, replaced by any other document, or left out."""
    places = list(_places(document))

    def replaced(place: tuple[Any, ...], value: Any) -> Any:
        copy = json.loads(json.dumps(document))
        inner = copy
        for key in place[:-1]:
            inner = inner[key]
        if value is _GONE:
            del inner[place[-1]]
        else:
            inner[place[-1]] = value
        return copy

    return st.builds(replaced, st.sampled_from(places), st.one_of(st.just(_GONE), DOCUMENTS))


_GONE = object()


def _places(document: Any, before: tuple[Any, ...] = ()) -> Any:
    pairs = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in pairs:
        yield (*before, key)
        yield from _places(value, (*before, key))


# Tables, sites, molecules

CELLS = st.one_of(NUMBERS, st.sampled_from(["<5", ">= 3", "a.csv", '"', '"a,b"', "1 2", "true", "\u2264 4"]), ODD)
TABLES = st.tuples(
    st.sampled_from([",", ";", "\t", "|"]),
    st.lists(st.sampled_from(["a", "b", "value", "x", "y", "z", "smiles", "id", "site", "", "a "]), max_size=5),
    st.lists(st.lists(CELLS, max_size=5), max_size=5),
).map(lambda parts: "\n".join(parts[0].join(row) for row in (parts[1], *parts[2])))
SITES = joined(
    st.sampled_from(["ligand", "residues", "point", "auto", "", "LIGAND", "site"]),
    st.sampled_from(["=", ":", "", " = ", "@"]),
    st.one_of(
        st.lists(NUMBERS, max_size=4).map(",".join),
        st.sampled_from(["LIG", "L:99", "A:1,A:2", "x.sdf", "A:", "2"]),
        ODD,
    ),
)
ATOMS = st.sampled_from(
    [
        "C",
        "N",
        "O",
        "c",
        "n",
        "[nH]",
        "[N+]",
        "[C@@H]",
        "Cl",
        "*",
        "[2H]",
        "[U]",
        "[C:1]",
        "S",
        "F",
        "[Fe+2]",
        "[O-]",
        "[H]",
    ]
)
SMILES = st.lists(
    st.one_of(
        ATOMS, ATOMS, st.sampled_from(["(", ")", "1", "2", "=", "#", ".", "/", "\\", "%10", "-", ":", "~", "->", "$"])
    ),
    max_size=30,
).map("".join)
ADDRESSES = joined(
    st.sampled_from(["x.npy", "x.npz", "y.npy", "", "x.NPY"]), st.sampled_from(["", "#", "##"]), st.one_of(NUMBERS, ODD)
)
