"""One deployed contract: calls of its functions, answers of its views, its events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from moray.contracts.artifacts import ContractName
from moray.contracts.calls import Call, ExpectedEvent
from moray.contracts.chain import Block, Chain, ChainBlock
from moray.contracts.interface import decode_event, decode_values, interface
from moray.contracts.log import Log
from moray.errors import BadSetting, ContractMissing
from moray.ethereum import is_checksum_address


@dataclass(frozen=True, slots=True)
class Event:
    """``args`` by name; structs are tuples in the order of their fields, addresses EIP-55."""

    name: str
    args: dict[str, Any]
    address: str
    block_number: int
    block_hash: bytes
    tx_hash: bytes
    log_index: int


@dataclass(frozen=True, slots=True)
class Contract:
    """Functions are named alone, or by signature where several share a name: "mint", "f(address,uint256)"."""

    chain: Chain
    name: ContractName
    address: str  # EIP-55

    def __post_init__(self) -> None:
        if not is_checksum_address(self.address):
            raise BadSetting(f"{self.address!r} is no address with a checksum (EIP-55); correct it")

    def encode(self, function: str, *args: Any) -> bytes:
        return interface(self.name).functions[function].encode(*args)

    def call(
        self, function: str, *args: Any, summary: str, event: str | None = None, topics: tuple[bytes, ...] = ()
    ) -> Call:
        """A call that must make ``event``, with its first indexed arguments as in ``topics`` (32 bytes each)."""
        expects = ExpectedEvent(self.address, (self.event_topic(event), *topics)) if event else None
        return Call(self.address, self.encode(function, *args), expects, summary)

    async def read(self, function: str, *args: Any, block: Block | ChainBlock = "latest", agreed: bool = False) -> Any:
        """The one value that a view returns, or a tuple of several. ``agreed``: by every endpoint, see
        Chain.read_agreed, at ``block`` if that is one of Chain.agreed_block.

        Raises ContractMissing, Reverted, ChainUnreachable, ChainRefused and, where agreed, EndpointsDisagree.
        """
        entry = interface(self.name).functions[function]
        data = entry.encode(*args)
        if agreed:
            answer = await self.chain.read_agreed(
                self.address, data, block=block if isinstance(block, ChainBlock) else None
            )
        else:
            answer = await self.chain.read(self.address, data, block=block)
        try:
            values = decode_values(entry.outputs, answer)
        except ValueError:
            raise ContractMissing(
                f"the contract at {self.address} is no {self.name}; check the file of addresses"
            ) from None
        return values[0] if len(values) == 1 else values

    def event_topic(self, name: str) -> bytes:
        return interface(self.name).events[name].topic

    def decode_log(self, log: Log) -> Event | None:
        """None for a log that is not this contract's, or of no event that it has or could have made."""
        entry = interface(self.name).events_by_topic.get(log.topics[0]) if log.topics else None
        if entry is None or log.address != self.address:
            return None
        try:
            args = decode_event(entry, log)
        except ValueError:  # an endpoint invents; a reader that stopped here would stop here for ever
            return None
        return Event(entry.name, args, log.address, log.block_number, log.block_hash, log.tx_hash, log.log_index)


def address_topic(address: str) -> bytes:
    """An address as an indexed argument."""
    return bytes(12) + bytes.fromhex(address.removeprefix("0x"))


def number_topic(number: int) -> bytes:
    return number.to_bytes(32)
