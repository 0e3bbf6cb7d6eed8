"""The coarse scan: for every turn, the overlap at all translations at once, and the best two of them.

Both shapes are reduced to the waves that fit `waves` times or less into a period of 1.44 canvases. The spectrum of a
correlation is a product of spectra, and of the correlation itself only the shifts that matter are computed,
at the pitch that these waves resolve. So both ways between images and spectra are small matrix products, which
cost a fraction of a fast Fourier transform of the whole grid.
"""

from __future__ import annotations

import functools
import math
import threading

import numpy as np
import numpy.typing as npt

from metricvae.metrics.overlap.solver.kernels import Grey, sample_turned
from metricvae.runtime.jit import jit_fast

Array = npt.NDArray[np.float32]
Spectra = npt.NDArray[np.float32]
"""(2, 2 waves + 1, turns, waves + 1): parts (real, imaginary) of each turn's waves; down from -waves, across from 0."""

Heights = npt.NDArray[np.float32]
Shifts = npt.NDArray[np.int32]

PERIOD = 1.44
"""Period of the waves in canvases; larger shifts wrap around, which can only propose a needless climb."""

SAMPLES = 2.0
"""Samples to the shortest wave when a turned shape is drawn."""

SHIFTS = 1.5
"""Shifts to the shortest wave that are computed."""

APART = 2
"""Shifts of one turn are more than so many cells apart, along one axis or both."""

NOWHERE = np.float32(-3e38)
"""Below any overlap, and finite: compiled loops are told that there are no infinities."""


def pitch(size: int, waves: int) -> tuple[float, float]:
    """Pixels between the samples of a turned shape and between the shifts, on a canvas of `size` pixels."""
    return PERIOD * size / (SAMPLES * waves), PERIOD * size / (SHIFTS * waves)


def spectra(image: Grey, sampled: float, radius: float, angles: int, waves: int) -> Spectra:
    """Waves of a shape at the first half of `angles` equal turns.

    Args:
        image: the shape, its origin the point to turn about.
        sampled: pixels between two samples.
        radius: pixels from the origin that the shape reaches.
        angles: turns of a circle, even.
        waves: see above.
    """
    half = angles // 2
    drawn = half // 2 if half % 2 == 0 else half  # a quarter turn only swaps the axes
    reach = math.ceil(radius / sampled)
    side, columns = 2 * reach + 1, waves + 1
    pictures = _scratch("pictures", side, drawn, side)
    sample_turned(image, np.linspace(0.0, math.tau * drawn / angles, drawn, endpoint=False), sampled, reach, pictures)
    across, cosines, sines = forward(waves, reach)
    rows = np.matmul(pictures.reshape(-1, side), across, out=_scratch("rows", side * drawn, 2 * columns))
    below, above = rows.reshape(side, -1)[reach:], rows.reshape(side, -1)[reach::-1]
    even, odd = _scratch("even", *below.shape), _scratch("odd", *below.shape)
    np.add(below, above, out=even)
    np.subtract(below, above, out=odd)
    even[0] = below[0]
    shape = (columns, drawn, 2, columns)
    by_cosine = np.matmul(cosines, even, out=_scratch("by cosine", columns, even.shape[1])).reshape(shape)
    by_sine = np.matmul(sines, odd, out=_scratch("by sine", columns, even.shape[1])).reshape(shape)
    found = np.empty((2, 2 * waves + 1, half, columns), np.float32)
    _gather(by_cosine, by_sine, found)
    return found


def scan(still: Spectra, turning: Spectra, reach: int) -> tuple[npt.NDArray[np.int64], Shifts]:
    """The two best shifts of every turn of the whole circle, the most promising first.

    Args:
        still: spectra of the shape that stays; the first turn is used.
        turning: spectra of the other at half a circle's turns.
        reach: cells that a shift goes either way; `SHIFTS` cells are the shortest wave.

    Returns:
        The turns (k,), and the shifts (k, 2) in cells, x and y.
    """
    height, shift = peaks(correlate(still, turning, reach), APART)
    turn, which = promising(height, shift, APART)
    return turn, shift[turn, which]


