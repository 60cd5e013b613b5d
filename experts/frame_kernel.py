"""The two messages of work as compiled code reads and writes them: the bytes of ``moray.wire``, which defines them.

Reading knows the one form that ``wire.encode`` writes. Anything else, however valid, is not recognised and goes to
``wire.decode``, so that there is one judge of what is well-formed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from moray import wire
from moray.experts.compiled import Ids, part

Bytes = NDArray[np.uint8]
Int = Any  # one of numpy's or of Python's, all of 64 bits once compiled

LENGTH_BYTES = 4
FLOAT32, INT8 = (wire.DTYPE_CODES[np.dtype(kind)] for kind in (np.float32, np.int8))
# What is read of a Dispatch: numbers first, then where its rows start.
SEQ, LAYER, DEADLINE_MS, NUM_GROUPS, NUM_ROWS, DTYPE, HEIGHT, WIDTH, START = range(9)
NUM_FIELDS = 9
RESULT_HEAD_BYTES = 64  # at most: all of a Result's frame but its values


def _text(data: bytes) -> Bytes:
    return np.frombuffer(data, np.uint8)


_DISPATCH = _text(b"\x87\xa4kind\xa8dispatch\xa3seq")
_AT_LAYER, _AT_GROUPS, _AT_ROW_INDEX = _text(b"\xa5layer"), _text(b"\xa6groups"), _text(b"\xa9row_index")
_AT_DEADLINE, _AT_HIDDEN = _text(b"\xabdeadline_ms"), _text(b"\xadhidden_states")
_RESULT, _AT_OUTPUTS = _text(b"\x83\xa4kind\xa6result\xa3seq"), _text(b"\xa7outputs")
_TENSOR_BYTES = 10  # dtype, two dimensions
_NOTHING = -1  # in place of a position: not recognised


@part
def frame_size(data: Bytes) -> Int:
    """Of the payload that follows the length at the start of ``data``."""
    return np.int64(data[0]) | np.int64(data[1]) << 8 | np.int64(data[2]) << 16 | np.int64(data[3]) << 24


@part
def matrix_bytes(dtype: Int, height: Int, width: Int) -> Int:
    return height * width * (4 if dtype == FLOAT32 else 1)


@part
def whole_frame(data: Bytes, start: Int, end: Int) -> Int:
    """Bytes of the frame at ``start``, its length included; 0 when it is not all there."""
    if end - start < LENGTH_BYTES:
        return 0
    num_bytes = LENGTH_BYTES + frame_size(data[start:])
    return num_bytes if start + num_bytes <= end else 0


@part
def big_endian(data: Bytes, at: Int, num_bytes: Int) -> Int:
    value = np.int64(0)
    for i in range(num_bytes):
        value = value << 8 | np.int64(data[at + i])
    return value


@part
def little_endian(data: Bytes, at: Int) -> Int:
    return frame_size(data[at:])


# -- reading: each takes a position and gives the next, _NOTHING where something else stands


@part
def read_text(data: Bytes, at: Int, end: Int, text: Bytes) -> Int:
    if at == _NOTHING or at + text.shape[0] > end:
        return _NOTHING
    for i in range(text.shape[0]):
        if data[at + i] != text[i]:
            return _NOTHING
    return at + text.shape[0]


@part
def read_integer(data: Bytes, at: Int, end: Int) -> tuple[Int, Int]:
    """(value, next position); below 2^63."""
    if at == _NOTHING or at >= end:
        return np.int64(0), _NOTHING
    first = np.int64(data[at])
    if first < 0x80:
        return first, at + 1
    if first < 0xCC or first > 0xCF:
        return np.int64(0), _NOTHING
    num_bytes = np.int64(1) << (first - 0xCC)
    if at + 1 + num_bytes > end:
        return np.int64(0), _NOTHING
    value = big_endian(data, at + 1, num_bytes)
    return value, at + 1 + num_bytes if value >= 0 else _NOTHING


@part
def read_array(data: Bytes, at: Int, end: Int) -> tuple[Int, Int]:
    """(number of elements, next position)"""
    if at == _NOTHING or at >= end:
        return np.int64(0), _NOTHING
    first = np.int64(data[at])
    if 0x90 <= first < 0xA0:
        return first - 0x90, at + 1
    if first == 0xDC and at + 3 <= end:
        return big_endian(data, at + 1, 2), at + 3
    return np.int64(0), _NOTHING


@part
def read_matrix(data: Bytes, at: Int, end: Int, fields: Ids) -> Int:
    """The tensor of two dimensions that ends the message."""
    if at == _NOTHING or at + 6 + _TENSOR_BYTES > end or data[at] != 0xC9 or data[at + 5] != wire.TENSOR_EXT:
        return _NOTHING
    start = at + 6
    fields[DTYPE], fields[HEIGHT] = data[start], little_endian(data, start + 2)
    fields[WIDTH], fields[START] = little_endian(data, start + 6), start + _TENSOR_BYTES
    num_bytes, row_bytes = end - fields[START], matrix_bytes(fields[DTYPE], 1, fields[WIDTH])
    if row_bytes and fields[HEIGHT] > num_bytes // row_bytes:  # their product may not have 64 bits
        return _NOTHING
    is_whole = fields[HEIGHT] * row_bytes == num_bytes and big_endian(data, at + 1, 4) == num_bytes + _TENSOR_BYTES
    is_known = fields[DTYPE] == FLOAT32 or fields[DTYPE] == INT8
    return end if is_whole and is_known and data[start + 1] == 2 else _NOTHING


@part
def read_dispatch(data: Bytes, start: Int, end: Int, fields: Ids, experts: Ids, counts: Ids, row_index: Ids) -> bool:
    """The frame ``data[start:end]`` into ``fields`` [NUM_FIELDS], one expert and count per group, one number per row.
    True when ``wire.decode`` accepts it and its groups count as many rows as it names, all of them there."""
    fields[SEQ], at = read_integer(data, read_text(data, start + LENGTH_BYTES, end, _DISPATCH), end)
    fields[LAYER], at = read_integer(data, read_text(data, at, end, _AT_LAYER), end)
    fields[NUM_GROUPS], at = read_array(data, read_text(data, at, end, _AT_GROUPS), end)
    if at == _NOTHING or not 1 <= fields[NUM_GROUPS] <= experts.shape[0]:
        return False
    counted = np.int64(0)
    for i in range(fields[NUM_GROUPS]):
        pair, at = read_array(data, at, end)
        experts[i], at = read_integer(data, at, end)
        counts[i], at = read_integer(data, at, end)
        if at == _NOTHING or pair != 2 or experts[i] > wire.MAX_COUNT or counts[i] > row_index.shape[0]:
            return False
        counted += counts[i]
    fields[NUM_ROWS], at = read_array(data, read_text(data, at, end, _AT_ROW_INDEX), end)
    if at == _NOTHING or not 1 <= fields[NUM_ROWS] <= row_index.shape[0] or counted != fields[NUM_ROWS]:
        return False
    highest = np.int64(0)
    for i in range(fields[NUM_ROWS]):
        row_index[i], at = read_integer(data, at, end)
        highest = max(highest, row_index[i])
    fields[DEADLINE_MS], at = read_integer(data, read_text(data, at, end, _AT_DEADLINE), end)
    if at == _NOTHING or fields[DEADLINE_MS] > wire.MAX_COUNT or fields[LAYER] > wire.MAX_COUNT:
        return False
    at = read_text(data, at, end, _AT_HIDDEN)
    if at - start - LENGTH_BYTES - 1 > wire.MAX_PLAIN_BYTES:  # keys and values, without the map's own byte
        return False
    at = read_matrix(data, at, end, fields)
    return bool(at != _NOTHING and highest < fields[HEIGHT] and highest <= wire.MAX_COUNT)


# -- writing: each takes a position and gives the next


@part
def write_text(data: Bytes, at: Int, text: Bytes) -> Int:
    for i in range(text.shape[0]):
        data[at + i] = text[i]
    return at + text.shape[0]


@part
def write_big_endian(data: Bytes, at: Int, value: Int, num_bytes: Int) -> Int:
    for i in range(num_bytes):
        data[at + i] = (value >> (8 * (num_bytes - 1 - i))) & 0xFF
    return at + num_bytes


@part
def write_little_endian(data: Bytes, at: Int, value: Int) -> Int:
    for i in range(4):
        data[at + i] = (value >> (8 * i)) & 0xFF
    return at + 4


@part
def write_integer(data: Bytes, at: Int, value: Int) -> Int:
    """In the fewest bytes."""
    if value < 0x80:
        data[at] = value
        return at + 1
    power = 0
    while power < 3 and value >> (8 << power) != 0:
        power += 1
    data[at] = 0xCC + power
    return write_big_endian(data, at + 1, value, 1 << power)


@part
def write_array(data: Bytes, at: Int, count: Int) -> Int:
    if count < 16:
        data[at] = 0x90 + count
        return at + 1
    data[at] = 0xDC
    return write_big_endian(data, at + 1, count, 2)


@part
def write_matrix_head(data: Bytes, at: Int, dtype: Int, height: Int, width: Int) -> Int:
    data[at] = 0xC9
    at = write_big_endian(data, at + 1, matrix_bytes(dtype, height, width) + _TENSOR_BYTES, 4)
    data[at], data[at + 1], data[at + 2] = wire.TENSOR_EXT, dtype, 2
    return write_little_endian(data, write_little_endian(data, at + 3, height), width)


@part
def write_result_head(data: Bytes, start: Int, seq: Int, dtype: Int, height: Int, width: Int) -> Int:
    """All of a Result's frame, from ``data[start]`` on, but its values; where they go."""
    at = write_integer(data, write_text(data, start + LENGTH_BYTES, _RESULT), seq)
    at = write_matrix_head(data, write_text(data, at, _AT_OUTPUTS), dtype, height, width)
    write_little_endian(data, start, at - start - LENGTH_BYTES + matrix_bytes(dtype, height, width))
    return at


