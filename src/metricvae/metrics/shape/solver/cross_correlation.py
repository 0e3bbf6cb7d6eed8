"""Every translation of one grid of values against another at once, by fast Fourier transform."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.fft

Floats = npt.NDArray[np.float64]
Values = npt.NDArray[np.float32]
Spectrum = npt.NDArray[np.complex64]


def spectrum(values: Values) -> Spectrum:
    """Transform of a cube (n, n, n) of values, to be given to `best_translations`."""
    return np.asarray(scipy.fft.rfftn(values.astype(np.float32)), np.complex64)


def best_translations(fixed: Spectrum, values: Values) -> tuple[Floats, Floats]:
    """The best translation of each of k cubes of values (k, n, n, n) onto the fixed one.

    The correlation sum_x a(x) b(x - s) at every whole translation s is a product of transforms; around its peak it is
    taken for a parabola along each axis. Translations wrap around: where
    that matters, the cubes need a margin of zeros.

    Returns:
        (k,) the correlation at the best whole translation; (k, 3) the translation in grid steps, to a fraction of one.
    """
    size = values.shape[-1]
    moving = scipy.fft.rfftn(values.astype(np.float32), axes=(1, 2, 3))
    correlation = scipy.fft.irfftn(fixed * moving.conj(), s=(size,) * 3, axes=(1, 2, 3))
    flat = correlation.reshape(len(values), -1).argmax(axis=1)
    peaks = np.column_stack(np.unravel_index(flat, (size,) * 3))
    rows = np.arange(len(values))
    height = correlation[rows, *peaks.T].astype(np.float64)
    translations = peaks.astype(np.float64)
    for axis in range(3):
        step = np.eye(3, dtype=np.int64)[axis]
        before, after = (correlation[rows, *((peaks + sign * step) % size).T] for sign in (-1, 1))
        bend = np.minimum(before + after - 2 * height, -1e-30)
        translations[:, axis] += np.clip((before - after) / (2 * bend), -0.5, 0.5)
    return height, (translations + size / 2) % size - size / 2
