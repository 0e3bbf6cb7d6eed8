"""The exact solver of the metric `match`: known answers, laws, and bad input."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch

from metricvae.core.errors import InputError
from metricvae.kinds.half.cutting import cut
from metricvae.kinds.silhouette.sources.generators import draw
from metricvae.kinds.silhouette.transforms import Motion, move
from metricvae.metrics.match.solver.edges import MARGIN, SPACING, Edge
from metricvae.metrics.match.solver.joins import (
    FEATURES,
    NO_MATCH_SCORE,
    SCORE_WEIGHTS,
    assemble,
    candidate_poses,
    join,
    refine,
)
from metricvae.metrics.overlap.drawing import superimpose
from metricvae.metrics.overlap.solver.poses import inverse_poses, origin_pose
from metricvae.metrics.overlap.solver.records import Pose

Mask = npt.NDArray[np.uint8]

PLACES = np.indices((200, 200))
DISC = (np.hypot(PLACES[0] - 99.5, PLACES[1] - 99.5) < 55).astype(np.uint8)
SQUARE = (np.abs(PLACES - 99.5).max(axis=0) < 40).astype(np.uint8)

RECORDED_SCORES = [24.64020709605365, 16.106055426401614]
RECORDED_POSES = [
    (-130.00983972600957, 0.7827118836753385, -14.966686113053022),
    (-129.95406459595134, 0.8436046122570677, -15.026166231658884),
]


def rotated(mask: Mask, angle: float, dx: float, dy: float) -> Mask:
    motion = Motion(*(torch.tensor([value]) for value in (angle, dx, dy)))
    return (move(torch.from_numpy(mask)[None, None].float(), motion)[0, 0] > 0.5).numpy().astype(np.uint8)


def pieces(mask: Mask, kind: str = "zigzag", seed: int = 0) -> tuple[Mask, Mask]:
    return cut(mask, kind, np.random.default_rng(seed))  # type: ignore[arg-type]


def union(a: Mask, b: Mask) -> float:
    return float((a & b).sum() / (a | b).sum())


@pytest.mark.parametrize(
    ("mask", "kind"),
    [
        pytest.param(DISC, "zigzag", marks=pytest.mark.slow, id="disc-zigzag"),
        pytest.param(DISC, "curved", id="disc-curved"),
        pytest.param(SQUARE, "zigzag", id="square-zigzag"),
        pytest.param(SQUARE, "curved", marks=pytest.mark.slow, id="square-curved"),
    ],
)
def test_the_pieces_of_a_shape_are_assembled_to_it(mask: Mask, kind: str) -> None:
    first, second = pieces(mask, kind, seed=3)
    found = join(Edge(first), Edge(rotated(second, 130, 12, -9)))
    assert union(assemble(first, rotated(second, 130, 12, -9), found.pose), mask) > 0.97
    assert found.contact > 25


def test_a_motion_of_the_second_piece_is_undone() -> None:
    first, second = pieces(DISC, seed=1)
    straight, moved = join(Edge(first), Edge(second)), join(Edge(first), Edge(rotated(second, 90, 0, 0)))
    assert abs((straight.pose.angle_deg + 180) % 360 - 180) < 2
    assert math.hypot(straight.pose.dx, straight.pose.dy) < 1.5
    assert abs((moved.pose.angle_deg + 90 + 180) % 360 - 180) < 2
    assert moved.score == pytest.approx(straight.score, rel=0.1)


@pytest.mark.parametrize("angle", [35.0, -120.0])
def test_candidate_poses_are_in_the_convention_of_all_poses(angle: float) -> None:
    """The best candidate, in radians counter-clockwise on screen, undoes the motion that was made."""
    first, second = pieces(DISC, seed=1)
    found = candidate_poses(Edge(first), Edge(rotated(second, angle, 4, -6)))
    undone = inverse_poses(origin_pose(Pose(angle, 4.0, -6.0))[None])[0]
    best = found[int(np.argmax(found[:, 0])), 1:4]
    assert abs((best[0] - undone[0] + np.pi) % (2 * np.pi) - np.pi) < math.radians(2)
    assert best[1:] == pytest.approx(undone[1:], abs=1.5)


def test_answers_are_those_of_the_loops_with_the_other_sign() -> None:
    """Scores and poses that were recorded before angles in the loops became counter-clockwise."""
    found = [join(Edge(first), Edge(rotated(second, 130, 12, -9))) for first, second in map(pieces, (DISC, SQUARE))]
    poses = [(one.pose.angle_deg, one.pose.dx, one.pose.dy) for one in found]
    assert [one.score for one in found] == pytest.approx(RECORDED_SCORES, rel=1e-9)
    assert poses == [pytest.approx(pose, abs=1e-9) for pose in RECORDED_POSES]


def test_the_order_of_the_pieces_inverts_the_pose() -> None:
    first, second = pieces(SQUARE, seed=2)
    second = rotated(second, 40, 5, 5)
    there, back = join(Edge(first), Edge(second)), join(Edge(second), Edge(first))
    assert abs((there.pose.angle_deg + back.pose.angle_deg + 180) % 360 - 180) < 2
    assert there.score == pytest.approx(back.score, rel=0.1)


def test_a_piece_fits_its_counterpart_better_than_other_pieces() -> None:
    made = [pieces(shape.mask, "curved", seed=n) for n, shape in enumerate(draw("procedural", 9, seed=21)[:6])]
    edges = [tuple(map(Edge, pair)) for pair in made]
    scores = np.array([[join(a, b).score for _, b in edges] for a, _ in edges])
    assert np.mean(scores.argmax(axis=1) == np.arange(len(edges))) >= 0.8


def test_the_features_of_a_pose_are_what_their_names_say() -> None:
    """Two bars end to end: what touches is their width, and all four lines continue."""
    left = ((np.abs(PLACES[0] - 99.5) < 10) & (np.abs(PLACES[1] - 69.5) < 30)).astype(np.uint8)
    right = ((np.abs(PLACES[0] - 99.5) < 10) & (np.abs(PLACES[1] - 129.5) < 30)).astype(np.uint8)
    (found,) = refine(Edge(left), Edge(right), np.zeros((1, 4)), np.asarray(SCORE_WEIGHTS))
    assert abs(found[1]) < 0.03
    assert np.hypot(*found[2:4]) < 1
    features = dict(zip(FEATURES, found[4:], strict=True))
    assert features["touching"] * SPACING == pytest.approx(17, abs=4)  # the corners are round
    assert features["smooth ends"] > 1.5
    assert features["depth"] < 1
    assert len(SCORE_WEIGHTS) == len(FEATURES)


def test_an_edge_knows_its_corners_normals_and_distances() -> None:
    edge = Edge(SQUARE)
    assert len(edge.corners) == 4
    places = edge.points[:, :2]
    assert np.all((places * edge.normals).sum(axis=1) > 0)  # outwards
    assert np.mean(edge.deviation < 0.2) > 0.5
    assert Edge(DISC).deviation.min() > 0.2
    rows, columns = PLACES[0] - 99.5, PLACES[1] - 99.5
    field = Edge(DISC).distance_field[MARGIN:-MARGIN, MARGIN:-MARGIN]
    assert np.abs(field - (np.hypot(rows, columns) - 55))[np.abs(field) < 5].max() < 0.8


def test_specks_fit_nowhere() -> None:
    speck = np.zeros((200, 200), np.uint8)
    speck[50, 50] = 1
    assert join(Edge(speck), Edge(DISC)).score == NO_MATCH_SCORE


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (np.zeros((200, 200), np.uint8), DISC, "a blank piece fits nowhere"),
        (DISC, DISC[:150, :150], r"canvases of \(200, 200\) and \(150, 150\) pixels"),
    ],
)
def test_bad_pieces_are_refused(a: Mask, b: Mask, message: str) -> None:
    with pytest.raises(InputError, match=message):
        join(Edge(a), Edge(b))


def test_the_pose_of_uncut_pieces_is_zero() -> None:
    first, second = pieces(DISC, seed=5)
    assert union(assemble(first, second, Pose(0.0, 0.0, 0.0)), DISC) == 1.0


def test_a_picture_of_both_holds_them_whole_and_in_its_middle() -> None:
    corner = np.zeros((200, 200), np.uint8)
    corner[:60, :50] = 1
    first, second = superimpose(corner, corner, Pose(0.0, -40.0, 0.0))
    assert first.shape == second.shape == (200, 200)
    assert first.sum() == second.sum() == 3_000
    rows, columns = np.nonzero(first + second)
    assert abs(rows.min() + rows.max() - 199) <= 1
    assert abs(columns.min() + columns.max() - 199) <= 1
    wide, other = superimpose(corner, corner, Pose(0.0, 260.0, 0.0))
    assert wide.shape == other.shape == (318, 318)
    assert wide.sum() == other.sum() == 3_000
