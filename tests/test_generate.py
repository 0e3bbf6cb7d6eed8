"""What is generated satisfies what was asked for, by a checker of the tests' own; and what cannot be is said so."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from generate_problem import QUERIES, Area, faults_of
from metricvae import cli
from metricvae.core.constraints import Closeness, Constraint, Match, Plausible, Span, ValueWith, near
from metricvae.core.dataset import PairDataset
from metricvae.core.errors import InputError
from metricvae.core.generation import Bounds
from metricvae.generation.bounds import bounds_of
from metricvae.generation.exemplars import FILE, Exemplars, add_exemplars, exemplars_of, make_exemplars
from metricvae.generation.generate import generate
from metricvae.generation.interpolation import around, between
from metricvae.generation.linear_predictor import linear_predictor
from metricvae.generation.selection import COPY, Generated, nearest, spread_out
from metricvae.generation.verification import ClosenessMeasure, measure
from metricvae.kinds.half.cutting import cut
from metricvae.kinds.silhouette.generation.pixel_refinement import condition, largest_piece, logits_of, most_likely
from metricvae.kinds.silhouette.io import encode_png, read_image
from metricvae.kinds.silhouette.kind import SilhouetteKind
from metricvae.kinds.silhouette.records import Mask
from metricvae.metrics.overlap.generation import overlay_required
from metricvae.metrics.overlap.metric import OverlapMetric, OverlapSolver
from metricvae.metrics.overlap.solver.search import PreparedMask, solve
from metricvae.prediction.predictor import Predictor
from metricvae.runtime.files import read_json
from metricvae.training.checkpoint import SHIPPED, load_model
from metricvae.training.model_document import read_model_document, write_document


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor.load("overlap")


def overlap(a: Mask, b: Mask) -> float:
    return solve(PreparedMask(a), PreparedMask(b)).area


A, B, ANSWER = QUERIES[:3]
MEASURE = ClosenessMeasure(SilhouetteKind(), OverlapSolver())
WISH_A, WISH_B, SIZE_OF_ANSWER = overlap(A, ANSWER), overlap(B, ANSWER), float(ANSWER.sum())

ASKED: dict[str, list[Constraint]] = {
    "an overlap": [ValueWith("A", A, near(WISH_A))],
    "two overlaps": [ValueWith("A", A, near(WISH_A)), ValueWith("B", B, near(WISH_B))],
    "an overlap, an area": [ValueWith("A", A, near(WISH_A)), Area(near(SIZE_OF_ANSWER)), Plausible()],
    "spans": [ValueWith("A", A, Span(0.8 * WISH_A, np.inf)), Area(Span(0, 1.2 * SIZE_OF_ANSWER))],
    "likeness": [Closeness("B", B, Span(0.6, 1.0))],
    "plausibility": [Plausible()],
}


def made(
    predictor: Predictor, constraints: list[Constraint], n: int = 3, seed: int = 5, seconds: float = 60
) -> list[Generated]:
    return generate(predictor, constraints, n, generator=torch.Generator().manual_seed(seed), seconds=seconds)


@pytest.mark.parametrize("kind", ASKED)
def test_answers_satisfy_what_was_asked_for(predictor: Predictor, kind: str, tmp_path: Path) -> None:
    answers = made(predictor, ASKED[kind])
    assert len(answers) == 3
    for place, one in enumerate(answers):
        (tmp_path / f"{place}.png").write_bytes(encode_png(one.object))
        assert faults_of(read_image(tmp_path / f"{place}.png"), ASKED[kind]) == []
        assert one.novelty <= 1 or Plausible() not in ASKED[kind]
        assert one.nearest is not None
        assert one.nearest.closeness < COPY
        assert all(value.holds for value in one.values)
        assert [value.constraint for value in one.values] == ASKED[kind]
    assert 0 < (MEASURE.mean([one.object for one in answers]) or 0) < 0.95


def test_the_checker_sees_answers_that_miss(predictor: Predictor) -> None:
    """Otherwise the test above would say nothing."""
    constraints = ASKED["an overlap, an area"]
    mask = made(predictor, constraints, 1)[0].object
    grown = np.maximum.reduce([np.roll(mask, (dy, dx), (0, 1)) for dy in (-4, 0, 4) for dx in (-4, 0, 4)])
    assert {fault.split("=")[0] for fault in faults_of(grown, constraints)} == {"misses A", "misses area"}
    far = mask.copy()
    far[:2, :2] = 1
    assert "in pieces" in faults_of(far, constraints)
    assert "too small" in faults_of(np.pad(np.ones((10, 10), np.uint8), 95), [])


def test_a_search_that_verifies_wrongly_is_found_out(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    def liar(mask: Mask, bounds: Bounds) -> Any:
        found = measure(mask, bounds)
        return dataclasses.replace(found, solutions=(dataclasses.replace(found.solutions[0], value=0.4 * WISH_A),))

    monkeypatch.setattr("metricvae.generation.candidates.measure", liar)
    constraints: list[Constraint] = [ValueWith("A", A, near(0.4 * WISH_A))]
    assert any(faults_of(one.object, constraints) for one in made(predictor, constraints, 6))


def test_the_same_seed_gives_the_same_answers(predictor: Predictor) -> None:
    first, again, other = (made(predictor, ASKED["two overlaps"], 2, seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a.object, b.object) for a, b in zip(first, again, strict=True))
    assert [one.values for one in first] == [one.values for one in again]
    assert not any(np.array_equal(a.object, b.object) for a in first for b in other)


def test_copies_of_given_shapes_are_left_out(predictor: Predictor) -> None:
    """The answers of a first search are shapes the second must not come up with, though its seed is the same."""
    first = made(predictor, ASKED["an overlap"], 2)
    masks = [one.object for one in first]
    encoded, kind = predictor.encode(masks), predictor.kind()
    known = Exemplars(kind, ("one", "two"), kind.pack(masks), encoded.codes, encoded.magnitudes)
    assert [one.id for one in nearest(predictor, encoded, masks, known, 2)] == ["one", "two"]
    chance = torch.Generator().manual_seed(5)
    second = generate(predictor, ASKED["an overlap"], 2, generator=chance, seconds=60, against=known)
    assert all(overlap(a.object, mask) < 0.99 * mask.sum() for a in second for mask in masks)


def test_a_missing_half_is_called_a_match(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metricvae.generation.complement.BATCHES", 2)
    half, true = cut(B, "zigzag", np.random.default_rng(3))
    partner = Predictor.load("halves")
    constraints: list[Constraint] = [Match("H", half), Area(Span(200, 2 * float(true.sum())))]
    chance = torch.Generator().manual_seed(0)
    answers = generate(predictor, constraints, 3, generator=chance, partner=partner)
    said = partner.predict_objects([(half, one.object) for one in answers])
    assert said.match is not None
    assert said.match.all()
    for one, probability in zip(answers, said.value, strict=True):
        assert faults_of(one.object, constraints[1:], least=150) == []
        assert one.values[0].predicted == pytest.approx(probability, abs=1e-3)
        assert one.values[0].pose is not None
    with pytest.raises(InputError, match="has no calibration, so it gives no answers"):
        generate(predictor, constraints, 3, generator=chance, partner=predictor)


def test_a_model_without_exemplars_generates_all_the_same(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(SHIPPED / "overlap", tmp_path / "overlap"))
    document = read_model_document(folder)
    for name in {"bank", "exemplars"} & set(document["calibration"]):
        del document["calibration"][name]
    write_document(folder, document)
    bare = Predictor.load(folder)
    assert exemplars_of(bare) is None
    answers = made(bare, ASKED["an overlap, an area"], 2)
    assert all(one.nearest is None for one in answers)
    assert [faults_of(one.object, ASKED["an overlap, an area"]) for one in answers] == [[], []]


def test_what_is_not_found_in_time_names_the_closest(predictor: Predictor) -> None:
    comb = np.zeros((200, 200), np.uint8)
    comb[20:180, 20:180:8] = comb[20:180, 21:180:8] = 1  # far apart, so nothing in one piece is like it
    with pytest.raises(
        InputError, match=r"like:comb>=0\.95 in 1\.5 seconds; the closest shape has overlap \d+ with comb"
    ):
        made(predictor, [Closeness("comb", comb, Span(0.95, 1.0))], 2, seconds=1.5)


@pytest.mark.parametrize(
    ("changes", "words"), [({"n": 0}, "n is 0"), ({"seconds": 0}, "0 seconds"), ({"seconds": float("nan")}, "nan")]
)
def test_senseless_numbers_are_refused(predictor: Predictor, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        generate(predictor, ASKED["an overlap"], **{"generator": torch.Generator(), **changes})


def test_models_of_halves_cannot_generate() -> None:
    with pytest.raises(InputError, match="head cosine_distance cannot generate"):
        made(Predictor.load("halves"), ASKED["an overlap"])


def test_codes_are_moved_by_the_least_change(predictor: Predictor) -> None:
    """They predict what is asked for, and any other code that does lies further away in the prior's measure."""
    assert predictor.latent_prior is not None
    rows, chance = torch.randn(2, 128, generator=torch.Generator().manual_seed(0)), torch.Generator().manual_seed(1)
    linear = linear_predictor(predictor.latent_prior, rows, torch.tensor([3.0, -1.0]))
    codes, missing = predictor.latent_prior.draw(4, chance), torch.randn(4, 2, generator=chance)
    moved = linear.move(codes, missing)
    torch.testing.assert_close(linear.predict(moved) - linear.predict(codes), missing, rtol=1e-2, atol=1e-2)
    aside = torch.randn(4, 128, generator=chance).double()
    aside -= aside @ torch.linalg.pinv(rows.double()) @ rows.double()  # changes nothing of what is predicted
    root = torch.linalg.inv(predictor.latent_prior.code_root.double())
    change = (moved - codes).double()
    assert torch.all((root @ change.T).norm(dim=0) <= (root @ (change + 0.1 * aside).T).norm(dim=0) * (1 + 1e-3))
    torch.testing.assert_close((root @ change.T).norm(dim=0).float(), linear.cost(missing), rtol=2e-2, atol=1e-2)


