"""Principal components of kernels, and the part of codes that they are."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from metricvae.core.errors import InputError
from metricvae.fitting.linear_readout import Rows, fit_readout
from metricvae.nn.descriptors import COMPONENTS_LOG_VARIANCE, DescriptorEncoderConfig
from metricvae.nn.kernel_components import LEVELS, KernelComponents
from metricvae.nn.nibbles import packed, unpacked

BLOCKS = (3, 9, 20)
"""Three descriptors, then two blocks of counts."""


def rows(count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    chance = torch.Generator().manual_seed(seed)
    counts = torch.tensor([0, 0, 0, *LEVELS])[torch.randint(7, (count, BLOCKS[-1] - BLOCKS[0]), generator=chance)]
    return torch.randn(count, BLOCKS[0], generator=chance), counts.float()


def kernel(described: torch.Tensor, counts: torch.Tensor) -> npt.NDArray[np.float64]:
    """Pair by pair."""
    found = np.empty((len(counts), len(counts)))
    for i, x in enumerate(zip(described.double().numpy(), counts.numpy(), strict=True)):
        for j, y in enumerate(zip(described.double().numpy(), counts.numpy(), strict=True)):
            parts = [np.exp(-np.square(x[0] - y[0]).sum() / (2 * len(x[0])))]
            for first, end in itertools.pairwise(BLOCKS):
                one, other = (side[1][first - BLOCKS[0] : end - BLOCKS[0]] for side in (x, y))
                parts.append(np.minimum(one, other).sum() / np.maximum(one, other).sum())
            found[i, j] = np.mean(parts)
    return found


@given(st.integers(1, 5), st.integers(0, 9), st.integers(0, 2**31))
def test_halves_of_bytes_come_back(m: int, n: int, seed: int) -> None:
    numbers = torch.randint(16, (m, n), generator=torch.Generator().manual_seed(seed))
    assert torch.equal(unpacked(packed(numbers), n).long(), numbers)


def test_products_of_all_components_are_the_centred_kernel() -> None:
    described, counts = rows(40)
    part = KernelComponents(20, BLOCKS, components=39, landmarks=40)
    assert not bool(part(described, counts).any())
    part.fit(described, counts)
    found = part(described, counts).double()
    middle = np.eye(40) - 1 / 40
    wanted = middle @ kernel(described, counts) @ middle
    products = (found @ found.T).numpy()
    factor = np.trace(products) / np.trace(wanted)
    assert np.abs(products / factor - wanted).max() < 1e-4
    assert float(found.square().mean()) == pytest.approx(1.0, abs=1e-4)
    variances = found.var(0)
    assert bool((variances[:-1] >= variances[1:] - 1e-6).all())
    some = part(described[:7], counts[:7]).double()
    assert torch.allclose(some, found[:7], atol=1e-4)


def test_counts_between_two_levels_are_the_lower_one() -> None:
    described, counts = rows(30)
    part = KernelComponents(20, BLOCKS, components=6, landmarks=12)
    part.fit(described, counts)
    higher = torch.where(counts == 4, 7.0, counts)
    assert torch.equal(part(described, counts), part(described, higher))
    assert not torch.equal(part(described, counts), part(described, torch.where(counts == 4, 8.0, counts)))


@pytest.mark.parametrize("blocks", [(0, 20), (20,), BLOCKS])
@pytest.mark.parametrize("same", [False, True])
def test_few_rows_and_equal_rows_have_finite_components(blocks: tuple[int, ...], same: bool) -> None:
    chance = torch.Generator().manual_seed(1)
    numbers = torch.randn(9, 20, generator=chance).round()
    numbers = numbers[:1].expand(9, 20) if same else numbers
    counts = numbers[:, blocks[0] : blocks[-1]].abs()
    described = torch.cat([numbers[:, : blocks[0]], numbers[:, blocks[-1] :]], 1)
    part = KernelComponents(20, blocks, components=12, landmarks=16)
    part.fit(described, counts)
    found = part(described, counts)
    assert bool(found.isfinite().all())
    assert (float(found.abs().max()) > 0.5) != same
    assert not same or float(found.abs().max()) < 0.01
    far = part(1e6 * described, 1e6 * counts)
    assert bool(far.isfinite().all())


def test_components_are_a_part_of_a_code_that_no_training_moves() -> None:
    described, counts = rows(200)
    x = torch.cat([described, counts], 1)
    config = DescriptorEncoderConfig(inputs=20, width=16, plain=4, components=24, landmarks=50, counts=BLOCKS)
    torch.manual_seed(0)
    encoder = config.build(8 + 24 + 4)
    features = encoder.prepare(x)
    encoder.fit_scaling(features)
    encoder.eval()
    mean, log_variance = (part.detach() for part in encoder(features))
    assert mean.shape == log_variance.shape == (200, 36)
    assert set(log_variance[:, 8:32].unique().tolist()) == {COMPONENTS_LOG_VARIANCE}
    assert float(mean[:, 8:32].square().mean()) == pytest.approx(1.0, abs=1e-3)
    before = mean[:, 8:32].clone()
    for weight in encoder.parameters():
        torch.nn.init.normal_(weight)
    after, _ = encoder(features)
    assert torch.equal(after[:, 8:32], before)
    assert not torch.allclose(after[:, :8], mean[:, :8])
    half = {
        name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in encoder.state_dict().items()
    }
    again = config.build(36).eval()
    again.load_state_dict(half)
    assert torch.allclose(again(features)[0][:, 8:32], before, atol=0.02)
    assert replace(config, components=0).build(12).kernel is None


@pytest.mark.parametrize("wrong", [{"components": 60}, {"landmarks": 10**6}])
def test_sizes_of_a_kernel_are_checked(wrong: dict[str, int]) -> None:
    with pytest.raises(InputError, match=r"components of .* landmarks"):
        DescriptorEncoderConfig(**{"inputs": 20, "components": 24, "landmarks": 50} | wrong)


def test_a_read_out_of_components_learns_what_no_line_does() -> None:
    """Values of a product of two descriptors, from 300 rows."""
    described, counts = rows(600, seed=3)
    value = (described[:, 0] * described[:, 1]).double().numpy()
    part = KernelComponents(20, BLOCKS, components=60, landmarks=150)
    part.fit(described[:300], counts[:300])
    for numbers, least, most in ((part(described, counts), 0.6, 1.0), (torch.cat([described, counts], 1), -1.0, 0.2)):
        codes = numbers.double().numpy()
        parts = [Rows(codes[some], value[some], np.ones(len(codes[some]))) for some in (slice(300), slice(300, 600))]
        assert least < fit_readout(*parts, binary=False).explained < most
