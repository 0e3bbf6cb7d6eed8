"""Fits the model of poses, and what its errors on complexes that were left out say of those on new ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import lsq_linear

from metricvae.metrics.affinity.features.vector import BLOCKS
from metricvae.metrics.affinity.linear import ridge
from metricvae.metrics.affinity.posed import (
    HEAVY,
    Baseline,
    ErrorModel,
    PosedModel,
    WeightedForest,
    error_columns,
    mean_of_parts,
    outside_of_data,
)
from metricvae.metrics.affinity.reference import Reference, tanimoto
from metricvae.metrics.affinity.trees import from_averaged

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
OnStep = Callable[[str, int, int], None]

SMALLEST_ERROR = 0.1
"""pK that is added to an error before its logarithm is fitted."""


@dataclass(frozen=True)
class PartConfig:
    """A forest of extremely randomised trees (P. Geurts, D. Ernst, L. Wehenkel, Mach. Learn. 63 (2006) 3).

    Attributes:
        blocks: of features that it reads, as `features.vector.BLOCKS` names them.
        posed: whether it reads complexes with poses alone.
        leaf: complexes in a leaf, at least.
        weight: of its answer.
    """

    blocks: tuple[str, ...]
    posed: bool
    leaf: int
    weight: float


@dataclass(frozen=True)
class LinearConfig:
    """A ridge regression over complexes with poses.

    Attributes:
        blocks: of features that it reads.
        penalty: see `linear.ridge`.
        weight: of its answer.
    """

    blocks: tuple[str, ...]
    penalty: float
    weight: float


@dataclass(frozen=True)
class PosedConfig:
    """How a model of poses is fitted.

    Attributes:
        parts: its forests.
        linear: its linear function.
        ranking: the linear function of what differs within series, which ranks the ligands of one pocket.
        trees: of each.
        share: of the features that are tried at a node.
        level: share of measured values that intervals hold.
        folds: of the complexes that are left out.
        seed: of forests and folds.
    """

    parts: tuple[PartConfig, ...] = (
        PartConfig(("terms", "pocket", "ligand"), True, 3, 0.375),
        PartConfig(("pocket", "ligand"), False, 4, 0.375),
    )
    linear: LinearConfig = LinearConfig(("terms", "pocket", "ligand"), 300.0, 0.25)
    ranking: LinearConfig = LinearConfig(("terms", "ligand"), 300.0, 1.0)
    trees: int = 80
    share: float = 0.2
    level: float = 0.9
    folds: int = 5
    seed: int = 0


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """n complexes with measured affinities.

    Attributes:
        features: (n, f), by the names of `features.vector.NAMES`; of a row without a pose, those that need one are
            not read.
        names: (f,) of the features.
        weight: (n,) how much each counts.
        posed: (n,) whether there is a pose.
        tested: (n,) whether errors are measured on it: there is a pose that was given, and not docked for the training.
        proteins, scaffolds: (n,) numbers of the clusters of proteins, and of the scaffolds of the ligands.
        series: (n,) numbers of what is comparable: congeners for one structure of a protein.
        reference: the complexes themselves, with what was measured.
    """

    features: Floats
    names: tuple[str, ...]
    weight: Floats
    posed: Bools
    tested: Bools
    proteins: Ints
    scaffolds: Ints
    series: Ints
    reference: Reference

    @property
    def pk(self) -> Floats:
        """(n,) what was measured."""
        return self.reference.pk.astype(np.float64)


@dataclass(frozen=True, eq=False)
class LeftOut:
    """What models said of complexes that they were not trained on, (n,) each.

    Attributes:
        pk, spread: the answers, and how far the trees disagree.
        ranking: what ranks the ligands of one pocket.
        ligand, protein: similarities to the nearest that they were trained on.
    """

    pk: Floats
    spread: Floats
    ranking: Floats
    ligand: Floats
    protein: Floats

    @property
    def columns(self) -> Floats:
        """(n, 4) what the logarithm of sigma is linear in."""
        return error_columns(self.spread, self.ligand, self.protein)


def fit_posed(data: TrainingSet, config: PosedConfig | None = None, on_step: OnStep | None = None) -> PosedModel:
    """Fit a model of poses.

    Args:
        data: complexes.
        config: how.
        on_step: told what is done.
    """
    config = config or PosedConfig()
    tell = on_step or (lambda *_: None)
    found = []
    for number, groups in enumerate((data.proteins, data.scaffolds)):
        tell("leaving proteins and scaffolds out", number, 3)
        found.append(left_out(data, folds_of(groups, config.folds, config.seed), config))
    tell("fitting", 2, 3)
    everything = np.ones(len(data.weight), bool)
    parts = fit_parts(data, everything, config)
    error = error_model(data, found, config)
    heavy = np.log(data.features[:, data.names.index(HEAVY)])
    slope, offset = np.polyfit(heavy, data.pk, 1, w=np.sqrt(data.weight))
    facts: dict[str, object] = {
        "complexes": len(data.weight),
        "posed": int(data.tested.sum()),
        "docked": int((data.posed & ~data.tested).sum()),
        "proteins": len(set(data.proteins.tolist())),
    }
    for name, one in zip(("new_proteins", "new_scaffolds"), found, strict=True):
        facts |= {f"{name}_{key}": value for key, value in scores(data, one, error).items()}
    tell("fitting", 3, 3)
    return PosedModel(
        parts,
        fit_ranking(data, everything, config),
        error,
        Baseline(float(slope), float(offset)),
        data.reference,
        facts,
    )


def fit_parts(data: TrainingSet, rows: Bools, config: PosedConfig) -> tuple[WeightedForest, ...]:
    """The functions of a model, fitted to some of the complexes."""
    from sklearn.ensemble import ExtraTreesRegressor

    parts: list[WeightedForest] = []
    for number, part in enumerate(config.parts):
        columns = tuple(name for block in part.blocks for name in BLOCKS[block])
        place = [data.names.index(name) for name in columns]
        used = rows & (data.posed | (not part.posed))
        forest = ExtraTreesRegressor(
            config.trees,
            max_features=config.share,
            min_samples_leaf=part.leaf,
            random_state=config.seed + number,
            n_jobs=1,
        )
        forest.fit(data.features[used][:, place].astype(np.float32), data.pk[used], data.weight[used])
        parts.append(WeightedForest(from_averaged(forest), columns, part.weight))
    if config.linear.weight:
        parts.append(_linear(data, rows & data.posed, config.linear))
    return tuple(parts)


def fit_ranking(data: TrainingSet, rows: Bools, config: PosedConfig) -> WeightedForest:
    """What ranks the ligands of one pocket, fitted to some of the complexes."""
    return _linear(data, rows & data.posed, config.ranking, data.series)


def _linear(data: TrainingSet, rows: Bools, config: LinearConfig, series: Ints | None = None) -> WeightedForest:
    columns = tuple(name for block in config.blocks for name in BLOCKS[block])
    place = [data.names.index(name) for name in columns]
    groups = None if series is None else series[rows]
    found = ridge(data.features[rows][:, place], data.pk[rows], data.weight[rows], config.penalty, groups)
    return WeightedForest(found, columns, config.weight)


def left_out(data: TrainingSet, folds: Ints, config: PosedConfig) -> LeftOut:
    """What is said of each complex by models that were fitted without its fold."""
    found = LeftOut(*(np.full(len(folds), np.nan) for _ in range(5)))
    shared = data.reference.protein_similarities
    for fold in np.unique(folds).tolist():
        test, train = folds == fold, folds != fold
        parts = fit_parts(data, train, config)
        test = test & data.tested
        found.pk[test], found.spread[test] = mean_of_parts(parts, data.features[test], data.names)
        found.ranking[test] = mean_of_parts([fit_ranking(data, train, config)], data.features[test], data.names)[0]
        prints = data.reference.fingerprints
        found.ligand[test] = tanimoto(prints[test], prints[train]).max(axis=1)
        known = np.unique(data.reference.protein[train])
        found.protein[test] = shared[data.reference.protein[test]][:, known].max(axis=1)
    return found


def error_model(data: TrainingSet, found: Sequence[LeftOut], config: PosedConfig) -> ErrorModel:
    """What error is to be expected, from those of complexes that were left out; intervals hold for new proteins."""
    rows = data.tested
    columns = np.concatenate([one.columns[rows] for one in found])
    errors = np.concatenate([np.abs(one.pk - data.pk)[rows] for one in found])
    ends = [-np.inf, 0.0, 0.0, 0.0], [np.inf, 2.0, np.inf, np.inf]
    fitted = lsq_linear(columns, np.log(errors + SMALLEST_ERROR), bounds=ends)
    sigma = np.exp(found[0].columns[rows] @ fitted.x)
    score = np.sort(np.abs(found[0].pk - data.pk)[rows] / sigma)
    rank = min(len(score) - 1, int(np.ceil(config.level * (len(score) + 1))) - 1)
    c0, c1, c2, c3 = map(float, fitted.x)
    return ErrorModel((c0, c1, c2, c3), float(score[rank]), config.level)


def scores(data: TrainingSet, found: LeftOut, error: ErrorModel) -> dict[str, float]:
    """Correlation, error, coverage and how much larger the error outside the data is, of complexes left out."""
    rows = data.tested
    pk, said = data.pk[rows], found.pk[rows]
    sigma = error.sigma(found.spread, found.ligand, found.protein)[rows]
    missed = np.abs(said - pk)
    outside = outside_of_data(data.features[rows], data.names)
    ratio = missed[outside].mean() / missed[~outside].mean() if outside.any() and not outside.all() else np.nan
    numbers = {
        "pearson": np.corrcoef(said, pk)[0, 1],
        "rmse": np.sqrt(np.mean(missed**2)),
        "coverage": (missed <= error.quantile * sigma).mean(),
        "outside": outside.mean(),
        "outside_error_ratio": ratio,
    }
    return {name: round(float(value), 4) for name, value in numbers.items() if np.isfinite(value)}


def folds_of(groups: Ints, count: int, seed: int) -> Ints:
    """(n,) number of each row's fold; a group is in one fold, the largest first into the smallest fold."""
    names, inverse, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    shuffled = np.random.default_rng(seed).permutation(len(names))
    fold, load = np.zeros(len(names), np.int64), np.zeros(count)
    for group in sorted(shuffled.tolist(), key=lambda one: -sizes[one]):
        fold[group] = int(load.argmin())
        load[fold[group]] += sizes[group]
    found: Ints = fold[inverse]
    return found
