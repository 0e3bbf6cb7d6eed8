"""Near copies: what is added to a product of codes, and what it leaves alone."""

from __future__ import annotations

import math

import pytest
import torch

from metricvae.core.errors import InputError
from metricvae.nn.heads import InnerProduct
from metricvae.prediction.near_duplicates import WIDTHS, NearDuplicateCorrection, fit_near_duplicates

HEAD = InnerProduct(100.0)


def codes(count: int, seed: int) -> torch.Tensor:
    return torch.randn(count, 40, generator=torch.Generator().manual_seed(seed))


def areas(z: torch.Tensor) -> torch.Tensor:
    """Half as much again as the product of a code with itself."""
    return 1.5 * HEAD.value(HEAD.score(z, z), torch.ones(len(z)), torch.ones(len(z)))


def test_a_shape_and_itself_have_its_area() -> None:
    z = codes(5, 0)
    size = areas(z)
    product = HEAD.value(HEAD.score(z, z), size, size)
    torch.testing.assert_close(product + NearDuplicateCorrection(0.05).correction(HEAD, z, z, size, size), size)


def test_it_fades_with_the_distance_and_is_symmetric() -> None:
    z = codes(1, 1)
    steps = torch.tensor([0.0, 0.02, 0.05, 0.1, 0.4])
    others = z + steps[:, None] * z.norm() * torch.nn.functional.normalize(codes(1, 2), dim=1)
    size, other = areas(z).expand(5), areas(others)
    extra = NearDuplicateCorrection(0.05).correction(HEAD, z.expand(5, -1), others, size, other)
    assert (extra.diff() < 0).all()
    assert extra[2] / extra[0] == pytest.approx(math.exp(-0.5), rel=0.1)
    assert extra[-1] < 1e-9
    torch.testing.assert_close(
        extra, NearDuplicateCorrection(0.05).correction(HEAD, others, z.expand(5, -1), other, size)
    )


def test_all_pairs_at_once_are_the_pairs_one_by_one() -> None:
    """Equal and nearly equal codes among them."""
    z = codes(12, 8)
    others = torch.cat([z[:3], z[3:6] + 1e-3 * codes(3, 9), codes(4, 10)])
    size, other = areas(z), areas(others)
    rows, columns = (ends.ravel() for ends in torch.meshgrid(torch.arange(12), torch.arange(10), indexing="ij"))
    expected = NearDuplicateCorrection(0.05).correction(HEAD, z[rows], others[columns], size[rows], other[columns])
    found = NearDuplicateCorrection(0.05).correction_matrix(HEAD, z, others, size, other)
    torch.testing.assert_close(found.ravel(), expected, rtol=1e-5, atol=1e-6)
    assert (found[[0, 1, 2], [0, 1, 2]] > 10).all()


def test_nothing_is_added_where_the_product_is_the_area_already_or_more() -> None:
    z = codes(4, 3)
    size = 0.6 * areas(z)
    assert NearDuplicateCorrection(0.05).correction(HEAD, z, z, size, size).tolist() == [0.0] * 4


def test_the_width_is_the_largest_that_harms_no_ordinary_pair() -> None:
    z = codes(400, 4)
    near = 0.1 * z.norm(dim=1, keepdim=True) * torch.nn.functional.normalize(codes(400, 5), dim=1)
    for others, low, high in ((codes(400, 6), 0.29, 0.31), (z + near, 0.01, 0.06)):
        size, other = areas(z), areas(others)
        product = HEAD.value(HEAD.score(z, others), size, other)
        value = product + 10 * torch.randn(400, generator=torch.Generator().manual_seed(7))
        width = fit_near_duplicates(HEAD, z, others, size, other, value).width
        assert low <= width <= high
        assert width in WIDTHS


@pytest.mark.parametrize("document", [{}, {"width": "wide"}, {"width": 0}, {"width": -1}, {"width": float("nan")}])
def test_a_damaged_width_is_one_line(document: dict[str, object]) -> None:
    with pytest.raises(InputError, match="calibration is damaged"):
        NearDuplicateCorrection.from_json(document)
    assert NearDuplicateCorrection.from_json(NearDuplicateCorrection(0.1).to_json()) == NearDuplicateCorrection(0.1)
