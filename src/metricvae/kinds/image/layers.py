"""Layers of networks on grids of pixels."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from metricvae.nn.layers import scale_initial_weights


class Convolution(nn.Linear):
    """A convolution whose kernel is kept as one matrix, so that it is trained as the matrices of linear layers are.

    Args:
        channels, out: (m, channels, h, w) -> (m, out, h', w').
        size: of the kernel in pixels.
        stride: pixels from one place to the next.
    """

    def __init__(self, channels: int, out: int, size: int = 3, stride: int = 1) -> None:
        super().__init__(channels * size * size, out)
        self.kernel, self.stride, self.margin = (out, channels, size, size), stride, (size - 1) // 2

    def forward(self, x: Tensor) -> Tensor:
        return functional.conv2d(x, self.weight.view(self.kernel), self.bias, self.stride, self.margin)


class ConvolutionResidual(nn.Module):
    """x + f(x) with two convolutions; f starts small, so no norm is needed."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = Convolution(channels, channels), Convolution(channels, channels)
        scale_initial_weights(self.second)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(functional.silu(self.first(functional.silu(x))))


def halve(x: Tensor) -> Tensor:
    """(m, c, h, w) -> (m, c, (h + 1) / 2, (w + 1) / 2): means of neighbouring pixels, of fewer at an odd border."""
    return functional.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False)
