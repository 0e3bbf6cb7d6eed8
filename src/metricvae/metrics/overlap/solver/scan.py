"""The coarse scan: for every rotation, the overlap at all translations at once, and the best two of them.

The overlap at all translations is the cross-correlation of the two masks. Both are reduced to their low frequencies:
those of at most `cutoff` cycles in a period of 1.44 canvases, along either axis. The spectrum of a correlation is a
product of spectra, and of the correlation itself only the shifts at which the shapes can touch are computed, at the
spacing that these frequencies resolve. So the transforms between images and spectra are small matrix products, which
cost a fraction of a fast Fourier transform of the whole grid.
"""

from __future__ import annotations

import functools
import math
import threading

import numpy as np
import numpy.typing as npt

from metricvae.metrics.overlap.solver.kernels import LookupImage, sample_rotated
from metricvae.runtime.jit import jit_fast

Array = npt.NDArray[np.float32]
Spectra = npt.NDArray[np.float32]
"""(2, 2 cutoff + 1, rotations, cutoff + 1) Fourier coefficients, real and imaginary part first, of each rotation;
vertical frequencies from -cutoff to cutoff, horizontal ones from 0."""

Heights = npt.NDArray[np.float32]
Shifts = npt.NDArray[np.int32]

PERIOD = 1.44
"""Period of the lowest frequency in canvases; larger shifts wrap around, which can only give a needless candidate."""

SAMPLES_PER_PERIOD = 2.0
"""Samples in a period of the highest frequency, when a rotated shape is sampled."""

SHIFTS_PER_PERIOD = 1.5
"""Shifts in a period of the highest frequency at which the correlation is computed."""

MIN_SEPARATION = 2
"""The two shifts of a rotation are more than so many cells apart, along one axis or both."""

NO_PEAK = np.float32(-3e38)
"""Below any overlap, and finite: the compiled loops assume that there are no infinities."""


def grid_spacing(size: int, cutoff: int) -> tuple[float, float]:
    """Pixels between the samples of a rotated shape, and between the shifts, on a canvas of `size` pixels.

    >>> grid_spacing(200, 36)
    (4.0, 5.333333333333333)
    """
    return PERIOD * size / (SAMPLES_PER_PERIOD * cutoff), PERIOD * size / (SHIFTS_PER_PERIOD * cutoff)


def spectra(image: LookupImage, spacing: float, radius: float, angles: int, cutoff: int) -> Spectra:
    """Low frequencies of a shape at the first half of `angles` equally spaced rotations.

    The spectrum of a shape rotated by a quarter of a circle is that of the shape with its axes swapped, and half a
    circle conjugates it. So a quarter of the rotations is sampled where `angles` is divisible by four, else half.

    Args:
        image: the shape; its origin is the centre of rotation.
        spacing: pixels between two samples.
        radius: distance from the origin that the shape reaches, pixels.
        angles: rotations of the whole circle, even.
        cutoff: highest frequency.
    """
    half = angles // 2
    sampled = half // 2 if half % 2 == 0 else half
    reach = math.ceil(radius / spacing)
    side, columns = 2 * reach + 1, cutoff + 1
    images = _scratch("images", side, sampled, side)
    sample_rotated(
        image, np.linspace(0.0, math.tau * sampled / angles, sampled, endpoint=False), spacing, reach, images
    )
    across, cosines, sines = dft_matrices(cutoff, reach)
    rows = np.matmul(images.reshape(-1, side), across, out=_scratch("rows", side * sampled, 2 * columns))
    below, above = rows.reshape(side, -1)[reach:], rows.reshape(side, -1)[reach::-1]
    even, odd = _scratch("even", *below.shape), _scratch("odd", *below.shape)
    np.add(below, above, out=even)
    np.subtract(below, above, out=odd)
    even[0] = below[0]
    shape = (columns, sampled, 2, columns)
    by_cosine = np.matmul(cosines, even, out=_scratch("by cosine", columns, even.shape[1])).reshape(shape)
    by_sine = np.matmul(sines, odd, out=_scratch("by sine", columns, even.shape[1])).reshape(shape)
    found = np.empty((2, 2 * cutoff + 1, half, columns), np.float32)
    _assemble_spectra(by_cosine, by_sine, found)
    return found


