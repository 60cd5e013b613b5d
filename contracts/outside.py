"""Contracts that others wrote: known by an address and the signatures of what is used of them, not by a whole ABI.

A signature is Solidity's with types only, "transfer(address,uint256)", and that of a view says what it returns.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from eth_abi.grammar import parse

from moray.contracts.calls import Call, ExpectedEvent
from moray.contracts.chain import Block, Chain, ChainBlock
from moray.contracts.interface import Entry, Parameter, decode_values
from moray.errors import BadSetting, ContractMissing
from moray.ethereum import is_checksum_address, keccak


@dataclass(frozen=True, slots=True)
class Read:
    """A question to a view; ``function`` as "balanceOf(address) returns (uint256)"."""

    address: str
    function: str
    args: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        check_address(self.address)

    @property
    def data(self) -> bytes:
        return entry(self.function).encode(*self.args)

    def decode(self, answer: bytes) -> Any:
        """The one value, or a tuple of several. Raises ContractMissing for an answer of another shape."""
        try:
            values = decode_values(entry(self.function).outputs, answer)
        except ValueError:
            raise ContractMissing(
                f"the contract at {self.address} has no {self.function.partition('(')[0]}; check its address"
            ) from None
        return values[0] if len(values) == 1 else values

    async def ask(self, chain: Chain, block: Block | ChainBlock = "latest") -> Any:
        """Raises ContractMissing, Reverted, ChainUnreachable, ChainRefused."""
        return self.decode(await chain.read(self.address, self.data, block=block))


@cache
def entry(signature: str) -> Entry:
    """Of "name(types)" or "name(types) returns (types)"."""
    head, _, returned = signature.partition(" returns ")
    name, bracket, kinds = head.partition("(")
    return Entry(name, head, _parameters(bracket + kinds), _parameters(returned or "()"))


@cache
def topic(signature: str) -> bytes:
    """An event's own topic."""
    return keccak(signature.encode())


def outside_call(
    address: str,
    function: str,
    *args: Any,
    summary: str,
    proof: ExpectedEvent | None,
    value_wei: int = 0,
) -> Call:
    """Raises BadSetting for an address without checksum, ValueError for arguments that do not fit."""
    check_address(address)
    return Call(address, entry(function).encode(*args), proof, summary, value_wei)


def check_address(address: str) -> None:
    """Raises BadSetting."""
    if not is_checksum_address(address):
        raise BadSetting(f"{address!r} is no address with a checksum (EIP-55); correct it")


def _parameters(kinds: str) -> tuple[Parameter, ...]:
    if kinds == "()":
        return ()
    return tuple(Parameter(str(place), kind.to_type_str()) for place, kind in enumerate(parse(kinds).components))
