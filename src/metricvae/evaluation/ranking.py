"""How good a model of a ranking metric is: the order of pairs within their groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metricvae.core.dataset import PairDataset, Rows
from metricvae.core.errors import InputError
from metricvae.evaluation.baselines import LabelledMagnitudes, fit_magnitudes
from metricvae.prediction.calibration.conformal import Floats
from metricvae.prediction.records import Predictions


@dataclass(frozen=True)
class RankingEvaluation:
    """Figures over n pairs in groups; of values only the order within a group counts.

    Attributes:
        n: pairs.
        groups: groups with at least two pairs of different values.
        concordance: share of the orderable pairs of pairs in one group that are predicted in the right order, ties
            counting half; 0.5 is chance (Harrell's C). Censored values are ordered as far as their bounds allow.
        spearman, kendall: rank correlations within a group, mean over the groups of at least three pairs.
        areas_concordance: of the regression on the two magnitudes, fitted on training pairs.
        interval_coverage: share of true values inside their intervals, up to a constant of each group.
        interval_width: mean width of the intervals.
        novel: share of pairs with an object unlike those of the training.
    """

    n: int
    groups: int
    concordance: float
    spearman: float
    kendall: float
    areas_concordance: float
    interval_coverage: float
    interval_width: float
    novel: float


def measure_ranking(data: PairDataset, rows: Rows, predictions: Predictions, learned: Rows) -> RankingEvaluation:
    """The figures of predictions that are there already.

    Args:
        data: the data set.
        rows: (n,) of its pairs.
        predictions: for them.
        learned: rows of the pairs that the baseline is fitted on.

    Raises:
        InputError: no group has two pairs of different values.
    """
    groups = _groups(data, rows)
    usable = [place for place in groups if np.ptp(data.value[rows[place]]) > 0]
    if not usable:
        raise InputError("no group has two pairs of different values: give a column of groups, or more pairs of each")
    base = LabelledMagnitudes(data.value[learned], *data.magnitudes(learned))
    by_magnitudes = fit_magnitudes(base, symmetric=data.metric.symmetric).predict(*data.magnitudes(rows))
    spearman, kendall = _correlations(predictions.value, data.value[rows], usable)
    known = data.known(rows)
    there = np.isin(rows, known)
    missed = np.abs(data.within_groups(data.value[known], known) - data.within_groups(predictions.value[there], known))
    half = (predictions.high - predictions.low)[there] / 2
    return RankingEvaluation(
        n=len(rows),
        groups=len(usable),
        concordance=concordance(data, rows, predictions.value, usable),
        spearman=spearman,
        kendall=kendall,
        areas_concordance=concordance(data, rows, by_magnitudes, usable),
        interval_coverage=float(np.mean(missed <= half)),
        interval_width=float(np.mean(2 * half)),
        novel=float(np.mean(predictions.novel)),
    )


def concordance(data: PairDataset, rows: Rows, predicted: Floats, groups: list[Rows]) -> float:
    """Share of the orderable pairs of pairs of one group that `predicted` (n,) orders rightly; ties count half."""
    right = total = 0.0
    value = data.value[rows]
    censored = np.zeros(len(rows), np.int8) if data.censored is None else data.censored[rows]
    least, most = np.where(censored < 0, -np.inf, value), np.where(censored > 0, np.inf, value)
    for group in groups:
        above = least[group][:, None] > most[group][None, :]
        difference = predicted[group][:, None] - predicted[group][None, :]
        right += float((above * (0.5 + 0.5 * np.sign(difference))).sum())
        total += float(above.sum())
    return right / total if total else float("nan")


def _groups(data: PairDataset, rows: Rows) -> list[Rows]:
    """Places among the rows, by group."""
    if data.group is None:
        return [np.arange(len(rows))]
    _, number = np.unique(data.group[rows], return_inverse=True)
    order = np.argsort(number, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(number[order])) + 1)


def _correlations(predicted: Floats, value: Floats, groups: list[Rows]) -> tuple[float, float]:
    from scipy import stats  # here, since it takes a second to load

    large = [group for group in groups if len(group) >= 3 and np.ptp(predicted[group]) > 0]
    if not large:
        return float("nan"), float("nan")
    pairs = [(predicted[group], value[group]) for group in large]
    return (
        float(np.mean([stats.spearmanr(*pair).statistic for pair in pairs])),
        float(np.mean([stats.kendalltau(*pair).statistic for pair in pairs])),
    )