def scan(fixed: Spectra, rotated: Spectra, reach: int) -> tuple[npt.NDArray[np.int64], Shifts]:
    """The two best shifts of every rotation of the whole circle, ranked as candidates for local optimisation.

    Args:
        fixed: spectra of the shape that stays; the first rotation is used.
        rotated: spectra of the shape that moves, at half a circle's rotations.
        reach: largest shift in cells; `SHIFTS_PER_PERIOD` cells are a period of the highest frequency.

    Returns:
        The rotations (k,), and the shifts (k, 2) in cells, x and y.
    """
    height, shift = peaks(correlate(fixed, rotated, reach), MIN_SEPARATION)
    rotation, which = rank_candidates(height, shift, MIN_SEPARATION)
    return rotation, shift[rotation, which]


def correlate(fixed: Spectra, rotated: Spectra, reach: int) -> Array:
    """Cross-correlations of one shape with the rotations of another at all shifts; arguments as in `scan`.

    Returns:
        (2 reach + 1, rotations, 2 reach + 1) overlaps up to a constant factor: by vertical shift, rotation of the whole
        circle and horizontal shift. The array is a buffer of the thread, valid until the next call.
    """
    _, _, half, columns = rotated.shape
    rotations, shifts, side = 2 * half, reach + 1, 2 * reach + 1
    even = _scratch("even", columns, 2, rotations, columns)
    odd = _scratch("odd", columns, 2, rotations, columns)
    _cross_spectra(fixed[:, :, 0], rotated, even, odd)
    cosines, sines, across_cosines, across_sines = inverse_dft_matrices(columns - 1, reach)
    shape = (shifts, 2 * rotations * columns)
    by_cosine = np.matmul(cosines, even.reshape(columns, -1), out=_scratch("by cosine", *shape))
    by_sine = np.matmul(sines, odd.reshape(columns, -1), out=_scratch("by sine", *shape))
    part = _scratch("part", 2, side, rotations, columns)
    _from_even_and_odd(
        by_cosine.reshape(shifts, 2, rotations, columns),
        by_sine.reshape(shifts, 2, rotations, columns),
        part.swapaxes(0, 1),
    )
    real, imaginary = part.reshape(2, side * rotations, columns)
    by_cosine = np.matmul(real, across_cosines, out=_scratch("across", side * rotations, shifts))
    by_sine = np.matmul(imaginary, across_sines, out=_scratch("across, odd", side * rotations, shifts))
    found = _scratch("found", side * rotations, side)
    _from_even_and_odd(by_cosine.T, by_sine.T, found.T)
    return found.reshape(side, rotations, side)


def _from_even_and_odd(even: Array, odd: Array, out: Array) -> None:
    """Function values at -n to n along the first axis, from the even and the odd part at 0 to n."""
    middle = len(even) - 1
    np.add(even, odd, out=out[middle:])
    np.subtract(even[1:], odd[1:], out=out[middle - 1 :: -1] if middle else out[:0])


class _Scratch(threading.local):
    """Reused buffers for intermediate results, one set per thread: new pages would cost as much as the arithmetic."""

    def __init__(self) -> None:
        self._buffers: dict[str, Array] = {}

    def __call__(self, name: str, *shape: int) -> Array:
        size = math.prod(shape)
        if name not in self._buffers or self._buffers[name].size < size:
            self._buffers[name] = np.empty(size, np.float32)
        return self._buffers[name][:size].reshape(shape)


_scratch = _Scratch()


@functools.lru_cache(maxsize=256)
def dft_matrices(cutoff: int, reach: int) -> tuple[Array, Array, Array]:
    """Matrices of the Fourier transform from samples at -reach to reach to frequencies.

    Returns:
        For the horizontal transform (2 reach + 1, 2 (cutoff + 1)), real parts beside imaginary ones; for the vertical
        one the cosines and the sines, each (cutoff + 1, reach + 1), for the even and the odd part of the samples.
    """
    phase = 2 * np.pi / (SAMPLES_PER_PERIOD * cutoff) * np.outer(np.arange(-reach, reach + 1), np.arange(cutoff + 1))
    down = phase[reach:].T
    return _as_float32(np.hstack([np.cos(phase), -np.sin(phase)])), _as_float32(np.cos(down)), _as_float32(np.sin(down))


