"""Metric heads: laws over all that are registered, known angles, the pole."""

from __future__ import annotations

import json
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from metricvae.core.errors import InputError
from metricvae.nn.heads import (
    HEADS,
    CosineDistance,
    CosineSimilarity,
    EuclideanDistance,
    Head,
    InnerProduct,
    InverseCosine,
    LinearCosine,
    ProductAndDistance,
    SignedInverseCosine,
    head_from_json,
    head_to_json,
)

FURTHER = (
    SignedInverseCosine(scale=3.0),
    InverseCosine(floor=0.02, scale=2.0),
    InnerProduct(700.0),
    InnerProduct(2.0, offset=-30.0),
    CosineDistance(0.9, swapped=True),
    ProductAndDistance(3.0, -2.0, "log"),
    ProductAndDistance(link="logistic"),
    ProductAndDistance(directed=True),
    ProductAndDistance(directed=True, rising=False),
    LinearCosine(-2.0, 3.0, power=1.5),
    EuclideanDistance(-2.0, 3.0, power=0.5),
    EuclideanDistance(power=2.0),
)
"""Settings that are not the default ones."""

ALL = (*(head() for head in HEADS.values()), *FURTHER)


def each(heads: list[Head] | tuple[Head, ...]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("head", heads, ids=lambda head: head.name)


every_head = each(ALL)
joining_head = each([head for head in ALL if head.joins_mirrored])
other_head = each([head for head in ALL if not head.joins_mirrored])
searched_head = each([head for head in ALL if head.has_vectors])


def scalar(value: float) -> torch.Tensor:
    return torch.tensor([value], dtype=torch.float64)


def at_angle(degrees: float, length: float = 1.0) -> torch.Tensor:
    angle = math.radians(degrees)
    return length * torch.tensor([[math.cos(angle), math.sin(angle)]], dtype=torch.float64)


@every_head
@given(share=st.floats(0.06, 1.0), size=st.floats(1.0, 4e4), size_other=st.floats(1.0, 4e4))
def test_value_undoes_target(head: Head, share: float, size: float, size_other: float) -> None:
    a, b = scalar(size), scalar(size_other)
    probability = min(share, 0.999)  # the logarithm of the odds of a 1 is infinite
    value = scalar(probability) if "binary" in head.tasks else share * (a * b).sqrt()
    assert torch.allclose(head.value(head.target(value, a, b), a, b), value, rtol=1e-9)


@given(value=st.floats(-1e6, 1e6))
def test_the_signed_head_reaches_every_real_value(value: float) -> None:
    head, size = SignedInverseCosine(scale=10.0), scalar(1.0)
    target = head.target(scalar(value), size, size)
    assert target.abs() >= 1.0
    assert torch.allclose(head.value(target, size, size), scalar(value), rtol=1e-9, atol=1e-9)


@each([head for head in ALL if not head.directed])
def test_scores_are_symmetric(head: Head) -> None:
    z, z_other = torch.randn(2, 20, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(head.score(z, z_other), head.score(z_other, z))


@every_head
def test_a_matrix_of_scores_holds_those_of_all_pairs(head: Head) -> None:
    generator = torch.Generator().manual_seed(7)
    z, others = (torch.randn(count, 16, dtype=torch.float64, generator=generator) for count in (5, 3))
    matrix = head.score_matrix(z, others)
    one_by_one = torch.stack([torch.cat([head.score(a[None], b[None]) for b in others]) for a in z])
    assert matrix.shape == (5, 3)
    assert torch.allclose(matrix, one_by_one, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("rising", [True, False])
def test_directed_codes_are_compared_alike_and_by_where_their_object_stands(rising: bool) -> None:
    head, plain = ProductAndDistance(directed=True, rising=rising), ProductAndDistance()
    z, z_other = torch.randn(2, 20, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    alike = (z[:, :8] * z_other[:, :8]).mean(1)
    expected = (alike if rising else -alike) + plain.score(z[:, 8:12], z_other[:, 12:])
    assert torch.allclose(head.score(z, z_other), expected)
    assert not torch.allclose(head.score(z, z_other), head.score(z_other, z))


@each([*ALL, ProductAndDistance(directed=True, rising=False)])
def test_a_score_is_a_power_of_its_sums(head: Head) -> None:
    """Codes are of length 1 for heads that go by angles, and differ in numbers of one sign alone."""
    generator = torch.Generator().manual_seed(1)
    for one in head.sums(16):
        for sign in (1.0, -1.0):
            used = (one.weights * sign > 0).double()
            if not used.any():
                continue
            z, z_other = (torch.randn(9, 16, dtype=torch.float64, generator=generator) * used for _ in range(2))
            if isinstance(head, LinearCosine):
                z, z_other = (4.0 * part / part.norm(dim=1, keepdim=True) for part in (z, z_other))
            terms = z * z_other if one.adds == "products" else (z - z_other).square()
            assert torch.allclose(one.of(head.score(z, z_other)), (terms * one.weights).sum(1), atol=1e-6)


def test_a_power_of_a_cosine_by_hand() -> None:
    head, size = LinearCosine(scale=2.0, offset=1.0, power=2.0), torch.ones(1)
    score = head.score(at_angle(0), at_angle(60))
    assert head.value(score, size, size).item() == pytest.approx(1 + 2 * 0.25)
    assert head.value(head.score(at_angle(0), at_angle(120)), size, size).item() == pytest.approx(1 - 2 * 0.25)
    assert head.sums(2)[0].of(score).item() == pytest.approx(0.5)
    with pytest.raises(InputError, match="power"):
        LinearCosine(power=0.5)
    assert head.variants()[0] == head.opposite == LinearCosine(-2.0, 3.0, 2.0)
    assert head.opposite.opposite == head
    variants = LinearCosine(2.0, 1.0).variants()
    assert len({one for one in variants if isinstance(one, LinearCosine)}) == 7
    assert EuclideanDistance(-2.0, 3.0) in variants, "equal codes have the same value"
    assert len(set(variants)) == 7 + 6


def test_all_pairs_keep_small_distances() -> None:
    """In single precision, codes far from the origin, some of them equal or nearly so."""
    head = EuclideanDistance(power=0.5)
    z = 5.0 + torch.randn(40, 64, generator=torch.Generator().manual_seed(0))
    others = torch.cat([z[:20], z[:20] + 1e-3 * torch.randn(20, 64, generator=torch.Generator().manual_seed(1))])
    matrix = head.score_matrix(z, others)
    one_by_one = torch.stack([torch.cat([head.score(a[None], b[None]) for b in others]) for a in z])
    assert torch.allclose(matrix, one_by_one, rtol=1e-4, atol=1e-6)
    assert not matrix.diagonal()[:20].any()


def test_a_distance_by_hand() -> None:
    """Differences of 3 and 4: a root mean square of 3.54."""
    z, z_other, size = torch.tensor([[1.0, 2.0]]), torch.tensor([[4.0, -2.0]]), torch.ones(1)
    for power, expected in ((0.5, 12.5**0.25), (1.0, 12.5**0.5), (2.0, 12.5)):
        head = EuclideanDistance(2.0, 1.0, power)
        score = head.score(z, z_other)
        assert head.value(score, size, size).item() == pytest.approx(1 + 2 * expected, rel=1e-5)
        assert head.sums(2)[0].of(score).item() == pytest.approx(12.5, rel=1e-5)
        assert head.value(head.score(z, z), size, size).item() == 1.0
        assert head.value(head.opposite.score(z, z), size, size).item() == 1.0
        assert head.opposite.opposite == head
    with pytest.raises(InputError, match="power"):
        EuclideanDistance(power=0.0)
    with pytest.raises(InputError, match="power"):
        EuclideanDistance(power=5.0)


@each([LinearCosine(2.0, 1.0, 2.0), EuclideanDistance(-3.0, 1.0), ProductAndDistance(2.0, -1.0)])
def test_a_head_is_fitted_to_scores_and_values_where_that_keeps_its_direction(head: Head) -> None:
    score, ones = torch.linspace(0.1, 0.9, 20), torch.ones(20)
    value = 5.0 + 0.5 * head.value(score, ones, ones)
    assert torch.allclose(head.fitted(score, value).value(score, ones, ones), value, atol=1e-5)
    assert head.fitted(score, -value) == head


def test_logarithms_are_fitted_as_such_and_heads_without_a_scale_stay() -> None:
    score, ones = torch.linspace(-1.0, 1.0, 20), torch.ones(20)
    value = (2.0 + 3.0 * score).exp()
    fitted = ProductAndDistance(link="log").fitted(score, value)
    assert torch.allclose(fitted.value(score, ones, ones), value, rtol=1e-4)
    for head in (CosineSimilarity(), ProductAndDistance(link="logistic")):
        assert head.fitted(score, score.sigmoid()) is head


def test_a_product_and_distance_by_hand() -> None:
    """p = 1, q = 2, u = 3, v = 4 and p' = 5, q' = 6, u' = 8, v' = 6."""
    z, z_other = torch.tensor([[1.0, 2, 3, 4]]).double(), torch.tensor([[5.0, 6, 8, 6]]).double()
    head, size = ProductAndDistance(scale=10.0, offset=1.0), scalar(1.0)
    score = (1 * 5 - 2 * 6) / math.sqrt(2) + abs(3 - 8) - abs(4 - 6)
    assert head.score(z, z_other).item() == pytest.approx(score)
    assert head.value(head.score(z, z_other), size, size).item() == pytest.approx(1 + 10 * score)


def test_a_logistic_link_gives_probabilities_and_a_distance_of_one_at_the_border() -> None:
    head, size = ProductAndDistance(scale=2.0, offset=0.5, link="logistic"), torch.ones(3)
    score = torch.tensor([-0.25, 0.0, 40.0])
    assert torch.allclose(head.value(score, size, size), torch.tensor([0.5, 0.6225, 1.0]), atol=1e-4)
    assert head.distance(score)[0].item() == pytest.approx(1.0)


@every_head
def test_gradients_are_right_and_finite_where_vectors_vanish(head: Head) -> None:
    z, z_other = torch.randn(2, 6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert torch.autograd.gradcheck(head.score, (z.requires_grad_(), z_other.requires_grad_()))
    for dtype in (torch.float32, torch.float64):
        one = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 0.0]], dtype=dtype, requires_grad=True)
        other = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 1e-9], [0.0, 0.0]], dtype=dtype, requires_grad=True)
        score = head.score(one, other)
        score.square().sum().backward()
        assert score.isfinite().all()
        assert one.grad is not None
        assert one.grad.isfinite().all()
        assert other.grad is not None
        assert other.grad.isfinite().all()


