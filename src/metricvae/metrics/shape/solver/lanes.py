"""Sixteen float32 numbers handled as one in compiled code (SIMD), for numba functions that treat sixteen poses at once.

Design note.

- *What.* `Lanes` is a numba type that LLVM keeps as <16 x float>: one AVX-512 register, or several narrower ones where
  the processor has no wide ones. The arithmetic operators, `minimum`, `maximum`, `absolute`, `square_root`, `select`,
  and two precisions of 2^x work on it lane by lane; `load` and `store` move it from and to float32 arrays.
- *Why.* The overlay evaluates the same sum of exponentials at many poses. numba vectorises neither loops that call
  `exp` (without Intel's SVML, which it does not ship) nor a loop over poses around loops over atoms. With the pose as
  the lane, every pose costs the same, none waits for another, and all intermediate values stay in registers.
- *Rounding.* The compiler may neither reorder nor fuse operations: numba links a copy of each function into its
  callers, and which copy runs depends on whether this process compiled the code or loaded it, so copies must not differ
  in the last bits. Where fusion pays, in the loops over atoms, it is written: `multiply_add`. Processors with and
  without FMA differ in the last bits.
- *Gain.* Overlaps of sixteen poses of molecules of 22 and 29 atoms take 4.4 microseconds, and 66 in the plain loops of
  :mod:`~metricvae.metrics.shape.solver.plain` (`benchmarks/lanes.py`, one core of an AMD EPYC with AVX-512).
- *Fallback.* There is none at run time: LLVM splits vectors that a processor lacks. The tests compare the operations
  with NumPy, the overlaps with `plain`, and the derivatives with the float64 ones of `volumes`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types
from numba.core.cgutils import get_or_insert_function
from numba.extending import intrinsic, models, overload, register_model

WIDTH = 16
"""Numbers in one `Lanes`."""

Register = Any
"""What compiled code calls a `Lanes`."""

instruction: Any = intrinsic
"""A function of compiled code that says which instructions it stands for."""


class Lanes(types.Type):
    """The type, in compiled code, of `WIDTH` float32 numbers. It lives in registers only: `load` and `store` it."""

    def __init__(self) -> None:
        super().__init__(name="Lanes")


LANES = Lanes()
_VECTOR = ir.VectorType(ir.FloatType(), WIDTH)
_WHOLE = ir.VectorType(ir.IntType(32), WIDTH)
_FLAGS = ("nsz",)


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)


def _constant(value: float) -> ir.Constant:
    return ir.Constant(_VECTOR, [value] * WIDTH)


def _broadcast(builder: Any, number: Any) -> Any:
    """The same number in every lane."""
    one = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(one, ir.Constant(_VECTOR, ir.Undefined), ir.Constant(_WHOLE, [0] * WIDTH))


def _call(builder: Any, name: str, *arguments: Any) -> Any:
    """A vector instruction that LLVM knows by name."""
    kind = ir.FunctionType(_VECTOR, [_VECTOR] * len(arguments))
    return builder.call(get_or_insert_function(builder.module, kind, f"{name}.v{WIDTH}f32"), arguments)


def _maximum(builder: Any, a: Any, b: Any) -> Any:
    return builder.select(builder.fcmp_ordered(">", a, b), a, b)


@instruction
def broadcast(typing: Any, number: Any) -> Any:
    """A float32 in every lane."""
    return LANES(types.float32), lambda context, builder, signature, values: _broadcast(builder, values[0])


def _pointer(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    """Address of element `index` of a contiguous float32 array, as that of a vector."""
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), _VECTOR.as_pointer())


@instruction
def load(typing: Any, array: Any, index: Any) -> Any:
    """The `WIDTH` numbers from element `index` of a contiguous float32 array (n,) on."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.load(_pointer(context, builder, signature.args[0], *values), align=4)

    return LANES(array, types.intp), generate


@instruction
def store(typing: Any, array: Any, index: Any, lanes: Any) -> Any:
    """Write `WIDTH` numbers to a contiguous float32 array (n,), from element `index` on."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        builder.store(values[2], _pointer(context, builder, signature.args[0], *values[:2]), align=4)
        return context.get_dummy_value()

    return types.none(array, types.intp, LANES), generate


def _multiply_add(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """a * b + c, rounded once where the processor can."""
    return _call(builder, "llvm.fmuladd", a, b, c)


@instruction
def multiply_add(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """a * b + c of lanes, `a` also of a float32, with one rounding where the processor has FMA and two elsewhere."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        first = _broadcast(builder, values[0]) if signature.args[0] == types.float32 else values[0]
        return _multiply_add(builder, first, *values[1:])

    return LANES(a if a == types.float32 else LANES, LANES, LANES), generate


