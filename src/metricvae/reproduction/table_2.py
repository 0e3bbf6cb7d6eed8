"""Table 2 of the paper: the error of telling which halves of shapes match, by batch, beside that of guesses.

In the paper's setting: simple geometric shapes, cut straight through the centroid. Its error has no unit; its column of
guesses is in exact twelfths, as in a batch of 24 pairs in which an error counts 2, which is the unit taken here.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from metricvae.core.binary_scores import auc, average_precision, best_threshold
from metricvae.core.dataset import PairDataset
from metricvae.core.dataset_files import read_dataset
from metricvae.core.errors import InputError
from metricvae.evaluation.evaluate import Answers, answer
from metricvae.evaluation.retrieval import solver_scores
from metricvae.evaluation.statistics import SignificanceTest, welch_test, z_test
from metricvae.metrics.match.card import area_and_boundary, size_similarity
from metricvae.metrics.overlap.drawing import JoinedPair, draw_joined, superimpose
from metricvae.prediction.calibration.binary import PAPER_THRESHOLD, binary_labels
from metricvae.prediction.predictor import Predictor
from metricvae.reproduction.config import BATCHES, Table2Config
from metricvae.reproduction.inputs import OnStep, label_halves, pose_at, report_folders, run_facts
from metricvae.reproduction.reassembly import reassembly_sections
from metricvae.reproduction.report import Fact, Figure, Report, Section, Table, environment_facts, write_report
from metricvae.reproduction.table_1 import Indices, draw_batches

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

PUBLISHED_GUESS = (1.41666667, 1.58333333, 1.41666667, 1.33333333, 1.25, 1.41666667)
"""The paper's Table 2, "Gaussian noise error", six trials."""
PUBLISHED_MODEL = (0.286658, 0.258178, 0.240011, 0.212152, 0.282565, 0.281238)
"""The paper's Table 2, "Magic autoencoder error"."""

METHODS = (
    *("random codes", "areas", "boundary lengths", "edges fitted"),
    *("model, distance at most 1", "model, its own threshold", "model, threshold of the setting"),
)
MODEL = METHODS.index("model, distance at most 1")

ASSUMPTIONS = (
    "The unit of the error: an error counts 2, the difference of the distances of a mismatch (2) and of a match (0).",
    "The paper does not say what its noise is compared with. Here two codes are drawn from N(0, I), and their cosine "
    "distance is compared with 1, which is right half of the time; the paper's guesses are wrong more often than that, "
    "in all six batches.",
)
DEVIATIONS = (
    "The paper's rule is one of three columns. The model's own threshold was chosen on validation pairs of many kinds, "
    "mismatches of one shape among them; that of the last column on pairs of this setting, as those of areas, lengths "
    "and edges: for the model on the validation and calibration pairs of these data, for the others on training pairs.",
    "The paper's MSHAPES data are no longer available; its columns are quoted, and were obtained on other shapes.",
    "No test pair contains a shape of a training pair. In the batches half of the pairs match, and mismatches are "
    "halves of two shapes; mismatches of one shape, from two cuts, are only in the table by grade.",
)


@dataclass(frozen=True)
class MatchRow:
    """One batch.

    Attributes:
        batch: its name.
        pairs: how many it holds.
        published_guess, published_model: the paper's two errors; None where the paper has none.
        errors: of each method, in the order of `METHODS`.
    """

    batch: str
    pairs: int
    published_guess: float | None
    published_model: float | None
    errors: tuple[float, ...]


@dataclass(frozen=True)
class Table2:
    """The table and its tests.

    Attributes:
        rows: the six batches.
        large: all other test pairs of matches and of halves of two shapes.
        grades: AUC and average precision for each grade of mismatches and each method but random codes.
        tests: z-test and Welch's t-test of the guess's errors against the model's (the paper's rule) over the batches.
    """

    rows: tuple[MatchRow, ...]
    large: MatchRow
    grades: tuple[tuple[str, str, float, float], ...]
    tests: tuple[SignificanceTest, ...]


