"""How a node says in its Join that it is paid in vouchers, and what rows cost; the two operators agree on it before.

It stands among the Join's features, so that nobody who does not know of it stumbles over it; the node's key signs them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from moray.ethereum import is_checksum_address

VOUCHERS = "vouchers"  # the feature
ROWS_PER_PRICE = 1000
MAX_ROWS = 2**62  # of an allowance
_PAYEE, _UNPAID_ROWS = "payee:", "unpaid_rows:"


@dataclass(frozen=True, slots=True)
class PayTerms:
    payee: str  # EIP-55; of this node alone: two with one payee would each count the same vouchers
    max_unpaid_rows: int  # that the node computes for one router before it is paid

    def as_features(self) -> list[str]:
        return [VOUCHERS, f"{_PAYEE}{self.payee}", f"{_UNPAID_ROWS}{self.max_unpaid_rows}"]


def read_terms(features: Sequence[str]) -> PayTerms | None:
    """None for a node that asks for no vouchers, or not in words that are understood: it is served as others are."""
    payee = _only(features, _PAYEE)
    rows = _only(features, _UNPAID_ROWS)
    if VOUCHERS not in features or not is_checksum_address(payee):
        return None
    if not (rows.isascii() and rows.isdecimal() and len(rows) < 20 and 0 < int(rows) <= MAX_ROWS):
        return None
    return PayTerms(payee, int(rows))


def amount_of(rows: int, row_price: int) -> int:
    """Base units for so many rows at ``row_price`` for ROWS_PER_PRICE of them, rounded up."""
    return -(-rows * row_price // ROWS_PER_PRICE)


def rows_of(amount: int, row_price: int) -> int:
    """How many rows ``amount`` pays for, rounded down."""
    return amount * ROWS_PER_PRICE // row_price


def _only(features: Sequence[str], prefix: str) -> str:
    """What follows the prefix in the one feature that has it; nothing where there are more."""
    found = [feature.removeprefix(prefix) for feature in features if feature.startswith(prefix)]
    return found[0] if len(found) == 1 else ""