def correlate(still: Spectra, turning: Spectra, reach: int) -> Array:
    """Overlaps, up to a factor, of one shape with the turns of another at all shifts; arguments as in `scan`.

    Returns:
        (2 reach + 1, turns, 2 reach + 1), the shift down, the turn of the whole circle, the shift across. The memory is
        the thread's: it holds until the next call.
    """
    _, _, half, columns = turning.shape
    turns, ways, side = 2 * half, reach + 1, 2 * reach + 1
    even = _scratch("even", columns, 2, turns, columns)
    odd = _scratch("odd", columns, 2, turns, columns)
    _multiply(still[:, :, 0], turning, even, odd)
    cosines, sines, across_cosines, across_sines = backward(columns - 1, reach)
    shape = (ways, 2 * turns * columns)
    by_cosine = np.matmul(cosines, even.reshape(columns, -1), out=_scratch("by cosine", *shape))
    by_sine = np.matmul(sines, odd.reshape(columns, -1), out=_scratch("by sine", *shape))
    part = _scratch("part", 2, side, turns, columns)
    _both_ways(
        by_cosine.reshape(ways, 2, turns, columns), by_sine.reshape(ways, 2, turns, columns), part.swapaxes(0, 1)
    )
    real, imaginary = part.reshape(2, side * turns, columns)
    by_cosine = np.matmul(real, across_cosines, out=_scratch("across", side * turns, ways))
    by_sine = np.matmul(imaginary, across_sines, out=_scratch("across, odd", side * turns, ways))
    found = _scratch("found", side * turns, side)
    _both_ways(by_cosine.T, by_sine.T, found.T)
    return found.reshape(side, turns, side)


def _both_ways(even: Array, odd: Array, out: Array) -> None:
    """Function values at -n to n along the first axis, from the even and the odd part at 0 to n."""
    middle = len(even) - 1
    np.add(even, odd, out=out[middle:])
    np.subtract(even[1:], odd[1:], out=out[middle - 1 :: -1] if middle else out[:0])


class _Scratch(threading.local):
    """Memory for results on the way, kept by each thread: fresh pages would cost as much as what is done in them."""

    def __init__(self) -> None:
        self._kept: dict[str, Array] = {}

    def __call__(self, name: str, *shape: int) -> Array:
        size = math.prod(shape)
        if name not in self._kept or self._kept[name].size < size:
            self._kept[name] = np.empty(size, np.float32)
        return self._kept[name][:size].reshape(shape)


_scratch = _Scratch()


@functools.lru_cache(maxsize=256)
def forward(waves: int, reach: int) -> tuple[Array, Array, Array]:
    """Matrices from samples to waves: across, real beside imaginary parts; down, cosines and sines of half of both."""
    phase = 2 * np.pi / (SAMPLES * waves) * np.outer(np.arange(-reach, reach + 1), np.arange(waves + 1))
    down = phase[reach:].T
    return _packed(np.hstack([np.cos(phase), -np.sin(phase)])), _packed(np.cos(down)), _packed(np.sin(down))


@functools.lru_cache(maxsize=256)
def backward(waves: int, reach: int) -> tuple[Array, Array, Array, Array]:
    """Matrices from waves to half of the shifts: down, cosines and sines; across, the same, for a real result."""
    phase = 2 * np.pi / (SHIFTS * waves) * np.outer(np.arange(reach + 1), np.arange(waves + 1))
    twice = np.where(np.arange(waves + 1) == 0, 1.0, 2.0)[:, None]  # for the waves across below 0, which are not kept
    cosines, sines = np.cos(phase), np.sin(phase)
    return _packed(cosines), _packed(sines), _packed(cosines.T * twice), _packed(-sines.T * twice)


def _packed(matrix: npt.NDArray[np.float64]) -> Array:
    return np.ascontiguousarray(matrix, np.float32)


@jit_fast
def _gather(by_cosine: Array, by_sine: Array, out: Spectra) -> None:
    """Waves both ways down from their even and odd parts, (waves + 1, drawn, 2, waves + 1), and the quarter turns."""
    columns, drawn, _, _ = by_cosine.shape
    waves = columns - 1
    for i in range(columns):
        for turn in range(drawn):
            even, odd = by_cosine[i, turn], by_sine[i, turn]
            real, imaginary = out[0, waves + i, turn], out[1, waves + i, turn]
            up_real, up_imaginary = out[0, waves - i, turn], out[1, waves - i, turn]
            for j in range(columns):
                real[j], imaginary[j] = even[0, j] + odd[1, j], even[1, j] - odd[0, j]
                up_real[j], up_imaginary[j] = even[0, j] - odd[1, j], even[1, j] + odd[0, j]
    if out.shape[2] == drawn:
        return
    for i in range(2 * waves + 1):
        down = i - waves
        for turn in range(drawn):
            for across in range(columns):  # wave (across, down) of the turned shape is (-down, across) of the other
                sign = 1 if down <= 0 else -1
                out[0, i, drawn + turn, across] = out[0, waves + sign * across, turn, abs(down)]
                out[1, i, drawn + turn, across] = sign * out[1, waves + sign * across, turn, abs(down)]


