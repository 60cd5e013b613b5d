"""A replica's work without Python: a Dispatch read from the socket, its experts computed, the Result written.

The kernel knows one whole Dispatch at a time, as ``wire.encode`` writes it. All else that arrives it gives back.
"""

from __future__ import annotations

import numpy as np

from moray import wire
from moray.experts import frame_kernel as frame
from moray.experts.compiled import Ids, kernel, part
from moray.experts.frame_kernel import Bytes, Int
from moray.experts.integer_kernel import SIGMOID_STEPS, integer_expert_kernel
from moray.experts.native import array_at, copy_bytes, float32_at, int8_at, int32_at, int64_at, recv, send, uint16_at
from moray.experts.product_kernel import F32_BYTES, feed_forward_kernel, padded
from moray.experts.simd_int8 import OFFSET, QUAD

SCALE_BYTES = 5  # of a row of bytes: mantissa and shift
CLOSED, NOTHING_CAME, CANNOT_SEND = 0, -1, -2  # instead of a number of bytes
BEATS, ROWS_DONE, IS_STOPPED = range(3)  # places in ``pulse``
NUM_PULSES = 3
NO_SIGNAL = 0x4000  # MSG_NOSIGNAL: a connection that is gone is an error, not the end of the process


@part
def float32_rows(weights: Ids, rows: Int, count: Int, hidden_size: Int, width: Int, out: Int) -> None:
    """``weights``: addresses of a FeedForward's arrays; ``rows`` and ``out`` are addresses too."""
    x = array_at(float32_at(rows), (count, hidden_size))
    gate_up = array_at(float32_at(weights[0]), (2 * padded(width) * hidden_size,))
    down = array_at(float32_at(weights[1]), (padded(hidden_size) * width,))
    feed_forward_kernel(x, gate_up, down, width, array_at(float32_at(out), (count, hidden_size)))


@part
def integer_rows(weights: Ids, rows: Int, count: Int, hidden_size: Int, width: Int, out: Int) -> None:
    """``weights``: addresses of an IntegerExpert's arrays; rows with their scales behind them."""
    row_bytes, half, stored = hidden_size + SCALE_BYTES, padded(width), padded(hidden_size)
    depth, deep = (hidden_size + QUAD - 1) // QUAD * QUAD, (width + QUAD - 1) // QUAD * QUAD
    x, y = array_at(int8_at(rows), (count, row_bytes)), array_at(int8_at(out), (count, row_bytes))
    shifted, values = np.zeros((count, depth), np.uint8), np.empty((count, hidden_size), np.int8)
    mantissas, shifts = np.empty(count, np.int64), np.empty(count, np.int64)
    for r in range(count):
        for i in range(hidden_size):
            shifted[r, i] = x[r, i] + OFFSET
        mantissas[r] = np.int64(x[r, hidden_size + 3]) << 24
        for i in range(3):
            mantissas[r] |= (np.int64(x[r, hidden_size + i]) & 0xFF) << (8 * i)
        shifts[r] = x[r, hidden_size + 4]
    integer_expert_kernel(
        shifted,
        mantissas,
        shifts,
        array_at(int8_at(weights[0]), (2 * half * depth,)),
        array_at(int32_at(weights[1]), (2 * half,)),
        array_at(int64_at(weights[2]), (2 * width,)),
        array_at(int64_at(weights[3]), (2 * width,)),
        array_at(int64_at(weights[4]), (3,)),
        array_at(int8_at(weights[5]), (stored * deep,)),
        array_at(int32_at(weights[6]), (stored,)),
        array_at(int64_at(weights[7]), (hidden_size,)),
        array_at(int64_at(weights[8]), (hidden_size,)),
        width,
        array_at(uint16_at(weights[9]), (SIGMOID_STEPS,)),
        values,
        mantissas,  # each row's scale is read before its result's is written
        shifts,
    )
    for r in range(count):
        for i in range(hidden_size):
            y[r, i] = values[r, i]
        for i in range(4):
            y[r, hidden_size + i] = mantissas[r] >> (8 * i)
        y[r, hidden_size + 4] = shifts[r]


@part
def place_of(experts: Ids, expert: Int) -> Int:
    for place in range(experts.shape[0]):
        if experts[place] == expert:
            return place
    return -1


