"""A task's terms, its contents and its life, as the task market has them (contracts/src/interfaces/ITaskMarket.sol)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from moray.contracts.interface import interface
from moray.errors import BadInput

MAX_INLINE_BYTES = 8192
NOBODY = "0x0000000000000000000000000000000000000000"


class Status(IntEnum):
    NONE = 0
    FUNDED = 1
    ACCEPTED = 2
    SUBMITTED = 3
    CHALLENGED = 4
    CANCELLED = 5
    EXPIRED = 6
    VALID = 7
    INVALID = 8
    INCONCLUSIVE = 9

    @property
    def is_final(self) -> bool:
        return self >= Status.CANCELLED


class Outcome(IntEnum):
    """A resolver's judgement of a whole result."""

    VALID = 0
    INVALID = 1
    INCONCLUSIVE = 2


@dataclass(frozen=True, slots=True)
class Task:
    """The terms, in the contract's order. Money is in base units of the currency, times in Unix seconds or seconds."""

    client: str  # pays the fee; is refunded
    provider: str  # who alone may accept; NOBODY: anyone
    model_id: bytes
    spec_hash: bytes  # keccak256 of the specification's bytes
    spec_uri: str  # where they are; "": in the call that creates the task
    fee: int
    bond: int  # the provider's, and a challenger's; at least the fee
    accept_by: int
    submit_within: int  # seconds from acceptance
    challenge_window: int  # seconds from submission
    resolve_within: int  # seconds from the challenge
    resolver: str  # judges a challenge
    callback: str  # is told the end; NOBODY: nobody is
    callback_gas: int
    salt: bytes  # makes two equal tasks two

    def as_struct(self) -> tuple[Any, ...]:
        return tuple(getattr(self, field.name) for field in fields(self))


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes that are in a call itself, or with ``uri`` elsewhere under their hash; then ``data`` is empty."""

    hash: bytes
    data: bytes
    uri: str

    @classmethod
    def of(cls, data: bytes, uri: str = "") -> Content:
        """Inline up to MAX_INLINE_BYTES, longer ones at ``uri``. Raises BadInput where that is missing."""
        if len(data) <= MAX_INLINE_BYTES:
            return cls(keccak(data), data, "")
        if not uri:
            raise BadInput(
                f"a content of {len(data)} bytes is too long for a call ({MAX_INLINE_BYTES}); say where it is"
            )
        return cls(keccak(data), b"", uri)

    def as_struct(self) -> tuple[bytes, bytes, str]:
        return self.hash, self.data, self.uri


def task_id(task: Task, chain_id: int, market: str) -> bytes:
    """32 bytes over chain, market and all terms, as TaskMarket.taskId computes it."""
    kind = interface("TaskMarket").functions["taskId"].inputs[0].kind
    return keccak(encode(["uint256", "address", kind], [chain_id, market, task.as_struct()]))


def short(id: bytes) -> str:
    """An id as summaries and logs show it."""
    return f"0x{id[:4].hex()}.."
