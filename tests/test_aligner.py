"""The aligner: what turning and exchanging shapes does to its answers, fields that are applied, and its training."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from cli_problem import draw_pictures
from metricvae.alignment import training as aligning
from metricvae.alignment.predictor import FILE, Aligner, require_pose_model
from metricvae.alignment.targets import AlignmentTargets, choose_runs, scan_targets
from metricvae.alignment.training import AligningConfig, alignment_batch, train_aligner
from metricvae.cli import main
from metricvae.core.dataset import PairDataset
from metricvae.core.errors import InputError
from metricvae.fitting.fit import fit, fit_aligner
from metricvae.kinds.silhouette.decoders.canonical import CanonicalDecoderConfig
from metricvae.kinds.silhouette.encoders.dense import DenseEncoderConfig
from metricvae.kinds.silhouette.encoders.polar import PolarEncoderConfig
from metricvae.kinds.silhouette.encoders.polar_pictures import polar_pictures
from metricvae.kinds.silhouette.kind import SilhouetteKind
from metricvae.kinds.silhouette.sources.generators import draw
from metricvae.metrics.overlap.alignment import loss as overlap_loss
from metricvae.metrics.overlap.alignment.loss import alignment_loss
from metricvae.metrics.overlap.alignment.network import (
    Curves,
    PoseNetwork,
    PoseNetworkConfig,
    best_of,
    best_proposals,
)
from metricvae.metrics.overlap.alignment.pose_model import OverlapPoseModel
from metricvae.metrics.overlap.alignment.refinement import best_pose
from metricvae.metrics.overlap.alignment.targets import SCAN_FREQUENCIES
from metricvae.metrics.overlap.alignment.warping import Grids, about_centroids, field, overlaps
from metricvae.metrics.overlap.metric import OverlapMetric
from metricvae.metrics.overlap.solver.kernels import overlap_at
from metricvae.metrics.overlap.solver.search import (
    PreparedMask,
    SearchConfig,
    inverse_poses,
    overlap_area,
    overlap_record,
    rotation_curve,
    solve,
)
from metricvae.nn.autoencoder import ModelConfig, TowerConfig
from metricvae.prediction.predictor import Predictor
from metricvae.training.config import TrainingConfig
from metricvae.training.network_state import NetworkProgress

NETWORK = PoseNetworkConfig(width=16, depth=1, numbers=12, arrows=6, hidden=16)
ROTATIONS, DIRECTIONS = NETWORK.rotations, NETWORK.directions
SCAN = SearchConfig(angles=ROTATIONS, frequencies=SCAN_FREQUENCIES)
POSES = OverlapPoseModel()
QUICK = AligningConfig(
    NETWORK,
    lessons=96,
    steps=6,
    batch_pairs=24,
    run_length=8,
    evaluate_every=3,
    evaluate_pairs=24,
    precision="float32",
    threads=1,
)


@pytest.fixture(scope="module")
def masks() -> list[np.ndarray]:
    return [shape.mask for shape in draw("mixed", 8, 77)]


@pytest.fixture(scope="module")
def x(masks: list[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(masks))[:, None].float()


@pytest.fixture(scope="module")
def network() -> PoseNetwork:
    torch.manual_seed(3)
    return PoseNetwork(NETWORK).eval()


@torch.inference_mode()
def curves_of(network: PoseNetwork, still: Tensor, moved: Tensor, size: Tensor, size_moved: Tensor) -> Curves:
    spectra = (network.spectra(network.encode(pictures)) for pictures in (still, moved))
    return network.compare(*spectra, size, size_moved)


def turned(vectors: Tensor, angle: float) -> Tensor:
    """(..., 2) right and down, turned counter-clockwise as seen on screen."""
    cos, sin = math.cos(angle), math.sin(angle)
    right, down = vectors.unbind(-1)
    return torch.stack([cos * right + sin * down, cos * down - sin * right], dim=-1)


@pytest.mark.parametrize("looks", [2, 10, 24])
def test_answers_turn_with_the_first_shape_and_move_along_with_the_second(network: PoseNetwork, x: Tensor, looks: int):
    pictures, size = polar_pictures(x, PolarEncoderConfig().grid), x.sum((1, 2, 3))
    plain = curves_of(network, pictures[:4], pictures[4:], size[:4], size[4:])
    first = curves_of(network, pictures[:4].roll(2 * looks, -1), pictures[4:], size[:4], size[4:])
    second = curves_of(network, pictures[:4], pictures[4:].roll(2 * looks, -1), size[:4], size[4:])
    steps = looks * ROTATIONS // DIRECTIONS  # a look is two sectors
    torch.testing.assert_close(first.share, plain.share.roll(steps, -1), rtol=1e-3, atol=1e-4)
    aimed = turned(plain.shift.roll(steps, -2), steps * math.tau / ROTATIONS)
    torch.testing.assert_close(first.shift, aimed, rtol=1e-3, atol=1e-2)
    torch.testing.assert_close(second.share, plain.share.roll(-steps, -1), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(second.shift, plain.shift.roll(-steps, -2), rtol=1e-3, atol=1e-2)
    assert (first.share - plain.share).abs().max() > 1e-3  # the law is not kept by saying nothing


def test_exchanged_shapes_get_the_motion_that_undoes_the_first_answer(network: PoseNetwork, x: Tensor):
    pictures, size = polar_pictures(x, PolarEncoderConfig().grid), x.sum((1, 2, 3))
    here = curves_of(network, pictures[:4], pictures[4:], size[:4], size[4:])
    there = curves_of(network, pictures[4:], pictures[:4], size[4:], size[:4])
    back = -torch.arange(ROTATIONS) % ROTATIONS
    torch.testing.assert_close(there.share, here.share[..., back], rtol=1e-3, atol=1e-4)
    for turn in (0, 7, 50):
        frame = torch.cat([torch.tensor([turn * math.tau / ROTATIONS]), here.shift[0, 0, turn]])
        undone = inverse_poses(frame.double().numpy()[None])[0]
        np.testing.assert_allclose(there.shift[0, 0, back[turn]].numpy(), undone[1:], atol=1e-2)


def test_proposals_are_local_maxima_between_the_turns():
    angle = torch.arange(ROTATIONS) * (math.tau / ROTATIONS)
    share = torch.stack([0.5 + 0.3 * torch.cos(angle - 0.71), 0.4 + 0.3 * torch.cos(2 * angle - 0.2)])[None]
    shift = torch.stack([angle, -angle], dim=-1).expand(1, 2, -1, -1)
    turn, moved, said = best_proposals(Curves(share, shift), 3)
    assert turn[0, 0].item() == pytest.approx(0.71, abs=2e-3)
    np.testing.assert_allclose(turn[0, 1:].sort().values.numpy(), [0.1, 0.1 + math.pi], atol=2e-3)
    np.testing.assert_allclose(moved[0, :, 0].numpy(), turn[0].numpy(), atol=1e-3)
    np.testing.assert_allclose(said[0].numpy(), [0.8, 0.7, 0.7], atol=2e-3)
    assert best_of(share, 1).shape == (1, 1)


def test_a_field_applied_gives_the_overlap_of_the_pose(masks: list[np.ndarray], x: Tensor):
    random, grids = np.random.default_rng(0), Grids.of(x)
    shapes = [PreparedMask(mask) for mask in masks]
    turn = torch.from_numpy(random.uniform(-3, 3, (4, 3))).float()
    shift = torch.from_numpy(random.uniform(-15, 15, (4, 3, 2))).float()
    first, second = torch.arange(4), torch.arange(4, 8)
    found = overlaps(grids, first, second, turn, shift)
    for pair in range(4):
        for k in range(3):
            frame = np.array([turn[pair, k].item(), *shift[pair, k].tolist()])
            posed = overlap_record(shapes[pair], shapes[pair + 4], 0.0, frame).pose
            exact = overlap_area(masks[pair], masks[pair + 4], posed)
            assert found[pair, k].item() == pytest.approx(exact, abs=0.02 * min(shapes[pair].area, 4000) + 30)


def test_motions_about_centroids_are_those_about_the_canvas_centre(masks: list[np.ndarray], x: Tensor):
    grids, random = Grids.of(x), np.random.default_rng(1)
    shapes = [PreparedMask(mask) for mask in masks]
    for a, b in ((0, 1), (2, 3)):
        frame = np.array([random.uniform(-3, 3), *random.uniform(-20, 20, 2)])
        pose = overlap_record(shapes[a], shapes[b], 0.0, frame).pose
        turn, shift = about_centroids(torch.tensor([dataclasses.astuple(pose)]), grids.centre[[a]], grids.centre[[b]])
        np.testing.assert_allclose([turn.item(), *shift[0].tolist()], frame, atol=1e-3)


def test_the_overlap_rises_along_its_gradient(x: Tensor):
    grids = Grids.of(x)
    turn = torch.full((8, 1), 0.4)
    shift = torch.full((8, 1, 2), 9.0, requires_grad=True)
    rows = torch.arange(8)
    before = overlaps(grids, rows, rows, turn, shift)
    (gradient,) = torch.autograd.grad(before.sum(), shift)
    with torch.no_grad():
        after = overlaps(grids, rows, rows, turn, shift + 1.0 * torch.nn.functional.normalize(gradient, dim=-1))
    assert ((after > before).sum() >= 7).item()
    assert field(turn, shift, grids.centre).shape[-1] == 2


def targets_of(a: PreparedMask, b: PreparedMask) -> tuple[Tensor, Tensor]:
    curve = rotation_curve(a, b, SCAN)
    return torch.from_numpy(curve.area)[None] / min(a.area, b.area), torch.from_numpy(curve.shift)[None]


def test_the_loss_is_least_for_curves_that_know_the_answer_in_either_order(masks: list[np.ndarray], x: Tensor):
    grids, ends = Grids.of(x), (torch.tensor([0]), torch.tensor([1]))
    area, shift = targets_of(PreparedMask(masks[0]), PreparedMask(masks[1]))
    right = Curves(area.transpose(1, 2), shift.transpose(1, 2))
    order = Curves(right.share.flip(1), right.shift.flip(1))
    far, blind = Curves(right.share, right.shift + 25.0), Curves(torch.full_like(right.share, 0.5), right.shift)
    good, same, lost, unsure = (alignment_loss(c, grids, *ends, area, shift) for c in (right, order, far, blind))
    assert good.item() == pytest.approx(same.item(), abs=1e-5)
    assert good < unsure
    assert good < lost


def test_the_curve_of_a_pair_is_its_overlap_at_every_turn(masks: list[np.ndarray]):
    for a, b in ((0, 1), (4, 2)):
        shapes = PreparedMask(masks[a]), PreparedMask(masks[b])
        curve = rotation_curve(*shapes, SCAN)
        for turn in (0, 11, 50):
            frames = np.column_stack([np.full(2, turn * math.tau / ROTATIONS), curve.shift[turn]])
            there = [overlap_at(shapes[0].points, shapes[1].image, frame) for frame in frames]
            np.testing.assert_allclose(curve.area[turn], there, rtol=0.15, atol=60)
        assert curve.area.max() == pytest.approx(solve(*shapes).area, rel=0.1)


def scanned(data: PairDataset, path: Path, begun: dict[str, int]) -> AlignmentTargets:
    rows = choose_runs(len(data), 64, 8, 0)
    return scan_targets(POSES, NETWORK, data, rows, path, begun, workers=1)


def test_targets_are_stored_and_mirrored(dataset: PairDataset, tmp_path: Path):
    data = dataset.of_split("train")
    first = scanned(data, tmp_path / "x", {"a": 1})
    again = scanned(data, tmp_path / "x", {"a": 1})
    assert torch.equal(first.arrays["area"], again.arrays["area"])
    assert len(first.rows) == 64
    with pytest.raises(InputError, match="other settings or data"):
        scanned(data, tmp_path / "x", {"a": 2})
    batch = alignment_batch(data, first.rows.numpy()[:4], torch.device("cpu"))
    targets = first.of(np.arange(4), torch.device("cpu"))
    mirrored, back = POSES.mirror(batch.x, targets)
    shapes = [PreparedMask(mask[0].numpy().astype(np.uint8)) for mask in mirrored]
    curve = rotation_curve(shapes[int(batch.first[0])], shapes[int(batch.second[0])], SCAN)
    least = min(shapes[int(batch.first[0])].area, shapes[int(batch.second[0])].area)
    np.testing.assert_allclose(back["area"][0, :, 0].numpy() * least, curve.area[:, 0], rtol=0.05, atol=20)
    assert back["shift"].shape == targets["shift"].shape


@pytest.mark.slow
def test_two_tables_of_objects_are_scanned_as_one_is(dataset: PairDataset, tmp_path: Path):
    one = dataset.of_split("train")
    two = dataclasses.replace(one, right=dataclasses.replace(one.left))
    assert not two.shared
    here, there = scanned(one, tmp_path / "one", {}), scanned(two, tmp_path / "two", {})
    assert torch.equal(here.arrays["area"], there.arrays["area"])
    batches = [alignment_batch(data, np.arange(8), torch.device("cpu")) for data in (one, two)]
    assert torch.equal(*(batch.x[batch.second] for batch in batches))


@pytest.fixture(scope="module")
def taught(dataset: PairDataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model of the overlap that was taught for a moment where shapes go."""
    folder = tmp_path_factory.mktemp("aligner") / "model"
    tower = TowerConfig(SilhouetteKind(), PolarEncoderConfig((8, 8)), CanonicalDecoderConfig((8, 8)))
    model = ModelConfig(OverlapMetric(), tower, latent=8)
    fit(dataset, model, TrainingConfig(steps=2, batch_pairs=24, threads=1), folder)
    fit_aligner(dataset, folder, QUICK)
    return folder


