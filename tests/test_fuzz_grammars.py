"""The small languages of the command line, by rules: what is written is a value or bad input in one line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if sys.platform != "linux":
    pytest.skip("the targets have limits of Linux's", allow_module_level=True)

from fuzz import grammars, strategies
from fuzz.files import read_all
from fuzz.running import check_refusal
from metricvae.core.array_files import ArrayFiles, address_of
from metricvae.core.errors import InputError
from metricvae.core.kind import KINDS, kind_from_json
from metricvae.core.metric import METRICS, metric_from_json
from metricvae.core.pair_list import read_pair_list
from metricvae.kinds.pocket.site_list import listed_sites
from metricvae.kinds.points.kind import PointsKind
from metricvae.nn.autoencoder import ModelConfig, TowerConfig

QUICK = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), database=None)
LONG = settings(QUICK, max_examples=3000)


def address(folder: Path) -> Callable[[Path], Any]:
    np.save(folder / "x.npy", np.arange(6.0).reshape(2, 3))
    np.savez(folder / "x.npz", a=np.arange(3.0))

    def read(path: Path) -> Any:
        found = address_of(grammars.text_of(path), folder)
        return None if found is None else ArrayFiles().read(*found)

    return read


def site(folder: Path) -> Callable[[Path], Any]:
    targets = dict(grammars.grammar_targets())
    return targets["site"](folder).read


LANGUAGES: dict[str, tuple[st.SearchStrategy[str], str, Callable[[Path], Callable[[Path], Any]]]] = {
    "condition": (strategies.CONDITIONS, "x.txt", lambda _: grammars.condition),
    "requirement of molecules": (strategies.REQUIREMENTS, "x.txt", lambda _: grammars.requirement),
    "requirement of silhouettes": (strategies.CONSTRAINTS, "x.txt", lambda _: grammars.constraint),
    "options": (strategies.OPTIONS, "x.json", lambda _: grammars.options("generate")),
    "address": (strategies.ADDRESSES, "x.txt", address),
    "site": (strategies.SITES, "x.txt", site),
    "list of pairs": (strategies.TABLES, "x.csv", lambda _: read_pair_list),
    "table of sites": (strategies.TABLES, "x.csv", lambda _: listed_sites),
    "table of points": (strategies.TABLES, "x.csv", lambda _: PointsKind().read),
    "table of molecules": (strategies.TABLES, "x.csv", lambda _: read_all),
    "SMILES": (strategies.SMILES, "x.smi", lambda _: read_all),
}


def check(text: str, path: Path, read: Callable[[Path], Any]) -> None:
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        read(path)
    except InputError as error:
        check_refusal(error)


def hold(name: str, folder: Path, how: settings) -> None:
    strategy, file, make = LANGUAGES[name]
    read = make(folder)

    @how
    @given(strategy)
    def holds(text: str) -> None:
        check(text, folder / file, read)

    holds()


@pytest.mark.parametrize("name", [name for name in LANGUAGES if name not in ("SMILES", "options", "site")])
def test_what_is_written_is_a_value_or_bad_input(name: str, tmp_path: Path) -> None:
    hold(name, tmp_path, QUICK)


@pytest.mark.slow
@pytest.mark.parametrize("name", LANGUAGES)
def test_whatever_is_written_is_a_value_or_bad_input(name: str, tmp_path: Path) -> None:
    hold(name, tmp_path, LONG)


# Documents: one entry of a good one is anything


def documents() -> dict[str, tuple[Any, Callable[[Any], Any]]]:
    """Documents of every registered kind and metric, and of a model of each kind that has encoders; their readers."""
    found: dict[str, tuple[Any, Callable[[Any], Any]]] = {}
    for name in KINDS.names():
        kind = KINDS.get(name)()
        found[f"kind {name}"] = kind.to_json(), kind_from_json
        if kind.encoders:
            metric = METRICS.get("tabular")("value").of_kinds(name)
            config = ModelConfig(metric, TowerConfig.of_kind(kind), latent=8)
            found[f"model of {name}"] = json.loads(json.dumps(config.to_json())), ModelConfig.from_json
    for name in METRICS.names():
        metric = METRICS.get(name)()
        found[f"metric {name}"] = (metric if metric.left else metric.of_kinds("silhouette")).to_json(), metric_from_json
    return found


DOCUMENTS = documents()


def hold_document(name: str, how: settings) -> None:
    document, read = DOCUMENTS[name]

    @how
    @given(strategies.changed(document))
    def holds(changed: Any) -> None:
        try:
            read(changed)
        except InputError as error:
            check_refusal(error)

    holds()


@pytest.mark.parametrize("name", ["kind points", "kind silhouette", "metric tabular", "model of silhouette"])
def test_a_changed_document_is_a_value_or_bad_input(name: str) -> None:
    hold_document(name, QUICK)


@pytest.mark.slow
@pytest.mark.parametrize("name", DOCUMENTS)
def test_any_changed_document_is_a_value_or_bad_input(name: str) -> None:
    hold_document(name, settings(QUICK, max_examples=500))
