"""eth-account and its kin, imported in one place.

One of them (py_ecc) raises the whole process's recursion limit to 100,000 when it is imported. A deeply nested JSON
text from outside then ends the process with a segmentation fault where it was a RecursionError before, so the limit is
put back.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def _unchanged_recursion_limit() -> Iterator[None]:
    limit = sys.getrecursionlimit()
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


with _unchanged_recursion_limit():
    import py_ecc  # noqa: F401 - here and not when somebody needs it
    from eth_account import Account
    from eth_account.hdaccount import key_from_seed, seed_from_mnemonic
    from eth_account.messages import encode_typed_data
    from eth_account.signers.local import LocalAccount
    from eth_account.typed_transactions.typed_transaction import TypedTransaction
    from eth_keys.constants import SECPK1_N
    from eth_keys.exceptions import BadSignature as RefusedByCurve
    from eth_utils.address import is_checksum_address, to_checksum_address
    from eth_utils.crypto import keccak
    from eth_utils.exceptions import ValidationError
    from hexbytes import HexBytes

__all__ = [
    "SECPK1_N",
    "Account",
    "HexBytes",
    "LocalAccount",
    "RefusedByCurve",
    "TypedTransaction",
    "ValidationError",
    "encode_typed_data",
    "is_checksum_address",
    "keccak",
    "key_from_seed",
    "seed_from_mnemonic",
    "to_checksum_address",
]
