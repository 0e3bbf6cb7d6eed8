"""What is known of candidates beside their poses, and how far each number is to be trusted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metricvae.autocomplete.records import WINDOW, DockedMolecule
from metricvae.core.errors import InputError
from metricvae.core.hits import Value
from metricvae.core.own_prediction import OwnPredictors
from metricvae.core.requirements import Requirement
from metricvae.generation.evolution import Made
from metricvae.generation.fingerprints import similarities
from metricvae.kinds.molecule.alerts import alerts_of
from metricvae.kinds.molecule.properties import PROPERTIES, described_smiles
from metricvae.kinds.molecule.substructures import SMILES, morgan_fingerprints
from metricvae.kinds.pocket.sites import split_name
from metricvae.metrics.affinity.jobs import describe_poses
from metricvae.metrics.affinity.predictor import AffinityPredictor
from metricvae.metrics.affinity.requirements import MODEL
from metricvae.metrics.docking.requirements import GainRequirement
from metricvae.metrics.docking.size_trend import SizeTrend
from metricvae.metrics.pocket_fit.requirements import FitRequirement
from metricvae.search.index import Index

SHOWN_PROPERTIES = ("qed", "sa", "mw", "logp", "tpsa", "rotatable")

COMPARED = 50_000
"""Molecules of a library that candidates are compared with, at most; of more, as many are drawn."""

AT_ONCE = 5_000


@dataclass(frozen=True)
class DescribedCandidates:
    """What is known of candidates.

    Attributes:
        rows: of each, values by column.
        notes: how far they hold, a sentence each.
    """

    rows: Sequence[Mapping[str, Value]]
    notes: Sequence[str]


def nearest_known(library: Index | None, made: Sequence[Made]) -> list[tuple[str, float]]:
    """The molecule of a library that is most like each, and the Tanimoto coefficient of Morgan fingerprints; without a
    library, that of the molecules that the search began with."""
    if library is None:
        return [one.nearest or ("", math.nan) for one in made]
    import pyarrow as pa

    column = library.whole([SMILES])[SMILES]
    rows = np.flatnonzero(library.alive)
    if len(rows) > COMPARED:
        rows = np.sort(np.random.default_rng(0).choice(rows, COMPARED, replace=False))
    own = morgan_fingerprints(pa.chunked_array([[one.key for one in made]]))
    best = [("", -1.0)] * len(made)
    for start in range(0, len(rows), AT_ONCE):
        known = column.take(pa.array(rows[start : start + AT_ONCE]))
        alike = similarities(own, morgan_fingerprints(known))
        for number, place in enumerate(alike.argmax(1).tolist()):
            if alike[number, place] > best[number][1]:
                best[number] = known[place].as_py() or "", float(alike[number, place])
    return best


def describe(
    site: str,
    best: Sequence[tuple[Made, DockedMolecule]],
    asked: Sequence[Requirement],
    trend: SizeTrend,
    known: Sequence[tuple[str, float]],
    own: OwnPredictors,
) -> DescribedCandidates:
    """What is known of docked candidates.

    Args:
        site: structure and site.
        best: the candidates.
        asked: what was required of them.
        trend: of random molecules that were docked likewise.
        known: the nearest known molecule of each, and how like it is.
        own: gives the model of affinities.
    """
    docked = [one for _, one in best]
    affinities = _affinities(site, docked, own)
    rows = []
    for (made, one), near, affinity in zip(best, known, affinities, strict=True):
        rows.append(
            _docking_columns(one, trend)
            | affinity
            | _required_columns(made, asked, site)
            | _properties(one.smiles)
            | {"alerts": "; ".join(alerts_of(one.smiles))}
            | ({"nearest": near[0], "similarity": near[1]} if near[0] else {})
        )
    return DescribedCandidates(rows, _notes(rows, trend, asked))


def _docking_columns(one: DockedMolecule, trend: SizeTrend) -> dict[str, Value]:
    strain = {} if one.strain is None else {"strain": one.strain}
    return {
        "score": one.score,
        "random_score": trend.expected(one.size),
        "gain": trend.gain(one.score, one.size),
        "heavy_atoms": one.size,
        "clashes": one.clashes,
        **strain,
        "pose_faults": "; ".join(one.faults),
    }


def _affinities(site: str, docked: Sequence[DockedMolecule], own: OwnPredictors) -> list[dict[str, Value]]:
    """Predicted affinities of poses, with intervals; the reason where there is none."""
    predictor = own(MODEL)
    if not isinstance(predictor, AffinityPredictor):
        return [{} for _ in docked]
    path, named = split_name(site)
    found: Sequence[Mapping[str, Any]] = predictor.rows(describe_poses(path, named, [one.molecule for one in docked]))
    names = {"pK": "pK", "low": "pK_low", "high": "pK_high", "heavy_atoms_pK": "pK_by_size", "outside": "pK_outside"}
    rows: list[dict[str, Value]] = []
    for row in found:
        if row["reason"]:
            rows.append({"pK_missing": str(row["reason"])})
            continue
        rows.append({names[name]: row[name] for name in names} | {"pK_novelty": row["novelty"]})
    return rows


def _required_columns(made: Made, asked: Sequence[Requirement], site: str) -> dict[str, Value]:
    """The numbers of requirements that no other column has, and what a model predicted of them."""
    found: dict[str, Value] = {}
    for one, reading, predicted in zip(asked, made.readings, made.predicted, strict=True):
        if isinstance(one, FitRequirement) and one.subject == site:
            found["fit"] = reading.value
            found |= {} if predicted is None else {"predicted_fit": predicted}
        elif not isinstance(one, GainRequirement) and one.name not in (*WINDOW, *SHOWN_PROPERTIES):
            found[str(one)] = reading.value
    return found


def _properties(smiles: str) -> dict[str, Value]:
    described = described_smiles(smiles)
    if described is None:
        raise InputError(f"{smiles} does not parse: leave it out")
    numbers = dict(zip(PROPERTIES, described.numbers, strict=True))
    return {name: float(numbers[name]) for name in SHOWN_PROPERTIES}


def _notes(rows: Sequence[Mapping[str, Value]], trend: SizeTrend, asked: Sequence[Requirement]) -> list[str]:
    """How far the numbers hold."""
    sizes = f"{min(trend.sizes)} to {max(trend.sizes)}"
    found = [
        "Score: docking, kcal/mol. Docking scores are not affinities: they order poses better than molecules, and "
        "grow with size",
        "Random: the score of a random drug-like molecule with as many heavy atoms in the same site, by a line through "
        f"{len(trend.sizes)} of {sizes} heavy atoms that were docked likewise. Gain: by how many of their standard "
        f"deviations ({trend.spread:.2f} kcal/mol) the score is better; beyond these sizes do not rely on it. "
        "Candidates were chosen by this function, so part of the gain is luck: dock them with another engine",
        "pK: -log10 of Ki, Kd or IC50 in mol/L, predicted from the pose, with an interval that holds 90 % of measured "
        "values where poses are right; the error of docking comes on top. By size: what the heavy atoms alone say; "
        "where pK is no higher, the model sees nothing else. Unlike: 1 less the similarity with the nearest training "
        "ligand",
        "Fit: of the shape and the features with the site's negative image, 0 to 1. Similarity: Tanimoto coefficient "
        "of Morgan fingerprints with the nearest molecule of the library. Strain: kcal/mol above a free conformer. "
        "Alerts: PAINS and BRENK, which many drugs have too. "
        "Nobody has made these molecules: SA, from 1 (easy) to 10, is an estimate",
    ]
    outside = sum(row.get("pK_outside") == "yes" for row in rows)
    missing = sum("pK_missing" in row for row in rows)
    faulty = sum(bool(row.get("pose_faults")) for row in rows)
    if outside:
        found.append(f"{outside} of {len(rows)} are outside of the data of the affinity model: do not rely on their pK")
    if missing:
        found.append(f"{missing} of {len(rows)} have no pK, with the reason beside them")
    if faulty:
        found.append(f"{faulty} of {len(rows)} poses have physical faults, named beside them")
    return found