@part
def are_here(experts: Ids, addresses: Ids, asked: Ids, layer: Int) -> bool:
    for expert in asked:
        place = place_of(experts, expert)
        if place < 0 or layer >= addresses.shape[1] or addresses[place, layer, 0] == 0:
            return False
    return True


@part
def receive(fd: Int, data: Bytes) -> Int:
    """One frame, or what there is of it or beyond it: the number of bytes, or what ``recv`` says of none."""
    count = recv(fd, data.ctypes.data, data.shape[0], 0)
    if count <= 0:
        return count
    while count < frame.LENGTH_BYTES or count < frame.LENGTH_BYTES + min(frame.frame_size(data), data.shape[0]):
        more = recv(fd, data.ctypes.data + count, data.shape[0] - count, 0)
        if more <= 0:
            break
        count += more
    return count


@part
def send_all(fd: Int, address: Int, count: Int) -> bool:
    while count > 0:
        sent = send(fd, address, count, NO_SIGNAL)
        if sent < 0:
            return False
        address, count = address + sent, count - sent
    return True


@kernel("i8(i4, u1[::1], i8[::1], i8[:,:,::1], b1, i8, i8, i8, u1[::1], u1[::1], i8[::1])")
def serve_kernel(
    fd: Int,
    received: Bytes,
    experts: Ids,  # [H] that this replica has
    addresses: Ids,  # [H, layers, arrays] of their weights; 0 where a layer has none
    is_integer: bool,
    hidden_size: Int,
    width: Int,
    capacity_rows: Int,
    rows: Bytes,  # for the rows of one expert
    reply: Bytes,  # a Result's values from MAX_HEAD_BYTES on, its head before them
    pulse: Ids,  # [NUM_PULSES] beats, rows done; set to 1 to stop
) -> Int:
    """Serve until something else comes: how many bytes of ``received`` Python is to handle, or CLOSED, NOTHING_CAME or
    CANNOT_SEND."""
    fields, counts = np.empty(frame.NUM_FIELDS, np.int64), np.empty(wire.MAX_GROUPS, np.int64)
    asked, row_index = np.empty(wire.MAX_GROUPS, np.int64), np.empty(wire.MAX_ROWS, np.int64)
    dtype = frame.INT8 if is_integer else frame.FLOAT32
    row_width = hidden_size + SCALE_BYTES if is_integer else hidden_size
    row_bytes = row_width if is_integer else F32_BYTES * row_width
    room = min(capacity_rows, rows.shape[0] // row_bytes)
    while pulse[IS_STOPPED] == 0:
        pulse[BEATS] += 1
        end = receive(fd, received)
        if end <= 0:
            return end
        if end < frame.LENGTH_BYTES or end != frame.LENGTH_BYTES + frame.frame_size(received):
            return end
        if not frame.read_dispatch(received, end, fields, asked, counts, row_index):
            return end
        num_rows, layer = fields[frame.NUM_ROWS], fields[frame.LAYER]
        if num_rows > room or fields[frame.DTYPE] != dtype or fields[frame.WIDTH] != row_width:
            return end
        if not are_here(experts, addresses, asked[: fields[frame.NUM_GROUPS]], layer):
            return end
        first = 0
        for group in range(fields[frame.NUM_GROUPS]):
            for r in range(counts[group]):
                row = received.ctypes.data + fields[frame.START] + row_index[first + r] * row_bytes
                copy_bytes(rows.ctypes.data + r * row_bytes, row, row_bytes)
            weights = addresses[place_of(experts, asked[group]), layer]
            out = reply.ctypes.data + frame.MAX_HEAD_BYTES + first * row_bytes
            if is_integer:
                integer_rows(weights, rows.ctypes.data, counts[group], hidden_size, width, out)
            else:
                float32_rows(weights, rows.ctypes.data, counts[group], hidden_size, width, out)
            first += counts[group]
        start = frame.write_result_head(reply, frame.MAX_HEAD_BYTES, fields[frame.SEQ], dtype, num_rows, row_width)
        values_end = frame.MAX_HEAD_BYTES + num_rows * row_bytes
        if not send_all(fd, reply.ctypes.data + start, values_end - start):
            return CANNOT_SEND
        pulse[ROWS_DONE] += num_rows
    return NOTHING_CAME
