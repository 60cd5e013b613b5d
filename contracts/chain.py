"""The way to a chain: one or more RPC endpoints of it, reads through them, and doubt where they differ.

What authorises money is read with ``read_agreed``: every endpoint answers for one block, named by its hash, and all
answers must be the same bytes. Off the development chain that takes at least two endpoints.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from moray.contracts.development_keys import DEVELOPMENT_CHAIN_ID
from moray.contracts.endpoint import Endpoint
from moray.contracts.log import Log, as_bytes, as_hex, as_int
from moray.contracts.web3_here import AsyncWeb3
from moray.errors import BadSetting, ChainRefused, ChainUnreachable, ContractMissing, EndpointsDisagree, WrongChain

CONFIRMATIONS = 12  # chain_blocks on top of one that is taken as settled; none on the development chain
_AGREEMENT_TRIES = 5  # to find a block that every endpoint has: one may be behind for a moment
_AGREEMENT_PAUSE_S = 0.5

Block = int | Literal["latest"]
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class ChainBlock:
    number: int
    hash: bytes
    timestamp: int  # Unix seconds
    parent: bytes  # its hash


@dataclass(frozen=True, slots=True)
class Chain:
    """``web3`` speaks to the first endpoint, under the same limits; its own types stay below contracts/."""

    chain_id: int
    confirmations: int
    web3: AsyncWeb3[Any]
    endpoints: tuple[Endpoint, ...]

    @classmethod
    async def open(cls, urls: Sequence[str], chain_id: int | None = None, confirmations: int | None = None) -> Chain:
        """``chain_id`` None: whatever chain the first endpoint is of. ``confirmations`` None: see CONFIRMATIONS.

        Raises BadSetting, ChainUnreachable for any endpoint that does not answer, and WrongChain.
        """
        if not urls:
            raise BadSetting("no RPC endpoint is named; give the URL of one")
        endpoints = tuple(Endpoint(url) for url in urls)
        try:
            ids = await _numbers(endpoints, "eth_chainId")
            expected = ids[0] if chain_id is None else chain_id
            for endpoint, found in zip(endpoints, ids, strict=True):
                if found != expected:
                    raise WrongChain(
                        f"the RPC endpoint {endpoint.name} is of chain {found}, not {expected}; "
                        "name one of the right chain"
                    )
        except BaseException:
            await asyncio.gather(*(endpoint.disconnect() for endpoint in endpoints))
            raise
        if confirmations is None:
            confirmations = 0 if expected == DEVELOPMENT_CHAIN_ID else CONFIRMATIONS
        return cls(expected, confirmations, AsyncWeb3(endpoints[0], middleware=[]), endpoints)

    async def close(self) -> None:
        await asyncio.gather(*(endpoint.disconnect() for endpoint in self.endpoints))

    # -- blocks -------------------------------------------------------------------------------------------------------

    async def head(self) -> ChainBlock:
        block = await self.block("latest")
        if block is None:
            raise ChainUnreachable(f"the RPC endpoint {self.endpoints[0].name} has no block at all; wait until it has")
        return block

    async def agreed_block(self, confirmations: int | None = None) -> ChainBlock:
        """The newest block with ``confirmations`` (None: the chain's) on top that all endpoints have. Raises
        EndpointsDisagree."""
        if len(self.endpoints) < 2 and self.chain_id != DEVELOPMENT_CHAIN_ID:
            raise BadSetting(
                f"on chain {self.chain_id} one RPC endpoint is not believed where money is concerned; name a second one"
            )
        for _ in range(_AGREEMENT_TRIES):
            heads = await _numbers(self.endpoints, "eth_blockNumber")
            number = max(0, min(heads) - (self.confirmations if confirmations is None else confirmations))
            blocks = await asyncio.gather(*(_block_of(endpoint, number) for endpoint in self.endpoints))
            if blocks[0] is not None and all(block is not None and block.hash == blocks[0].hash for block in blocks):
                return blocks[0]
            await asyncio.sleep(_AGREEMENT_PAUSE_S)
        names = ", ".join(endpoint.name for endpoint in self.endpoints)
        raise EndpointsDisagree(
            f"the RPC endpoints {names} have different blocks {number}, so nothing is paid; "
            "find out which is wrong and replace it"
        )

    async def block(self, block: Block) -> ChainBlock | None:
        """None for one that the first endpoint does not have."""
        return await _block_of(self.endpoints[0], block)

    # -- contracts ----------------------------------------------------------------------------------------------------

    async def read(self, contract_address: str, data: bytes, *, block: Block | ChainBlock = "latest") -> bytes:
        """What a call returns, by the first endpoint; at a ChainBlock by its hash, so that several answers are of one
        block also through a reorganisation. Raises ContractMissing, Reverted and ChainError."""
        name = _hash_name(block) if isinstance(block, ChainBlock) else _block_name(block)
        return await _call(self.endpoints[0], contract_address, data, name)

    async def read_agreed(self, contract_address: str, data: bytes, *, block: ChainBlock | None = None) -> bytes:
        """The same by every endpoint, at ``block``, or the newest that is settled everywhere.

        Raises EndpointsDisagree besides.
        """
        at = block or await self.agreed_block()
        name = _hash_name(at)
        answers = await asyncio.gather(*(_call(each, contract_address, data, name) for each in self.endpoints))
        return self.same(answers, contract_address)

    async def code_agreed(self, address: str, block: ChainBlock) -> bytes:
        """By every endpoint; empty where there is no contract. Raises EndpointsDisagree."""
        name = {"blockHash": as_hex(block.hash), "requireCanonical": True}
        codes = await asyncio.gather(*(each.data("eth_getCode", address, name) for each in self.endpoints))
        return self.same(codes, address)

    async def balance_agreed(self, account: str, block: ChainBlock) -> int:
        """In wei, by every endpoint. Raises EndpointsDisagree."""
        name = {"blockHash": as_hex(block.hash), "requireCanonical": True}
        found = await asyncio.gather(*(each.number("eth_getBalance", account, name) for each in self.endpoints))
        return self.same(found, account)

    async def tx_nonce_agreed(self, account: str, block: ChainBlock) -> int:
        """Below it all of the account's are used up, by every endpoint. Raises EndpointsDisagree."""
        name = _hash_name(block)
        found = await asyncio.gather(*(e.number("eth_getTransactionCount", account, name) for e in self.endpoints))
        return self.same(found, account)

    def same(self, answers: Sequence[_Answer], subject: str) -> _Answer:
        """What every endpoint answered, in their order. Raises EndpointsDisagree."""
        for endpoint, answer in zip(self.endpoints, answers, strict=True):
            if answer != answers[0]:
                raise EndpointsDisagree(
                    f"the RPC endpoints {self.endpoints[0].name} and {endpoint.name} disagree on {subject} "
                    "at the same block, so nothing is paid; find out which is wrong and replace it"
                )
        return answers[0]

    async def has_code(self, address: str) -> bool:
        return bool(await self.endpoints[0].data("eth_getCode", address, "latest"))

    async def balance_wei(self, account: str, block: Block = "latest") -> int:
        return await self.endpoints[0].number("eth_getBalance", account, _block_name(block))

    async def gas_price_wei(self) -> int:
        """What a unit of gas costs now, with a usual tip."""
        return as_int(await self.endpoints[0].request("eth_gasPrice"))

    # -- events -------------------------------------------------------------------------------------------------------

    async def logs(self, where: Mapping[str, Any]) -> list[Log]:
        """``where``: the filter of eth_getLogs. Raises ChainRefused, also for more logs than the endpoint gives."""
        found = await self.endpoints[0].request("eth_getLogs", dict(where))
        try:
            return [Log.of(each) for each in found]
        except (KeyError, TypeError, ValueError):
            raise ChainRefused(f"the RPC endpoint {self.endpoints[0].name} answered with logs that are none") from None


async def _numbers(endpoints: Sequence[Endpoint], method: str) -> list[int]:
    return await asyncio.gather(*(endpoint.number(method) for endpoint in endpoints))


async def _block_of(endpoint: Endpoint, block: Block) -> ChainBlock | None:
    fields = await endpoint.request("eth_getBlockByNumber", _block_name(block), False)
    if fields is None:
        return None
    try:
        return ChainBlock(
            as_int(fields["number"]),
            as_bytes(fields["hash"]),
            as_int(fields["timestamp"]),
            as_bytes(fields["parentHash"]),
        )
    except (KeyError, TypeError, ValueError):
        raise ChainRefused(f"the RPC endpoint {endpoint.name} answered with a block that is none") from None


async def _call(endpoint: Endpoint, address: str, data: bytes, block: str | dict[str, Any]) -> bytes:
    answer = await endpoint.data("eth_call", {"to": address, "data": as_hex(data)}, block)
    # A call to an address without code succeeds and returns nothing; no function that is read here does.
    if not answer:
        raise ContractMissing(
            f"there is no contract of Moray's at {address}, says {endpoint.name}; check the file of addresses"
        )
    return answer


def _block_name(block: Block) -> str:
    return block if isinstance(block, str) else hex(block)


def _hash_name(block: ChainBlock) -> dict[str, Any]:
    return {"blockHash": as_hex(block.hash), "requireCanonical": True}
