"""The files of an autocompletion: poses as SDF, a table, a document, and a page with a viewer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from metricvae.autocomplete.records import Autocompletion, DockedMolecule, SiteCandidate
from metricvae.core.hits import PageAbout, PageWords, Value
from metricvae.core.hits_table import safe_cell, value_text
from metricvae.core.pair_list import write_rows
from metricvae.kinds.molecule.mol_blocks import write_sdf
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.pocket.sites import short_name
from metricvae.metrics.docking.poses_page import posed_ligand, poses_page
from metricvae.runtime.files import write_json, write_text
from metricvae.runtime.folders import renewed_folder

POSES, TABLE, DOCUMENT, PAGE = "candidates.sdf", "candidates.csv", "candidates.json", "index.html"
NOUN = "set of candidates"

WORDS = PageWords(one="candidate", many="candidates", query="site", index="Begun with", model="Docked by")

ON_PAGE = {
    **{"score": "score", "random_score": "random", "gain": "gain", "heavy_atoms": "atoms", "pK": "pK"},
    **{"pK_interval": "90 % range", "pK_by_size": "by size", "pK_novelty": "unlike", "fit": "fit", "qed": "QED"},
    **{"sa": "SA", "mw": "MW", "logp": "logP", "similarity": "similarity", "nearest": "nearest known"},
    **{"alerts": "alerts", "pK_outside": "outside", "strain": "strain", "pose_faults": "pose faults"},
    "pK_missing": "no pK",
}
"""Columns of the page, and their titles there; the table and the document have all."""


def write_all(folder: Path, found: Autocompletion, about: Mapping[str, Any], page: Path) -> dict[str, Any]:
    """Write all files or none, in the place of those of an earlier run, and return the document.

    Args:
        folder: of the files.
        found: what came of it.
        about: of the run, for the document: `command`, `seed`, `engine`, `library`.
        page: where the page goes.
    """
    rows = [{"name": one.name, "smiles": one.docked.smiles, **one.fields} for one in found.candidates]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    cells = [[safe_cell(value_text(row.get(name))) for name in columns] for row in rows]
    document = document_of(found, about) | {"files": [POSES, TABLE, str(page)]}
    with renewed_folder(folder, NOUN, DOCUMENT, (POSES, TABLE, PAGE)) as target:
        write_sdf(target / POSES, map(named, found.candidates), [one.fields for one in found.candidates])
        write_rows(target / TABLE, [*map(safe_cell, columns)], cells)
        write_text(target / PAGE if page == folder / PAGE else page, page_of(found, about))
        write_json(target / DOCUMENT, document)
    return document


def named(one: SiteCandidate) -> Molecule:
    """The molecule where it lies, under the name of the candidate."""
    return replace(one.docked.molecule, id=one.name)


def document_of(found: Autocompletion, about: Mapping[str, Any]) -> dict[str, Any]:
    """All that is known, as plain values."""
    trend = found.random.trend
    retrieved = found.retrieved
    return {
        **about,
        "site": found.site,
        "requirements": [str(one) for one in found.requirements],
        "candidates": [{"name": one.name, "smiles": one.docked.smiles} | dict(one.fields) for one in found.candidates],
        "random": {
            "molecules": [_docked(one) for one in found.random.docked],
            "level": trend.level,
            "slope": trend.slope,
            "spread": trend.spread,
        },
        "best_retrieved": None if retrieved is None else _docked(retrieved) | {"gain": _gain(found, retrieved)},
        "notes": list(found.notes),
        **found.facts,
    }


def page_of(found: Autocompletion, about: Mapping[str, Any]) -> str:
    """The page: a table that sorts, and each candidate in the site in three dimensions."""
    trend, sizes = found.random.trend, [one.docked.size for one in found.candidates]
    middle = sorted(sizes)[len(sizes) // 2]
    facts = {
        "Required": ", ".join(str(one).split("@")[0] for one in found.requirements),
        "Random molecules": f"{trend.expected(middle):.1f} kcal/mol at {middle} heavy atoms, spread {trend.spread:.1f}",
    }
    facts["How far to trust it"] = "docking scores are not affinities: the notes below the table say more"
    if found.retrieved is not None:
        one = found.retrieved
        facts["Best retrieved"] = f"{one.score:.1f} kcal/mol, {one.size} heavy atoms, gain {_gain(found, one):.1f}"
    begun = str(about.get("library") or "listed fragments")
    shown = PageAbout(
        *(short_name(found.site), begun, str(about.get("engine", "")), str(about.get("command", ""))),
        facts,
        WORDS,
        tuple(f"{note}." for note in found.notes),
    )
    rows = [posed_ligand(one.name, named(one), _on_page(one)) for one in found.candidates]
    return poses_page(found.receptor, rows, shown)


def _on_page(one: SiteCandidate) -> dict[str, Value]:
    known = dict(one.fields)
    if "pK" in known:
        known["pK_interval"] = f"{known['pK_low']:.1f}\u2013{known['pK_high']:.1f}"
    return {title: known[name] for name, title in ON_PAGE.items() if known.get(name) not in (None, "")}


def _docked(one: DockedMolecule) -> dict[str, Any]:
    return {"smiles": one.smiles, "score": one.score, "heavy_atoms": one.size, "faults": list(one.faults)}


def _gain(found: Autocompletion, one: DockedMolecule) -> float:
    return found.random.trend.gain(one.score, one.size)
