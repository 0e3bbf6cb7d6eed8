"""What `metricvae predict` does with a model of poses: a table of affinities, with reasons where there is none."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from metricvae.core.errors import InputError
from metricvae.core.own_prediction import OnStep, PredictionRequest, PredictionTable
from metricvae.metrics.affinity.complexes import RefusedComplex
from metricvae.metrics.affinity.features.vector import NAMES
from metricvae.metrics.affinity.jobs import GIVEN, DescribedComplex, Job, describe_jobs, jobs_of, jobs_of_table
from metricvae.metrics.affinity.known_rows import read_known, with_known
from metricvae.metrics.affinity.page import affinity_page
from metricvae.metrics.affinity.posed import PosedModel
from metricvae.metrics.affinity.posed_files import read_posed
from metricvae.metrics.affinity.reference import NearComplex
from metricvae.metrics.affinity.units import MeasuredAffinity
from metricvae.runtime.process_pool import worker_pool

COLUMNS = ("name", "pK", "low", "high", "outside", "novelty", "ranking", "heavy_atoms_pK", "pose", "nearest", "reason")

MEASURED = "measured"
"""The column of measured values, in tables that have some."""

FEW = 60
"""Ligands, at most, that are described without further processes: these take seconds to start."""

PIECE = 20
"""Ligands that a process describes at a time."""


@dataclass(frozen=True)
class AffinityPredictor:
    """Predicts affinities of ligands with poses, or of SMILES, which are docked first.

    Attributes:
        folder: of the model of poses, which is read when it is first needed.
    """

    folder: Path

    @functools.cached_property
    def model(self) -> PosedModel:
        """The model of poses.

        Raises:
            InputError: the folder is damaged.
        """
        return read_posed(self.folder)

    @property
    def options(self) -> Mapping[str, str]:
        return {
            "site": "site on the receptor: ligand=LIG, point=x,y,z, residues=..., auto",
            "known": "CSV of known ligands of this target: columns ligand (SMILES), value, unit",
            "suggest": "how many of the ligands to name that are best measured next, with --known",
            "html": "HTML page to write",
            "workers": "processes; default all cores",
        }

    def predict(self, request: PredictionRequest, progress: OnStep) -> PredictionTable:
        """A row a ligand, in their order; see `OwnPredictor.predict`."""
        known, model = _known(request), self.model
        if request.pairs is None:
            jobs: list[Job | RefusedComplex] = list(
                jobs_of(request.left, request.right, request.options.get("site", ""))
            )
        else:
            jobs = list(jobs_of_table(request.pairs))
        found = describe_all(jobs, _count(request.options, "workers"), progress)
        rows = self.rows(found)
        notes: list[str] = _notes(rows)
        if known is not None:
            rows, said = with_known(model, found, rows, known, _count(request.options, "suggest"))
            notes += said
        columns: tuple[str, ...] = COLUMNS
        measured = {one.number: one.measured for one in jobs if isinstance(one, Job) and one.measured}
        if measured:
            rows, said = with_measured(rows, measured)
            columns, notes = (*COLUMNS[:4], MEASURED, *COLUMNS[4:]), notes + said
        facts = {"level": model.error.level, "failed": sum(bool(row["reason"]) for row in rows)}
        page = None
        if "html" in request.options:
            page = affinity_page(rows, found, notes, request.options.get("command", ""))
        return PredictionTable(columns, tuple(rows), tuple(notes), facts, page)

    def rows(self, found: Sequence[DescribedComplex | RefusedComplex]) -> list[dict[str, Any]]:
        """A document for each complex, with a value for each of `COLUMNS`."""
        described = [one for one in found if isinstance(one, DescribedComplex)]
        answers = iter(self._answers(described) if described else [])
        empty = dict.fromkeys(COLUMNS)
        return [
            empty | {"name": one.name, "number": one.number, "reason": one.reason}
            if isinstance(one, RefusedComplex)
            else empty | next(answers)
            for one in found
        ]

    def _answers(self, described: Sequence[DescribedComplex]) -> list[dict[str, Any]]:
        said = self.model.predict(
            np.stack([one.features for one in described]),
            NAMES,
            np.stack([one.fingerprint for one in described]),
            [one.sequence for one in described],
        )
        columns = said.pk, said.low, said.high, 1.0 - said.ligand, said.ranking, said.baseline
        return [
            {
                **{"name": one.name, "number": one.number},
                **dict(
                    zip(("pK", "low", "high", "novelty", "ranking", "heavy_atoms_pK"), map(float, numbers), strict=True)
                ),
                "outside": "yes" if said.outside[row] else "no",
                "pose": one.used,
                "nearest": _nearest(said.neighbours[row]),
                "neighbours": [vars(near) for near in said.neighbours[row]],
                "smiles": one.molecule.smiles,
                "contacts": list(one.contacts),
                "reason": "",
            }
            for row, (one, *numbers) in enumerate(zip(described, *columns, strict=True))
        ]


def with_measured(
    rows: Sequence[Mapping[str, Any]], measured: Mapping[int, MeasuredAffinity]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Rows with what was measured of them beside, and how well the two agree, in sentences.

    Args:
        rows: with `number` and `pK`, None where there is no answer.
        measured: by number of the row; bounds are shown but not compared.
    """
    found = [{**row, MEASURED: measured[row["number"]].pk if row["number"] in measured else None} for row in rows]
    known = [row for row in found if row["pK"] is not None and row[MEASURED] is not None]
    pairs = np.array([(row["pK"], row[MEASURED]) for row in known if not measured[row["number"]].bound])
    if len(pairs) < 3 or (np.ptp(pairs, axis=0) == 0).any():
        return found, []
    said, true = pairs.T
    r, error = np.corrcoef(said, true)[0, 1], np.sqrt(np.mean((said - true) ** 2))
    return found, [f"of {len(pairs)} complexes with measured values Pearson's R is {r:.3f}, and the RMSE {error:.2f}"]


