"""The network of outlines: motions change nothing, a counterpart is described from outside, reflections are exact."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from metricvae.core.errors import InputError
from metricvae.kinds.half.cutting import cut
from metricvae.kinds.silhouette.decoders.canonical import CanonicalDecoderConfig
from metricvae.kinds.silhouette.encoders.contour import (
    ContourEncoder,
    ContourEncoderConfig,
    MessagePassing,
    gather_neighbours,
)
from metricvae.kinds.silhouette.encoders.contour_features import (
    Contours,
    Neighbourhoods,
    complementary_features,
    contour_features,
    contour_points,
)
from metricvae.kinds.silhouette.sources.generators import draw
from metricvae.kinds.silhouette.transforms import move, random_motions
from metricvae.nn.heads import CosineDistance
from metricvae.nn.layers import seeded_weights
from metricvae.runtime.precision import threads_of
from tower_problem import seeded_encoder, seeded_tower

CONFIG = ContourEncoderConfig((16, 16, 16))
DEFAULT = ContourEncoderConfig()
OFFSETS, SPACING, POINTS = DEFAULT.offsets, DEFAULT.spacing, DEFAULT.points
RADII, DIRECTIONS = DEFAULT.radii[0], DEFAULT.directions[0]


def masks(count: int, seed: int) -> torch.Tensor:
    return torch.from_numpy(np.stack([shape.mask for shape in draw("mixed", count, seed)]))[:, None].float()


def move_randomly(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return (move(x, random_motions(x, generator)) > 0.5).float()


@pytest.fixture(scope="module")
def encoder() -> ContourEncoder:
    found = seeded_encoder(CONFIG, latent=8, seed=1)
    assert isinstance(found, ContourEncoder)
    return found


def points_of(x: torch.Tensor) -> torch.Tensor:
    return contour_points(x, DEFAULT.sampling)


def neighbourhoods(contours: Contours) -> Neighbourhoods:
    return Neighbourhoods.find(contours, POINTS, RADII, DIRECTIONS)


def described(points: torch.Tensor) -> torch.Tensor:
    contours = Contours.from_points(points)
    return contour_features(contours, contours.subsample(), OFFSETS, SPACING)


def run_backwards(points: torch.Tensor) -> torch.Tensor:
    backwards = points.clone()
    for shape in backwards:
        for start in set(shape[shape[:, 3] > 0, 2].int().tolist()):
            end = start + int(shape[start, 3])
            shape[start:end] = shape[start:end].flip(0)
    return backwards


def same_points(contours: Contours, others: Contours) -> torch.Tensor:
    """(n,) row among `others` of each point of `outlines`."""
    far = [one.place + 1000 * (one.slot // POINTS)[:, None] for one in (contours, others)]
    return torch.cdist(*far).argmin(1)


def test_neighbours_go_round_their_own_loop() -> None:
    points = torch.zeros(2, 12, 4)
    points[0, :4, 3], points[0, 4:8, 2], points[0, 4:8, 3] = 4, 4, 4
    points[1, :8, 3] = 8
    contours = Contours.from_points(points)
    assert contours.slot.tolist() == [*range(8), *range(12, 20)]
    assert contours.neighbours(1).tolist() == [1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 12, 13, 14, 15, 8]
    assert contours.neighbours(-2).tolist()[:10] == [2, 3, 0, 1, 6, 7, 4, 5, 14, 15]
    assert contours.neighbours(5).tolist()[:8] == contours.neighbours(1).tolist()[:8]
    half = contours.subsample()
    assert half.neighbours(1).tolist() == [1, 0, 3, 2, 5, 6, 7, 4]
    assert half.slot.tolist() == [0, 1, 2, 3, 6, 7, 8, 9]


def test_the_gradient_of_neighbours_goes_back_to_them() -> None:
    points = torch.zeros(1, 8, 4)
    points[0, :, 3] = 8
    contours = Contours.from_points(points)
    x = torch.randn(8, 2, dtype=torch.float64, requires_grad=True)
    ways = contours.neighbours(1), contours.neighbours(-1)
    assert torch.autograd.gradcheck(lambda rows: gather_neighbours(rows, *ways), x)


def test_on_a_circle_all_contour_features_are_alike_and_known() -> None:
    rows, columns = np.indices((200, 200))
    disc = torch.from_numpy((np.hypot(rows - 99.5, columns - 99.5) < 60).astype(np.float32))[None, None]
    points = points_of(disc)
    count = int(points[0, 0, 3])
    found = described(points).unflatten(-1, (len(OFFSETS), 2, 2))
    for place, offset in enumerate(OFFSETS):
        turn = 2 * math.pi * offset / count
        along, across = 60 * math.sin(turn) / (offset * SPACING), 60 * (1 - math.cos(turn)) / (offset * SPACING)
        assert found[:, place, 0, 0].numpy() == pytest.approx(np.full(count // 2, along), abs=0.12)
        assert found[:, place, 1, 0].numpy() == pytest.approx(np.full(count // 2, -along), abs=0.12)
        assert found[:, place, :, 1].abs().mean().item() == pytest.approx(across, abs=0.06)


def test_a_shape_context_counts_what_a_loop_over_all_points_counts() -> None:
    points = points_of(masks(3, seed=6))
    contours = Contours.from_points(points)
    found = neighbourhoods(contours).counts().view(-1, 2, len(RADII), DIRECTIONS)
    tangent, of_object = contours.tangents().double().numpy(), (contours.slot // POINTS).numpy()
    place = contours.place.double().numpy()
    for row in range(0, len(place), 17):
        expected = np.zeros((2, len(RADII), DIRECTIONS))
        for other in np.flatnonzero(of_object == of_object[row]):
            away = place[other] - place[row]
            ring = int(np.searchsorted(RADII, np.hypot(*away)))
            if other == row or ring == len(RADII):
                continue
            turn = math.atan2(away[1], away[0]) - math.atan2(tangent[row, 1], tangent[row, 0])
            sector = round(turn / (2 * math.pi) * DIRECTIONS) % DIRECTIONS
            expected[int(tangent[other] @ tangent[row] > 0), ring, sector] += 1
        assert expected.sum() > 0
        assert np.abs(found[row].numpy() - expected).sum() <= 4  # a point on a border may fall to either side


def test_a_shape_context_sees_across_a_gap_and_not_another_object() -> None:
    rows, columns = np.indices((200, 200))
    left, right = (np.hypot(rows - 100, columns - middle) < 15 for middle in (80, 120))
    shapes = torch.from_numpy(np.stack([left, left | right, right]).astype(np.float32))[:, None]
    points = points_of(shapes)
    contexts = neighbourhoods(Contours.from_points(points)).counts().sum(1)
    alone, both, _ = contexts.split((points[..., 3] > 0).sum(1).tolist())
    assert both.sum() / len(both) > 1.5 * alone.sum() / len(alone)
    assert torch.equal(alone, neighbourhoods(Contours.from_points(points[:1])).counts().sum(1))


def test_motions_hardly_change_the_mean_of_shape_contexts() -> None:
    def mean(x: torch.Tensor) -> torch.Tensor:
        points = points_of(x)
        contexts = neighbourhoods(Contours.from_points(points)).counts().float().sqrt()
        parts = contexts.split((points[..., 3] > 0).sum(1).tolist())
        return torch.stack([part.mean(0) for part in parts])

    x = masks(16, seed=3)
    still, moved = mean(x), mean(move_randomly(x, torch.Generator().manual_seed(0)))
    apart = torch.cdist(still, still)
    assert (still - moved).norm(dim=1).median() < 0.2 * apart[apart > 0].median()


def test_a_shape_context_from_outside_is_that_of_the_outline_run_backwards() -> None:
    points = points_of(masks(4, seed=7))
    contours = Contours.from_points(points)
    near = neighbourhoods(contours)
    context = near.counts()
    assert context.shape == (len(contours.slot), near.cells)
    assert torch.equal(near.complement(near.complement(context)), context)
    run_back = Contours.from_points(run_backwards(points))
    theirs = neighbourhoods(run_back).counts()[same_points(contours, run_back)]
    assert (near.complement(context) != theirs).float().mean() < 2e-3  # a point on a border may fall to either side


def test_messages_are_summed_where_points_are_counted() -> None:
    contours = Contours.from_points(points_of(masks(2, seed=5)))
    near = neighbourhoods(contours)
    ones = torch.ones(len(contours.slot), 1)
    assert torch.equal(near.aggregate(ones)[..., 0], near.counts().float())
    messages = torch.randn(len(contours.slot), 3, generator=torch.Generator().manual_seed(0))
    found, row = near.aggregate(messages), 11
    expected = torch.zeros(near.cells, 3)
    for other, cell in zip(near.neighbour[near.centre == row], near.cell[near.centre == row], strict=True):
        expected[cell] += messages[other]
    assert torch.allclose(found[row], expected, atol=1e-5)


def test_the_gradient_of_aggregated_messages_goes_back_to_their_senders() -> None:
    points = points_of(masks(1, seed=5))[:, ::8]
    points = points.where(points[..., 3:] == 0, points.new_tensor([1.0, 1.0, 0.0, 0.0]) * points)
    points[..., 3] = (points[..., :2].abs().sum(-1) > 0).sum()
    contours = Contours.from_points(points[:, : int(points[0, 0, 3])])
    near = Neighbourhoods.find(contours, points.shape[1], (40.0, 90.0), 4)
    x = torch.randn(len(contours.slot), 2, dtype=torch.float64, requires_grad=True)
    assert len(near.cell) > 0
    assert torch.autograd.gradcheck(near.aggregate, x)


def test_a_complementary_contour_gets_the_messages_of_the_outline_run_backwards() -> None:
    points = points_of(masks(4, seed=7))
    contours, run_back = Contours.from_points(points), Contours.from_points(run_backwards(points))
    near, theirs = neighbourhoods(contours), neighbourhoods(run_back)
    with seeded_weights(0):
        across = MessagePassing(6, near.cells, DEFAULT.message_dim)
    x = torch.randn(len(contours.slot), 6, generator=torch.Generator().manual_seed(0))
    order = same_points(contours, run_back)
    back = torch.empty_like(x).index_copy(0, order, x)
    with torch.no_grad():
        as_it_is, as_counterpart = across(torch.cat([x, x]), near).chunk(2)
        expected = across(torch.cat([back, back]), theirs)[: len(x)][order]
    off, apart = ((as_counterpart - other).abs().amax(1) for other in (expected, as_it_is))
    assert off.quantile(0.7) < 1e-5  # a point on a border may fall to either side of it, and many get its message
    assert apart.quantile(0.1) > 1e-2


def test_threads_share_the_outlines_and_change_nothing() -> None:
    shapes = torch.from_numpy(np.stack([shape.mask for shape in draw("mixed", 40, seed=3)]))[:, None].float()
    alone = points_of(shapes)
    with threads_of(2):
        assert torch.equal(points_of(shapes), alone)
    assert torch.equal(torch.cat([points_of(shape[None]) for shape in shapes]), alone)


def test_a_cut_seen_from_outside_is_the_cut_of_the_other_piece() -> None:
    """Where two pieces touch, away from the ends of the cut, their contour features are each other's complements."""
    rng, good = np.random.default_rng(0), []
    near_ones = 4 * sum(offset <= 6 for offset in OFFSETS)
    for shape in draw("procedural", 12, seed=8):
        try:
            pieces = cut(shape.mask, "curved", rng)
        except InputError:
            continue
        points = points_of(torch.from_numpy(np.stack(pieces))[:, None].float())
        nodes = points[:, ::2]
        there = nodes[..., 3] > 0
        found = described(points).split(there.sum(1).tolist())
        counterpart = [complementary_features(part) for part in found]
        apart = torch.cdist(nodes[0, there[0], :2], nodes[1, there[1], :2])
        near, partner = apart.min(1)
        touching = near < 2.5
        inner = torch.stack([touching.roll(step) for step in range(-3, 4)]).all(0).nonzero()[:, 0]
        own, others = found[0][inner, :near_ones], counterpart[1][partner[inner], :near_ones]
        wrong = found[1][partner[inner], :near_ones]
        bent = (others - wrong).norm(dim=1) > 0.4  # a straight edge is its own counterpart
        good += ((own - others).norm(dim=1) < (own - wrong).norm(dim=1))[bent].tolist()
    assert len(good) > 30
    assert np.mean(good) > 0.9