@dataclass(frozen=True)
class Table2Run:
    """The result of a run: the page, its content, the numbers, and the minutes it took."""

    page: Path
    report: Report
    table: Table2
    minutes: float

    def to_json(self) -> dict[str, Any]:
        """The rows as plain numbers."""
        rows = [
            dataclasses.asdict(row) | {"errors": dict(zip(METHODS, row.errors, strict=True))}
            for row in (*self.table.rows, self.table.large)
        ]
        return {"page": str(self.page), "minutes": round(self.minutes, 2), "rows": rows}

    def text(self) -> str:
        """Table 2 as plain text."""
        lines = [f"{'batch':>6}  {'pairs':>6}  " + "  ".join(f"{name:>24}" for name in METHODS)]
        for row in (*self.table.rows, self.table.large):
            lines.append(f"{row.batch:>6}  {row.pairs:6}  " + "  ".join(f"{error:24.3f}" for error in row.errors))
        return "\n".join(["Table 2: error, an error counts 2", *lines, f"report: {self.page}"])


@dataclass(frozen=True)
class MethodScores:
    """Scores of one method for all test pairs, and the threshold from which on it calls a pair a match.

    Attributes:
        score: (n,) higher for likelier matches.
        threshold: the least score of a match.
    """

    score: Floats
    threshold: float

    def misses(self, match: Bools) -> Bools:
        """(n,) whether the method is wrong about pairs that match or do not."""
        return (self.score >= self.threshold) != match


def reproduce_table_2(folder: Path, config: Table2Config | None = None, on_step: OnStep | None = None) -> Table2Run:
    """Table 2 on unseen shapes in the paper's setting (or on the test split of a given data set), as a report.

    Args:
        folder: the report; the pairs are kept in `<folder>-work`.
        config: the settings; by default those of the published results.
        on_step: told how far each stage is.

    Raises:
        InputError: a data set with too few test pairs or other labels than 0 and 1, a model of another metric or that
            cannot be read, a folder that holds something else.
    """
    start, step, config = time.monotonic(), on_step or (lambda *_: None), config or Table2Config()
    folder, work = report_folders(folder, (("seed", config.seed, 0),))
    predictor = _matcher(config.model)
    data = read_dataset(label_halves(config.data, work, config.seed, step))
    answers = answer(predictor, data, "test", lambda done, total: step("encoding halves", done, total))
    scores = _all_scores(data, predictor, answers, config, step)
    match = binary_labels("test", answers.value)
    others = _of_other_shapes(match, data.representative(answers.rows), config.seed)
    batches, large = draw_batches(len(others), seed=config.seed, size=config.batch_size)
    batches, large = tuple(others[batch] for batch in batches), others[large]
    grade = data.columns["grade"][answers.rows] if "grade" in data.columns else None
    table = _table(scores, match, grade, batches, large)
    sections = reassembly_sections(data, predictor, config.reassembly, step)
    minutes = (time.monotonic() - start) / 60
    facts = [
        *run_facts(_words(config, folder.name), minutes),
        Fact("test pairs", len(match)),
        Fact("training pairs of the model", predictor.loaded.facts["pairs"]),
        Fact("training steps of the model", predictor.loaded.facts["steps"]),
        *environment_facts(),
    ]
    made = report_table_2(table, _examples(data, answers, large[: config.examples]), sections, facts)
    return Table2Run(write_report(made, folder), made, table, minutes)


def _words(config: Table2Config, name: str) -> list[str]:
    """The command that repeats the run."""
    words = ["reproduce", "table-2", "--out", name, "--model", config.model, "--seed", str(config.seed)]
    return words if config.data.folder is None else [*words, "--dataset", str(config.data.folder)]


def _matcher(model: str) -> Predictor:
    """A calibrated model of a binary metric.

    Raises:
        InputError: it is of another metric, or was never calibrated.
    """
    predictor = Predictor.load(model)
    if predictor.metric.task != "binary":
        raise InputError(
            f"the model {model} predicts {predictor.metric.description.value}, expected one that tells matches: give a "
            "model of halves"
        )
    predictor.require_calibration()
    return predictor


