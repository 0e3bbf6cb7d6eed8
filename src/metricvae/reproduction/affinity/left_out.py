"""Answers for complexes that were left out, by protein and by scaffold, of the model and of what is beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from metricvae.metrics.affinity.posed import outside_of_data
from metricvae.metrics.affinity.posed_fit import (
    LeftOut,
    PartConfig,
    PosedConfig,
    TrainingSet,
    error_model,
    folds_of,
    left_out,
)
from metricvae.metrics.affinity.reference import tanimoto
from metricvae.reproduction.affinity.complexes import SHIPPABLE, computed, entries
from metricvae.reproduction.affinity.training_rows import docking_of, training_set

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

NEW_PROTEINS, NEW_SCAFFOLDS = "new proteins", "new scaffolds"
"""What is left out in five parts: clusters of proteins, or scaffolds of ligands."""

OURS, RANKING = "metricvae pK", "metricvae ranking"
HEAVY, LIGAND, VINA, NEAREST, MEAN = "heavy atoms", "ligand alone", "Vina", "nearest neighbour", "mean"
GIVEN = {"glide_dock": "Glide docked", "glide_inplace": "Glide in place", "mmgbsa": "MM-GBSA", "fep": "FEP+"}
"""Names of methods in the report; the last ones are columns of `complexes.csv`."""

GNINA = "Gnina's network"
"""On the same poses, where Rustina is installed that runs it."""

OnStep = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class LeftOutAnswers:
    """n complexes with poses.

    Attributes:
        ids, sets, systems: of the rows.
        crystal: (n,) whether the pose is a crystal's.
        pk: (n,) what was measured.
        proteins: (n,) number of the cluster of the protein.
        given: scores of other programs by method, (n,), the larger the tighter; NaN where there is none.
        said: answers by what is left out and by method, (n,).
        half: half of the width of the model's intervals by what is left out, (n,).
        outside: (n,) whether the model calls a complex outside of its data.
    """

    ids: list[str]
    sets: list[str]
    systems: list[str]
    crystal: npt.NDArray[np.bool_]
    pk: Floats
    proteins: Ints
    given: dict[str, Floats]
    said: dict[str, dict[str, Floats]]
    half: dict[str, Floats]
    outside: npt.NDArray[np.bool_]

    def with_given(self, name: str, scores: Mapping[str, float | None]) -> LeftOutAnswers:
        """These, and scores of one more program by id; None where it has none."""
        column = _floats([scores.get(one) for one in self.ids])
        return replace(self, given={**self.given, name: column})

    def by(self, part: str, method: str) -> Floats:
        """(n,) answers of a method where `part` is left out, or the scores of another program; NaN where there is
        none."""
        return self.said[part].get(method, self.given.get(method, np.full(len(self.pk), np.nan)))

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {name: _plain(value) for name, value in vars(self).items()}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> LeftOutAnswers:
        """From `to_json`."""
        said = {part: {key: _floats(one) for key, one in found.items()} for part, found in document["said"].items()}
        return cls(
            ids=document["ids"],
            sets=document["sets"],
            systems=document["systems"],
            crystal=np.array(document["crystal"], bool),
            pk=_floats(document["pk"]),
            proteins=np.array(document["proteins"], np.int64),
            given={key: _floats(one) for key, one in document["given"].items()},
            said=said,
            half={key: _floats(one) for key, one in document["half"].items()},
            outside=np.array(document["outside"], bool),
        )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return [None if np.isnan(one) else round(one, 5) for one in value.tolist()]
    return value.tolist() if isinstance(value, np.ndarray) else value


def _floats(values: list[float | None]) -> Floats:
    return np.array([np.nan if one is None else one for one in values], np.float64)


def answers_of_folder(
    folder: Path, cache: Path, config: PosedConfig, pool: Executor, on_step: OnStep
) -> LeftOutAnswers:
    """Compute features, unless that is done, and fit and predict in five parts, twice.

    Args:
        folder: of affinities; see `complexes.check_complexes`.
        cache: of the features.
        config: of the model, with its seed.
        pool: that computes features.
        on_step: told how far it is.
    """
    on_step("features of complexes", 0, 1)
    known = computed(folder, entries(folder), cache, pool)
    docked = docking_of(folder, known, cache, pool, partial(on_step, "docking congeners"))
    data = training_set(folder, known, SHIPPABLE, docked)
    held = {one.id: one for one in known.entries}
    rows = np.flatnonzero(data.tested)
    chosen = [held[data.reference.names[row]] for row in rows.tolist()]
    parts = {NEW_PROTEINS: data.proteins, NEW_SCAFFOLDS: data.scaffolds}
    said, left = {}, []
    for at, (name, groups) in enumerate(parts.items()):
        on_step("leaving proteins and scaffolds out", at, len(parts))
        folds = folds_of(groups, config.folds, config.seed)
        left.append(left_out(data, folds, config))
        said[name] = {key: one[rows] for key, one in answers_of(data, left[-1], folds, config).items()}
    error = error_model(data, left, config)
    return LeftOutAnswers(
        ids=[one.id for one in chosen],
        sets=[one.set for one in chosen],
        systems=[one.system for one in chosen],
        crystal=np.array([one.crystal for one in chosen]),
        pk=data.pk[rows],
        proteins=data.proteins[rows],
        given={name: np.array([-one.scores.get(column, np.nan) for one in chosen]) for column, name in GIVEN.items()},
        said=said,
        half={
            name: error.quantile * error.sigma(one.spread, one.ligand, one.protein)[rows]
            for name, one in zip(parts, left, strict=True)
        },
        outside=outside_of_data(data.features[rows], data.names),
    )


def answers_of(data: TrainingSet, found: LeftOut, folds: Ints, config: PosedConfig) -> dict[str, Floats]:
    """The model's answers and those of the floors, (n,) each, for complexes left out."""
    alone = replace(config, parts=(PartConfig(("ligand",), False, 3, 1.0),), linear=replace(config.linear, weight=0.0))
    heavy = np.log(data.features[:, data.names.index("ligand.heavy")])
    return {
        OURS: found.pk,
        RANKING: found.ranking,
        MEAN: _by_fold(data, folds, lambda train, test: np.full(test.sum(), data.pk[train & data.tested].mean())),
        HEAVY: scaled(heavy, data),
        LIGAND: left_out(data, folds, alone).pk,
        NEAREST: _by_fold(data, folds, lambda train, test: _nearest(data, train, test)),
        VINA: scaled(-data.features[:, data.names.index("term.vina.rotatable")], data),
    }


def _by_fold(data: TrainingSet, folds: Ints, of: Callable[[Any, Any], Floats]) -> Floats:
    found = np.full(len(folds), np.nan)
    for fold in np.unique(folds).tolist():
        test = (folds == fold) & data.tested
        found[test] = of(folds != fold, test)
    return found


def _nearest(data: TrainingSet, train: npt.NDArray[np.bool_], test: npt.NDArray[np.bool_]) -> Floats:
    """The measured pK of the training complex whose ligand is most similar."""
    prints = data.reference.fingerprints
    return np.asarray(data.pk[train][tanimoto(prints[test], prints[train]).argmax(axis=1)])


def scaled(column: Floats, data: TrainingSet) -> Floats:
    """A column on the scale of pK by a line through all complexes, which favours it; its sign stays what it is."""
    slope, offset = np.polyfit(column[data.tested], data.pk[data.tested], 1)
    return np.asarray(offset + abs(slope) * column)
