"""First and second derivatives of the overlap at sixteen poses at once."""

from __future__ import annotations

import numpy as np

from metricvae.metrics.shape.solver.groups import CURVE, FIELDS, LOG2E, SCALE, SLOPE, VALUE, Atoms, Single, rotation_of
from metricvae.metrics.shape.solver.lanes import WIDTH, Register, load, power, spread, store
from metricvae.runtime.jit import jit_strict


@jit_strict
def _add(group: Single, row: int, amount: Register) -> None:
    store(group, row * WIDTH, load(group, row * WIDTH) + amount)


@jit_strict
def slopes(a: Atoms, b: Atoms, k: Single, c: Single, group: Single) -> None:
    """Write overlap, first and second derivatives and their scale at each pose to the rows from `VALUE` on.

    With w = 2 k c exp(..), the sums of w, w a_i and w a_i a_i' over the atoms of A give an atom of B its force
    g = sum w (a_i - x_j) and second derivatives H = sum w (2 k d d' - 1), d = a_i - x_j. A turn by the vector o moves
    it by o x u + (o x (o x u)) / 2 with u = R b_j, a shift by itself: the chain rule does the rest.
    """
    zero = spread(np.float32(0.0))
    for row in range(VALUE, FIELDS):
        store(group, row * WIDTH, zero)
    row_x, row_y, row_z = rotation_of(group)
    shift_x, shift_y, shift_z = load(group, 4 * WIDTH), load(group, 5 * WIDTH), load(group, 6 * WIDTH)
    for q in range(len(b.alpha)):
        for j in range(b.runs[q], b.runs[q + 1]):
            bx, by, bz = b.rows[j, 0], b.rows[j, 1], b.rows[j, 2]
            ux = row_x[0] * bx + row_x[1] * by + row_x[2] * bz
            uy = row_y[0] * bx + row_y[1] * by + row_y[2] * bz
            uz = row_z[0] * bx + row_z[1] * by + row_z[2] * bz
            x, y, z = ux + shift_x, uy + shift_y, uz + shift_z
            square = x * x + y * y + z * z
            value, weight, gx, gy, gz = zero, zero, zero, zero, zero
            hxx, hxy, hxz, hyy, hyz, hzz = zero, zero, zero, zero, zero, zero
            for p in range(len(a.alpha)):
                fall = np.float32(LOG2E) * k[p, q]
                twice = np.float32(2.0) * fall
                along_x, along_y, along_z, start = twice * x, twice * y, twice * z, (-fall) * square
                s, sx, sy, sz = zero, zero, zero, zero
                sxx, sxy, sxz, syy, syz, szz = zero, zero, zero, zero, zero, zero
                for i in range(a.runs[p], a.runs[p + 1]):
                    row = a.rows[i]
                    e = power(row[0] * along_x + (row[1] * along_y + (row[2] * along_z + (start - fall * row[9]))))
                    s, sx, sy, sz = s + e, sx + row[0] * e, sy + row[1] * e, sz + row[2] * e
                    sxx, sxy, sxz = sxx + row[3] * e, sxy + row[4] * e, sxz + row[5] * e
                    syy, syz, szz = syy + row[6] * e, syz + row[7] * e, szz + row[8] * e
                stiff = np.float32(2.0) * k[p, q]
                force = stiff * c[p, q]
                bend = stiff * force
                value, weight = value + c[p, q] * s, weight + force * s
                gx, gy, gz = gx + force * (sx - s * x), gy + force * (sy - s * y), gz + force * (sz - s * z)
                hxx = hxx + bend * (sxx - sx * x - sx * x + s * x * x)
                hxy = hxy + bend * (sxy - sx * y - sy * x + s * x * y)
                hxz = hxz + bend * (sxz - sx * z - sz * x + s * x * z)
                hyy = hyy + bend * (syy - sy * y - sy * y + s * y * y)
                hyz = hyz + bend * (syz - sy * z - sz * y + s * y * z)
                hzz = hzz + bend * (szz - sz * z - sz * z + s * z * z)
            hxx, hyy, hzz = hxx - weight, hyy - weight, hzz - weight
            _add(group, VALUE, value)
            _chain(group, (ux, uy, uz), (gx, gy, gz), (hxx, hxy, hxz, hyy, hyz, hzz), weight)


@jit_strict
def _chain(
    group: Single,
    place: tuple[Register, Register, Register],
    force: tuple[Register, Register, Register],
    curve: tuple[Register, Register, Register, Register, Register, Register],
    weight: Register,
) -> None:
    """Add one atom's share to the derivatives after turn and shift: u = (x, y, z), force g, second derivatives h."""
    (x, y, z), (gx, gy, gz), (hxx, hxy, hxz, hyy, hyz, hzz) = place, force, curve
    _add(group, SLOPE, y * gz - z * gy)
    _add(group, SLOPE + 1, z * gx - x * gz)
    _add(group, SLOPE + 2, x * gy - y * gx)
    _add(group, SLOPE + 3, gx)
    _add(group, SLOPE + 4, gy)
    _add(group, SLOPE + 5, gz)
    # (u x) h, column by column: turn against shift
    pxx, pyx, pzx = y * hxz - z * hxy, z * hxx - x * hxz, x * hxy - y * hxx
    pxy, pyy, pzy = y * hyz - z * hyy, z * hxy - x * hyz, x * hyy - y * hxy
    pxz, pyz, pzz = y * hzz - z * hyz, z * hxz - x * hzz, x * hyz - y * hxz
    along, half = x * gx + y * gy + z * gz, np.float32(0.5)
    _add(group, CURVE, y * pxz - z * pxy + x * gx - along)
    _add(group, CURVE + 1, y * pyz - z * pyy + half * (x * gy + y * gx))
    _add(group, CURVE + 2, z * pyx - x * pyz + y * gy - along)
    _add(group, CURVE + 3, y * pzz - z * pzy + half * (x * gz + z * gx))
    _add(group, CURVE + 4, z * pzx - x * pzz + half * (y * gz + z * gy))
    _add(group, CURVE + 5, x * pzy - y * pzx + z * gz - along)
    _add(group, CURVE + 6, pxx)
    _add(group, CURVE + 7, pyx)
    _add(group, CURVE + 8, pzx)
    _add(group, CURVE + 9, hxx)
    _add(group, CURVE + 10, pxy)
    _add(group, CURVE + 11, pyy)
    _add(group, CURVE + 12, pzy)
    _add(group, CURVE + 13, hxy)
    _add(group, CURVE + 14, hyy)
    _add(group, CURVE + 15, pxz)
    _add(group, CURVE + 16, pyz)
    _add(group, CURVE + 17, pzz)
    _add(group, CURVE + 18, hxz)
    _add(group, CURVE + 19, hyz)
    _add(group, CURVE + 20, hzz)
    _add(group, SCALE, weight * (y * y + z * z))
    _add(group, SCALE + 1, weight * (x * x + z * z))
    _add(group, SCALE + 2, weight * (x * x + y * y))
    _add(group, SCALE + 3, weight)
