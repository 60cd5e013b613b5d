"""What compiled kernels may call of the C library, and arrays at addresses that they are given.

A kernel that moves its own bytes spends its time in the system's calls and in its work: between a frame and its answer
no Python runs, whose code and objects have left a busy machine's caches each time (``docs/performance.md``).
"""

from __future__ import annotations

from typing import Any

import numba
from numba import types
from numba.extending import intrinsic

from moray.experts.simd import Builder, Value

# name(fd, address, num_bytes, flags): bytes moved, or -1
recv: Any = types.ExternalFunction("recv", types.intp(types.int32, types.intp, types.intp, types.int32))
send: Any = types.ExternalFunction("send", types.intp(types.int32, types.intp, types.intp, types.int32))
# poll(address of pollfds, how many, milliseconds): how many are ready, or -1
poll: Any = types.ExternalFunction("poll", types.int32(types.intp, types.intp, types.int32))
# clock_gettime(clock, address of seconds and nanoseconds): 0
clock_gettime: Any = types.ExternalFunction("clock_gettime", types.int32(types.int32, types.intp))
# name(to, from, num_bytes); what is moved may overlap
copy_bytes: Any = types.ExternalFunction("memcpy", types.intp(types.intp, types.intp, types.intp))
move_bytes: Any = types.ExternalFunction("memmove", types.intp(types.intp, types.intp, types.intp))


array_at: Any = numba.carray  # type: ignore[attr-defined]  # (pointer, shape)


def pointer_to(kind: Any) -> Any:
    """``pointer(address)``, for ``array_at``."""

    @intrinsic
    def pointer(_context: Any, _address: Any) -> Any:
        def codegen(context: Any, b: Builder, _signature: Any, args: list[Value]) -> Value:
            return b.inttoptr(args[0], context.get_value_type(types.CPointer(kind)))

        return types.CPointer(kind)(types.intp), codegen

    return pointer


float32_at, int8_at, int32_at, int64_at, uint16_at = map(
    pointer_to, (types.float32, types.int8, types.int32, types.int64, types.uint16)
)