def test_the_likeliest_shape_under_a_condition_gives_up_its_least_sure_pixels() -> None:
    rows, columns = np.indices((200, 200)) - 99.5
    picture = 1 / (1 + np.exp((np.hypot(rows, columns) - 40) / 2))
    logits, left = logits_of(picture), (columns < 0).astype(float)
    area, part = np.ones((200, 200)), int(largest_piece(logits)[:, :100].sum())
    changed = largest_piece(most_likely(logits, [condition(area, 4000.0)]))
    assert abs(int(changed.sum()) - 4000) < 40
    assert np.hypot(rows, columns)[changed == 1].max() < 37  # a smaller disc
    changed = largest_piece(most_likely(logits, [condition(left, part + 300.0)]))
    assert abs(int(changed[:, :100].sum()) - part - 300) < 40
    assert abs(int(changed[:, 104:].sum()) - int(largest_piece(logits)[:, 104:].sum())) < 20
    spare = dataclasses.replace(condition(area, 9000.0), at_most=True)
    assert np.array_equal(largest_piece(most_likely(logits, [spare])), largest_piece(logits))


def test_shapes_are_cut_out_in_one_piece_without_hairs_or_holes() -> None:
    logits = np.full((200, 200), -3.0)
    logits[50:100, 50:100] = logits[120:130, 120:130] = logits[75, 100:150] = 3.0
    logits[60, 60] = -3.0
    mask = largest_piece(logits)
    assert int(mask.sum()) == 2500 - 4 + 1  # a cross fits into no corner, and into the root of the hair
    assert mask[60, 60] == 1
    assert mask[75, 110] == 0