@pytest.mark.parametrize(("degrees", "expected"), [(0, 1.0), (60, 2.0), (80, 1 / math.cos(math.radians(80)))])
def test_inverse_cosine_of_known_angles(degrees: float, expected: float) -> None:
    score = InverseCosine().score(at_angle(0, 3.0), at_angle(degrees, 0.2))
    assert score.item() == pytest.approx(expected, rel=1e-9)


def test_inverse_cosine_of_identical_objects_is_one_and_means_their_area() -> None:
    head, size = InverseCosine(), scalar(1783.0)
    assert head.target(size, size, size).item() == 1.0
    assert head.value(scalar(1.0), size, size).item() == 1783.0


def test_inverse_cosine_of_a_metric_without_magnitudes_is_its_largest_value_over_the_value() -> None:
    head, one = InverseCosine(scale=16.0), scalar(1.0)
    assert head.target(scalar(4.0), one, one).item() == 4.0
    at_60_degrees = head.score(at_angle(0), at_angle(60))
    assert head.value(at_60_degrees, one, one).item() == pytest.approx(8.0)


def test_inverse_cosine_past_the_pole_keeps_falling_towards_the_metric() -> None:
    head = InverseCosine(floor=0.05)
    degrees = torch.linspace(0, 180, 181)
    scores = torch.cat([head.score(at_angle(0), at_angle(float(angle))) for angle in degrees])
    assert (scores.diff() > 0).all()
    assert head.target(scalar(0.0), scalar(10.0), scalar(10.0)).item() == pytest.approx(1 / 0.05)


