"""One layer's rows to the experts' sockets and their results back, compiled. What it cannot do by itself it leaves to
``router.round``: it sends whole rounds only, and gives back every byte that is not a Result it waits for."""

from __future__ import annotations

import select
import socket
import time

import numpy as np
from numpy.typing import NDArray

from moray import wire
from moray.experts import frame_kernel as frame
from moray.experts.compiled import Ids, kernel, part
from moray.experts.frame_kernel import Bytes, Int
from moray.experts.native import clock_gettime, copy_bytes, poll, recv, send
from moray.router.lanes import MAX_ROWS, NEXT_SEQ, SOCKET

Rows = NDArray[np.uint8]  # [T, row_bytes]

# What ``plan`` holds of each frame: its uplink's place and socket, its places in the round, its bytes, how many of them
# went out, and whether its Result is in place.
UPLINK, FD, FRAME_SEQ, FIRST, COUNT, BYTES_START, BYTES_END, SENT, STATE = range(9)
NUM_PLANNED = 9
WAITING, ANSWERED, LEFT = range(3)  # states; LEFT: to the event loop
NOT_SENT = -1  # nothing went out: the round is not of the usual kind
ALL_SETTLED, TIMED_OUT, GIVEN_BACK = range(3)  # how a collection ends
FEW_FRAMES = 2  # measured: two results of integer experts gain by one wake-up (1.3x), two of float32 lose (0.8x)

