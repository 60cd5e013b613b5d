"""One account on a chain, as the writer of its transactions sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from moray.contracts.calls import Call
from moray.contracts.chain import Chain
from moray.contracts.endpoint import Endpoint
from moray.contracts.intents import Mined
from moray.contracts.log import Log, as_bytes, as_hex, as_int
from moray.contracts.outbox_decisions import ChainView, Receipt
from moray.errors import ChainError, ChainRefused

# Blocks below the one that a transaction was signed at, where its tx_nonce may have been used all the same.
_LOOK_BACK_BLOCKS = 64
_ALREADY_THERE = ("already known", "already imported", "known transaction", "alreadyknown")


class AccountOnChain(Protocol):
    """What a writer needs of a chain. Every method raises ChainError."""

    async def view(self) -> ChainView: ...

    async def receipt(self, tx_hash: bytes) -> Receipt | None:
        """Of a transaction in a canonical block."""
        ...

    async def estimate(self, call: Call) -> int:
        """The gas that ``call`` would need on the newest block. Raises Reverted if it would be refused there."""
        ...

    async def broadcast(self, raw: bytes) -> None:
        """Returns if a node has the transaction, from now on or already."""
        ...

    async def user_of(self, tx_nonce: int, signed_at_block: int) -> bytes | None:
        """The hash of the canonical transaction that used ``tx_nonce``, None where it cannot be found."""
        ...


class ChainAccount:
    """``address`` on ``chain``: reads ask the first endpoint, transactions go to all of them."""

    def __init__(self, chain: Chain, address: str, confirmations: int) -> None:
        self._endpoints = chain.endpoints
        self._address = address
        self._confirmations = confirmations

    async def view(self) -> ChainView:
        with self._sense():
            head = await self._ask("eth_getBlockByNumber", "latest", False)
            number = as_int(head["number"])
            settled = number - self._confirmations
            at = hex(number)
            tx_nonce, settled_tx_nonce, balance, tip = await asyncio.gather(
                self._ask("eth_getTransactionCount", self._address, at),
                self._ask("eth_getTransactionCount", self._address, hex(max(settled, 0))),
                self._ask("eth_getBalance", self._address, at),
                self._suggested_tip(),
            )
            return ChainView(
                head_number=number,
                head_hash=as_bytes(head["hash"]),
                settled_number=settled,
                base_fee_wei=as_int(head.get("baseFeePerGas", 0)),
                suggested_tip_wei=tip,
                tx_nonce=as_int(tx_nonce),
                settled_tx_nonce=as_int(settled_tx_nonce),
                balance_wei=as_int(balance),
            )

    async def receipt(self, tx_hash: bytes) -> Receipt | None:
        with self._sense():
            found = await self._ask("eth_getTransactionReceipt", as_hex(tx_hash))
            if found is None or found.get("blockHash") is None:
                return None
            block = await self._ask("eth_getBlockByNumber", found["blockNumber"], False)
            if block is None or block["hash"] != found["blockHash"]:
                return None
            mined = Mined(
                tx_hash=tx_hash,
                block_number=as_int(found["blockNumber"]),
                block_hash=as_bytes(found["blockHash"]),
                gas_used=as_int(found["gasUsed"]),
                effective_gas_price=as_int(found["effectiveGasPrice"]),
                logs=tuple(Log.of(log) for log in found["logs"]),
            )
            return Receipt(as_int(found["status"]) == 1, mined)

    async def estimate(self, call: Call) -> int:
        with self._sense():
            fields = {"from": self._address, "to": call.to, "data": as_hex(call.data), "value": hex(call.value_wei)}
            # Not on "pending", which some take for granted: there the account's own transactions count already.
            return as_int(await self._ask("eth_estimateGas", fields, "latest"))

    async def broadcast(self, raw: bytes) -> None:
        outcomes = await asyncio.gather(*(_offer(endpoint, raw) for endpoint in self._endpoints))
        if (first := outcomes[0]) is not None and None not in outcomes:
            raise first

    async def user_of(self, tx_nonce: int, signed_at_block: int) -> bytes | None:
        with self._sense():
            low, high = max(0, signed_at_block - _LOOK_BACK_BLOCKS), as_int(await self._ask("eth_blockNumber"))
            if await self._used_by(low) > tx_nonce or await self._used_by(high) <= tx_nonce:
                return None
            while high - low > 1:  # not used up to low, used by high
                middle = (low + high) // 2
                low, high = (low, middle) if await self._used_by(middle) > tx_nonce else (middle, high)
            block = await self._ask("eth_getBlockByNumber", hex(high), True)
            for transaction in block["transactions"]:
                is_ours = str(transaction["from"]).lower() == self._address.lower()
                if is_ours and as_int(transaction["nonce"]) == tx_nonce:
                    return as_bytes(transaction["hash"])
            return None

    async def _used_by(self, number: int) -> int:
        return as_int(await self._ask("eth_getTransactionCount", self._address, hex(number)))

    async def _suggested_tip(self) -> int:
        try:
            return as_int(await self._ask("eth_maxPriorityFeePerGas"))
        except ChainRefused:
            return 0  # it has no opinion; the policy's floor counts

    @contextmanager
    def _sense(self) -> Iterator[None]:
        """An answer that is none is the endpoint's fault, to be asked again, and not the end of who asks."""
        try:
            yield
        except (KeyError, TypeError, ValueError, AttributeError):
            raise ChainRefused(
                f"the RPC endpoint {self._endpoints[0].name} answered with what is no block, receipt or number; "
                "use another"
            ) from None

    async def _ask(self, method: str, *params: Any) -> Any:
        return await self._endpoints[0].request(method, *params)


async def _offer(endpoint: Endpoint, raw: bytes) -> ChainError | None:
    try:
        await endpoint.request("eth_sendRawTransaction", as_hex(raw))
    except ChainError as error:
        return None if any(words in str(error).lower() for words in _ALREADY_THERE) else error
    return None