def test_motions_hardly_change_a_code(encoder: ContourEncoder) -> None:
    x = masks(16, seed=3)
    with torch.no_grad():
        codes = encoder(encoder.prepare(x))[0]
        moved = encoder(encoder.prepare(move_randomly(x, torch.Generator().manual_seed(0))))[0]
        apart = torch.cdist(codes, codes)
    assert (codes - moved).norm(dim=1).median() < 0.15 * apart[apart > 0].median()


def _mean_features(points: torch.Tensor) -> torch.Tensor:
    """(m, p, 4) -> (m, d), the mean over the points of each outline."""
    parts = described(points).split((points[:, ::2, 3] > 0).sum(1).tolist())
    return torch.stack([part.mean(0) for part in parts])


def test_reflecting_twice_changes_nothing_and_once_is_reflecting_the_mask(encoder: ContourEncoder) -> None:
    x = masks(40, seed=4)
    features = encoder.prepare(x)
    assert torch.equal(encoder.mirror(encoder.mirror(features)), features)
    moved = encoder.prepare(move_randomly(x, torch.Generator().manual_seed(0)))
    ours, masked, plain, noisy = (
        _mean_features(encoder.points(part))
        for part in (encoder.mirror(features), encoder.prepare(x.flip(-1)), features, moved)
    )
    off = (ours - masked).norm(dim=1).median()
    assert off < 1.5 * (noisy - plain).norm(dim=1).median()  # no more than where points happen to fall
    assert off < 0.5 * (plain - masked).norm(dim=1).median()


