"""The functions of the three-dimensional harmonic oscillator, in which densities are expanded.

psi_ijk(x, y, z) = h_i(x) h_j(y) h_k(z) with the Hermite functions h_n(x) = H_n(x / a) exp(-x^2 / 2 a^2) / norm are
orthonormal. Those of degree n = i + j + k reach out to a sqrt(2 n + 3) and resolve waves of length 2 pi a / sqrt(2 n +
3) at the centre. A rotation mixes functions of one degree only, and a change of sign of an axis changes the sign of
those that are odd along it. Spherical functions R_nl(r) Y_lm of the same degrees span the same space (M. Moshinsky and
Y. Smirnov, *The Harmonic Oscillator in Modern Physics*, 1996).
"""

from __future__ import annotations

import functools
import math

import numpy as np
import numpy.typing as npt
import scipy.special

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]


def hermite_functions(degree: int, at: Floats) -> Floats:
    """(degree + 1, n) values of h_0 to h_degree at points (n,), the width a being 1."""
    found = np.zeros((degree + 1, len(at)))
    found[0] = math.pi**-0.25 * np.exp(-(at**2) / 2)
    for n in range(degree):
        found[n + 1] = math.sqrt(2 / (n + 1)) * at * found[n]
        if n:
            found[n + 1] -= math.sqrt(n / (n + 1)) * found[n - 1]
    return found


@functools.cache
def degrees(highest: int) -> Whole:
    """(k, 3) i, j, k of all functions of a degree of at most `highest`, by degree."""
    triples = [(i, j, n - i - j) for n in range(highest + 1) for i in range(n, -1, -1) for j in range(n - i, -1, -1)]
    return np.array(triples, np.int64)


def flip_classes(highest: int) -> list[Whole]:
    """Four sets of functions of `degrees(highest)` by what the rotations by pi about the axes do with them.

    Those of the first stay as they are; those of the second, third and fourth change their signs unless the rotation
    is about x, y or z.
    """
    odd = degrees(highest) % 2
    alone = odd == odd.sum(1, keepdims=True) % 2  # the axis that differs from two alike; all three where all are alike
    kinds = np.where(alone.all(1), 0, 1 + alone.argmax(1))
    return [np.flatnonzero(kinds == kind) for kind in range(4)]


@functools.cache
def to_spherical(highest: int) -> tuple[tuple[Floats, ...], ...]:
    """Matrices from coefficients of `degrees(highest)` to those of the functions R_nl Y_lm.

    Returns:
        for every l from 0 to `highest`, matrices (2 l + 1, k), one for each n = l, l + 2, ... up to `highest`; k is
        the number of functions in `degrees(highest)`.
    """
    nodes, weights = np.polynomial.hermite.hermgauss(highest + 2)
    along = hermite_functions(highest, nodes) * np.sqrt(weights * np.exp(nodes**2))
    root = np.sqrt(weights) * np.exp(nodes**2 / 2)
    i, j, k = degrees(highest).T
    cartesian = np.einsum("fx,fy,fz->fxyz", along[i], along[j], along[k]).reshape(len(i), -1)
    x, y, z = (part.ravel() for part in np.meshgrid(nodes, nodes, nodes, indexing="ij"))
    weight = np.einsum("x,y,z->xyz", root, root, root).ravel()
    radius = np.sqrt(x**2 + y**2 + z**2)
    polar, azimuth = np.arccos(np.divide(z, radius, out=np.zeros_like(z), where=radius > 0)), np.arctan2(y, x)
    found = []
    for order in range(highest + 1):
        angular = real_harmonics(order, polar, azimuth) * weight
        shells = [radial_function(n, order, radius) for n in range(order, highest + 1, 2)]
        found.append(tuple((angular * shell) @ cartesian.T for shell in shells))
    return tuple(found)


def real_harmonics(order: int, polar: Floats, azimuth: Floats) -> Floats:
    """(2 l + 1, p) real spherical harmonics of l = `order`, orthonormal on the sphere."""
    rows = [scipy.special.sph_harm_y(order, 0, polar, azimuth).real]
    for m in range(1, order + 1):
        value = scipy.special.sph_harm_y(order, m, polar, azimuth) * math.sqrt(2)
        rows += [value.real, value.imag]
    return np.array(rows)


def radial_function(n: int, order: int, radius: Floats) -> Floats:
    """(p,) R_nl for l = `order`, with the integral of R_nl^2 r^2 dr equal to 1."""
    k = (n - order) // 2
    log_norm = 0.5 * (math.log(2) + math.lgamma(k + 1) - math.lgamma(k + order + 1.5))
    laguerre = scipy.special.eval_genlaguerre(k, order + 0.5, radius**2)
    return np.asarray(math.exp(log_norm) * radius**order * laguerre * np.exp(-(radius**2) / 2))
