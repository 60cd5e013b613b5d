"""One event as a chain stores it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moray.ethereum import to_checksum_address


@dataclass(frozen=True, slots=True)
class Log:
    address: str  # EIP-55
    topics: tuple[bytes, ...]
    data: bytes
    block_number: int
    block_hash: bytes
    tx_hash: bytes
    log_index: int  # in its chain_block

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Log:
        """From JSON-RPC's form, or web3's of it. Raises KeyError, TypeError and ValueError for anything else."""
        return cls(
            address=to_checksum_address(fields["address"]),
            topics=tuple(as_bytes(topic) for topic in fields["topics"]),
            data=as_bytes(fields["data"]),
            block_number=as_int(fields["blockNumber"]),
            block_hash=as_bytes(fields["blockHash"]),
            tx_hash=as_bytes(fields["transactionHash"]),
            log_index=as_int(fields["logIndex"]),
        )


def as_int(value: int | str) -> int:
    return int(value, 16) if isinstance(value, str) else int(value)


def as_bytes(value: bytes | str) -> bytes:
    return bytes.fromhex(value.removeprefix("0x")) if isinstance(value, str) else bytes(value)


def as_hex(data: bytes) -> str:
    """As JSON-RPC takes bytes."""
    return f"0x{data.hex()}"