def _of_other_shapes(match: Bools, representative: Bools, seed: int) -> Indices:
    """The pairs of the paper's setting: mismatches are halves of two shapes, and as many pairs match as do not."""
    here = np.flatnonzero(representative)
    rng = np.random.default_rng(seed)
    count = min(np.count_nonzero(match[here]), np.count_nonzero(~match[here]))
    parts = [rng.permutation(here[match[here] == value])[:count] for value in (True, False)]
    return np.sort(np.concatenate(parts))


def _all_scores(
    data: PairDataset, predictor: Predictor, answers: Answers, config: Table2Config, step: OnStep
) -> tuple[MethodScores, ...]:
    """In the order of `METHODS`. Thresholds are chosen on pairs of the setting that are not those of the test."""
    rng = np.random.default_rng(config.seed)
    codes = rng.standard_normal((2, len(answers.rows), config.random_dimensions))
    guess = (codes[0] * codes[1]).sum(1) / np.linalg.norm(codes, axis=2).prod(0)
    own, of_setting = predictor.binary_calibration.threshold, _threshold(data, predictor, step)
    return (
        MethodScores(guess, 0.0),
        *_by_size(data, answers.rows),
        _by_fit(data, answers.rows, config.fitted, step),
        MethodScores(-np.asarray(answers.predictions.distance), -PAPER_THRESHOLD),
        *(MethodScores(answers.predictions.value, threshold) for threshold in (own, of_setting)),
    )


def _threshold(data: PairDataset, predictor: Predictor, step: OnStep) -> float:
    """The model's threshold for this setting, chosen on the splits that its weights do not depend on."""
    scores, matches = [], []
    for split in ("validation", "calibration"):
        answers = answer(predictor, data, split, lambda done, total: step("encoding halves", done, total))
        here = data.representative(answers.rows)
        scores.append(answers.predictions.value[here])
        matches.append(binary_labels(split, answers.value[here]))
    return best_threshold(np.concatenate(scores), np.concatenate(matches))


def _training_pairs(data: PairDataset) -> Indices:
    """Training pairs of the setting, on which methods that are no model choose their threshold."""
    rows = data.rows("train")
    return rows[data.representative(rows)]


def _by_size(data: PairDataset, test: Indices) -> list[MethodScores]:
    """Areas alone, and boundary lengths alone: the closer the logarithms, the likelier a match."""
    sizes = [area_and_boundary(data.left.object(row)) for row in range(len(data.left))]
    score = size_similarity(sizes, data.first, data.second)
    train = _training_pairs(data)
    match = binary_labels("train", data.value[train])
    return [MethodScores(score[test, column], best_threshold(score[train, column], match)) for column in range(2)]


def _by_fit(data: PairDataset, test: Indices, fitted: int, step: OnStep) -> MethodScores:
    """The classical method: the evidence of the best fit of the edges."""
    train = _training_pairs(data)[:fitted]
    rows = np.concatenate([train, test])
    score = solver_scores(data, rows, partial(step, "fitting edges"))
    match = binary_labels("train", data.value[train])
    return MethodScores(score[len(train) :], best_threshold(score[: len(train)], match))


def _table(
    scores: Sequence[MethodScores],
    match: Bools,
    grade: npt.NDArray[np.str_] | None,
    batches: Sequence[Indices],
    large: Indices,
) -> Table2:
    misses = [one.misses(match) for one in scores]

    def row(name: str, pairs: Indices, guess: float | None, model: float | None) -> MatchRow:
        return MatchRow(name, len(pairs), guess, model, tuple(2.0 * float(np.mean(one[pairs])) for one in misses))

    rows = tuple(
        row(str(number + 1), batch, PUBLISHED_GUESS[number], PUBLISHED_MODEL[number])
        for number, batch in enumerate(batches[:BATCHES])
    )
    ours = [one.errors[0] for one in rows], [one.errors[MODEL] for one in rows]
    grades = []
    for name in sorted(set(() if grade is None else grade[~match].tolist())):
        chosen = match | (grade == name)
        for place, method in enumerate((*METHODS[1:MODEL], "model"), 1):
            score = scores[place].score[chosen]
            grades.append((name, method, auc(score, match[chosen]), average_precision(score, match[chosen])))
    return Table2(rows, row("large", large, None, None), tuple(grades), (z_test(*ours), welch_test(*ours)))


