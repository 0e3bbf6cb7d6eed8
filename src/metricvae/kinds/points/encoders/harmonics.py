"""Angular functions: real spherical harmonics in space, and their power spectra, which no rotation changes."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def spherical_harmonics(directions: Tensor, degree: int) -> list[Tensor]:
    """Real spherical harmonics of unit vectors (..., 3), for each l from 0 to `degree` a tensor (..., 2 l + 1).

    Scaled so that the products of two directions' harmonics of one l sum to the Legendre polynomial P_l of the cosine
    between them (the addition theorem). Polynomials in x, y and z by the usual recursions of associated Legendre
    functions, without the Condon-Shortley phase.
    """
    x, y, z = directions.unbind(-1)
    cosines, sines = [torch.ones_like(x)], [torch.zeros_like(x)]  # real and imaginary part of (x + i y)^m
    for _ in range(degree):
        cosines.append(x * cosines[-1] - y * sines[-1])
        sines.append(x * sines[-1] + y * cosines[-2])
    legendre: dict[tuple[int, int], Tensor] = {}
    for m in range(degree + 1):
        legendre[m, m] = torch.full_like(z, float(math.prod(range(1, 2 * m, 2))))
        for order in range(m + 1, degree + 1):
            below = legendre.get((order - 2, m), torch.zeros_like(z))
            legendre[order, m] = ((2 * order - 1) * z * legendre[order - 1, m] - (order + m - 1) * below) / (order - m)
    found = []
    for order in range(degree + 1):
        parts = [legendre[order, 0]]
        for m in range(1, order + 1):
            factor = math.sqrt(2 * math.factorial(order - m) / math.factorial(order + m))
            parts += [factor * legendre[order, m] * cosines[m], factor * legendre[order, m] * sines[m]]
        found.append(torch.stack(parts, dim=-1))
    return found


def space_spectrum(directions: Tensor, shells: Tensor, degree: int) -> Tensor:
    """Power spectra of weighted points in space, (m, (degree + 1) k (k + 1) / 2), the same for any rotation.

    Args:
        directions: (m, P, 3) unit vectors of points from their centre, or zero.
        shells: (m, P, k) weights of each point in each of k shells.
        degree: largest l of the harmonics.
    """
    first, second = torch.triu_indices(shells.shape[2], shells.shape[2], device=shells.device)
    parts = []
    for harmonics in spherical_harmonics(directions, degree):
        sums = shells.mT @ harmonics
        parts.append((sums @ sums.mT)[:, first, second])
    return torch.cat(parts, dim=1)


def plane_spectrum(angles: Tensor, shells: Tensor, degree: int) -> Tensor:
    """`space_spectrum` in the plane, (m, (degree + 1) k^2): products of the Fourier coefficients of two shells.

    The imaginary parts change their sign in a mirror image.

    Args:
        angles: (m, P) of points from their centre.
        shells: (m, P, k) weights of each point in each of k shells.
        degree: largest angular frequency.
    """
    k = shells.shape[2]
    upper = torch.triu_indices(k, k, device=shells.device)
    strict = torch.triu_indices(k, k, 1, device=shells.device)
    phases = angles[..., None] * torch.arange(degree + 1, device=angles.device)
    real, imaginary = (shells.mT @ part for part in (phases.cos(), phases.sin()))  # (m, k, degree + 1)
    same = real[:, upper[0]] * real[:, upper[1]] + imaginary[:, upper[0]] * imaginary[:, upper[1]]
    turned = imaginary[:, strict[0]] * real[:, strict[1]] - real[:, strict[0]] * imaginary[:, strict[1]]
    return torch.cat([same.flatten(1), turned.flatten(1)], dim=1)
