"""Sixteen float32 lanes at a time, as LLVM instructions that compiled kernels may call.

Each intrinsic fixes the order of its additions, so a result depends on its operands alone: never on the rows beside
it, the number of threads, or how wide the CPU's registers are (LLVM cuts sixteen lanes into what there is, and
``llvm.fma`` rounds once everywhere). Strides count elements; addresses are integers, as ``array.ctypes.data`` gives.
"""

from __future__ import annotations

import inspect
import struct
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 16

_F32, _I32, _I64 = ir.FloatType(), ir.IntType(32), ir.IntType(64)
_LANES_F32, _LANES_I32 = ir.VectorType(_F32, LANES), ir.VectorType(_I32, LANES)


def whole_lanes(width: int) -> int:
    """``width`` rounded up to a multiple of LANES."""
    return (width + LANES - 1) // LANES * LANES


Builder = Any  # llvmlite's and numba's code generation is untyped
Value = Any


def product_tile(rows: int, vectors: int) -> Any:
    """``tile(x, x_stride, w, w_stride, depth, out, out_stride, is_sum)``: ``out[r, j] = sum of x[r, k] * w[k, j]``
    for r < ``rows`` and j < ``vectors`` * LANES.

    Each sum is one chain of fused multiply-adds, k ascending, from zero or, where ``is_sum``, from what ``out`` holds.
    """

    def generate(b: Builder, args: list[Value]) -> None:
        x, x_stride, w, w_stride, depth, out, out_stride, is_sum = args
        x, w, out = (b.inttoptr(address, _F32.as_pointer()) for address in (x, w, out))
        places = [(r, v) for r in range(rows) for v in range(vectors)]
        sums = {place: cgutils.alloca_once(b, _LANES_F32) for place in places}  # registers, once LLVM is done
        targets = {(r, v): b.gep(out, [b.add(b.mul(out_stride, _I64(r)), _I64(v * LANES))]) for r, v in places}
        with b.if_else(b.icmp_signed("!=", is_sum, _I64(0))) as (continued, fresh):
            with continued:
                for place in places:
                    b.store(_load(b, targets[place]), sums[place])
            with fresh:
                for place in places:
                    b.store(splat(b, _F32(0.0)), sums[place])
        with cgutils.for_range(b, depth) as loop:
            line = b.gep(w, [b.mul(loop.index, w_stride)])
            weights = [_load(b, b.gep(line, [_I64(v * LANES)])) for v in range(vectors)]
            for r in range(rows):
                factor = splat(b, b.load(b.gep(x, [b.add(b.mul(x_stride, _I64(r)), loop.index)])))
                for v in range(vectors):
                    b.store(_fma(b, factor, weights[v], b.load(sums[r, v])), sums[r, v])
        for place in places:
            _store(b, b.load(sums[place]), targets[place])

    return make_intrinsic(generate, [types.intp] * 8)


def dot_tile(rows: int, columns: int) -> Any:
    """``tile(x, x_stride, y, y_stride, depth, out, out_stride)``: ``out[r, c] = sum over k of x[r, k] * y[c, k]`` for
    r < ``rows``, c < ``columns``, k < ``depth`` * LANES.

    Lane j sums the k that are j modulo LANES, ascending, by fused multiply-adds; then lanes are added in halves.
    """

    def generate(b: Builder, args: list[Value]) -> None:
        x, x_stride, y, y_stride, depth, out, out_stride = args
        x, y, out = (b.inttoptr(address, _F32.as_pointer()) for address in (x, y, out))
        places = [(r, c) for r in range(rows) for c in range(columns)]
        sums = {place: cgutils.alloca_once(b, _LANES_F32) for place in places}
        for place in places:
            b.store(splat(b, _F32(0.0)), sums[place])
        with cgutils.for_range(b, depth) as loop:
            start = b.mul(loop.index, _I64(LANES))
            left = [_load(b, b.gep(x, [b.add(b.mul(x_stride, _I64(r)), start)])) for r in range(rows)]
            right = [_load(b, b.gep(y, [b.add(b.mul(y_stride, _I64(c)), start)])) for c in range(columns)]
            for r, c in places:
                b.store(_fma(b, left[r], right[c], b.load(sums[r, c])), sums[r, c])
        for r, c in places:
            total = _fold(b, b.load(sums[r, c]), b.fadd)
            b.store(total, b.gep(out, [b.add(b.mul(out_stride, _I64(r)), _I64(c))]))

    return make_intrinsic(generate, [types.intp] * 7)


