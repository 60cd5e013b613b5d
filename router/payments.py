"""What a router owes to nodes of other operators: rows that each has computed, and the vouchers that it was sent.

The router only counts and passes on. Who signs vouchers, and has the key, is a process outside Ray (``moray pay``).
"""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from moray import wire
from moray.pay_terms import PayTerms, read_terms

if TYPE_CHECKING:
    from moray.router.uplink import Uplink

MAX_PAID_NODES = 10_000

logger = logging.getLogger(__name__)


class PaidNode(NamedTuple):
    """A node as the router tells it apart: the key that signs its Joins, and its name among those of that key."""

    signer: str
    node_id: str


@dataclass(slots=True)
class NodeAccount:
    """Since the router started."""

    terms: PayTerms
    rows: int = 0  # computed by it, the tests at its joins included
    is_refusing: bool = False  # it asked for pay since its last voucher
    voucher: wire.Voucher | None = None  # the last
    uplinks: set[Uplink] = field(default_factory=set)

    @property
    def cumulative(self) -> int:
        return int.from_bytes(self.voucher.cumulative) if self.voucher is not None else 0


class PaymentBook:
    """Owned by the engine's event loop; ``accounts`` may be copied from elsewhere."""

    def __init__(self, row_price: int) -> None:
        """``row_price``: base units for pay_terms.ROWS_PER_PRICE rows, the same for all."""
        self.row_price = row_price
        self.life = secrets.token_hex(8)  # whoever finds another one here begins to count at 0
        self.accounts = dict[PaidNode, NodeAccount]()

    def welcomed(self, uplink: Uplink) -> None:
        """It joins, and gets what its node was promised last."""
        assert uplink.join is not None
        terms = read_terms(uplink.join.features)
        if terms is None:
            return
        account = self._account(uplink)
        if account is None:
            if len(self.accounts) >= MAX_PAID_NODES:
                logger.warning("%s is one node more than can be paid", uplink.key.signer)
                return
            account = self.accounts[_node(uplink)] = NodeAccount(terms)
        account.terms = terms
        account.uplinks.add(uplink)
        if account.voucher is not None:
            uplink.promise(account.voucher)

    def left(self, uplink: Uplink) -> None:
        if (account := self._account(uplink)) is not None:
            account.uplinks.discard(uplink)

    def answered(self, uplink: Uplink, num_rows: int) -> None:
        if (account := self._account(uplink)) is not None and uplink in account.uplinks:
            account.rows += num_rows

    def refused(self, uplink: Uplink) -> None:
        if (account := self._account(uplink)) is not None:
            account.is_refusing = True

    def promise(self, node: PaidNode, voucher: wire.Voucher) -> None:
        """To all its replicas that are there, and to those that come later. An older one changes nothing."""
        account = self.accounts.get(node)
        if account is None or int.from_bytes(voucher.cumulative) <= account.cumulative:
            return
        account.voucher, account.is_refusing = voucher, False
        for uplink in list(account.uplinks):
            uplink.promise(voucher)

    def _account(self, uplink: Uplink) -> NodeAccount | None:
        return self.accounts.get(_node(uplink)) if uplink.join is not None else None


def _node(uplink: Uplink) -> PaidNode:
    return PaidNode(uplink.key.signer, uplink.key.node_id)