def test_a_code_and_its_counterpart_are_its_two_halves(encoder: ContourEncoder) -> None:
    """An edge and the same edge from outside give the same numbers, exchanged."""
    features = encoder.prepare(masks(6, seed=5))
    points = encoder.points(features)
    with torch.no_grad():
        mean, log_variance = encoder(features)
    assert mean.shape == log_variance.shape == (6, 8)
    found = described(points)
    assert torch.equal(complementary_features(complementary_features(found)), found)
    assert not torch.allclose(mean[:, :4], mean[:, 4:], atol=1e-3)


def test_mirrored_halves_fit_as_well_as_the_mirror_images_of_both() -> None:
    networks = CONFIG, CanonicalDecoderConfig((16, 16))
    plain, both = (
        seeded_tower(*networks, latent=8, seed=3, head=CosineDistance(swapped=True), mirrored=mirrored).eval()
        for mirrored in (False, True)
    )
    features = plain.encoder.prepare(masks(9, seed=7))
    (codes, images), (once, mirrored) = (
        [model.code_features(part) for part in (features, model.encoder.mirror(features))] for model in (both, plain)
    )
    assert codes.shape == (9, 2 * once.shape[1])
    scores = [both.head.score(part[:-1], part[1:]) for part in (codes, images)]
    assert torch.allclose(*scores, atol=1e-5)
    shown, other = (both.head.score(part[:-1], part[1:]) for part in (once, mirrored))
    assert not torch.allclose(shown, other, atol=1e-4)