def _binary(work: Callable[[Any, Any, Any], Any]) -> Any:
    """Compiled function of two lanes from the instruction that does it."""

    @instruction
    def apply(typing: Any, a: Any, b: Any) -> Any:
        return LANES(LANES, LANES), lambda context, builder, signature, values: work(builder, *values)

    return apply


_add = _binary(lambda builder, a, b: builder.fadd(a, b, flags=_FLAGS))
_subtract = _binary(lambda builder, a, b: builder.fsub(a, b, flags=_FLAGS))
_multiply = _binary(lambda builder, a, b: builder.fmul(a, b, flags=_FLAGS))
_divide = _binary(lambda builder, a, b: builder.fdiv(a, b, flags=_FLAGS))
minimum = _binary(lambda builder, a, b: builder.select(builder.fcmp_ordered("<", a, b), a, b))
"""The minimum number of two, lane by lane."""
maximum = _binary(lambda builder, a, b: _maximum(builder, a, b))
"""The maximum number of two, lane by lane."""


def _operator(symbol: Any, apply: Any) -> None:
    """Let `symbol` work on two lanes, and on lanes and a float32."""

    @overload(symbol, strict=False)
    def choose(a: Any, b: Any) -> Any:
        if a == LANES and b == LANES:
            return lambda a, b: apply(a, b)
        if a == LANES and b == types.float32:
            return lambda a, b: apply(a, broadcast(b))
        if a == types.float32 and b == LANES:
            return lambda a, b: apply(broadcast(a), b)
        return None


_operator(operator.add, _add)
_operator(operator.sub, _subtract)
_operator(operator.mul, _multiply)
_operator(operator.truediv, _divide)


@instruction
def square_root(typing: Any, lanes: Any) -> Any:
    """Square roots."""
    return LANES(LANES), lambda context, builder, signature, values: _call(builder, "llvm.sqrt", values[0])


@instruction
def absolute(typing: Any, lanes: Any) -> Any:
    """Absolute values."""
    return LANES(LANES), lambda context, builder, signature, values: _call(builder, "llvm.fabs", values[0])


@instruction
def select(typing: Any, a: Any, b: Any, then: Any, otherwise: Any) -> Any:
    """`then` in the lanes where a > b, `otherwise` in the rest."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", *values[:2]), *values[2:])

    return LANES(LANES, LANES, LANES, LANES), generate


_LOWEST = -126.0
_FINE = 1.0, 0.693146967, 0.240221198, 0.0555071362, 0.00967553913, 0.00132763574
_ROUGH = 0.999928074, 0.693260985, 0.242611122, 0.0551716691
"""Polynomials of least largest relative error for 2 ** x on [-1/2, 1/2]."""


def _exp2(builder: Any, exponent: Any, polynomial: tuple[float, ...]) -> Any:
    """2 ** exponent for exponents up to 127, those below -126 taken as -126.

    The whole part, to the nearest, goes to the exponent bits; the rest, in [-1/2, 1/2], through a polynomial.
    """
    exponent = _maximum(builder, exponent, _constant(_LOWEST))
    whole = _call(builder, "llvm.rint", exponent)
    rest = builder.fsub(exponent, whole, flags=_FLAGS)
    value = _constant(polynomial[-1])
    for coefficient in polynomial[-2::-1]:
        value = _multiply_add(builder, value, rest, _constant(coefficient))
    translation = builder.shl(builder.fptosi(whole, _WHOLE), ir.Constant(_WHOLE, [23] * WIDTH))
    return builder.bitcast(builder.add(builder.bitcast(value, _WHOLE), translation), _VECTOR)


@instruction
def exp2(typing: Any, exponent: Any) -> Any:
    """2 ** exponent to 2e-7 relative, for exponents up to 127; below -126 as at -126."""
    return LANES(LANES), lambda context, builder, signature, values: _exp2(builder, values[0], _FINE)


@instruction
def exp2_fast(typing: Any, exponent: Any) -> Any:
    """2 ** exponent to 1e-4 relative, else as `exp2`."""
    return LANES(LANES), lambda context, builder, signature, values: _exp2(builder, values[0], _ROUGH)
