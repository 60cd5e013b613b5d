"""Products of bytes with exact sums of 32 bits, sixteen at a time, as LLVM instructions that compiled kernels may call.

Weights lie in quads: for sixteen outputs four neighbouring inputs each, 64 bytes, which is what the instruction
``vpdpbusd`` multiplies at once. It takes unsigned bytes on one side, so inputs are kept with 128 added, and the sums
start where that is taken back. Where a CPU lacks the instruction the same sums are made of ordinary ones; both are
exact, so the same.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils

from moray.experts.simd import LANES, Builder, Value, load_lanes, make_intrinsic, splat

QUAD = 4  # inputs multiplied at once
OFFSET = 128  # added to inputs
HAS_BYTE_PRODUCTS = bool(llvmlite.binding.get_host_cpu_features().get("avx512vnni"))

_I8, _I32, _I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
_SUMS = ir.VectorType(_I32, LANES)


def byte_product_tile(rows: int, vectors: int, has_instruction: bool = HAS_BYTE_PRODUCTS) -> Any:
    """``tile(x, x_stride, w, w_stride, num_quads, start, out, out_stride)``: ``out[r, j] = start[j] + sum over k of
    x[r, k] * w[k, j]`` for r < ``rows``, j < ``vectors`` * LANES, k < ``num_quads`` * QUAD, as int32.

    x: unsigned bytes, rows ``x_stride`` bytes apart. w: signed bytes in quads, ``w_stride`` bytes from one group of
    four inputs to the next. start, out: int32, rows of out ``out_stride`` elements apart.
    """

    def generate(b: Builder, args: list[Value]) -> None:
        x, x_stride, w, w_stride, num_quads, start, out, out_stride = args
        x, w = (b.inttoptr(address, _I8.as_pointer()) for address in (x, w))
        start, out = (b.inttoptr(address, _I32.as_pointer()) for address in (start, out))
        places = [(r, v) for r in range(rows) for v in range(vectors)]
        sums = {place: cgutils.alloca_once(b, _SUMS) for place in places}
        for r, v in places:
            b.store(load_lanes(b, b.gep(start, [_I64(v * LANES)]), _SUMS, align=1), sums[r, v])
        with cgutils.for_range(b, num_quads) as loop:
            line = b.gep(w, [b.mul(loop.index, w_stride)])
            weights = [load_lanes(b, b.gep(line, [_I64(v * LANES * QUAD)]), _SUMS, align=1) for v in range(vectors)]
            for r in range(rows):
                place = b.add(b.mul(x_stride, _I64(r)), b.mul(loop.index, _I64(QUAD)))
                quad = b.load(b.bitcast(b.gep(x, [place]), _I32.as_pointer()))
                quad.align = 1
                inputs = splat(b, quad)
                for v in range(vectors):
                    b.store(_add_products(b, b.load(sums[r, v]), inputs, weights[v], has_instruction), sums[r, v])
        for r, v in places:
            target = b.gep(out, [b.add(b.mul(out_stride, _I64(r)), _I64(v * LANES))])
            b.store(b.load(sums[r, v]), b.bitcast(target, _SUMS.as_pointer())).align = 4

    return make_intrinsic(generate, [types.intp] * 8)


def _add_products(b: Builder, sums: Value, inputs: Value, weights: Value, has_instruction: bool) -> Value:
    if has_instruction:
        kind = ir.FunctionType(_SUMS, [_SUMS] * 3)
        name = "llvm.x86.avx512.vpdpbusd.512"
        return b.call(cgutils.get_or_insert_function(b.module, kind, name), [sums, inputs, weights])
    byte_lanes, wide = ir.VectorType(_I8, LANES * QUAD), ir.VectorType(_I32, LANES * QUAD)
    products = b.mul(b.zext(b.bitcast(inputs, byte_lanes), wide), b.sext(b.bitcast(weights, byte_lanes), wide))
    for k in range(QUAD):
        every_fourth = ir.Constant(ir.VectorType(_I32, LANES), [QUAD * lane + k for lane in range(LANES)])
        sums = b.add(sums, b.shuffle_vector(products, products, every_fourth))
    return sums
