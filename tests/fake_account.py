"""An account on a chain whose mempool forgets, whose blocks are taken back and whose key strangers use."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from moray.contracts.calls import Call
from moray.contracts.intents import Mined
from moray.contracts.outbox_decisions import ChainView, Receipt
from moray.errors import ChainRefused, ChainUnreachable, Reverted
from moray.ethereum import keccak

ADDRESS = "0x" + "11" * 20
BALANCE_WEI = 10**24
STRANGER = "stranger"


@dataclass(frozen=True)
class Transaction:
    """``data``: of the call; empty for a cancellation or a filled gap."""

    tx_hash: bytes
    tx_nonce: int
    data: bytes
    max_fee_wei: int
    tip_wei: int


@dataclass(frozen=True)
class Block:
    number: int
    hash: bytes
    base_fee_wei: int
    transactions: tuple[Transaction, ...] = ()
    failed: frozenset[bytes] = frozenset()  # hashes of those that reverted


class JsonSigner:
    address = ADDRESS

    def sign_transaction(self, fields: dict[str, Any]) -> bytes:
        return json.dumps(fields | {"data": fields["data"].hex()}, sort_keys=True).encode()


@dataclass
class FakeAccount:
    confirmations: int
    blocks: list[Block] = field(default_factory=lambda: [Block(0, b"0" * 32, 10)])
    mempool: dict[int, Transaction] = field(default_factory=dict)
    ever_sent: list[Transaction] = field(default_factory=list)
    refused: set[bytes] = field(default_factory=set)  # the data of calls that the contract refuses at present
    is_dead: bool = False
    is_behind: bool = False  # it knows the blocks and cannot tell their receipts yet
    _num_made: int = 0

    # -- what the writer sees -----------------------------------------------------------------------------------------

    async def view(self) -> ChainView:
        self._answer()
        head = self.blocks[-1]
        settled = head.number - self.confirmations
        return ChainView(
            head_number=head.number,
            head_hash=head.hash,
            settled_number=settled,
            base_fee_wei=head.base_fee_wei,
            suggested_tip_wei=2,
            tx_nonce=self.tx_nonce_at(head.number),
            settled_tx_nonce=self.tx_nonce_at(max(settled, 0)),
            balance_wei=BALANCE_WEI,
        )

    async def receipt(self, tx_hash: bytes) -> Receipt | None:
        self._answer()
        for block in self.blocks if not self.is_behind else []:
            for transaction in block.transactions:
                if transaction.tx_hash == tx_hash:
                    mined = Mined(tx_hash, block.number, block.hash, 21000, block.base_fee_wei, ())
                    return Receipt(tx_hash not in block.failed, mined)
        return None

    async def estimate(self, call: Call) -> int:
        self._answer()
        if call.data in self.refused:
            raise Reverted("Refused", {}, "the contract refuses it")
        return 30_000

    async def broadcast(self, raw: bytes) -> None:
        self._answer()
        fields = json.loads(raw)
        self._admit(
            Transaction(
                keccak(raw),
                fields["nonce"],
                bytes.fromhex(fields["data"]),
                fields["maxFeePerGas"],
                fields["maxPriorityFeePerGas"],
            )
        )

    async def user_of(self, tx_nonce: int, signed_at_block: int) -> bytes | None:
        self._answer()
        used = [each for block in self.blocks for each in block.transactions if each.tx_nonce == tx_nonce]
        return used[0].tx_hash if used else None

    # -- what happens to it -------------------------------------------------------------------------------------------

    def mine(self, base_fee_wei: int, most: int = 100) -> None:
        """A block of what the mempool has in order and can pay for it."""
        included: list[Transaction] = []
        next_up = self.tx_nonce_at(self.blocks[-1].number)
        while (each := self.mempool.get(next_up)) and each.max_fee_wei >= base_fee_wei and len(included) < most:
            included.append(self.mempool.pop(next_up))
            next_up += 1
        self._append(included, base_fee_wei)

    def take_back(self, depth: int, is_forgotten: bool) -> None:
        """A reorganisation: as many other blocks, empty ones; their transactions go back to the mempool, or nowhere."""
        for old in [self.blocks.pop() for _ in range(min(depth, len(self.blocks) - 1))]:
            for transaction in old.transactions:
                if not is_forgotten:
                    self.mempool.setdefault(transaction.tx_nonce, transaction)
        for _ in range(depth):
            self._append([], self.blocks[-1].base_fee_wei)

    def forget(self) -> None:
        self.mempool.clear()

    def remember(self, which: int) -> None:
        """Some node still has a transaction that was sent at some time, and makes the next block."""
        if self.ever_sent:
            old = self.ever_sent[which % len(self.ever_sent)]
            self.mempool[old.tx_nonce] = old

    def use_key(self) -> None:
        """A stranger's transaction under the next tx_nonce, which pays more than anybody."""
        tx_nonce = self.tx_nonce_at(self.blocks[-1].number)
        self._num_made += 1
        tx_hash = keccak(f"{STRANGER} {self._num_made}".encode())
        self.mempool[tx_nonce] = Transaction(tx_hash, tx_nonce, STRANGER.encode(), 10**18, 10**18)

    # -- what is true -------------------------------------------------------------------------------------------------

    def tx_nonce_at(self, number: int) -> int:
        return sum(len(block.transactions) for block in self.blocks if block.number <= number)

    def times_done(self, data: bytes) -> int:
        """How often a call took effect."""
        return sum(
            transaction.data == data and transaction.tx_hash not in block.failed
            for block in self.blocks
            for transaction in block.transactions
        )

    def _append(self, included: Sequence[Transaction], base_fee_wei: int) -> None:
        self._num_made += 1
        failed = frozenset(each.tx_hash for each in included if each.data in self.refused)
        block_hash = keccak(f"block {self._num_made}".encode())
        self.blocks.append(Block(len(self.blocks), block_hash, base_fee_wei, tuple(included), failed))

    def _admit(self, new: Transaction) -> None:
        old = self.mempool.get(new.tx_nonce)
        if new.tx_nonce < self.tx_nonce_at(self.blocks[-1].number):
            raise ChainRefused("nonce too low")
        if old is not None and old.tx_hash != new.tx_hash and not _is_more(new, old):
            raise ChainRefused("replacement transaction underpriced")
        self.mempool[new.tx_nonce] = new
        if new not in self.ever_sent:
            self.ever_sent.append(new)

    def _answer(self) -> None:
        if self.is_dead:
            raise ChainUnreachable("no answer")


def _is_more(new: Transaction, old: Transaction) -> bool:
    return 10 * new.max_fee_wei >= 11 * old.max_fee_wei and 10 * new.tip_wei >= 11 * old.tip_wei