def test_signed_inverse_cosine_puts_the_sign_in_the_angle() -> None:
    head, size = SignedInverseCosine(), scalar(1.0)
    for value in (-4.0, -0.5, 0.0, 0.5, 4.0):
        target = head.target(scalar(value), size, size)
        degrees = math.degrees(math.acos(1 / target.item()))
        assert head.score(at_angle(0), at_angle(degrees)).item() == pytest.approx(target.item(), rel=1e-6)
        assert (degrees > 90) == (value < 0)


def test_inner_product_of_codes_of_the_size_of_the_prior_is_one_scale() -> None:
    head, size = InnerProduct(), scalar(1.0)
    z = torch.randn(1, 100_000, generator=torch.Generator().manual_seed(2))
    assert head.value(head.score(z, z), size, size).item() == pytest.approx(5000.0, rel=0.02)


def test_cosine_distance_matches_up_to_one() -> None:
    head = CosineDistance()
    score = torch.cat([head.score(at_angle(0), at_angle(degrees)) for degrees in (0, 89, 91, 180)])
    assert torch.allclose(score[[0, 3]], torch.tensor([0.0, 2.0], dtype=torch.float64))
    assert head.is_match(score).tolist() == [True, True, False, False]
    assert torch.allclose(head.target(scalar(1), scalar(9), scalar(9)), scalar(0))
    assert torch.allclose(head.target(scalar(0), scalar(9), scalar(9)), scalar(2))