@functools.lru_cache(maxsize=256)
def inverse_dft_matrices(cutoff: int, reach: int) -> tuple[Array, Array, Array, Array]:
    """Matrices of the inverse transform from frequencies to the shifts 0 to reach, for the even and the odd part.

    Returns:
        Cosines and sines of the vertical transform, each (reach + 1, cutoff + 1), and of the horizontal one, each
        (cutoff + 1, reach + 1), which sums the conjugate pairs of a real result.
    """
    phase = 2 * np.pi / (SHIFTS_PER_PERIOD * cutoff) * np.outer(np.arange(reach + 1), np.arange(cutoff + 1))
    twice = np.where(np.arange(cutoff + 1) == 0, 1.0, 2.0)[:, None]  # negative frequencies are not stored
    cosines, sines = np.cos(phase), np.sin(phase)
    return _as_float32(cosines), _as_float32(sines), _as_float32(cosines.T * twice), _as_float32(-sines.T * twice)


def _as_float32(matrix: npt.NDArray[np.float64]) -> Array:
    return np.ascontiguousarray(matrix, np.float32)


@jit_fast
def _assemble_spectra(by_cosine: Array, by_sine: Array, out: Spectra) -> None:
    """Write to `out` the spectra from their even and odd vertical parts, (cutoff + 1, sampled, 2, cutoff + 1).

    With E and O the cosine and sine transforms, the coefficients at vertical frequencies +i and -i are E - iO and
    E + iO. Rotations beyond the sampled ones are a quarter of a circle further: the coefficient at (across, down) of a
    rotated shape is that at (-down, across) of the shape, conjugated where this has a negative horizontal frequency.
    """
    columns, sampled, _, _ = by_cosine.shape
    cutoff = columns - 1
    for i in range(columns):
        for rotation in range(sampled):
            even, odd = by_cosine[i, rotation], by_sine[i, rotation]
            real, imaginary = out[0, cutoff + i, rotation], out[1, cutoff + i, rotation]
            up_real, up_imaginary = out[0, cutoff - i, rotation], out[1, cutoff - i, rotation]
            for j in range(columns):
                real[j], imaginary[j] = even[0, j] + odd[1, j], even[1, j] - odd[0, j]
                up_real[j], up_imaginary[j] = even[0, j] - odd[1, j], even[1, j] + odd[0, j]
    if out.shape[2] == sampled:
        return
    for i in range(2 * cutoff + 1):
        down = i - cutoff
        for rotation in range(sampled):
            for across in range(columns):
                sign = 1 if down <= 0 else -1
                out[0, i, sampled + rotation, across] = out[0, cutoff + sign * across, rotation, abs(down)]
                out[1, i, sampled + rotation, across] = sign * out[1, cutoff + sign * across, rotation, abs(down)]


