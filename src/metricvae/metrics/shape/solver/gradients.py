"""First and second derivatives of the overlap at sixteen poses at once."""

from __future__ import annotations

import numpy as np

from metricvae.metrics.shape.solver.lanes import WIDTH, Register, broadcast, exp2, load, multiply_add, store
from metricvae.metrics.shape.solver.pose_batch import (
    FIELDS,
    GRADIENT,
    HESSIAN,
    LOG2E,
    SCALE,
    VALUE,
    Atoms,
    Single,
    batch_rotations,
)
from metricvae.runtime.jit import jit_strict


@jit_strict
def _accumulate(batch: Single, row: int, amount: Register) -> None:
    store(batch, row * WIDTH, load(batch, row * WIDTH) + amount)


@jit_strict
def pose_derivatives(a: Atoms, b: Atoms, k: Single, c: Single, batch: Single) -> None:
    """Write overlap, first and second derivatives and their scale at each pose to the rows from `VALUE` on.

    With w = 2 k c exp(..), the sums of w, w a_i and w a_i a_i' over the atoms of A give an atom of B its force
    g = sum w (a_i - x_j) and second derivatives H = sum w (2 k d d' - 1), d = a_i - x_j. A rotation by the vector o
    moves it by o x u + (o x (o x u)) / 2 with u = R b_j, a translation by itself: the chain rule does the rest.
    """
    zero = broadcast(np.float32(0.0))
    for row in range(VALUE, FIELDS):
        store(batch, row * WIDTH, zero)
    row_x, row_y, row_z = batch_rotations(batch)
    shift_x, shift_y, shift_z = load(batch, 4 * WIDTH), load(batch, 5 * WIDTH), load(batch, 6 * WIDTH)
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
                if c[p, q] == 0.0:
                    continue
                fall = np.float32(LOG2E) * k[p, q]
                twice = np.float32(2.0) * fall
                along_x, along_y, along_z, start = twice * x, twice * y, twice * z, (-fall) * square
                s, sx, sy, sz = zero, zero, zero, zero
                sxx, sxy, sxz, syy, syz, szz = zero, zero, zero, zero, zero, zero
                for i in range(a.runs[p], a.runs[p + 1]):
                    row = a.rows[i]
                    exponent = multiply_add(row[2], along_z, start - fall * row[9])
                    e = exp2(multiply_add(row[0], along_x, multiply_add(row[1], along_y, exponent)))
                    s, sx = s + e, multiply_add(row[0], e, sx)
                    sy, sz = multiply_add(row[1], e, sy), multiply_add(row[2], e, sz)
                    sxx, sxy = multiply_add(row[3], e, sxx), multiply_add(row[4], e, sxy)
                    sxz, syy = multiply_add(row[5], e, sxz), multiply_add(row[6], e, syy)
                    syz, szz = multiply_add(row[7], e, syz), multiply_add(row[8], e, szz)
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
            _accumulate(batch, VALUE, value)
            _accumulate_pose(batch, (ux, uy, uz), (gx, gy, gz), (hxx, hxy, hxz, hyy, hyz, hzz), weight)


@jit_strict
def _accumulate_pose(
    batch: Single,
    rotated: tuple[Register, Register, Register],
    force: tuple[Register, Register, Register],
    second: tuple[Register, Register, Register, Register, Register, Register],
    weight: Register,
) -> None:
    """Add one atom's share to the derivatives of its batch by the chain rule.

    Args:
        batch: rows `GRADIENT`, `HESSIAN` and `SCALE` are added to.
        rotated: u, the atom after the rotation.
        force: g, the overlap's gradient at the atom.
        second: h, its second derivatives xx, xy, xz, yy, yz, zz.
        weight: the trace of the spring's stiffness, for `SCALE`.
    """
    (x, y, z), (gx, gy, gz), (hxx, hxy, hxz, hyy, hyz, hzz) = rotated, force, second
    _accumulate(batch, GRADIENT, y * gz - z * gy)
    _accumulate(batch, GRADIENT + 1, z * gx - x * gz)
    _accumulate(batch, GRADIENT + 2, x * gy - y * gx)
    _accumulate(batch, GRADIENT + 3, gx)
    _accumulate(batch, GRADIENT + 4, gy)
    _accumulate(batch, GRADIENT + 5, gz)
    # (u x) h, column by column: rotation against translation
    pxx, pyx, pzx = y * hxz - z * hxy, z * hxx - x * hxz, x * hxy - y * hxx
    pxy, pyy, pzy = y * hyz - z * hyy, z * hxy - x * hyz, x * hyy - y * hxy
    pxz, pyz, pzz = y * hzz - z * hyz, z * hxz - x * hzz, x * hyz - y * hxz
    along, half = x * gx + y * gy + z * gz, np.float32(0.5)
    _accumulate(batch, HESSIAN, y * pxz - z * pxy + x * gx - along)
    _accumulate(batch, HESSIAN + 1, y * pyz - z * pyy + half * (x * gy + y * gx))
    _accumulate(batch, HESSIAN + 2, z * pyx - x * pyz + y * gy - along)
    _accumulate(batch, HESSIAN + 3, y * pzz - z * pzy + half * (x * gz + z * gx))
    _accumulate(batch, HESSIAN + 4, z * pzx - x * pzz + half * (y * gz + z * gy))
    _accumulate(batch, HESSIAN + 5, x * pzy - y * pzx + z * gz - along)
    _accumulate(batch, HESSIAN + 6, pxx)
    _accumulate(batch, HESSIAN + 7, pyx)
    _accumulate(batch, HESSIAN + 8, pzx)
    _accumulate(batch, HESSIAN + 9, hxx)
    _accumulate(batch, HESSIAN + 10, pxy)
    _accumulate(batch, HESSIAN + 11, pyy)
    _accumulate(batch, HESSIAN + 12, pzy)
    _accumulate(batch, HESSIAN + 13, hxy)
    _accumulate(batch, HESSIAN + 14, hyy)
    _accumulate(batch, HESSIAN + 15, pxz)
    _accumulate(batch, HESSIAN + 16, pyz)
    _accumulate(batch, HESSIAN + 17, pzz)
    _accumulate(batch, HESSIAN + 18, hxz)
    _accumulate(batch, HESSIAN + 19, hyz)
    _accumulate(batch, HESSIAN + 20, hzz)
    _accumulate(batch, SCALE, weight * (y * y + z * z))
    _accumulate(batch, SCALE + 1, weight * (x * x + z * z))
    _accumulate(batch, SCALE + 2, weight * (x * x + y * y))
    _accumulate(batch, SCALE + 3, weight)
