"""A replica's work without Python: a Dispatch read from the socket, its experts computed, the Result written.

The kernel knows one whole Dispatch at a time, as ``wire.encode`` writes it. All else that arrives it gives back.
"""

from __future__ import annotations

import socket

import numpy as np

from moray import wire
from moray.experts import frame_kernel as frame
from moray.experts.compiled import Ids, kernel, part
from moray.experts.frame_kernel import Bytes, Int
from moray.experts.integer_kernel import SIGMOID_STEPS, integer_expert_kernel, whole_quads
from moray.experts.native import (
    array_at,
    copy_bytes,
    float32_at,
    int8_at,
    int32_at,
    int64_at,
    move_bytes,
    recv,
    send,
    uint16_at,
)
from moray.experts.product_kernel import feed_forward_kernel, padded
from moray.experts.row_kernel import SCALE_BYTES

CLOSED, NOTHING_CAME, CANNOT_SEND = 0, -1, -2  # instead of a number of bytes
BEATS, ROWS_DONE, IS_STOPPED = range(3)  # places in ``pulse``
NUM_PULSES = 3
MOST = 8  # dispatches computed together
DONE = -1  # in place of an expert
NO_SIGNAL = int(socket.MSG_NOSIGNAL)  # a connection that is gone is an error, not the end of the process


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
    shape, half, stored = (count, hidden_size + SCALE_BYTES), padded(width), padded(hidden_size)
    integer_expert_kernel(
        array_at(int8_at(rows), shape),
        array_at(int8_at(weights[0]), (2 * half * whole_quads(hidden_size),)),
        array_at(int32_at(weights[1]), (2 * half,)),
        array_at(int64_at(weights[2]), (2 * width,)),
        array_at(int64_at(weights[3]), (2 * width,)),
        array_at(int64_at(weights[4]), (3,)),
        array_at(int8_at(weights[5]), (stored * whole_quads(width),)),
        array_at(int32_at(weights[6]), (stored,)),
        array_at(int64_at(weights[7]), (hidden_size,)),
        array_at(int64_at(weights[8]), (hidden_size,)),
        width,
        array_at(uint16_at(weights[9]), (SIGMOID_STEPS,)),
        array_at(int8_at(out), shape),
    )


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
def receive(fd: Int, data: Bytes, filled: Int, pulse: Ids) -> Int:
    """Read on until a whole frame is there: how much of ``data`` is filled. Fewer bytes than a frame when no more come
    in time, it has no room, or this is to stop; what ``recv`` says of none when there is nothing at all."""
    while frame.whole_frame(data, 0, filled) == 0 and filled < data.shape[0]:
        count = recv(fd, data.ctypes.data + filled, data.shape[0] - filled, 0)
        if count <= 0:
            return filled if filled else count
        filled += count
        pulse[BEATS] += 1  # a frame that comes slowly is no ill health
        if pulse[IS_STOPPED] != 0:
            break
    return filled


@part
def send_all(fd: Int, address: Int, count: Int, pulse: Ids) -> bool:
    while count > 0:
        sent = send(fd, address, count, NO_SIGNAL)
        if sent < 0:
            return False
        address, count = address + sent, count - sent
        pulse[BEATS] += 1
    return True


@part
def gather(target: Int, filled: Int, data: Bytes, fields: Ids, row_index: Ids, row_bytes: Int) -> Int:
    """Copy the named rows of one Dispatch behind the ``filled`` ones at the address ``target``; how many there are."""
    for place in row_index:
        row = data.ctypes.data + fields[frame.START] + place * row_bytes
        copy_bytes(target + filled * row_bytes, row, row_bytes)
        filled += 1
    return filled