_FLOAT32 = wire.DTYPE_CODES[np.dtype(np.float32)]
_NO_WAIT = int(socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
_READABLE, _POLLFD_EVENTS = select.POLLIN, 1  # and where a pollfd's events lie among its two int32
_MAX_PLAIN_BYTES = 256  # of a Dispatch, beside groups and row numbers
_GROUP_BYTES, _NUMBER_BYTES = 11, 5
_MONOTONIC = time.CLOCK_MONOTONIC


@kernel("i8(u1[:,::1], i8[:,::1], i8[::1], i8[:,::1], i8, i8, i8, i8, u1[::1], i8[::1], i8[:,::1])")
def send_round_kernel(
    rows: Rows,  # as they travel
    expert_ids: Ids,  # [T, K], ascending in every row
    uplink_of: Ids,  # [E], as the next are ``Lanes``
    numbers: Ids,  # [U, NUM_COLUMNS]
    layer: Int,
    deadline_ms: Int,
    dtype: Int,
    width: Int,  # of a row in values of dtype
    frames: Bytes,  # room for all frames
    places: Ids,  # [T * K] the result: places (row * K + k) in the frames' order
    plan: Ids,  # [U, NUM_PLANNED] the result
) -> Int:
    """One frame to each uplink with work; how many there are, or NOT_SENT."""
    num_rows, per_row, num_experts = expert_ids.shape[0], expert_ids.shape[1], uplink_of.shape[0]
    counts, loads = np.zeros(num_experts + 1, np.int64), np.zeros(numbers.shape[0], np.int64)
    for t in range(num_rows):
        for k in range(per_row):
            uplink = uplink_of[expert_ids[t, k]]
            if uplink < 0:
                return NOT_SENT
            counts[expert_ids[t, k] + 1] += 1
            loads[uplink] += 1
    needed, row_bytes = np.int64(0), rows.shape[1]
    for uplink in range(loads.shape[0]):
        if loads[uplink] > min(numbers[uplink, MAX_ROWS], wire.MAX_ROWS):
            return NOT_SENT
        if loads[uplink]:
            if numbers[uplink, SOCKET] < 0:
                return NOT_SENT
            needed += _MAX_PLAIN_BYTES + loads[uplink] * (_NUMBER_BYTES + _GROUP_BYTES + row_bytes)
    if needed > frames.shape[0]:
        return NOT_SENT
    ends = np.cumsum(counts)  # where each expert's places end, once they are filled in
    by_expert = np.empty(num_rows * per_row, np.int64)
    for t in range(num_rows):
        for k in range(per_row):
            by_expert[ends[expert_ids[t, k]]] = t * per_row + k
            ends[expert_ids[t, k]] += 1
    experts, group_sizes, fields = (
        np.empty(num_experts, np.int64),
        np.empty(num_experts, np.int64),
        np.empty(frame.NUM_FIELDS, np.int64),
    )
    row_index, place_of_row = np.empty(num_rows * per_row, np.int64), np.empty(num_rows, np.int64)
    num_frames, filled, at = 0, 0, 0
    for first_expert in range(num_experts):
        uplink = uplink_of[first_expert]
        if counts[first_expert + 1] == 0 or loads[uplink] == 0:
            continue
        num_groups, start = 0, filled
        for expert in range(first_expert, num_experts):
            size = counts[expert + 1]
            if size and uplink_of[expert] == uplink:
                experts[num_groups], group_sizes[num_groups] = expert, size
                num_groups += 1
                for i in range(size):
                    places[filled + i] = by_expert[ends[expert] - size + i]
                filled += size
        count = filled - start
        loads[uplink] = 0  # done
        for t in range(num_rows):
            place_of_row[t] = -1
        for i in range(count):
            place_of_row[places[start + i] // per_row] = 0
        height = 0
        for t in range(num_rows):  # a row that goes to several experts of one uplink travels once
            if place_of_row[t] == 0:
                place_of_row[t] = height
                height += 1
        for i in range(count):
            row_index[i] = place_of_row[places[start + i] // per_row]
        fd, seq = numbers[uplink, SOCKET], numbers[uplink, NEXT_SEQ]
        fields[frame.SEQ], fields[frame.LAYER], fields[frame.DEADLINE_MS] = seq, layer, deadline_ms
        fields[frame.NUM_GROUPS], fields[frame.NUM_ROWS] = num_groups, count
        fields[frame.DTYPE], fields[frame.HEIGHT], fields[frame.WIDTH] = dtype, height, width
        values = at + frame.write_dispatch_head(frames[at:], fields, experts, group_sizes, row_index)
        for t in range(num_rows):
            if place_of_row[t] >= 0:
                copy_bytes(frames.ctypes.data + values + place_of_row[t] * row_bytes, rows[t].ctypes.data, row_bytes)
        end = values + height * row_bytes
        planned = plan[num_frames]
        planned[UPLINK], planned[FD], planned[FRAME_SEQ] = uplink, fd, seq
        planned[FIRST], planned[COUNT], planned[STATE] = start, count, WAITING
        planned[BYTES_START], planned[BYTES_END] = at, end
        planned[SENT] = max(send(fd, frames.ctypes.data + at, end - at, _NO_WAIT), 0)
        num_frames, at = num_frames + 1, end
    return num_frames


@part
def now_ms() -> Int:
    moment = np.empty(2, np.int64)
    clock_gettime(_MONOTONIC, moment.ctypes.data)
    return moment[0] * 1000 + moment[1] // 1_000_000


@part
def is_readable(fd: Int, timeout_ms: Int) -> bool:
    entry = np.empty((1, 2), np.int32)
    entry[0, 0], entry[0, _POLLFD_EVENTS] = fd, _READABLE
    return bool(poll(entry.ctypes.data, 1, timeout_ms) > 0)


@part
def take(fd: Int, data: Bytes, wanted: Int, timeout_ms: Int, until_ms: Int) -> Int:
    """``wanted`` bytes, or fewer when no more come in time; 0 or less: nothing, or the connection is gone."""
    count = recv(fd, data.ctypes.data, wanted, _NO_WAIT)
    if count <= 0:
        return count
    while count < wanted:
        left_ms = until_ms - now_ms()
        if left_ms <= 0 or not is_readable(fd, min(timeout_ms, left_ms)):
            break
        more = recv(fd, data.ctypes.data + count, wanted - count, _NO_WAIT)
        if more <= 0:
            break
        count += more
    return count


@part
def are_equal(data: Bytes, other: Bytes, count: Int) -> bool:
    for i in range(count):  # noqa: SIM110 (kernels know no generators)
        if data[i] != other[i]:
            return False
    return True


@kernel("i8(i8[:,::1], i8[::1], u1[:,::1], i8, i8, u1[::1], i8, i8, i8[::1])")
def collect_round_kernel(
    plan: Ids,  # [frames, NUM_PLANNED]
    places: Ids,
    answered: Rows,  # [T * K, row_bytes] the result: rows as they travel
    dtype: Int,
    width: Int,
    data: Bytes,  # room for one frame
    timeout_ms: Int,  # without a byte
    turn_ms: Int,  # in all, whatever comes: what a peer sends, and when, is its own affair
    given_back: Ids,  # [2] with GIVEN_BACK: whose bytes, and how many of ``data``
) -> Int:
    """Wait for the results of all frames that are WAITING."""
    num_frames, row_bytes = plan.shape[0], answered.shape[1]
    entries, waiting = np.empty((num_frames, 2), np.int32), np.empty(num_frames, np.int64)
    head, until_ms = np.empty(frame.RESULT_HEAD_BYTES, np.uint8), now_ms() + turn_ms
    while True:
        count = 0
        for i in range(num_frames):
            if plan[i, STATE] == WAITING:
                entries[count, 0], entries[count, _POLLFD_EVENTS], waiting[count] = plan[i, FD], _READABLE, i
                count += 1
        if count == 0:
            return ALL_SETTLED
        left_ms = until_ms - now_ms()
        if left_ms <= 0:
            return TIMED_OUT
        # Few results of quick experts: asleep until what was sent last is there, which usually comes last. To be woken
        # for each costs more than it hides, here and in the process that does the waking; others are read while the
        # rest is computed.
        first = count - 1 if num_frames <= FEW_FRAMES and dtype != _FLOAT32 else 0
        has_come = poll(entries[first].ctypes.data, count - first, min(timeout_ms, left_ms)) > 0
        if (first > 0 or not has_come) and poll(entries.ctypes.data, count, 0) <= 0:
            return TIMED_OUT
        for j in range(count):
            if entries[j, _POLLFD_EVENTS] == _READABLE:  # nothing came back in its upper half
                continue
            planned = plan[waiting[j]]
            # A result that is due has these very bytes before its values; nothing beyond it is read.
            start = frame.write_result_head(head, 0, planned[FRAME_SEQ], dtype, planned[COUNT], width)
            due = start + planned[COUNT] * row_bytes
            came = take(planned[FD], data, min(due, data.shape[0]), timeout_ms, until_ms)
            if came <= 0:
                planned[STATE] = LEFT
                continue
            if came < due or not are_equal(data, head, start):
                given_back[0], given_back[1] = waiting[j], came
                return GIVEN_BACK
            for i in range(planned[COUNT]):
                target = answered[places[planned[FIRST] + i]].ctypes.data
                copy_bytes(target, data.ctypes.data + start + i * row_bytes, row_bytes)
            planned[STATE] = ANSWERED
