"""Metrics that nobody built in: their labels against known answers, their pairs, their baselines, and the report."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import cdist, directed_hausdorff
from scipy.spatial.transform import Rotation

from metricvae.core.dataset import ObjectTable, PairDataset
from metricvae.core.errors import InputError
from metricvae.kinds.arrays import ArrayKind
from metricvae.metrics.tabular import TabularMetric
from metricvae.reproduction.any_metric.baselines import (
    BOOSTING,
    MAGNITUDES,
    MEAN,
    NEAREST,
    ValuedPairs,
    neighbour_means,
    pair_features,
    predict_baselines,
)
from metricvae.reproduction.any_metric.data import CARD, NAMES, TABLE, LabelledExample, label_example
from metricvae.reproduction.any_metric.examples import EXAMPLES, chosen_examples
from metricvae.reproduction.any_metric.labels import (
    bodies,
    digits,
    histograms,
    molecules,
    proteins,
    series,
    silhouettes,
    words,
)
from metricvae.reproduction.any_metric.page import METHODS, report_metrics
from metricvae.reproduction.any_metric.records import SHARES, Floats, MadeObjects, PairDesign
from metricvae.reproduction.any_metric.results import (
    BaselineResult,
    ExampleResult,
    ModelResult,
    SiameseResult,
    baselines_path,
    keep,
    model_path,
    read_results,
    siamese_path,
)
from metricvae.reproduction.any_metric.run import reproduce_any_metric
from metricvae.reproduction.any_metric.sampling import draw_pairs
from metricvae.reproduction.any_metric.scores import score
from metricvae.reproduction.config import AnyMetricConfig
from metricvae.reproduction.report import Fact, write_report

ONE, OTHER = np.array([0]), np.array([1])


def single(values: Sequence[object], measure: object) -> float:
    """The value of the first two of some objects."""
    return float(measure(values)(ONE, OTHER)[0])  # type: ignore[operator]


# Labels


@pytest.mark.slow
def test_the_hausdorff_distance_of_a_moved_silhouette_is_that_of_its_sampling() -> None:
    mask = np.zeros((200, 200), np.uint8)
    mask[60:100, 60:150], mask[100:130, 60:80] = 1, 1
    turned = np.roll(np.rot90(mask), (12, -9), (0, 1))
    assert single([mask, turned], silhouettes.measure_hausdorff) < 2.0  # points are three pixels apart
    bar = np.zeros_like(mask)
    bar[95:105, 40:160] = 1
    assert single([mask, bar], silhouettes.measure_hausdorff) > 10


@pytest.mark.slow
def test_the_least_hausdorff_distance_is_a_distance_at_a_pose_and_no_pose_of_a_grid_is_better() -> None:
    masks = silhouettes.make_silhouettes(4, 3).values
    a, b = (silhouettes.outline(mask) for mask in masks[:2])
    found = silhouettes.least_hausdorff(a, b)
    a, b = a - a.mean(0), b - b.mean(0)
    coarse = np.inf
    for angle, x, y in itertools.product(np.arange(0, 2 * np.pi, np.pi / 36), (-8, 0, 8), (-8, 0, 8)):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        moved = b @ turn.T + (x, y)
        coarse = min(coarse, max(directed_hausdorff(a, moved)[0], directed_hausdorff(moved, a)[0]))
    assert 0.5 * coarse < found <= coarse + 0.05


@pytest.mark.slow
def test_the_hausdorff_search_falls_little_short_of_a_finer_one() -> None:
    outlines = [silhouettes.outline(mask) for mask in silhouettes.make_silhouettes(20, 5).values]
    finer = replace(silhouettes.SEARCH, angles=144, starts=40, accuracy=0.01)
    pairs = [(outlines[i], outlines[i + 1]) for i in range(0, 20, 2)]
    shortfall = [silhouettes.least_hausdorff(a, b) - silhouettes.least_hausdorff(a, b, finer) for a, b in pairs]
    assert np.mean(shortfall) < 0.2


def test_the_earth_mover_moves_ink_by_the_distance_between_two_pixels() -> None:
    one, other = np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.uint8)
    one[1, 1], other[4, 5] = 16, 3
    assert single([one, other], digits.measure_earth_mover) == pytest.approx(5.0)
    other[4, 5], other[1, 1] = 8, 8
    assert single([one, other], digits.measure_earth_mover) == pytest.approx(2.5)


def test_words_are_compared_by_their_edits() -> None:
    assert single(["kitten", "sitting"], words.measure_edits) == 3
    rng = np.random.default_rng(0)
    for edits in (1, 3):
        spelt = words.misspell("letters", edits, rng)
        assert single(["letters", spelt], words.measure_edits) <= 2 * edits  # a swap counts two
    made = words.make_words(400, 0)
    assert len(set(made.values)) == 400
    assert all(3 <= len(word) <= 14 and word.isalpha() for word in made.values)


def test_the_alignment_score_is_that_of_the_matrix() -> None:
    own = single(["WWWW", "WWWW"], proteins.measure_alignment)
    assert own == pytest.approx(1.0)
    sequences = ["MKVLAWWHH", "GGGMKVLAPP"]  # MKVLA in both: 5 + 5 + 4 + 4 + 4
    scores = [5 + 5 + 4 + 4 + 4 + 11 + 11 + 8 + 8, 6 * 3 + 22 + 7 * 2]
    expected = 22 / np.sqrt(scores[0] * scores[1])
    assert single(sequences, proteins.measure_alignment) == pytest.approx(expected)


def test_proteins_of_a_family_are_alike_and_others_are_not() -> None:
    made = proteins.make_proteins(40, 0)
    value = proteins.measure_alignment(made.values)
    within, across = value(np.zeros(5, int), np.arange(1, 6)), value(np.zeros(5, int), np.arange(6, 11))
    assert within.mean() > 3 * across.mean()
    np.testing.assert_allclose(proteins.substitution_chances().sum(1), 1)
    unchanged = proteins.evolve(np.arange(20), 0.0, proteins.substitution_chances(), np.random.default_rng(0))
    assert unchanged.tolist() == list(range(20))


def test_dynamic_time_warping_is_that_of_the_recursion() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 12))
    best = np.full((13, 13), np.inf)
    best[0, 0] = 0
    for i, j in itertools.product(range(12), range(12)):
        best[i + 1, j + 1] = (a[i] - b[j]) ** 2 + min(best[i, j], best[i, j + 1], best[i + 1, j])
    assert single([a, b], series.measure_warping) == pytest.approx(np.sqrt(best[12, 12]))


def test_the_rank_correlation_counts_pairs_of_places() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 10))
    signs = [np.sign(a[i] - a[j]) * np.sign(b[i] - b[j]) for i, j in itertools.combinations(range(10), 2)]
    assert single([a, b], series.measure_rank_correlation) == pytest.approx(np.mean(signs))
    assert single([a, -a], series.measure_rank_correlation) == pytest.approx(-1)


def test_the_divergence_is_the_mean_logarithm_of_the_ratio_and_has_an_order() -> None:
    one, other = np.array([0.5, 0.5]), np.array([0.9, 0.1])
    there, back = (single(pair, histograms.measure_divergence) for pair in ([one, other], [other, one]))
    assert there == pytest.approx(0.5 * np.log(0.5 / 0.9) + 0.5 * np.log(0.5 / 0.1))
    assert there != pytest.approx(back)


@pytest.mark.slow
def test_the_chamfer_distance_of_a_moved_cloud_is_nought_and_of_another_is_found_by_brute_force() -> None:
    rng = np.random.default_rng(2)
    centres, axes, frames = bodies.random_body(rng)
    cloud = bodies.sample_surface(centres, axes, frames, rng)
    moved = cloud @ Rotation.random(rng=rng).as_matrix().T + (3, 1, -2)
    assert single([cloud, moved], bodies.measure_chamfer) == pytest.approx(0, abs=1e-6)
    mirrored = cloud * (1, 1, -1)
    found, best = bodies.least_chamfer(cloud, mirrored), np.inf
    a, b = cloud - cloud.mean(0), mirrored - mirrored.mean(0)
    for rotation in Rotation.random(400, rng=rng).as_matrix():
        squared = cdist(a, b @ rotation.T, "sqeuclidean")
        best = min(best, np.sqrt((squared.min(0).mean() + squared.min(1).mean()) / 2))
    assert 0 < found <= best


def test_molecules_have_analogues_that_are_alike() -> None:
    made = molecules.make_molecules(12, 0)
    value = molecules.measure_tanimoto(made.values)
    assert value(ONE, ONE)[0] == 1
    assert value(ONE, np.array([1]))[0] > value(ONE, np.array([8]))[0]


def test_a_rotated_digit_is_the_same_digit_as_before() -> None:
    made = digits.make_rotated_digits(30, 0)
    labels = np.array([label for _, label in made.values])
    value = digits.measure_same_digit(made.values)
    first, second = np.indices((30, 30)).reshape(2, -1)
    np.testing.assert_array_equal(value(first, second) == 1, labels[first] == labels[second])
    assert {image.shape for image, _ in made.values} == {(24, 24)}


# Pairs


def objects_of(count: int, size: int) -> MadeObjects:
    """Objects in groups of a size, at random places on a line."""
    groups = np.arange(count) // size
    places = np.random.default_rng(0).normal(size=(count, 1))
    return MadeObjects(list(range(count)), groups, groups, places, places)


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("design", [PairDesign(), PairDesign(0.3, 0.4, 5)])
def test_splits_share_no_group_and_pairs_are_different(symmetric: bool, design: PairDesign) -> None:
    objects = objects_of(600, 4)
    pairs = draw_pairs(objects, 1_000, design, symmetric, 0)
    seen: dict[str, set[int]] = {
        name: {*objects.groups[pairs.first[pairs.split == name]], *objects.groups[pairs.second[pairs.split == name]]}
        for name in SHARES
    }
    assert all(not seen[a] & seen[b] for a, b in itertools.combinations(seen, 2))
    ends = np.stack([pairs.first, pairs.second], axis=1)
    assert (ends[:, 0] != ends[:, 1]).all()
    assert len(np.unique(np.sort(ends, axis=1) if symmetric else ends, axis=0)) == len(ends) == 1_000
    assert {name: int((pairs.split == name).sum()) for name in SHARES} == {
        name: round(share * 1_000) for name, share in SHARES.items()
    }


def test_related_and_near_pairs_are_drawn_as_often_as_is_asked() -> None:
    objects = objects_of(600, 4)
    pairs = draw_pairs(objects, 1_000, PairDesign(related=0.4), True, 0)
    assert np.mean(objects.related[pairs.first] == objects.related[pairs.second]) > 0.35
    near = draw_pairs(objects, 1_000, PairDesign(near=0.9, neighbours=3), True, 0)
    gaps = [np.abs(np.subtract(*objects.embedding[[one.first, one.second], 0])) for one in (pairs, near)]
    assert np.median(gaps[1]) < np.median(gaps[0]) / 5


def test_too_few_objects_are_refused() -> None:
    with pytest.raises(InputError, match="different pairs: ask for fewer"):
        draw_pairs(objects_of(20, 1), 5_000, PairDesign(), True, 0)
    with pytest.raises(InputError, match="expected some of hausdorff"):
        chosen_examples(["haussdorf"])


# Data


def rows_of(folder: Path) -> list[dict[str, str]]:
    """The table of labelled pairs."""
    return list(csv.DictReader((folder / TABLE).read_text().splitlines()))


def test_labels_are_a_table_with_files_and_are_made_once(tmp_path: Path) -> None:
    example, folder = EXAMPLES["kl-divergence"], tmp_path / "kl"
    label_example(example, folder, 1_000, 0)
    rows = rows_of(folder)
    assert len(rows) == 1_000
    names = (folder / NAMES).read_text().split("\n")
    assert all((folder / name).is_file() for name in names)
    first, second = (np.load(folder / rows[0][end], allow_pickle=False) for end in ("a", "b"))
    assert float(rows[0]["value"]) == pytest.approx(float(np.sum(first * np.log(first / second))))
    before = (folder / TABLE).stat().st_mtime_ns
    label_example(example, folder, 1_000, 0)
    assert (folder / TABLE).stat().st_mtime_ns == before
    with pytest.raises(InputError, match="holds 1000 pairs of seed 0, expected 2000"):
        label_example(example, folder, 2_000, 0)
    assert json.loads((folder / CARD).read_text())["name"] == "kl-divergence"


def test_texts_stand_in_the_table_themselves(tmp_path: Path) -> None:
    label_example(EXAMPLES["edit-distance"], tmp_path / "words", 1_000, 0)
    assert rows_of(tmp_path / "words")[0]["a"].isalpha()
    assert not (tmp_path / "words" / "files").exists()


def test_a_missing_library_is_one_line(tmp_path: Path, hide_package: object) -> None:
    hide_package("parasail")  # type: ignore[operator]
    with pytest.raises(InputError, match=r'needs parasail: pip install "metricvae\[any-metric\]"'):
        label_example(EXAMPLES["protein-alignment"], tmp_path / "proteins", 1_000, 0)
    assert not (tmp_path / "proteins").exists()


# Baselines


class Places(ArrayKind):
    """Numbers as they are."""

    name, title = "test-any-metric-places", "places"


def labelled(value: object, *, symmetric: bool = True) -> LabelledExample:
    """Pairs of 300 numbers with a value that is a function of them; nothing is trained."""
    rng = np.random.default_rng(3)
    places = rng.uniform(1, 2, (300, 1))
    table = ObjectTable.from_objects(Places((1,)), list(places.astype(np.float32)))
    first, second = rng.integers(300, size=(2, 2_000))
    values: Floats = value(places[first, 0], places[second, 0])  # type: ignore[operator]
    split = rng.choice(list(SHARES), 2_000, p=list(SHARES.values()))
    metric = TabularMetric("gap", symmetric=symmetric, left=Places.name)
    data = PairDataset.from_objects(metric, table, first, second, values, split=split)
    return LabelledExample(data, places, places, 1.0)


def test_baselines_find_what_they_know() -> None:
    known = labelled(lambda a, b: np.abs(a - b))
    true = known.data.value[known.data.rows("test")]
    scores = {name: score(found, true, False) for name, found in predict_baselines(known).items()}
    assert list(scores) == [MEAN, MAGNITUDES, BOOSTING, NEAREST]
    assert scores[MEAN] == pytest.approx(0, abs=0.05)
    assert min(scores[BOOSTING], scores[NEAREST]) > 0.95


def test_the_order_of_a_pair_counts_for_baselines_of_a_metric_that_is_not_symmetric() -> None:
    known = labelled(lambda a, b: a - 0.2 * b, symmetric=False)
    true = known.data.value[known.data.rows("test")]
    found = predict_baselines(known)
    assert min(score(found[name], true, False) for name in (BOOSTING, NEAREST)) > 0.95
    pairs = ValuedPairs(np.array([0]), np.array([1]), np.zeros(1))
    back = ValuedPairs(pairs.second, pairs.first, pairs.value)
    numbers = np.array([[1.0], [3.0]])
    np.testing.assert_array_equal(pair_features(numbers, pairs, True), pair_features(numbers, back, True))
    assert (pair_features(numbers, pairs, False) != pair_features(numbers, back, False)).any()


def test_the_nearest_pairs_weigh_by_their_closeness() -> None:
    known, values = np.array([[0.0], [1.0], [10.0]]), np.array([1.0, 4.0, 100.0])
    one, three, *_ = neighbour_means(known, values, np.array([[0.25]]))
    assert one[0] == 1
    weights = 1 / np.array([0.25, 0.75, 9.75])
    assert three[0] == pytest.approx((weights @ values) / weights.sum(), rel=1e-4)


def test_scores_are_r_squared_and_the_area_under_the_roc_curve() -> None:
    true = np.array([0.0, 0.0, 1.0, 1.0])
    assert score(true.mean() * np.ones(4), true, False) == 0
    assert score(np.array([0.1, 0.4, 0.35, 0.8]), true, True) == 0.75


# Report


def result_of(name: str, scores: tuple[float, ...]) -> ExampleResult:
    true = tuple(np.linspace(0, 1, 20).round().tolist()) if EXAMPLES[name].binary else tuple(np.linspace(0, 1, 20))
    counts: dict[str, int] = dict.fromkeys(SHARES, 100)
    baselines = BaselineResult({MEAN: 0.0, MAGNITUDES: 0.1, BOOSTING: 0.6, NEAREST: 0.5}, counts, counts, 3.0, true)
    models = tuple(ModelResult(seed, one, 0.9, 1.5, 100, "steps", true) for seed, one in enumerate(scores))
    return ExampleResult(
        EXAMPLES[name], baselines, models, tuple(SiameseResult(seed, 0.7, 1.0) for seed in range(len(scores)))
    )


def test_the_report_is_made_of_results(tmp_path: Path) -> None:
    results = [result_of("dtw", (0.96, 0.98)), result_of("same-class", (0.9,)), result_of("chamfer", ())]
    assert [one.reached for one in results] == [True, False, False]
    assert [one.ahead for one in results] == [True, True, False]
    page = write_report(report_metrics(results, [Fact("seeds", "0, 1")]), tmp_path / "report")
    text = (tmp_path / "report" / "report.md").read_text()
    assert "Of 2 metrics" in text
    assert "0.9700 ± 0.0141" in text
    assert "90.0" in text
    assert page.is_file()
    assert (tmp_path / "report" / "any-metric.png").stat().st_size > 10_000
    rows = json.loads((tmp_path / "report" / "report.json").read_text())["sections"][0]["tables"][0]["rows"]
    assert [row[0] for row in rows] == ["dtw", "same-class", "chamfer"]
    assert rows[2][3 + len(METHODS) - 1] is None
    assert results[0].to_json()["scores"]["metricvae"] == [0.96, 0.98]


def test_results_are_kept_and_read_again(tmp_path: Path) -> None:
    one = result_of("dtw", (0.96, 0.98))
    keep(baselines_path(tmp_path, "dtw"), lambda: one.baselines)
    for model, usual in zip(one.models[::-1], one.siamese[::-1], strict=True):
        keep(model_path(tmp_path, "dtw", model.seed), lambda model=model: model)  # type: ignore[misc]
        keep(siamese_path(tmp_path, "dtw", usual.seed), lambda usual=usual: usual)  # type: ignore[misc]
    assert read_results(tmp_path, EXAMPLES.values()) == [one]
    keep(baselines_path(tmp_path, "dtw"), lambda: pytest.fail("made again"))


@pytest.mark.slow
def test_a_run_is_found_again(tmp_path: Path) -> None:
    config = AnyMetricConfig(("kl-divergence",), pairs=1_000, seeds=1, minutes=0.05)
    first = reproduce_any_metric(tmp_path / "report", config)
    (result,) = first.results
    assert result.models[0].stopped == "time"
    assert result.models[0].minutes < 2
    assert result.siamese[0].score > -1
    assert "kl-divergence" in first.text()
    again = reproduce_any_metric(tmp_path / "report", config)
    assert again.results == first.results
    assert again.minutes < first.minutes
    assert json.loads((tmp_path / "report" / "any-metric.json").read_text())["metrics"][0]["name"] == "kl-divergence"
    with pytest.raises(InputError, match="something that is not a report"):
        reproduce_any_metric(tmp_path, config)