@kernel("i8(i4, u1[::1], i8[::1], i8[:,:,::1], b1, i8, i8, i8, u1[::1], u1[::1], u1[::1], i8[::1])")
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
    outputs: Bytes,  # as many
    reply: Bytes,  # for all answers
    pulse: Ids,  # [NUM_PULSES] beats, rows done; set to 1 to stop
) -> Int:
    """Serve until something else comes: how many bytes of ``received`` Python is to handle, or CLOSED, NOTHING_CAME or
    CANNOT_SEND. Dispatches that lie there together are computed together, expert by expert."""
    fields, groups = np.empty((MOST, frame.NUM_FIELDS), np.int64), np.empty((2, MOST, wire.MAX_GROUPS), np.int64)
    asked, counts = groups
    row_index, values = np.empty((MOST, wire.MAX_ROWS), np.int64), np.empty(MOST, np.int64)
    dtype = frame.INT8 if is_integer else frame.FLOAT32
    row_width = hidden_size + SCALE_BYTES if is_integer else hidden_size
    row_bytes = frame.matrix_bytes(dtype, 1, row_width)
    most_rows = min(capacity_rows, rows.shape[0] // row_bytes)
    filled = np.int64(0)
    while pulse[IS_STOPPED] == 0:
        pulse[BEATS] += 1
        filled = receive(fd, received, filled, pulse)
        if filled <= 0:
            return filled
        num_dispatches, end, num_rows, replied = 0, 0, 0, 0
        while num_dispatches < MOST:
            i, size = num_dispatches, frame.whole_frame(received, end, filled)
            if not size or not frame.read_dispatch(
                received, end, end + size, fields[i], asked[i], counts[i], row_index[i]
            ):
                break
            num_rows += fields[i, frame.NUM_ROWS]
            if num_rows > most_rows or fields[i, frame.DTYPE] != dtype or fields[i, frame.WIDTH] != row_width:
                break
            if not are_here(experts, addresses, asked[i, : fields[i, frame.NUM_GROUPS]], fields[i, frame.LAYER]):
                break
            count = fields[i, frame.NUM_ROWS]
            values[i] = frame.write_result_head(reply, replied, fields[i, frame.SEQ], dtype, count, row_width)
            replied = values[i] + count * row_bytes
            end, num_dispatches = end + size, num_dispatches + 1
        if not num_dispatches:
            return filled
        for i in range(num_dispatches):
            layer = fields[i, frame.LAYER]
            for group in range(fields[i, frame.NUM_GROUPS]):
                expert = asked[i, group]
                if expert == DONE:  # with an earlier dispatch
                    continue
                gathered = 0
                for j in range(i, num_dispatches):
                    first = 0
                    for other in range(fields[j, frame.NUM_GROUPS]):
                        last = first + counts[j, other]
                        if asked[j, other] == expert and fields[j, frame.LAYER] == layer:
                            wanted = row_index[j, first:last]
                            gathered = gather(rows.ctypes.data, gathered, received, fields[j], wanted, row_bytes)
                        first = last
                weights = addresses[place_of(experts, expert), layer]
                if is_integer:
                    integer_rows(weights, rows.ctypes.data, gathered, hidden_size, width, outputs.ctypes.data)
                else:
                    float32_rows(weights, rows.ctypes.data, gathered, hidden_size, width, outputs.ctypes.data)
                source = outputs.ctypes.data
                for j in range(i, num_dispatches):
                    target = reply.ctypes.data + values[j]
                    for other in range(fields[j, frame.NUM_GROUPS]):
                        num_bytes = counts[j, other] * row_bytes
                        if asked[j, other] == expert and fields[j, frame.LAYER] == layer:
                            copy_bytes(target, source, num_bytes)
                            source, asked[j, other] = source + num_bytes, DONE
                        target += num_bytes
        if not send_all(fd, reply.ctypes.data, replied, pulse):
            return CANNOT_SEND
        for i in range(num_dispatches):
            pulse[ROWS_DONE] += fields[i, frame.NUM_ROWS]
        filled -= end
        move_bytes(received.ctypes.data, received.ctypes.data + end, filled)
    return filled if filled else NOTHING_CAME