def test_with_halves_exchanged_codes_fit_their_counterpart_and_not_themselves() -> None:
    head = CosineDistance(swapped=True)
    z = torch.randn(5, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    counterpart = torch.cat([z[:, 4:], z[:, :4]], dim=1)
    assert torch.allclose(head.score(z, 3 * counterpart), torch.zeros(5, dtype=torch.float64))
    assert (head.score(z, z) > 0.1).all()


@joining_head
def test_joined_codes_say_the_mean_of_what_their_parts_say(head: Head) -> None:
    generator = torch.Generator().manual_seed(3)
    first, second = (torch.randn(2, 50, 8, dtype=torch.float64, generator=generator) for _ in range(2))
    first, second = (part / part.norm(dim=-1, keepdim=True) for part in (first, second))
    if isinstance(head, InverseCosine):
        second = first + 0.3 * second  # off the pole, where 1/cos is the inverse of a cosine
        cosines = 1 / head.score(first, second)
        assert torch.allclose(1 / head.score(head.join_mirrored(*first), head.join_mirrored(*second)), cosines.mean(0))
    else:
        score = head.score(head.join_mirrored(*first), head.join_mirrored(*second))
        cosine_of = head.sums(8)[0].of if head.sums(8) else torch.as_tensor
        assert torch.allclose(cosine_of(score), cosine_of(head.score(first, second)).mean(0))


@pytest.mark.parametrize("swapped", [False, True])
def test_joined_codes_of_a_distance_keep_their_length_and_have_joined_counterparts(swapped: bool) -> None:
    head = CosineDistance(swapped=swapped)
    z, z_mirrored = torch.randn(2, 5, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    joined = head.join_mirrored(z, z_mirrored)
    assert torch.allclose(joined.square().sum(-1), z.square().sum(-1) + z_mirrored.square().sum(-1))
    assert torch.equal(head.counterpart(joined), head.join_mirrored(head.counterpart(z), head.counterpart(z_mirrored)))


@other_head
def test_heads_that_go_by_more_than_angles_join_nothing(head: Head) -> None:
    with pytest.raises(InputError, match=f"the head {head.name} cannot compare mirror images"):
        head.join_mirrored(torch.ones(2, 4), torch.ones(2, 4))


@searched_head
def test_inner_products_of_vectors_order_items_as_values_do(head: Head) -> None:
    generator = torch.Generator().manual_seed(5)
    queries, items = (torch.randn(count, 8, dtype=torch.float64, generator=generator) for count in (6, 40))
    sizes = torch.full((len(items),), 30.0, dtype=torch.float64)
    for query in queries:
        product = (head.query_vectors(query[None]) * head.item_vectors(items)).sum(-1)
        score = head.score(query.expand_as(items), items)
        value = head.value(score, sizes, sizes).double()
        order = product.argsort()
        assert (value[order].diff() >= -1e-12 * value.abs().max()).all()


@searched_head
def test_the_counterpart_of_a_code_scores_best(head: Head) -> None:
    generator = torch.Generator().manual_seed(6)
    z, others = (torch.randn(30, 8, dtype=torch.float64, generator=generator) for _ in range(2))
    others = others / others.norm(dim=1, keepdim=True) * z.norm(dim=1, keepdim=True)
    sizes = torch.full((len(z),), 30.0, dtype=torch.float64)
    best, other = (head.value(head.score(z, code), sizes, sizes) for code in (head.counterpart(z), others))
    assert (best >= other).all()


@each([head for head in ALL if not head.has_vectors])
def test_heads_without_vectors_say_so(head: Head) -> None:
    for vectors in (head.query_vectors, head.item_vectors):
        with pytest.raises(InputError, match="search without an approximate index"):
            vectors(torch.ones(2, 4))


@every_head
def test_heads_survive_json(head: Head) -> None:
    assert head_from_json(json.loads(json.dumps(head_to_json(head)))) == head


@pytest.mark.parametrize("document", [{}, {"name": "euclid"}, {"name": "inner_product", "gradient": 1.0}, None])
def test_unknown_heads_are_refused(document: dict[str, object] | None) -> None:
    with pytest.raises(InputError, match="head"):
        head_from_json(document)