def test_targets_lie_on_the_shape_where_they_overlap_most() -> None:
    bounds = bounds_of(ASKED["an overlap, an area"], OverlapMetric(), SilhouetteKind())
    measured = measure(ANSWER, bounds)
    lying = overlay_required(ANSWER, measured, bounds)
    np.testing.assert_allclose((lying * ANSWER).sum((1, 2)), measured.values(bounds), rtol=1e-3)


def test_codes_far_apart_are_chosen() -> None:
    codes = torch.tensor([[0.0, 0], [0.1, 0], [5, 0], [0, 3], [5, 0.1]])
    assert spread_out(codes, 3) == [0, 4, 3]
    assert sorted(spread_out(codes, 9)) == [0, 1, 2, 3, 4]


def test_exemplars_are_training_objects_and_come_back(
    dataset: PairDataset, predictor: Predictor, tmp_path: Path
) -> None:
    exemplars = make_exemplars(predictor, dataset, 12, seed=1)
    rows = dataset.rows("train")
    trained = {dataset.left.ids[i] for i in np.concatenate([dataset.first[rows], dataset.second[rows]]).tolist()}
    assert set(exemplars.ids) <= trained
    assert len(exemplars.ids) == 12
    again = Exemplars.read(tmp_path, exemplars.write(tmp_path), exemplars.kind)
    assert again.ids == exemplars.ids
    assert torch.equal(again.magnitudes, exemplars.magnitudes)
    assert (again.codes - exemplars.codes).abs().max() <= exemplars.codes.abs().max() / 127
    assert all(
        np.array_equal(*pair) for pair in zip(again.objects(range(12)), exemplars.objects(range(12)), strict=True)
    )
    assert make_exemplars(predictor, dataset, 12, seed=1).ids == exemplars.ids
    (tmp_path / FILE).write_bytes(b"spoilt")
    with pytest.raises(InputError, match="changed after it was written"):
        Exemplars.read(tmp_path, {"sha256": "0", "step": 1.0}, exemplars.kind)


