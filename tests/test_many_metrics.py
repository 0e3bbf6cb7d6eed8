"""Several metrics in one code: joint training, metrics that are added later, properties, and what they refuse."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import metricvae as mv
from metricvae.cli import main
from metricvae.core.dataset import ObjectTable, PairDataset
from metricvae.core.errors import InputError
from metricvae.core.requirements import parse_requirement
from metricvae.fitting.add_metric import ViewConfig, add_metric
from metricvae.fitting.fit_jointly import fit_jointly, joint_metrics
from metricvae.fitting.linear_readout import Rows, fit_readout
from metricvae.generation.learned_requirements import learned_forms
from metricvae.kinds.molecule.conformers import conform
from metricvae.kinds.molecule_described.encoders.described import DescribedEncoderConfig
from metricvae.kinds.molecule_described.kind import MoleculeDescribedKind
from metricvae.kinds.vector.kind import VectorKind
from metricvae.metrics.property import PropertyMetric
from metricvae.metrics.tabular import TabularMetric
from metricvae.nn.autoencoder import TowerConfig
from metricvae.nn.heads import CosineSimilarity, InnerProduct
from metricvae.nn.mlp import MlpEncoderConfig
from metricvae.nn.views import ViewedHead
from metricvae.prediction.added_metrics import added_names, metrics_of
from metricvae.prediction.latent_prior import LatentPrior, fit_latent_prior
from metricvae.prediction.predictor import Predictor
from metricvae.search.searcher import SearchIndex
from metricvae.training.checkpoint import WEIGHTS, annotate, load_model
from metricvae.training.joint import JointConfig, train_jointly
from metricvae.training.model_document import CONFIG, read_document, write_document
from metricvae.training.network_state import NetworkProgress

LENGTH, OBJECTS = 5, 500
SMALL = JointConfig(steps=150, batch_objects=64, batch_pairs=64, learning_rate=3e-3, evaluate_every=75, view=8)
TOWER = TowerConfig(VectorKind(LENGTH), MlpEncoderConfig(inputs=LENGTH, width=48, blocks=1))
SPLITS = ["train", "validation", "calibration", "test"]


def vectors() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(OBJECTS, LENGTH)).astype(np.float32)


def table() -> ObjectTable:
    return ObjectTable.from_objects(VectorKind(LENGTH), list(vectors()))


def splits() -> np.ndarray:
    return np.random.default_rng(1).choice(SPLITS, OBJECTS, p=[0.6, 0.15, 0.15, 0.1])


def of_objects(title: str, objects: ObjectTable, values: np.ndarray, rows: np.ndarray, **more: Any) -> PairDataset:
    metric = PropertyMetric(title, left="vector", **more)
    return PairDataset.from_objects(metric, objects, rows, rows, values[rows], split=splits()[rows])


def data_sets() -> list[PairDataset]:
    """A distance, a number that half of the objects have, and an answer that another half has."""
    objects, x, random = table(), vectors().astype(np.float64), np.random.default_rng(2)
    split, first, second = splits(), *random.integers(0, OBJECTS, (2, 4_000))
    kept = split[first] == split[second]
    first, second = first[kept], second[kept]
    metric = TabularMetric("similarity of direction", left="vector", range=(-1.0, 1.0))
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    value = (unit[first] * unit[second]).sum(1)
    pairs = PairDataset.from_objects(metric, objects, first, second, value, split=split[first])
    rows = random.permutation(OBJECTS)
    number = of_objects("Weight", objects, x @ np.arange(LENGTH) + 10.0, rows[: OBJECTS // 2], unit="g")
    answer = of_objects("heavy", objects, (x[:, 0] > 0).astype(float), rows[OBJECTS // 3 :], task="binary")
    return [pairs, number, answer]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many") / "model"
    facts = fit_jointly(data_sets(), folder, SMALL, tower=TOWER, latent=16)
    assert facts["metrics"] == ["similarity_of_direction", "weight", "heavy"]
    return folder


# Read-outs and views


def test_a_linear_value_is_read_off_codes_exactly_as_the_product_with_an_anchor() -> None:
    codes = np.random.default_rng(0).normal(size=(300, 6))
    value = codes @ [1.0, -2.0, 0.0, 3.0, 0.5, 0.0] + 7.0
    rows = [Rows(codes[some], value[some], np.ones(150)) for some in (slice(0, 150), slice(150, 300))]
    found = fit_readout(*rows, binary=False)
    np.testing.assert_allclose(codes @ found.coefficients + found.offset, value, atol=0.02)
    assert found.explained > 0.999
    noise = fit_readout(rows[0], Rows(codes[150:], np.random.default_rng(1).normal(size=150), np.ones(150)), False)
    assert noise.explained < 0.1


@pytest.mark.parametrize("by_variance", [True, False])
@pytest.mark.parametrize("binary", [True, False])
def test_numbers_are_scaled_as_suits_what_is_read_off_them(by_variance: bool, binary: bool) -> None:
    """120 rows of 100 numbers: either those that vary most say it, or one that varies least; each is found."""
    rng = np.random.default_rng(0)
    spread = np.geomspace(10.0, 0.1, 100)
    codes = rng.normal(size=(320, 100)) * spread
    score = codes[:, :3] @ (1 / spread[:3]) if by_variance else 2 * codes[:, -1] / spread[-1]
    value = score + 0.3 * rng.normal(size=320)
    value = (value > 0).astype(np.float64) if binary else value
    rows = [Rows(codes[some], value[some], np.ones(len(value[some]))) for some in (slice(120), slice(120, 320))]
    found = fit_readout(*rows, binary=binary)
    mean, each = rows[0].codes.mean(0), rows[0].codes.std(0)
    scaled = [Rows((one.codes - mean) / each, one.value, one.weight) for one in rows]
    alone = fit_readout(*scaled, binary=binary).explained  # then both ways are the same
    assert found.explained > 0.2
    assert found.explained >= alone - 1e-9
    assert not by_variance or found.explained > alone + 0.03


def test_a_view_is_the_head_on_what_is_read() -> None:
    z, other = torch.randn(2, 7, 6, generator=torch.Generator().manual_seed(0))
    matrix = torch.randn(4, 3, generator=torch.Generator().manual_seed(1))
    head = ViewedHead(CosineSimilarity(), (1, 5), matrix)
    expected = CosineSimilarity().score(z[:, 1:5] @ matrix, other[:, 1:5] @ matrix)
    torch.testing.assert_close(head.score(z, other), expected)
    torch.testing.assert_close(head.score_matrix(z, other).diagonal(), expected)
    torch.testing.assert_close((head.query_vectors(z) * head.item_vectors(other)).sum(1), expected)


# Joint training


def test_each_row_trains_what_it_has_and_what_is_held_out_anywhere_trains_nothing() -> None:
    pairs, number, answer = data_sets()
    moved = replace(number, split=np.where(np.arange(len(number)) >= 150, "test", number.split))
    kept = joint_metrics([pairs, moved, answer])[2].data
    held_out = set(number.first[150:].tolist())
    assert held_out & set(answer.first[answer.split == "train"].tolist())
    assert not held_out & set(kept.first[kept.split == "train"].tolist())
    assert {*kept.first[kept.split != "train"]} == {*answer.first[answer.split != "train"]}


def test_a_training_that_was_killed_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    metrics = joint_metrics(data_sets())
    short = replace(SMALL, steps=6, evaluate_every=3)

    def killed(now: NetworkProgress) -> None:
        if now.step == 5:
            raise KeyboardInterrupt

    one = train_jointly(TOWER, 16, metrics, short, tmp_path / "one")
    with pytest.raises(KeyboardInterrupt):
        train_jointly(TOWER, 16, metrics, short, tmp_path / "again", killed)
    again = train_jointly(TOWER, 16, metrics, short, tmp_path / "again")
    assert one.validation == again.validation
    torch.testing.assert_close(one.views["weight"].anchor, again.views["weight"].anchor, rtol=0, atol=0)
    with pytest.raises(InputError, match="other settings"):
        train_jointly(TOWER, 16, metrics, replace(short, steps=7), tmp_path / "again")
    first = metrics[0].data
    resplit = replace(metrics[0], data=replace(first, split=first.split[::-1]))
    with pytest.raises(InputError, match="other settings or data"):
        train_jointly(TOWER, 16, [resplit, *metrics[1:]], short, tmp_path / "again")


def test_a_model_answers_each_of_its_metrics(model: Path) -> None:
    loaded = load_model(model)
    assert list(metrics_of(loaded)) == ["similarity_of_direction", "heavy", "weight"]
    pairs, number, answer = data_sets()
    for data, name, least in ((number, "weight", 0.9), (answer, "heavy", 0.8)):
        predictor = Predictor.load(model, metric=name)
        rows = data.rows("test")
        found = predictor.predict_rows(data, rows)
        if data.metric.task == "binary":
            assert (found.match == (data.value[rows] > 0)).mean() > least
            continue
        assert np.corrcoef(found.value, data.value[rows])[0, 1] > least
        assert ((found.low <= data.value[rows]) & (data.value[rows] <= found.high)).mean() > 0.75
        head = predictor.model.head
        assert isinstance(head, ViewedHead)
        assert isinstance(head.head, InnerProduct)
        code = predictor.encode_rows(data.left, data.first[rows]).codes
        assert head.anchor is not None
        by_hand = head.head.offset + head.head.scale * (code * head.anchor).mean(1)
        np.testing.assert_allclose(found.value, by_hand.numpy(), rtol=1e-4)
    own = Predictor.load(model)
    assert own.metric == pairs.metric
    rows = pairs.rows("test")
    assert np.corrcoef(own.predict_rows(pairs, rows).value, pairs.value[rows])[0, 1] > 0.6
    assert own.answering("weight").metric == number.metric
    strange = own.answering("weight").encode([np.full(LENGTH, 1e4, np.float32)])
    assert own.answering("weight").predict_each(strange).novel[0]
    with pytest.raises(InputError, match="is of pairs"):
        own.predict_each(own.encode([np.zeros(LENGTH, np.float32)]))


# Adding


def test_a_metric_is_added_and_nothing_else_changes(model: Path, tmp_path: Path) -> None:
    x = vectors().astype(np.float64)
    data = of_objects("sum of two", table(), x[:, 1] + x[:, 2], np.arange(OBJECTS))
    copy = tmp_path / "copy"
    facts = add_metric(model, data, copy)
    assert facts["metric"] == "sum_of_two"
    assert facts["validation"] > 0.8
    assert (copy / WEIGHTS).read_bytes() == (model / WEIGHTS).read_bytes()
    assert added_names(copy) == ("heavy", "similarity_of_direction", "sum_of_two", "weight")
    assert "sum_of_two" not in added_names(model)
    some = [x[0].astype(np.float32)]
    before, after = (Predictor.load(folder, metric="weight") for folder in (model, copy))
    assert before.predict_each(before.encode(some)).value == after.predict_each(after.encode(some)).value
    with pytest.raises(InputError, match="has a metric 'sum_of_two' already"):
        add_metric(copy, data, copy)
    with pytest.raises(InputError, match="is there already"):
        add_metric(model, data, copy)
    add_metric(copy, data, copy, "again")
    assert "again" in added_names(copy)
    assert not list(tmp_path.glob(".*"))


def test_a_metric_of_pairs_is_added_by_a_view(model: Path, tmp_path: Path) -> None:
    pairs = data_sets()[0]
    x = vectors().astype(np.float64)
    metric = TabularMetric("product", left="vector")
    value = (x[pairs.first] * x[pairs.second]).sum(1)
    data = PairDataset.from_objects(metric, pairs.left, pairs.first, pairs.second, value, split=pairs.split)
    facts = add_metric(model, data, tmp_path / "copy", config=ViewConfig(width=8, steps=400, batch_pairs=256))
    assert facts["validation"] > 0.5
    assert Predictor.load(tmp_path / "copy", metric="product").metric == metric


def test_the_latent_prior_of_a_model_is_that_of_all_its_metrics(model: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(model, copy)
    fitted = fit_latent_prior(torch.randn(50, 16, generator=torch.Generator().manual_seed(0)))
    prior = LatentPrior(fitted.code_mean.half().float(), fitted.code_root.half().float())  # as it is written
    annotate(copy, calibration={"latent_prior": prior.write(copy)})
    for metric in (None, "weight"):
        found = Predictor.load(copy, metric=metric).latent_prior
        assert found is not None
        assert torch.equal(found.code_mean, prior.code_mean)


@pytest.mark.parametrize("name", ["Weight", "1", "../up", "a b"])
def test_names_that_cannot_be_are_refused(model: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="small letters"):
        add_metric(model, data_sets()[1], tmp_path / "copy", name)


def test_damaged_metrics_and_those_of_other_codes_are_refused(model: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(model, copy)
    head = copy / "metrics" / "weight" / "head.safetensors"
    head.write_bytes(head.read_bytes()[:-1] + b"x")
    with pytest.raises(InputError, match=r"head\.safetensors"):
        Predictor.load(copy, metric="weight")
    heavy = copy / "metrics" / "heavy"
    document = read_document(heavy)
    (heavy / CONFIG).write_text((heavy / CONFIG).read_text().replace(load_model(model).sha256, "0" * 64))
    with pytest.raises(InputError, match="was changed after it was written"):
        Predictor.load(copy, metric="heavy")
    write_document(heavy, document | {"model": "0" * 64})
    with pytest.raises(InputError, match="codes of another model"):
        Predictor.load(copy, metric="heavy")
    with pytest.raises(InputError, match="no metric 'colour': expected one of similarity_of_direction"):
        Predictor.load(copy, metric="colour")


# The command line


def test_from_a_table_of_objects_to_predictions(model: Path, tmp_path: Path, command: Any) -> None:
    x = vectors()
    with (tmp_path / "objects.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["what", "mass"])
        writer.writerows([[" ".join(map(str, row)), 3.0 * row[1] + 1.0] for row in x])
    words = "--kind vector --property --a what --value mass --unit kg"
    outcome = command(*f"import {tmp_path}/objects.csv {words} --out {tmp_path}/data".split())
    assert outcome.status == 0, outcome
    outcome = command(*f"train {tmp_path}/data --add-to {model} --out {tmp_path}/copy --json".split())
    assert outcome.status == 0, outcome
    assert outcome.document["metric"] == "mass"
    (tmp_path / "folder").mkdir()
    for number in range(3):
        (tmp_path / "folder" / f"{number}.csv").write_text(",".join(map(str, x[number])))
    outcome = command(
        *f"predict {tmp_path}/copy {tmp_path}/folder --metric mass --out {tmp_path}/out.csv --json".split()
    )
    assert outcome.status == 0, outcome
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text().splitlines()))
    assert [row["object"] for row in rows] == ["0.csv", "1.csv", "2.csv"]
    np.testing.assert_allclose([float(row["predicted"]) for row in rows], 3.0 * x[:3, 1] + 1.0, atol=1.5)
    outcome = command(*f"evaluate {tmp_path}/copy {tmp_path}/data --metric mass --json".split())
    assert outcome.document["r2"] > 0.8


def test_commands_that_cannot_be_are_one_line(model: Path, tmp_path: Path, command: Any) -> None:
    for words, fault in (
        (f"predict {model} --metric weight", "got no object"),
        (f"predict {model} 1,2,3,4,5 1,2,3,4,5 --metric weight", "got pairs"),
        (f"predict {model} 1,2 --metric weight", "expected 5"),
        (f"predict {model} 1,2,3,4,5 --metric colour", "expected one of"),
        (f"train {tmp_path} --metric x --out {tmp_path}/m", "--add-to"),
    ):
        outcome = command(*words.split())
        assert outcome.status == 2, words
        assert fault in outcome.err, outcome
        assert outcome.err.count("\n") == 1


# Requirements


def test_what_is_learned_can_be_required(model: Path) -> None:
    predictor = Predictor.load(model)
    forms = learned_forms(predictor)
    assert sorted(forms) == ["heavy", "weight"]
    one = parse_requirement("weight>=12", forms)
    reading = one.measure(np.arange(LENGTH, dtype=np.float32) / 4)
    assert reading.fields is not None
    assert reading.fields["low"] <= reading.value <= reading.fields["high"]
    assert one.violation(reading.value) == max(12 - reading.value, 0) / one.scale
    assert parse_requirement("heavy>=0.5", forms).limits.high == 1.0
    with pytest.raises(InputError, match="nothing is called 'colour'"):
        parse_requirement("colour>=1", forms)


# Molecules


def test_what_a_formula_says_is_the_same_in_all_conformers() -> None:
    kind = MoleculeDescribedKind()
    config = DescribedEncoderConfig((16,), heads=2, mixing="convolution", numbers=1 / 3, width=16, members=2)
    torch.manual_seed(0)
    encoder = config.build(24).eval()
    start, end = encoder.pose_free or (0, 0)
    assert (start, end) == (16, 24)
    one, other = conform("CCCCc1ccccc1O", 1)[0], conform("CCCCc1ccccc1O", 2)[0]
    x = kind.collate([one, other])
    codes = encoder(encoder.prepare(x))[0]
    torch.testing.assert_close(codes[0, start:], codes[1, start:])
    assert not torch.allclose(codes[0, :start], codes[1, :start], atol=1e-3)
    still = encoder(encoder.prepare(kind.without_pose(x)))[0]
    torch.testing.assert_close(still[:, start:], codes[:, start:])
    assert not still[:, :start].any()
    torch.testing.assert_close(codes[:, :8].norm(dim=1), torch.ones(2))
    mirrored = encoder(encoder.mirror(encoder.prepare(x)))[0]
    torch.testing.assert_close(mirrored[:, :8], codes[:, 8:16], rtol=1e-4, atol=1e-5)


# Search


@pytest.fixture(scope="module")
def library(model: Path, tmp_path_factory: pytest.TempPathFactory) -> SearchIndex:
    """The vectors, searched with the model."""
    folder = tmp_path_factory.mktemp("library")
    for number, one in enumerate(vectors()[:80]):
        np.save(folder / f"{number:02d}.npy", one)
    return mv.load(model).index(folder)


def rows_of(hits: list[dict[str, Any]]) -> list[int]:
    return [int(hit["id"].removesuffix(".npy")) for hit in hits]


def test_a_library_is_searched_by_each_metric(model: Path, library: SearchIndex) -> None:
    values = mv.load(model, metric="weight").predict_each(list(vectors()[:80])).value
    hits = library.search(metric="weight", k=5)
    assert rows_of(hits) == np.argsort(-values, kind="stable")[:5].tolist()
    np.testing.assert_allclose([hit["value"] for hit in hits], np.sort(values)[::-1][:5], rtol=1e-3)
    first = library.search(vectors()[100], k=80)
    assert rows_of(library.search(vectors()[100], k=80, metric="similarity_of_direction")) == rows_of(first)


def test_an_inverted_file_of_one_metric_is_not_asked_about_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("faiss")
    smiles = [f"C{'C' * n}{end}" for n in range(2, 10) for end in ("O", "N", "c1ccccc1")]
    (tmp_path / "library.smi").write_text("\n".join(smiles))
    monkeypatch.setattr("metricvae.search.build.WORTHWHILE", 10)
    library = mv.load("molecules-many").index(tmp_path / "library.smi")
    assert library.index.cells is not None
    values = mv.load("molecules-many", metric="solubility").predict_each(smiles).value
    found = library.search(metric="solubility", k=6, where="ames < 0.9")
    np.testing.assert_allclose([hit["value"] for hit in found], np.sort(values)[::-1][:6], atol=0.02)


def test_a_condition_names_what_is_predicted(model: Path, library: SearchIndex) -> None:
    values = mv.load(model, metric="weight").predict_each(list(vectors()[:80])).value
    chances = mv.load(model, metric="heavy").predict_each(list(vectors()[:80])).value
    good = (values > np.median(values)) & (chances < 0.5)
    where = f"weight > {float(np.median(values))} and heavy < 0.5"
    hits = library.search(vectors()[3], k=80, where=where)
    assert sorted(rows_of(hits)) == np.flatnonzero(good).tolist()
    assert rows_of(hits) == [row for row in rows_of(library.search(vectors()[3], k=80)) if good[row]]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"metric": "weight", "query": vectors()[0]}, "is of one object: leave the query out"),
        ({}, "is of pairs of objects: give a query"),
        ({"metric": "height"}, "has no metric 'height': expected one of similarity_of_direction, heavy, weight"),
        ({"query": vectors()[0], "where": "wieght > 0"}, "did you mean weight"),
        ({"metric": "weight", "exact": 10}, "no exact search"),
    ],
)
def test_searches_that_cannot_be_are_refused(library: SearchIndex, asked: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        library.search(**asked)


def test_the_command_shows_what_a_condition_named(
    model: Path, library: SearchIndex, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(library.index.folder)
    assert main(["search", folder, "--metric", "weight", "--where", "heavy > 0.5", "-k", "3", "--json"]) == 0
    hits = json.loads(capsys.readouterr().out)["hits"]
    assert len(hits) == 3
    assert all(hit["heavy"] > 0.5 for hit in hits)
    assert main(["search", folder]) == 2
    assert "give a query" in capsys.readouterr().err