def _known(request: PredictionRequest) -> tuple[list[str], list[MeasuredAffinity]] | None:
    """The known ligands that a request names, read before anything is computed."""
    path = request.options.get("known")
    if path is None:
        if "suggest" in request.options:
            raise InputError("--suggest chooses by what is known, got no --known: give a CSV of known ligands")
        return None
    if request.pairs is not None:
        raise InputError("--known is of one target, got --pairs: give one receptor and its ligands")
    return read_known(Path(path))


def describe_all(
    jobs: Sequence[Job | RefusedComplex], workers: int | None, progress: OnStep
) -> list[DescribedComplex | RefusedComplex]:
    """Describe complexes in their order, in several processes where they are many."""
    told = "reading poses"
    todo = [one for one in jobs if isinstance(one, Job)]
    progress(told, 0, len(todo))
    done: list[DescribedComplex | RefusedComplex] = []
    pieces = [todo[start : start + PIECE] for start in range(0, len(todo), PIECE)]
    if len(todo) <= FEW:
        for piece in pieces:
            done += describe_jobs(piece)
            progress(told, len(done), len(todo))
    else:
        with worker_pool(workers) as pool:
            for part in pool.map(describe_jobs, pieces):
                done += part
                progress(told, len(done), len(todo))
    refused = [one for one in jobs if isinstance(one, RefusedComplex)]
    return sorted([*done, *refused], key=lambda one: one.number)


def _nearest(found: Sequence[NearComplex]) -> str:
    """The nearest training complex in a few words."""
    if not found:
        return ""
    one = found[0]
    return f"{one.name} pK {one.pk:.1f} (ligand {one.ligand:.2f}, protein {one.protein:.2f})"


def _notes(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is to be said of all rows."""
    failed = sum(bool(row["reason"]) for row in rows)
    outside = sum(row["outside"] == "yes" for row in rows)
    docked = sum(bool(row["pose"]) and row["pose"] != GIVEN for row in rows)
    found = []
    if docked:
        found.append(f"without a pose, so docked: {docked}; the error of the pose comes on top of the interval")
    if outside:
        found.append(f"outside of the model's data: {outside}; do not rely on these numbers")
    if failed:
        found.append(f"{failed} of {len(rows)} could not be predicted: see the reasons")
    return found


def _count(options: Mapping[str, str], name: str) -> int | None:
    """An option that is a whole number above 0."""
    text = options.get(name)
    if text is None:
        return None
    if not text.isdecimal() or not int(text):
        raise InputError(f"--{name} is {text}: expected a whole number above 0")
    return int(text)