def test_a_model_is_given_exemplars(dataset: PairDataset, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(SHIPPED / "overlap", tmp_path / "model"))
    add_exemplars(folder, dataset, 2_048)
    exemplars = exemplars_of(Predictor.load(folder))
    assert exemplars is not None
    assert load_model(folder).calibration["exemplars"]["shapes"] == len(exemplars.ids)
    codes = Predictor.load(folder).encode(exemplars.objects(range(3))).codes
    torch.testing.assert_close(exemplars.codes[:3], codes, rtol=0, atol=0.05)


def test_the_shipped_exemplars_are_whole(predictor: Predictor) -> None:
    exemplars = exemplars_of(predictor)
    assert exemplars is not None
    assert len(exemplars.ids) == len(set(exemplars.ids)) == 2_048
    assert (SHIPPED / "overlap" / FILE).stat().st_size < 1_200_000
    rows = (0, 1000, 2047)
    masks = exemplars.objects(rows)
    assert all(int(mask.sum()) == int(exemplars.magnitudes[row]) for row, mask in zip(rows, masks, strict=True))


def test_the_line_between_two_shapes_runs_from_one_to_the_other(predictor: Predictor) -> None:
    first, second = QUERIES[4], ANSWER
    steps = between(predictor, first, second, 5)
    assert [one.share for one in steps] == [0, 0.25, 0.5, 0.75, 1]
    predicted = np.array([one.predicted for one in steps])
    np.testing.assert_allclose(np.diff(predicted, axis=0), np.diff(predicted, axis=0)[:1].repeat(4, 0), rtol=0.02)
    for one in steps:
        assert one.verified[0] == pytest.approx(overlap(first, one.object), rel=0.01)
        assert one.verified[1] == pytest.approx(overlap(second, one.object), rel=0.01)
    assert steps[0].verified[0] > steps[-1].verified[0]
    assert steps[0].verified[1] < steps[-1].verified[1]
    with pytest.raises(InputError, match="at least 2"):
        between(predictor, first, second, 1)


