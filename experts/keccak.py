"""Keccak-256 as Ethereum has it: one message by a library, many short ones of a length by a kernel."""

from __future__ import annotations

import numpy as np
from Crypto.Hash import keccak as library
from numpy.typing import NDArray

from moray.experts.keccak_kernel import DIGEST_BYTES, RATE_BYTES, keccak_kernel


def keccak(message: bytes) -> bytes:
    return library.new(digest_bits=8 * DIGEST_BYTES, data=message).digest()


def keccak_rows(messages: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """[N, L] -> [N, 32]; L below 136. Raises ValueError for longer messages."""
    if messages.shape[1] >= RATE_BYTES:
        raise ValueError(f"messages of {messages.shape[1]} bytes; at most {RATE_BYTES - 1} fit one block")
    out = np.empty((len(messages), DIGEST_BYTES), np.uint8)
    keccak_kernel(np.ascontiguousarray(messages), out)
    return out
