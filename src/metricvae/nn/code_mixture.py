"""How codes of objects lie along the axes in which they differ most: a mixture of normal distributions.

One normal distribution draws codes where no object is: along the leading axes codes form groups. A mixture along these
axes alone holds the groups, and is small.
"""

from __future__ import annotations

import numpy as np
import torch
from sklearn.mixture import GaussianMixture
from torch import Tensor, nn

AXES, COMPONENTS = 16, 8
"""Leading axes that the mixture is of, and its normal distributions, at most."""

FITTED_ON = 40_000
"""Codes of all, evenly spread, that it is fitted to, at most."""

CODES_A_COMPONENT = 100
"""Codes that each distribution is fitted to, at least, on average."""

FLOOR = 1e-3
"""Added to the variances of a distribution, as a share of those of all codes."""


class CodeMixture(nn.Module):
    """A mixture of normal distributions along the leading axes of codes.

    Args:
        code_width: numbers of a code, d.

    Attributes:
        center: (d,) of the codes.
        axes: (d, a), orthonormal, by falling variance.
        chances: (k,) of the distributions; 0 for those that are not used, all 0 before `fit`.
        means: (k, a) of the distributions, along the axes.
        roots: (k, a, a), which times standard normal draws are the deviations from the means.

    Example:
        Codes in two groups, drawn from one wide normal distribution and then put into the groups:

        >>> codes = torch.randn(1000, 4, generator=torch.Generator().manual_seed(0))
        >>> codes[:, 0] = 10 * codes[:, 0].sign() + codes[:, 0]
        >>> mixture = CodeMixture(4)
        >>> mixture.fit(codes)
        >>> drawn = mixture.place(10 * torch.randn(500, 4), torch.Generator().manual_seed(1))
        >>> bool((drawn[:, 0].abs() > 5).all())
        True
    """

    center: Tensor
    axes: Tensor
    chances: Tensor
    means: Tensor
    roots: Tensor

    def __init__(self, code_width: int) -> None:
        super().__init__()
        axes = min(AXES, code_width)
        self.register_buffer("center", torch.zeros(code_width))
        self.register_buffer("axes", torch.eye(code_width)[:, :axes].contiguous())
        self.register_buffer("chances", torch.zeros(COMPONENTS))
        self.register_buffer("means", torch.zeros(COMPONENTS, axes))
        self.register_buffer("roots", torch.zeros(COMPONENTS, axes, axes))

    def fit(self, codes: Tensor) -> None:
        """Fit it to codes (m, d) of objects; the same ones give the same mixture."""
        some = codes[:: -(-len(codes) // FITTED_ON)].double().cpu()
        center = some.mean(0)
        _, sizes, directions = torch.linalg.svd(some - center, full_matrices=False)
        count = min(self.axes.shape[1], len(sizes))
        axes = directions[:count].T * torch.where(directions[:count].sum(1) < 0, -1.0, 1.0)
        spread = (sizes[:count] / len(some) ** 0.5).clamp_min(1e-9)
        components = max(1, min(COMPONENTS, len(some) // CODES_A_COMPONENT))
        found = GaussianMixture(components, reg_covar=FLOOR, max_iter=50, tol=1e-2, random_state=0)
        along = ((some - center) @ axes / spread).numpy()
        found.fit(along)
        roots = np.linalg.cholesky(found.covariances_)
        for buffer in (self.axes, self.chances, self.means, self.roots):
            buffer.zero_()
        self.center.copy_(center)
        self.axes[:, :count] = axes.to(self.axes)
        self.chances[:components] = torch.from_numpy(found.weights_).to(self.chances)
        self.means[:components, :count] = (torch.from_numpy(found.means_) * spread).to(self.means)
        self.roots[:components, :count, :count] = (spread[:, None] * torch.from_numpy(roots)).to(self.roots)

    def place(self, codes: Tensor, generator: torch.Generator) -> Tensor:
        """Codes (m, d) with what they are along the leading axes drawn anew; the generator is on the CPU."""
        which = torch.multinomial(self.chances.cpu().double(), len(codes), replacement=True, generator=generator)
        drawn = torch.randn(len(codes), self.axes.shape[1], generator=generator).to(self.axes)
        which = which.to(self.axes.device)
        along = self.means[which] + torch.einsum("mij,mj->mi", self.roots[which], drawn)
        return codes + (along - (codes - self.center) @ self.axes) @ self.axes.T