def _sigmoid_lanes(b: Builder, args: list[Value]) -> None:
    x, out = (b.inttoptr(address, _F32.as_pointer()) for address in args)
    _store(b, b.fdiv(splat(b, _F32(1.0)), _one_plus_exp_minus(b, _load(b, x))), out)


def _gated_lanes(b: Builder, args: list[Value]) -> None:
    gate, up, out = (b.inttoptr(address, _F32.as_pointer()) for address in args)
    steering = _load(b, gate)
    silu = b.fdiv(steering, _one_plus_exp_minus(b, steering))
    _store(b, b.fmul(silu, _load(b, up)), out)


def _peak(b: Builder, args: list[Value]) -> Value:
    address, depth = args
    x = b.inttoptr(address, _F32.as_pointer())
    highest = cgutils.alloca_once(b, _LANES_F32)
    b.store(_constant(b, float("-inf")), highest)
    with cgutils.for_range(b, depth) as loop:
        lanes, so_far = _load(b, b.gep(x, [b.mul(loop.index, _I64(LANES))])), b.load(highest)
        b.store(b.select(b.fcmp_ordered(">", lanes, so_far), lanes, so_far), highest)
    return _fold(b, b.load(highest), lambda x, y: b.select(b.fcmp_ordered(">", x, y), x, y))


def _exp_sum(b: Builder, args: list[Value]) -> Value:
    address, shift, depth = args
    x, lowered = b.inttoptr(address, _F32.as_pointer()), splat(b, shift)
    total = cgutils.alloca_once(b, _LANES_F32)
    b.store(splat(b, _F32(0.0)), total)
    with cgutils.for_range(b, depth) as loop:
        place = b.gep(x, [b.mul(loop.index, _I64(LANES))])
        powers = _exp(b, b.fsub(_load(b, place), lowered))
        _store(b, powers, place)
        b.store(b.fadd(b.load(total), powers), total)
    return _fold(b, b.load(total), b.fadd)


def _one_plus_exp_minus(b: Builder, x: Value) -> Value:
    """``1 + exp(-x)``, under which sigmoid and silu divide."""
    return b.fadd(splat(b, _F32(1.0)), _exp(b, b.fneg(x)))


def _exp(b: Builder, x: Value) -> Value:
    """e^x = 2^n * e^r with n the integer nearest to x / ln 2, r in [-ln 2 / 2, ln 2 / 2] and e^r as its Taylor
    polynomial of degree 7 (relative error below 2e-8 there, less than one unit in the last place)."""
    half_powers = 12582912.0  # 1.5 * 2^23: added to a small number it rounds it to an integer, in the low bits
    shifted = _fma(b, x, _constant(b, 1.4426950408889634), _constant(b, half_powers))
    n = b.fsub(shifted, _constant(b, half_powers))
    r = _fma(b, n, _constant(b, -0.693145751953125), x)  # ln 2 in two parts: n times the first one is exact
    r = _fma(b, n, _constant(b, -1.42860682030941723212e-6), r)
    power = _constant(b, 1 / 5040)
    for coefficient in (1 / 720, 1 / 120, 1 / 24, 1 / 6, 0.5, 1.0, 1.0):
        power = _fma(b, power, r, _constant(b, coefficient))
    exponent = b.shl(b.bitcast(shifted, _LANES_I32), ir.Constant(_LANES_I32, [23] * LANES))
    result = b.bitcast(b.add(b.bitcast(power, _LANES_I32), exponent), _LANES_F32)
    result = b.select(b.fcmp_ordered("<", x, _constant(b, -87.3)), _constant(b, 0.0), result)
    result = b.select(b.fcmp_ordered(">", x, _constant(b, 88.7)), _constant(b, float("inf")), result)
    return b.select(b.fcmp_unordered("uno", x, x), x, result)