@part
def write_dispatch_head(data: Bytes, fields: Ids, experts: Ids, counts: Ids, row_index: Ids) -> Int:
    """All of a Dispatch but its rows; where they go. ``fields``, ``experts``... as ``read_dispatch`` gives them."""
    at = write_integer(data, write_text(data, LENGTH_BYTES, _DISPATCH), fields[SEQ])
    at = write_integer(data, write_text(data, at, _AT_LAYER), fields[LAYER])
    at = write_array(data, write_text(data, at, _AT_GROUPS), fields[NUM_GROUPS])
    for i in range(fields[NUM_GROUPS]):
        data[at] = 0x92
        at = write_integer(data, write_integer(data, at + 1, experts[i]), counts[i])
    at = write_array(data, write_text(data, at, _AT_ROW_INDEX), fields[NUM_ROWS])
    for i in range(fields[NUM_ROWS]):
        at = write_integer(data, at, row_index[i])
    at = write_integer(data, write_text(data, at, _AT_DEADLINE), fields[DEADLINE_MS])
    at = write_text(data, at, _AT_HIDDEN)
    at = write_matrix_head(data, at, fields[DTYPE], fields[HEIGHT], fields[WIDTH])
    write_little_endian(data, 0, at - LENGTH_BYTES + matrix_bytes(fields[DTYPE], fields[HEIGHT], fields[WIDTH]))
    return at
