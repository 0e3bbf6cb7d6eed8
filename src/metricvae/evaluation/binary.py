"""How good a model of a binary metric is on labelled pairs: classification, ranking and conformal sets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metricvae.core.binary_scores import accuracy, auc, average_precision
from metricvae.prediction.calibration.binary import PAPER_THRESHOLD
from metricvae.prediction.records import Predictions

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class BinaryEvaluation:
    """Figures over n pairs of a binary metric.

    Attributes:
        n: pairs.
        accuracy: share classified correctly, with the threshold chosen on validation pairs.
        accuracy_paper: the same, by the paper's rule (distance at most 1).
        error: the share misclassified by the paper's rule, in what we take for its unit: an error counts 2, as far as
            the distances of a positive pair (0) and of a negative one (2) are apart.
        auc: area under the ROC curve of the probabilities.
        average_precision: of a ranking by probability.
        grades: for each grade of negatives, the accuracy on it and the positives (each counting half), the AUC and the
            average precision of the positives against it; empty where the data have no grades.
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


def measure_binary(predictions: Predictions, positive: Bools, grade: npt.NDArray[np.str_] | None) -> BinaryEvaluation:
    """The figures of predictions that are there already.

    Args:
        predictions: what the model says of n pairs.
        positive: (n,) the truth; some of both.
        grade: (n,) of each pair, `match` for a positive one, or None.
    """
    right = np.equal(np.asarray(predictions.match), positive)
    paper = accuracy(-np.asarray(predictions.distance), positive, -PAPER_THRESHOLD)
    by_grade = {}
    for name in sorted(set(() if grade is None else grade[~positive].tolist())):
        of_grade = ~positive & (grade == name)
        rows = positive | of_grade
        by_grade[name] = {
            "n": float(of_grade.sum()),
            "accuracy": float((right[positive].mean() + right[of_grade].mean()) / 2),
            "auc": auc(predictions.value[rows], positive[rows]),
            "average_precision": average_precision(predictions.value[rows], positive[rows]),
        }
    return BinaryEvaluation(
        n=len(positive),
        accuracy=float(right.mean()),
        accuracy_paper=paper,
        error=2.0 * (1.0 - paper),
        auc=auc(predictions.value, positive),
        average_precision=average_precision(predictions.value, positive),
        grades=by_grade,
        answers_coverage=float(np.mean((predictions.low <= positive) & (positive <= predictions.high))),
        answers_open=float(np.mean(predictions.low < predictions.high)),
        novel=float(np.mean(predictions.novel)),
    )
