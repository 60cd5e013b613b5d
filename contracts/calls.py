"""What somebody wants a contract to do, and how the chain shows that it was done."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ExpectedEvent:
    """What ``address`` emits when the call did what it is for. ``topics``: the first ones, of 32 bytes each, the
    event's own before those of its arguments."""

    address: str
    topics: tuple[bytes, ...]

    def is_in(self, address: str, topics: tuple[bytes, ...]) -> bool:
        """Whether a log of ``address`` with ``topics`` is this event."""
        return address.lower() == self.address.lower() and topics[: len(self.topics)] == self.topics


@dataclass(frozen=True, slots=True)
class Call:
    """A call of the contract ``to`` with ``data``. ``expects`` is None where a contract emits nothing; ``summary`` is
    one line for people and logs, as "accept task 0x12ab"."""

    to: str
    data: bytes
    expects: ExpectedEvent | None
    summary: str
    value_wei: int = 0