def make_intrinsic(
    generate: Callable[[Builder, list[Value]], Value], parameters: list[Any], result: Any = types.void
) -> Any:
    """A function that compiled code may call; ``generate`` writes its instructions."""
    signature = result(*parameters)

    def codegen(context: Any, builder: Builder, _signature: Any, args: list[Value]) -> Value:
        value = generate(builder, args)
        return context.get_dummy_value() if result is types.void else value

    def typed(_context: Any, *_args: Any) -> Any:
        return signature, codegen

    names = ("context", *(f"argument_{i}" for i in range(len(parameters))))  # numba asks how many there are
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    typed.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in names])  # type: ignore[attr-defined]
    return intrinsic(typed)


def load_lanes(b: Builder, pointer: Value, lanes: ir.VectorType, align: int) -> Value:
    """A vector of the type ``lanes`` from an address that is a multiple of ``align`` bytes."""
    loaded = b.load(b.bitcast(pointer, lanes.as_pointer()))
    loaded.align = align
    return loaded


def _load(b: Builder, pointer: Value) -> Value:
    return load_lanes(b, pointer, _LANES_F32, align=4)


def _store(b: Builder, value: Value, pointer: Value) -> None:
    b.store(value, b.bitcast(pointer, _LANES_F32.as_pointer())).align = 4


def splat(b: Builder, scalar: Value) -> Value:
    """LANES times the same number."""
    undefined = ir.Constant(ir.VectorType(scalar.type, LANES), ir.Undefined)
    first = b.insert_element(undefined, scalar, _I32(0))
    return b.shuffle_vector(first, undefined, ir.Constant(_LANES_I32, [0] * LANES))


def _constant(b: Builder, value: float) -> Value:
    (rounded,) = struct.unpack("<f", struct.pack("<f", value))  # llvmlite prints float32 constants exactly only so
    return splat(b, _F32(rounded))


def _fma(b: Builder, x: Value, y: Value, z: Value) -> Value:
    kind = ir.FunctionType(_LANES_F32, [_LANES_F32] * 3)
    return b.call(cgutils.get_or_insert_function(b.module, kind, f"llvm.fma.v{LANES}f32"), [x, y, z])


def _fold(b: Builder, lanes: Value, join: Callable[[Value, Value], Value]) -> Value:
    """All lanes joined into one value: the halves of sixteen, of the eight that result, and so on."""
    width = LANES
    while width > 1:
        width //= 2
        places = ir.Constant(_LANES_I32, [(lane + width) % LANES for lane in range(LANES)])
        lanes = join(lanes, b.shuffle_vector(lanes, lanes, places))
    return b.extract_element(lanes, _I32(0))


# sigmoid_lanes(x, out): 1 / (1 + exp(-x)) of LANES numbers.
sigmoid_lanes = make_intrinsic(_sigmoid_lanes, [types.intp] * 2)
# gated_lanes(gate, up, out): gate / (1 + exp(-gate)) * up of LANES numbers, the gated feed-forward's.
gated_lanes = make_intrinsic(_gated_lanes, [types.intp] * 3)
# peak(x, depth): the highest of depth * LANES numbers; NaN is passed over.
peak = make_intrinsic(_peak, [types.intp] * 2, types.float32)
# exp_sum(x, shift, depth): exp(x - shift) in place of depth * LANES numbers, and their sum: lane by lane, then folded.
exp_sum = make_intrinsic(_exp_sum, [types.intp, types.float32, types.intp], types.float32)