@jit_fast
def _cross_spectra(fixed: Array, rotated: Spectra, even: Array, odd: Array) -> None:
    """Cross spectra of one image with the rotated ones, as even and odd vertical parts.

    The cross spectrum is fixed * conj(rotated), and for rotations by half a circle more fixed * rotated. With p and p'
    its coefficients at vertical frequencies +i and -i, p + p' is written to `even` and i (p - p') to `odd`, each
    (cutoff + 1, 2, rotations, cutoff + 1) with real and imaginary parts on the second axis.
    """
    _, rows, count, columns = rotated.shape
    cutoff = rows // 2
    for i in range(columns):
        a, b, up_a, up_b = fixed[0, cutoff + i], fixed[1, cutoff + i], fixed[0, cutoff - i], fixed[1, cutoff - i]
        share = np.float32(1.0 if i else 0.5)
        for rotation in range(count):
            c, d = rotated[0, cutoff + i, rotation], rotated[1, cutoff + i, rotation]
            up_c, up_d = rotated[0, cutoff - i, rotation], rotated[1, cutoff - i, rotation]
            even_real, even_imaginary = even[i, 0, rotation], even[i, 1, rotation]
            odd_real, odd_imaginary = odd[i, 0, rotation], odd[i, 1, rotation]
            half_even_real, half_even_imaginary = even[i, 0, count + rotation], even[i, 1, count + rotation]
            half_odd_real, half_odd_imaginary = odd[i, 0, count + rotation], odd[i, 1, count + rotation]
            for j in range(columns):
                ac, bd, bc, ad = a[j] * c[j], b[j] * d[j], b[j] * c[j], a[j] * d[j]
                up_ac, up_bd, up_bc, up_ad = up_a[j] * up_c[j], up_b[j] * up_d[j], up_b[j] * up_c[j], up_a[j] * up_d[j]
                even_real[j] = share * (ac + bd + up_ac + up_bd)
                even_imaginary[j] = share * (bc - ad + up_bc - up_ad)
                odd_real[j] = up_bc - up_ad - bc + ad
                odd_imaginary[j] = ac + bd - up_ac - up_bd
                half_even_real[j] = share * (ac - bd + up_ac - up_bd)
                half_even_imaginary[j] = share * (bc + ad + up_bc + up_ad)
                half_odd_real[j] = up_bc + up_ad - bc - ad
                half_odd_imaginary[j] = ac - bd - up_ac + up_bd


@jit_fast
def peaks(correlation: Array, separation: int) -> tuple[Heights, Shifts]:
    """The two highest cells of each correlation, more than `separation` cells apart along one axis or both.

    Args:
        correlation: (rows, k, columns), rows and columns odd, shift 0 in the middle.
        separation: see above; a height is `NO_PEAK` where no cell is that far away.

    Returns:
        (k, 2) heights and (k, 2, 2) shifts, x and y.
    """
    rows, count, columns = correlation.shape
    height, shift = np.full((count, 2), NO_PEAK, np.float32), np.zeros((count, 2, 2), np.int32)
    tops = np.empty(rows, np.float32)
    for k in range(count):
        for i in range(rows):
            tops[i] = correlation[i, k].max()
        row = int(np.argmax(tops))
        column = int(np.argmax(correlation[row, k]))
        height[k, 0] = tops[row]
        other_row, other = row, -1
        for i in range(rows):
            if abs(i - row) > separation:
                if tops[i] > height[k, 1]:
                    height[k, 1], other_row, other = tops[i], i, -1
            else:
                for j in range(columns):
                    if abs(j - column) > separation and correlation[i, k, j] > height[k, 1]:
                        height[k, 1], other_row, other = correlation[i, k, j], i, j
        if other < 0:
            other = int(np.argmax(correlation[other_row, k]))
        shift[k, 0, 0], shift[k, 0, 1] = column - columns // 2, row - rows // 2
        shift[k, 1, 0], shift[k, 1, 1] = other - columns // 2, other_row - rows // 2
    return height, shift


@jit_fast
def rank_candidates(
    height: Heights, shift: Shifts, separation: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """All poses as (rotation, which of its two shifts): local maxima first, then the rest, each from high to low.

    A pose is a local maximum if no pose of a neighbouring rotation within `separation` cells is higher.

    Args:
        height, shift: (rotations, 2) and (rotations, 2, 2), as `peaks` gives them.
        separation: cells.
    """
    rotations = len(height)
    behind = 2 * height.max() + 1
    key = np.empty(2 * rotations, np.float32)
    for rotation in range(rotations):
        for which in range(2):
            local = True
            for neighbour in ((rotation + 1) % rotations, (rotation - 1) % rotations):
                for k in range(2):
                    near = abs(shift[neighbour, k, 0] - shift[rotation, which, 0]) <= separation
                    near = near and abs(shift[neighbour, k, 1] - shift[rotation, which, 1]) <= separation
                    local = local and not (near and height[neighbour, k] > height[rotation, which])
            key[2 * rotation + which] = -height[rotation, which] if local else behind - height[rotation, which]
    order = np.argsort(key, kind="mergesort")
    return order // 2, order % 2
