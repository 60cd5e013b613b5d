"""Keccak-256 as Ethereum has it (FIPS 202's permutation, the padding of before), compiled, for many short messages.

A library's call takes 8 us, mostly on its way there; a tree of weights has two such messages a row.
"""

from __future__ import annotations

import numpy as np

from moray.experts.compiled import Array, kernel, part

DIGEST_BYTES = 32
RATE_BYTES = 136  # of one block
LANE_BYTES = 8
# Where rho and pi take each lane in turn, and how far it is rotated on the way (FIPS 202, 3.2.2 and 3.2.3).
_NEXT = np.array([10, 7, 11, 17, 18, 3, 5, 16, 8, 21, 24, 4, 15, 23, 19, 13, 12, 2, 20, 14, 22, 9, 6, 1])
_TURNS = np.array([(t + 1) * (t + 2) // 2 % 64 for t in range(24)], np.uint64)


def _round_constants() -> list[int]:
    """FIPS 202, 3.2.5: bits 2^j - 1 of each come out of a shift register."""
    constants, register = [], 1
    for _ in range(24):
        constant = 0
        for j in range(7):
            constant |= (register & 1) << ((1 << j) - 1)
            register = (register << 1) ^ (0x171 if register & 0x80 else 0)
        constants.append(constant)
    return constants


_ROUNDS = np.array(_round_constants(), np.uint64)


@part
def turned(lane: np.uint64, count: np.uint64) -> np.uint64:
    return (lane << count) | (lane >> (np.uint64(64) - count))


@part
def permute(a: Array, c: Array) -> None:
    """Keccak-f[1600] of 25 lanes in place; ``c``: room for five."""
    for constant in _ROUNDS:
        for x in range(5):
            c[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20]
        for x in range(5):
            parity = c[(x + 4) % 5] ^ turned(c[(x + 1) % 5], np.uint64(1))
            for y in range(0, 25, 5):
                a[y + x] ^= parity
        moving = a[1]
        for t in range(24):
            place = _NEXT[t]
            staying = a[place]
            a[place] = turned(moving, _TURNS[t])
            moving = staying
        for y in range(0, 25, 5):
            for x in range(5):
                c[x] = a[y + x]
            for x in range(5):
                a[y + x] = c[x] ^ (~c[(x + 1) % 5] & c[(x + 2) % 5])
        a[0] ^= constant


@kernel("void(u1[:,::1], u1[:,::1])")
def keccak_kernel(messages: Array, out: Array) -> None:
    """Messages [N, L] of less than RATE_BYTES each -> out [N, DIGEST_BYTES]."""
    length = messages.shape[1]
    block, lanes, room = np.empty(RATE_BYTES, np.uint8), np.empty(25, np.uint64), np.empty(5, np.uint64)
    for n in range(messages.shape[0]):
        for i in range(RATE_BYTES):  # element by element: numba compiles slices for seconds
            block[i] = messages[n, i] if i < length else np.uint8(0)
        block[length] = 1
        block[RATE_BYTES - 1] |= 0x80
        words = block.view(np.uint64)
        for i in range(25):
            lanes[i] = words[i] if i < RATE_BYTES // LANE_BYTES else np.uint64(0)
        permute(lanes, room)
        digest = lanes.view(np.uint8)
        for i in range(DIGEST_BYTES):
            out[n, i] = digest[i]
