"""Leaves and roots of integer weights as docs/integer-expert.md words them, by Ethereum's own libraries."""

from __future__ import annotations

import hashlib

from eth_abi.packed import encode_packed
from eth_utils.crypto import keccak

from moray.experts.weight_root import RowPlace, StoredRow

LEAF = ["uint8", "uint32", "uint32", "uint8", "uint32", "uint8", "int32", "int8", "bytes32"]


def leaf(place: RowPlace, row: StoredRow) -> bytes:
    digest = hashlib.sha256(row.values).digest()
    numbers = [place.layer, place.expert, place.matrix, place.row, row.bits, row.mantissa, row.shift]
    return keccak(encode_packed(LEAF, [0, *numbers, digest]))


def root_of(digests: list[bytes]) -> bytes:
    while len(digests) > 1:
        pairs = [digests[i : i + 2] for i in range(0, len(digests), 2)]
        digests = [keccak(b"\x01" + pair[0] + pair[1]) if len(pair) == 2 else pair[0] for pair in pairs]
    return digests[0]