def weights_after(dataset: PairDataset, path: Path, config: AligningConfig, stop: int | None = None) -> torch.nn.Module:
    encoder = Predictor.load("overlap").tower().encoder

    def interrupt(now: NetworkProgress) -> None:
        if now.step == stop:
            raise KeyboardInterrupt

    parts = dataset.of_split("train"), dataset.of_split("validation")
    path.mkdir(exist_ok=True)
    return train_aligner(POSES, config, encoder, *parts, path, on_progress=interrupt)[0]


@pytest.mark.slow
def test_an_interrupted_training_ends_as_an_uninterrupted_one(dataset: PairDataset, tmp_path: Path):
    whole = weights_after(dataset, tmp_path / "a", QUICK)
    with pytest.raises(KeyboardInterrupt):
        weights_after(dataset, tmp_path / "b", QUICK, stop=4)
    resumed = weights_after(dataset, tmp_path / "b", QUICK)
    for mine, theirs in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    with pytest.raises(InputError, match="other settings or data"):
        weights_after(dataset, tmp_path / "b", dataclasses.replace(QUICK, seed=1))


def test_training_leaves_global_random_states_as_they_were(
    dataset: PairDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reseeded: list[int] = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", reseeded.append)
    before = torch.get_rng_state()
    weights_after(dataset, tmp_path / "a", dataclasses.replace(QUICK, steps=1))
    assert torch.equal(torch.get_rng_state(), before)
    assert reseeded == []


@pytest.mark.slow
def test_training_lays_shapes_better_than_it_began(
    dataset: PairDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    longer = dataclasses.replace(QUICK, steps=60, evaluate_every=60, warmup_steps=5, average_decay=0.5)
    (tmp_path / "x").mkdir()
    seen: list[float] = []
    encoder = Predictor.load("overlap").tower().encoder
    parts = dataset.of_split("train"), dataset.of_split("validation")
    train_aligner(POSES, longer, encoder, *parts, tmp_path / "x", on_progress=lambda now: seen.append(now.loss))
    assert np.mean(seen[-10:]) < np.mean(seen[:10]) - 0.1
    monkeypatch.setattr(overlap_loss, "overlaps", lambda *_: torch.full((24, 3), float("nan")))
    (tmp_path / "x" / aligning.RESUME).unlink()
    with pytest.raises(InputError, match="not finite"):
        train_aligner(POSES, longer, encoder, *parts, tmp_path / "x")


def test_an_alignment_is_what_its_pose_gives_and_never_more_than_the_maximum(taught: Path, masks: list[np.ndarray]):
    aligner = Aligner(Predictor.load(taught))
    shapes = [PreparedMask(mask) for mask in masks]
    for a, b in ((0, 1), (3, 2), (5, 7)):
        found = aligner.align(masks[a], masks[b]).solution
        assert found.value == pytest.approx(overlap_area(masks[a], masks[b], found.pose), rel=1e-3)
        assert found.value <= solve(shapes[a], shapes[b]).area * 1.0005
        assert found.value >= aligner.align(masks[a], masks[b], tries=1).solution.value - 1e-6


def test_more_or_fewer_motions_than_there_are_end_in_a_line(taught: Path, masks: list[np.ndarray]):
    aligner = Aligner(Predictor.load(taught))
    a, b = masks[:2]
    for tries in (0, ROTATIONS + 1):
        with pytest.raises(InputError, match="motions are asked for"):
            aligner.align(a, b, tries)
    with pytest.raises(InputError, match="blank"):
        aligner.align(a, np.zeros_like(a))


def test_the_best_pose_is_the_answer(masks: list[np.ndarray]):
    a, b = PreparedMask(masks[0]), PreparedMask(masks[1])
    frames = np.array([[0.0, 60.0, 0.0], [0.3, 0.0, 0.0], [1.0, 0.0, 90.0]])
    assert best_pose(a, b, frames) == best_pose(a, b, frames[1:2])


def test_a_search_from_its_own_answer_stays_there(masks: list[np.ndarray]):
    for a, b in ((0, 1), (1, 0)):
        shapes = PreparedMask(masks[a]), PreparedMask(masks[b])
        best = solve(*shapes)
        centres = [torch.tensor([[s.centroid[0] - 99.5, s.centroid[1] - 99.5]]) for s in shapes]
        turn, shift = about_centroids(torch.tensor([dataclasses.astuple(best.pose)]), *centres)
        again = solve(*shapes, proposals=np.array([[turn.item(), *shift[0].tolist()]]))
        assert again.area == pytest.approx(best.area, rel=2e-3)


def test_what_cannot_align_says_so(taught: Path, halves: tuple[Path, Path], dataset: PairDataset, tmp_path: Path):
    with pytest.raises(InputError, match="never taught"):
        Aligner(Predictor.load(halves[1]))
    with pytest.raises(InputError, match="only a model of the overlap"):
        fit_aligner(dataset, halves[1], QUICK)
    with pytest.raises(InputError, match="never taught"):
        Aligner(Predictor.load("molecules"))
    with pytest.raises(InputError, match="predicts the metric shape, which has no poses"):
        require_pose_model(Predictor.load("molecules").metric, "molecules")
    with pytest.raises(InputError, match="whose encoder is polar or contour"):
        POSES.check_encoder(DenseEncoderConfig(), NETWORK)
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in taught.iterdir():
        if file.is_file():
            (copy / file.name).write_bytes(file.read_bytes())
    (copy / FILE).write_bytes(b"else")
    with pytest.raises(InputError, match=FILE):
        Aligner(Predictor.load(copy))


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return draw_pictures(tmp_path / "pictures")


def test_align_at_the_command_line(taught: Path, pictures: Path, capsys: pytest.CaptureFixture[str]):
    pair = [str(pictures / "l.png"), str(pictures / "moved.png")]
    assert main(["align", str(taught), *pair, "--json", "--picture", str(pictures / "out.png")]) == 0
    said = json.loads(capsys.readouterr().out)
    assert {"overlap", "angle_deg", "dx", "dy", "expected", "area_a", "area_b"} == set(said)
    assert 0 < said["overlap"] <= said["area_a"]
    assert (pictures / "out.png").stat().st_size > 1000
    out = pictures / "out.csv"
    assert main(["align", str(taught), "--pairs", str(pictures / "pairs.csv"), "--out", str(out)]) == 0
    lines = out.read_text().splitlines()
    assert lines[0] == "a,b,overlap,angle_deg,dx,dy,expected"
    assert float(lines[2].split(",")[2]) == pytest.approx(said["overlap"], abs=0.01)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["align", "halves", "A", "B"], "never taught"),
        (["align", "MODEL", "A", "B", "--tries", "0"], "at least 1"),
        (["align", "MODEL", "--pairs", "L", "--out", "x.csv", "--picture", "x.png"], "leave one of them out"),
        (["train", "DATA"], "expected one of --out"),
        (["train", "DATA", "--out", "x", "--aligner", "MODEL"], "expected one of --out"),
        (["train", "DATA", "--aligner", "MODEL", "--aligning.steps", "0"], "expected 1 or more"),
    ],
)
def test_bad_words_end_in_one_line(
    words: list[str],
    complaint: str,
    taught: Path,
    pictures: Path,
    dataset_folder: Path,
    capsys: pytest.CaptureFixture[str],
):
    names = {
        "A": str(pictures / "l.png"),
        "B": str(pictures / "moved.png"),
        "L": str(pictures / "pairs.csv"),
        "MODEL": str(taught),
        "DATA": str(dataset_folder),
    }
    assert main([names.get(word, word) for word in words]) == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert said.count("\n") == 1


@pytest.mark.slow
def test_an_aligner_is_trained_at_the_command_line(
    taught: Path, dataset_folder: Path, capsys: pytest.CaptureFixture[str]
):
    options = {"lessons": 48, "steps": 2, "batch_pairs": 24, "run_length": 8, "evaluate_pairs": 24, "threads": 1}
    options |= {f"network.{name}": value for name, value in dataclasses.asdict(NETWORK).items()}
    words = [word for name, value in options.items() for word in (f"--aligning.{name}", str(value))]
    assert main(["train", str(dataset_folder), "--aligner", str(taught), *words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["steps"] == 2
    assert not list(taught.glob("*resume*"))
    assert not list(taught.glob("*targets*"))