def test_the_plane_around_a_shape_has_it_in_the_middle(predictor: Predictor) -> None:
    plane = around(predictor, A, 3)
    assert plane.pictures.shape == (3, 3, 200, 200)
    assert plane.offsets.tolist() == [-2, 0, 2]
    code = predictor.encode([A]).codes
    np.testing.assert_allclose(plane.pictures[1, 1], predictor.tower().picture(code)[0, 0].numpy(), atol=1e-4)
    assert plane.closeness[1, 1] > 0.4
    with pytest.raises(InputError, match="at least 2"):
        around(predictor, A, 1)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name, mask in {"A": A, "B": B, "half": cut(B, "zigzag", np.random.default_rng(3))[0]}.items():
        (tmp_path / f"{name}.png").write_bytes(encode_png(mask))
    return tmp_path


def run(*arguments: str | Path) -> int:
    return cli.main(["generate", *map(str, arguments)])


def test_the_command_writes_answers_that_hold(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, out = f"{files}/A.png={WISH_A:.0f}", files / "out"
    assert run("overlap", "--require", text, "-r", "plausible", "-n", 2, "--out", out, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document == read_json(out / "answers.json")
    assert document["requirements"] == [text, "plausible"]
    assert [one["file"] for one in document["answers"]] == ["answer-01.png", "answer-02.png"]
    assert document["bank"] == 2048
    for one in document["answers"]:
        mask = read_image(out / one["file"])
        assert one["verified"][text] == pytest.approx(overlap(A, mask), rel=0.01)
        assert one["predicted"][text] == pytest.approx(one["verified"][text], rel=0.3)
        assert faults_of(mask, [ValueWith("A", A, near(round(WISH_A)))]) == []
        assert one["area"] == mask.sum()
    assert (out / "sheet.png").read_bytes().startswith(b"\x89PNG")
    assert run("overlap", "-r", text, "-n", 1, "--out", out) == 0  # in place of those of the run before
    assert "answer-01.png  A " in capsys.readouterr().out
    assert not (out / "answer-02.png").exists()


def test_the_command_draws_what_lies_between_and_around(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("overlap", "--between", files / "A.png", files / "B.png", "-n", 3, "--out", files / "b", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert [one["share"] for one in document["answers"]] == [0, 0.5, 1]
    assert set(document["answers"][0]["verified"]) == {"a", "b"}
    assert (files / "b" / "answer-03.png").is_file()
    assert run("overlap", "--around", files / "A.png", "--out", files / "a", "--json") == 0
    assert np.shape(json.loads(capsys.readouterr().out)["iou"]) == (7, 7)
    assert {path.name for path in (files / "a").iterdir()} == {"answers.json", "sheet.png"}


def test_the_command_makes_a_missing_half(
    files: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("metricvae.generation.complement.BATCHES", 2)
    assert run("overlap", "-r", f"match:{files}/half.png", "-n", 1, "--out", files / "h") == 0
    assert "match" in capsys.readouterr().out
    assert (files / "h" / "answer-01.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("overlap",), "got 0 of --require, --between and --around"),
        (("overlap", "-r", "plausible", "--around", "{A}"), "got 2 of"),
        (("overlap", "-r", "{A}=99999"), "no overlap is above that"),
        (("overlap", "-r", "{A}=much"), "for a number"),
        (("overlap", "-r", "gone.png=1000"), "gone.png does not exist"),
        (("overlap", "-r", "plausible", "--seed", "-1"), "--seed is -1"),
        (("overlap", "-r", "plausible", "-n", "0"), "n is 0"),
        (("overlap", "-r", "plausible", "--against", "gone"), "gone is not a folder"),
        (("nowhere", "-r", "plausible"), "nowhere is not a model"),
        (("halves", "--around", "{A}"), "halves: a model with the head cosine_distance cannot generate"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    files: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
) -> None:
    asked = [one.replace("{A}", str(files / "A.png")) for one in arguments]
    assert run(*asked, "--out", files / "out") == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert words in said.err
    assert said.err.count("\n") == 1
    assert not (files / "out").exists()


def test_a_folder_that_holds_something_else_is_left_alone(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("overlap", "-r", "plausible", "--out", files) == 2
    assert "holds something that is not a set of answers" in capsys.readouterr().err
    assert sorted(path.name for path in files.iterdir()) == ["A.png", "B.png", "half.png"]