def test_what_is_kept_in_bytes_is_enough(encoder: ContourEncoder) -> None:
    features = encoder.prepare(masks(6, seed=6))
    packed = encoder.pack(features)
    assert packed.dtype == torch.uint8
    assert packed.shape[1] < 0.4 * 4 * features.shape[1]
    with torch.no_grad():
        exact, kept = encoder(features)[0], encoder(encoder.unpack(packed))[0]
    assert (exact - kept).norm() < 0.02 * exact.norm()


def test_features_hold_a_picture_and_points(encoder: ContourEncoder) -> None:
    features = encoder.prepare(masks(3, seed=7))
    pictures, points = encoder.pictures(features), encoder.points(features)
    assert pictures.min() >= 0
    assert pictures.max() <= 1
    assert points.shape == (3, POINTS, 4)
    assert (points[..., 3] % 8 == 0).all()
    assert torch.equal(encoder.rescale(features, 1.0), features)


def test_a_blank_object_has_a_finite_code(encoder: ContourEncoder) -> None:
    with torch.no_grad():
        assert encoder(encoder.prepare(torch.zeros(1, 1, 200, 200)))[0].isfinite().all()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"widths": (8, 8)}, "got widths, radii and directions of 2, 3, 3 stages"),
        ({"widths": ()}, "the same number of each, one or more"),
        ({"points": 100}, "expected a multiple of 8 points"),
        ({"directions": (16, 8, 7)}, "even numbers of directions"),
        ({"ring_frequencies": 49}, "expected at most 48"),
        ({"offsets": ()}, "expected one offset or more"),
        ({"radii": ((8.0, 4.0), (8.0,), (8.0,))}, "the smallest first"),
        ({"radii": ((8.0, 4.0), (), (8.0,))}, "one radius or more"),
        ({"spacing": 0.0}, "got spacing 0.0 for 'contour': expected something like 2.5"),
    ],
)
def test_networks_that_cannot_be_are_refused(change: dict[str, Any], expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        ContourEncoderConfig(**change)


def test_odd_codes_are_refused() -> None:
    with pytest.raises(InputError, match="got 7 latent dimensions of a contour encoder: expected an even number"):
        ContourEncoderConfig((8, 8, 8)).build(7)


def test_an_encoder_of_other_hyperparameters_works() -> None:
    config = ContourEncoderConfig(
        (8, 12), 96, 5.0, (1, 2), ((20.0, 40.0), (80.0,)), (4, 6), 1, 3, 16, 12, 24, 0.5, 1, 4
    )
    encoder = config.build(6)
    features = encoder.prepare(masks(3, seed=2))
    assert encoder.pictures(features).shape == (3, 1, 12, 24)
    assert encoder.points(features).shape == (3, 96, 4)
    mean, log_variance = encoder(encoder.unpack(encoder.pack(features)))
    assert mean.shape == log_variance.shape == (3, 6)
    assert mean.isfinite().all()