@jit_fast
def _multiply(still: Array, turning: Spectra, even: Array, odd: Array) -> None:
    """Spectra of the correlations of one image with turned ones, and with each turned half a circle more: still *
    conj(turning), then still * turning (a half turn conjugates).

    Written is what waves down have in common with those up, and by what factor of the sine they differ: p + p' and
    i (p - p'), each (waves + 1, 2, turns, waves + 1), real and imaginary.
    """
    _, rows, count, columns = turning.shape
    waves = rows // 2
    for i in range(columns):
        a, b, up_a, up_b = still[0, waves + i], still[1, waves + i], still[0, waves - i], still[1, waves - i]
        share = np.float32(1.0 if i else 0.5)
        for turn in range(count):
            c, d = turning[0, waves + i, turn], turning[1, waves + i, turn]
            up_c, up_d = turning[0, waves - i, turn], turning[1, waves - i, turn]
            even_real, even_imaginary = even[i, 0, turn], even[i, 1, turn]
            odd_real, odd_imaginary = odd[i, 0, turn], odd[i, 1, turn]
            half_even_real, half_even_imaginary = even[i, 0, count + turn], even[i, 1, count + turn]
            half_odd_real, half_odd_imaginary = odd[i, 0, count + turn], odd[i, 1, count + turn]
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
def peaks(correlation: Array, apart: int) -> tuple[Heights, Shifts]:
    """The two highest cells of each correlation, more than `apart` cells from one another along one axis or both.

    Args:
        correlation: (rows, k, columns), rows and columns odd, shift 0 in the middle.
        apart: see above; a height is `NOWHERE` where no cell is that far away.

    Returns:
        (k, 2) heights and (k, 2, 2) shifts, x and y.
    """
    rows, count, columns = correlation.shape
    height, shift = np.full((count, 2), NOWHERE, np.float32), np.zeros((count, 2, 2), np.int32)
    tops = np.empty(rows, np.float32)
    for k in range(count):
        for i in range(rows):
            tops[i] = correlation[i, k].max()
        row = int(np.argmax(tops))
        column = int(np.argmax(correlation[row, k]))
        height[k, 0] = tops[row]
        other_row, other = row, -1
        for i in range(rows):
            if abs(i - row) > apart:
                if tops[i] > height[k, 1]:
                    height[k, 1], other_row, other = tops[i], i, -1
            else:
                for j in range(columns):
                    if abs(j - column) > apart and correlation[i, k, j] > height[k, 1]:
                        height[k, 1], other_row, other = correlation[i, k, j], i, j
        if other < 0:
            other = int(np.argmax(correlation[other_row, k]))
        shift[k, 0, 0], shift[k, 0, 1] = column - columns // 2, row - rows // 2
        shift[k, 1, 0], shift[k, 1, 1] = other - columns // 2, other_row - rows // 2
    return height, shift


@jit_fast
def promising(height: Heights, shift: Shifts, apart: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """All poses as (turn, which of its two): local maxima first, each part from high to low.

    A pose is a local maximum if no pose of a neighbouring turn within `apart` cells is higher.
    """
    turns = len(height)
    behind = 2 * height.max() + 1
    key = np.empty(2 * turns, np.float32)
    for turn in range(turns):
        for which in range(2):
            local = True
            for neighbour in ((turn + 1) % turns, (turn - 1) % turns):
                for k in range(2):
                    near = abs(shift[neighbour, k, 0] - shift[turn, which, 0]) <= apart
                    near = near and abs(shift[neighbour, k, 1] - shift[turn, which, 1]) <= apart
                    local = local and not (near and height[neighbour, k] > height[turn, which])
            key[2 * turn + which] = -height[turn, which] if local else behind - height[turn, which]
    order = np.argsort(key, kind="mergesort")
    return order // 2, order % 2
