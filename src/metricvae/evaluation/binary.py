"""How good a model of a binary metric is on labelled pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metricvae.core.binary_scores import accuracy, auc, average_precision
from metricvae.prediction.calibration.matching import PAPER_THRESHOLD
from metricvae.prediction.predictor import Predictions

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class MatchEvaluation:
    """Figures over n pairs of a binary metric.

    Attributes:
        n: pairs.
        accuracy: share called rightly, the threshold chosen on validation pairs.
        accuracy_paper: the same, by the paper's rule (distance at most 1).
        error: the share called wrongly by the paper's rule, in what we take for its unit: a miss counts 2, as far as
            the distances of a match (0) and of a mismatch (2) are apart.
        auc: share of (match, mismatch) couples in which the match is called likelier.
        average_precision: of a ranking by probability.
        grades: for each grade of mismatches, the accuracy on it and the matches (each counting half), the AUC and the
            average precision of the matches against it; empty where the data have no grades.
        answers_coverage: share of true answers inside their sets.
        answers_open: share of pairs for which both answers are possible.
        novel: share of pairs with an object unlike those of the training.
    """

    n: int
    accuracy: float
    accuracy_paper: float
    error: float
    auc: float
    average_precision: float
    grades: dict[str, dict[str, float]]
    answers_coverage: float
    answers_open: float
    novel: float


def measure_matches(said: Predictions, match: Bools, grade: npt.NDArray[np.str_] | None) -> MatchEvaluation:
    """The figures of answers that are there already.

    Args:
        said: what the model says of n pairs.
        match: (n,) the truth; some of both.
        grade: (n,) of each pair, `match` for a match, or None.
    """
    right = np.equal(np.asarray(said.match), match)
    paper = accuracy(-np.asarray(said.distance), match, -PAPER_THRESHOLD)
    by_grade = {}
    for name in sorted(set(() if grade is None else grade[~match].tolist())):
        of_grade = ~match & (grade == name)
        rows = match | of_grade
        by_grade[name] = {
            "n": float(of_grade.sum()),
            "accuracy": float((right[match].mean() + right[of_grade].mean()) / 2),
            "auc": auc(said.value[rows], match[rows]),
            "average_precision": average_precision(said.value[rows], match[rows]),
        }
    return MatchEvaluation(
        n=len(match),
        accuracy=float(right.mean()),
        accuracy_paper=paper,
        error=2.0 * (1.0 - paper),
        auc=auc(said.value, match),
        average_precision=average_precision(said.value, match),
        grades=by_grade,
        answers_coverage=float(np.mean((said.low <= match) & (match <= said.high))),
        answers_open=float(np.mean(said.low < said.high)),
        novel=float(np.mean(said.novel)),
    )
