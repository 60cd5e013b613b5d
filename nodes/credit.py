"""What each router may still get from this node: rows before it pays, and rows that its vouchers pay for.

One account for all replicas of the node, kept by the process that holds its key. A replica draws rows from it by lease;
a router that pays sends vouchers, which count once they are signed, higher than all before, covered by the channel's
deposit on the chain, and on this machine's disk. While the chain does not answer nothing new is believed.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from moray import wire
from moray.contracts.channels import (
    Channel,
    ChannelState,
    Voucher,
    channel_id,
    news,
    voucher_typed_data,
)
from moray.errors import BadSignature
from moray.node_key import recover
from moray.nodes.voucher_book import HeldVoucher, VoucherBook
from moray.pay_terms import PayTerms, rows_of

LEASES_PER_ALLOWANCE = 64  # so that even what 32 idle replicas hold leaves a router half of it
MAX_LEASE_ROWS = 4096

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PayRules:
    """What the node's operator asks of those who pay."""

    terms: PayTerms
    payers: tuple[str, ...]  # whose channels count
    row_price: int  # base units for pay_terms.ROWS_PER_PRICE rows
    chain_id: int
    contract: str  # the payment channels


@dataclass(slots=True)
class RouterAccount:
    """Since this process started."""

    max_unpaid_rows: int
    row_price: int
    paid: int = 0  # base units
    leased_rows: int = 0  # and not given back: computed, or about to be, or lost with a replica that was killed

    @property
    def rows_left(self) -> int:
        return self.max_unpaid_rows + rows_of(self.paid, self.row_price) - self.leased_rows

    def draw(self, asked: int, returned: int) -> int:
        """At least ``asked``, or none."""
        self.leased_rows -= min(returned, self.leased_rows)
        if not 0 < asked <= self.rows_left:
            return 0
        usual = min(MAX_LEASE_ROWS, self.max_unpaid_rows // LEASES_PER_ALLOWANCE)
        given = min(max(asked, usual), self.rows_left)
        self.leased_rows += given
        return given


@dataclass(frozen=True, slots=True)
class Offer:
    """A voucher whose signature is right, before anybody asked the chain what it is worth."""

    router: str
    channel: Channel
    voucher: Voucher
    signature: bytes


def read_offer(rules: PayRules, router: str, message: wire.Voucher) -> Offer | None:
    """None unless the voucher is of a channel from an accepted payer to this node's payee, signed by that channel's
    signer: who signed is recovered, and must lead to the channel that was signed."""
    voucher = Voucher(message.channel, int.from_bytes(message.cumulative), message.epoch, message.commitment)
    try:
        signer = recover(voucher_typed_data(voucher, rules.chain_id, rules.contract), message.signature)
    except BadSignature:
        return None
    for payer in rules.payers:
        channel = Channel(payer, signer, rules.terms.payee)
        if channel_id(channel, rules.chain_id, rules.contract) == voucher.channel:
            return Offer(router, channel, voucher, message.signature)
    return None


class NodeCredit:
    """From any thread."""

    def __init__(self, rules: PayRules, book: VoucherBook) -> None:
        self._rules, self._book = rules, book
        self._lock = threading.Lock()
        self._accounts = dict[str, RouterAccount]()
        self._offers = dict[str, Offer]()  # the highest of each router that is not settled
        self.has_offers = threading.Event()  # since somebody cleared it

    @property
    def features(self) -> list[str]:
        return self._rules.terms.as_features()

    def draw(self, router: str, asked: int, returned: int) -> int:
        with self._lock:
            return self._account(router).draw(asked, returned)

    def offer(self, router: str, voucher: wire.Voucher) -> None:
        """It counts when ``settle`` has seen its channel."""
        offer = read_offer(self._rules, router, voucher)
        if offer is None:
            logger.warning("%s sent a voucher that is none for this node", router)
            return
        with self._lock:
            known = self._offers.get(router)
            is_lower = (
                known is not None
                and known.channel == offer.channel
                and offer.voucher.cumulative <= known.voucher.cumulative
            )
            if not is_lower and offer.voucher.cumulative > self._book.cumulative(offer.voucher.channel):
                self._offers[router] = offer
                self.has_offers.set()

    def unsettled(self) -> list[bytes]:
        """The channels to be looked up."""
        with self._lock:
            return [offer.voucher.channel for offer in self._offers.values()]

    def settle(self, states: Mapping[bytes, ChannelState]) -> None:
        """Count what these channels cover. What is not covered waits for a deposit, or for a voucher in its place.
        Raises OSError where a voucher cannot be kept; then it does not count."""
        with self._lock:
            for router, offer in list(self._offers.items()):
                state, voucher = states.get(offer.voucher.channel), offer.voucher
                before = self._book.cumulative(voucher.channel)
                if state is None:
                    continue
                if voucher.cumulative <= max(before, state.paid):
                    del self._offers[router]
                elif added := news(state, before, voucher.cumulative):
                    self._book.keep(HeldVoucher.of(offer.channel, voucher, offer.signature))
                    del self._offers[router]
                    self._account(router).paid += added
                    logger.info("%s has paid %d", router, added)
                else:
                    logger.warning("%s sent a voucher that its channel does not cover, or that closes", router)

    def _account(self, router: str) -> RouterAccount:
        """Routers are those of the network's manifest, which are few."""
        rules = self._rules
        return self._accounts.setdefault(router, RouterAccount(rules.terms.max_unpaid_rows, rules.row_price))