def report_table_2(
    table: Table2, examples: Sequence[JoinedPair], sections: Sequence[Section], facts: Sequence[Fact]
) -> Report:
    """Table 2 as a report.

    Args:
        table: the numbers.
        examples: test pairs to draw.
        sections: on the retrieval and generation of partners.
        facts: command, cost and versions of the run.
    """
    means = MatchRow(
        "mean of six",
        sum(row.pairs for row in table.rows),
        float(np.mean(PUBLISHED_GUESS)),
        float(np.mean(PUBLISHED_MODEL)),
        tuple(np.mean([row.errors for row in table.rows], axis=0).tolist()),
    )
    rows = [
        (row.batch, row.pairs, row.published_guess, row.published_model, *row.errors)
        for row in (*table.rows, means, table.large)
    ]
    errors = Table(
        "Error; an error counts 2. The two published columns are quoted; they were obtained on other shapes.",
        ("batch", "pairs", "published guess", "published model", *METHODS),
        tuple(rows),
        strong_columns=(4 + MODEL,),
        strong_rows=(len(table.rows),),
    )
    graded = Table(
        "Matches against mismatches of one grade.",
        ("grade", "method", "AUC", "average precision"),
        table.grades,
    )
    tests = Table(
        "The guess's six errors against the model's.",
        ("test", "statistic", "p"),
        tuple((test.name, test.statistic, test.p_value) for test in table.tests),
    )
    picture = Figure(
        "pairs",
        "Test pairs: the two halves as the model sees them and, for a match, joined.",
        "Rows of three panels with pieces of shapes.",
        draw_joined(examples),
    )
    return Report(
        title="Table 2: which halves match",
        summary=_summary(table.large),
        sections=(
            Section("Errors by batch", tables=(errors,), figures=(picture,)),
            Section("By grade of the mismatches", tables=(graded,)) if table.grades else Section("No grades"),
            Section("Tests over the six batches", tables=(tests,)),
            *sections,
        ),
        facts=tuple(facts),
        assumptions=ASSUMPTIONS,
        deviations=DEVIATIONS,
    )


def _summary(large: MatchRow) -> str:
    """The model on all other pairs, with each of its three thresholds."""
    rule, own, chosen = (f"{100 * (1 - error / 2):.1f} %" for error in large.errors[MODEL:])
    of_rule, of_own, of_chosen = large.errors[MODEL:]
    return (
        f"On {large.pairs:,} test pairs the model is right for {rule} by the paper's rule (cosine distance at most 1), "
        f"an error of {of_rule:.3f}, for {own} by its own threshold ({of_own:.3f}), and for {chosen} by a threshold "
        f"chosen in this setting ({of_chosen:.3f}); the paper's batches lie between {min(PUBLISHED_MODEL):.2f} and "
        f"{max(PUBLISHED_MODEL):.2f}."
    )


def _examples(data: PairDataset, answers: Answers, chosen: Indices) -> list[JoinedPair]:
    return [_example(data, answers, place) for place in chosen.tolist()]


def _example(data: PairDataset, answers: Answers, place: int) -> JoinedPair:
    row = int(answers.rows[place])
    first, second = data.left.object(int(data.first[row])), data.right.object(int(data.second[row]))
    pose = pose_at(data, row)
    joined = None if pose is None else superimpose(first, second, pose)
    caption = f"probability {answers.predictions.value[place]:.2f}"
    if "grade" in data.columns:
        caption = f"{data.columns['grade'][row]}, {caption}"
    return JoinedPair(first, second, joined, caption)
